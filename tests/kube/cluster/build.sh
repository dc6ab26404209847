#!/usr/bin/env bash
# Builds the programs of a cluster from pinned Go modules into FOLDER, through the ordinary Go client.
#
#   build.sh FOLDER
#
# Each folder beside this file is a module that pins one product and its sums. Needs Go 1.26 and a C
# compiler. The folder appears when all is built, so an interrupted build leaves none that looks done;
# the next one takes up what it left in FOLDER.part.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
folder=$1 part=$1.part
release=$(sed -n 's/^.*k8s.io\/kubernetes \(v[0-9.]*\).*/\1/p' "$here/kubernetes/go.mod" | head -n 1)
IFS=. read -r major minor _ <<<"${release#v}"
version=k8s.io/component-base/version

go_build() { # MODULE LDFLAGS PACKAGE...: every binary has the name of its package
  local module=$1 flags="-s -w $2"
  shift 2
  echo "building $module" >&2
  go build -C "$here/$module" -trimpath -ldflags="$flags" -o "$part/" "$@"
}

mkdir -p "$part"
# Reaps what a pod leaves behind and ends when it is told to; needs nothing of its image.
cc -static -Os -x c -o "$part/pause" - <<'C'
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>
static void end(int signal) { (void)signal; _exit(0); }
static void reap(int signal) { (void)signal; while (waitpid(-1, 0, WNOHANG) > 0); }
int main(void) {
  signal(SIGINT, end);
  signal(SIGTERM, end);
  signal(SIGCHLD, reap);
  for (;;) pause();
}
C
kubernetes=k8s.io/kubernetes/cmd
go_build kubernetes \
  "-X $version.gitVersion=$release -X $version.gitMajor=$major -X $version.gitMinor=$minor" \
  $kubernetes/{kube-apiserver,kube-controller-manager,kube-scheduler,kubectl,kubelet,kube-proxy}
go_build etcd '' -o "$part/etcd" go.etcd.io/etcd/server/v3
go_build helm '' helm.sh/helm/v4/cmd/helm
CGO_ENABLED=0 go_build coredns '' github.com/coredns/coredns
containerd=github.com/containerd/containerd/v2/cmd
go_build containerd '' -tags=no_btrfs,no_devmapper,no_zfs \
  $containerd/{containerd,containerd-shim-runc-v2,ctr}
CGO_ENABLED=0 go_build toolbox '' .
mv "$part" "$folder"
