#!/usr/bin/env bash
# A real Kubernetes of one node on this machine: etcd, kube-apiserver, controller-manager, scheduler,
# kubelet, kube-proxy, containerd and CoreDNS, in PID, mount and network namespaces of their own that
# one veth pair joins to the host. Nothing of it can reach further than the host.
#
#   cluster.sh build                            builds the programs, once (minutes)
#   cluster.sh programs                         the folder of the programs
#   cluster.sh up                               ready when it returns
#   cluster.sh hold                             picks a free CLUSTER_ID, up, says `ready ID FOLDER`;
#                                               down when its input ends
#   cluster.sh image NAME FOLDER ENTRYPOINT...  packs a folder and imports it
#                                               (IMAGE_USER=uid:gid, IMAGE_ENV="A=1 B=2")
#   cluster.sh kubectl|helm|ctr ARGS...
#   cluster.sh stop|start COMPONENT             kills and revives a part
#   cluster.sh logs COMPONENT
#   cluster.sh down                             leaves nothing
#
# Needs root, and Debian's runc, containernetworking-plugins, iptables, nftables and openssl.
# CLUSTER_ID (0 to 9): several clusters side by side. CLUSTER: its folder. CLUSTER_TOOLS: where the
# programs are. PROXY_MODE: iptables (default) or nftables.
set -euo pipefail
SELF=$(readlink -f "${BASH_SOURCE[0]}") HERE=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
TOOLS=${CLUSTER_TOOLS:-${CARGO_TARGET_DIR:-$HERE/../../../target}/tools/kube}
BIN=$TOOLS/$(cd "$HERE" && sha256sum build.sh */go.mod */go.sum */*.go | sha256sum | head -c 12)
COMPONENTS="etcd containerd apiserver controller scheduler kubelet proxy dns"
. "$HERE/config.sh"
. "$HERE/image.sh"

identify() { # ID: everything that tells one cluster from another
  ID=$1 NS=mesh-cluster-$1 NODE=node$1 LINK=mesh-c$1
  CLUSTER=${CLUSTER:-/tmp/$NS}
  HOST_IP=10.200.$1.1 NODE_IP=10.200.$1.2 POD_CIDR=10.244.$1.0/24
  SVC_CIDR=10.$((96 + $1)).0.0/16 API_IP=10.$((96 + $1)).0.1 DNS_IP=10.$((96 + $1)).0.10
  API=https://$NODE_IP:6443 PKI=$CLUSTER/pki SOCK=$CLUSTER/run/containerd.sock
  # What kubectl and Helm remember belongs to the cluster, too.
  export KUBECONFIG=$CLUSTER/admin.conf KUBECACHEDIR=$CLUSTER/cache HELM_CACHE_HOME=$CLUSTER/cache
  export HELM_CONFIG_HOME=$CLUSTER/helm HELM_DATA_HOME=$CLUSTER/helm
  export PATH=$BIN:/usr/sbin:/usr/bin:/sbin:/bin:$PATH
}

fail() {
  echo "cluster ${ID:-}: $*" >&2
  exit 1
}

wait_for() { # SECONDS WHAT COMMAND...
  local end=$((SECONDS + $1)) what=$2
  shift 2
  until "$@" >/dev/null 2>&1; do
    [ $SECONDS -lt "$end" ] || fail "not in time: $what"
    sleep 0.1
  done
}

# In the node's namespaces.
inside() { nsenter --target "$(cat "$CLUSTER/node.pid")" --pid --mount --net -- "$@"; }

answers() { # PORT PATH: whether the node's loopback says 200
  inside timeout 5 bash -c 'exec 3<>"/dev/tcp/127.0.0.1/$0" && printf "GET %s HTTP/1.0\r\n\r\n" "$1" >&3 &&
    grep -q "^HTTP/1.. 200" <&3' "$@"
}

component() { # NAME: becomes that component
  local local_only=--bind-address=127.0.0.1
  echo $$ >"$CLUSTER/run/$1.pid"
  case $1 in
    etcd) exec etcd --data-dir "$CLUSTER/etcd" --unsafe-no-fsync \
      --listen-client-urls http://127.0.0.1:2379 --advertise-client-urls http://127.0.0.1:2379 \
      --listen-peer-urls http://127.0.0.1:2380 --initial-advertise-peer-urls http://127.0.0.1:2380 \
      --initial-cluster default=http://127.0.0.1:2380 ;;
    containerd) exec containerd -c "$CLUSTER/containerd.toml" ;;
    apiserver) exec kube-apiserver --etcd-servers=http://127.0.0.1:2379 \
      --advertise-address="$NODE_IP" --secure-port=6443 --shutdown-delay-duration=0 \
      --tls-cert-file="$PKI/apiserver.crt" --tls-private-key-file="$PKI/apiserver.key" \
      --client-ca-file="$PKI/ca.crt" --kubelet-certificate-authority="$PKI/ca.crt" \
      --kubelet-client-certificate="$PKI/admin.crt" --kubelet-client-key="$PKI/admin.key" \
      --kubelet-preferred-address-types=InternalIP --authorization-mode=Node,RBAC \
      --service-account-key-file="$PKI/sa.pub" --service-account-signing-key-file="$PKI/sa.key" \
      --service-account-issuer=https://kubernetes.default.svc.cluster.local \
      --service-cluster-ip-range="$SVC_CIDR" --allow-privileged=true ;;
    # An API server that is away for a minute must not make the only node a dead one.
    controller) exec kube-controller-manager --kubeconfig="$CLUSTER/controller.conf" $local_only \
      --node-monitor-grace-period=10m \
      --use-service-account-credentials --service-account-private-key-file="$PKI/sa.key" \
      --root-ca-file="$PKI/ca.crt" --cluster-signing-cert-file="$PKI/ca.crt" \
      --cluster-signing-key-file="$PKI/ca.key" --leader-elect=false \
      --flex-volume-plugin-dir="$CLUSTER/kubelet/volumeplugins" \
      --controllers='*,-nodeipam,-node-route-controller,-cloud-node-lifecycle-controller' ;;
    scheduler) exec kube-scheduler --kubeconfig="$CLUSTER/scheduler.conf" $local_only \
      --leader-elect=false ;;
    kubelet) exec kubelet --config="$CLUSTER/kubelet.yaml" --kubeconfig="$CLUSTER/kubelet.conf" \
      --hostname-override="$NODE" --node-ip="$NODE_IP" --root-dir="$CLUSTER/kubelet" \
      --cert-dir="$PKI" ;;
    # Leaves the kernel's size and times of connection tracking as they are: they are the host's.
    proxy) exec kube-proxy --kubeconfig="$CLUSTER/proxy.conf" $local_only \
      --proxy-mode="${PROXY_MODE:-iptables}" --hostname-override="$NODE" --cluster-cidr="$POD_CIDR" \
      --conntrack-max-per-core=0 --conntrack-tcp-timeout-established=0 \
      --conntrack-tcp-timeout-close-wait=0 ;;
    dns) exec coredns -conf "$CLUSTER/Corefile" ;;
  esac
}

known() {
  case " $COMPONENTS " in *" $1 "*) ;; *) fail "no component $1; there are: $COMPONENTS" ;; esac
}

alive() { # COMPONENT
  [ -f "$CLUSTER/run/$1.pid" ] && inside kill -0 "$(cat "$CLUSTER/run/$1.pid")" 2>/dev/null
}

start() { # COMPONENT
  known "$1"
  ! alive "$1" || fail "$1 runs"
  inside setsid env CLUSTER_ID="$ID" CLUSTER="$CLUSTER" CLUSTER_TOOLS="$TOOLS" "$SELF" component "$1" \
    >>"$CLUSTER/log/$1.log" 2>&1 </dev/null &
}

stop() { # COMPONENT: as a crash
  known "$1"
  alive "$1" || fail "$1 does not run"
  inside kill -KILL "$(cat "$CLUSTER/run/$1.pid")"
  wait_for 10 "the end of $1" eval "! alive $1"
}

# The node's first process: makes the mounts private, keeps the namespaces alive, and reaps.
node() {
  mount --make-rshared /
  local folder file expected over
  # What programs write outside the cluster's folder, whatever they are told, ends up in it.
  for folder in /var/log /var/lib; do
    over=$CLUSTER/over$folder
    mkdir -p "$over/upper" "$over/work"
    mount -t overlay -o "lowerdir=$folder,upperdir=$over/upper,workdir=$over/work" over $folder
  done
  mount -t tmpfs -o mode=755 tmpfs /run
  mkdir -p /run/netns /run/lock
  # The kubelet sets these for the whole kernel; here it finds them as it wants them.
  for file in vm/overcommit_memory=1 vm/panic_on_oom=0 kernel/panic=10 kernel/panic_on_oops=1 \
    kernel/keys/root_maxkeys=1000000 kernel/keys/root_maxbytes=25000000; do
    expected=$CLUSTER/run/sysctl.$(basename "${file%=*}")
    echo "${file#*=}" >"$expected"
    mount --bind "$expected" "/proc/sys/${file%=*}"
  done
  cgroups
  touch "$CLUSTER/run/node"
  trap 'exit 0' TERM
  while :; do sleep 3600 & wait $!; done
}

cgroups() {
  local tree=/sys/fs/cgroup controller
  if [ -f $tree/cgroup.controllers ]; then
    for controller in cpuset cpu io memory pids; do
      echo "+$controller" >$tree/cgroup.subtree_control || true
    done
    mkdir -p "$tree/$NS"
    return
  fi
  for controller in "$tree"/*/; do
    [ ! -w "$controller/cgroup.procs" ] || mkdir -p "$controller/$NS"
  done
  [ ! -d $tree/cpuset ] || for controller in cpus mems; do
    cat $tree/cpuset/cpuset.$controller >"$tree/cpuset/$NS/cpuset.$controller"
  done
}

network() {
  ip link add "$LINK" type veth peer name eth0 netns "$NS"
  ip addr add "$HOST_IP/30" dev "$LINK"
  ip link set "$LINK" up
  ip -n "$NS" link set lo up
  ip -n "$NS" addr add "$NODE_IP/30" dev eth0
  ip -n "$NS" link set eth0 up
  # What goes elsewhere ends here: a cluster has no way out of the machine.
  ip -n "$NS" link add sink type veth peer name drain
  ip -n "$NS" link set drain arp off up
  ip -n "$NS" link set sink arp off up
  ip -n "$NS" route add default dev sink
  ip route add "$POD_CIDR" via "$NODE_IP"
  ip route add "$SVC_CIDR" via "$NODE_IP"
  nsenter --net="/run/netns/$NS" sysctl -qw net.ipv4.ip_forward=1
}

image() { # NAME FOLDER ENTRYPOINT...
  pack "$CLUSTER/image.$$" "$@"
  inside ctr -a "$SOCK" -n k8s.io images import "$CLUSTER/image.$$" >/dev/null
  rm "$CLUSTER/image.$$"
}

claim() { # takes the name of the network namespace, which only one can have
  ip netns add "$NS" 2>/dev/null
}

up() {
  built || fail "the programs are not built: $SELF build"
  claim || fail "is up already, or was left by a killed one: $SELF down"
  trap give_up EXIT
  bring_up
  trap - EXIT
}

bring_up() {
  rm -rf "$CLUSTER"
  mkdir -p "$CLUSTER"/{pki,log,run,etcd,kubelet,podlogs,cni,pause}
  network
  nsenter --net="/run/netns/$NS" unshare --pid --mount --fork --mount-proc --kill-child \
    env CLUSTER_ID="$ID" CLUSTER="$CLUSTER" "$SELF" node </dev/null >"$CLUSTER/log/node.log" 2>&1 &
  local shell=$!
  wait_for 10 "the node's first process" test -f "$CLUSTER/run/node"
  pgrep -P "$shell" >"$CLUSTER/node.pid"
  disown "$shell"
  (certificates)
  files
  start etcd
  start containerd
  start apiserver
  cp "$BIN/pause" "$CLUSTER/pause/"
  wait_for 60 containerd inside ctr -a "$SOCK" version
  image localhost/pause:1 "$CLUSTER/pause" /pause
  wait_for 60 kube-apiserver kubectl get --raw /readyz --request-timeout=5s
  local part
  for part in controller scheduler kubelet proxy dns; do start $part; done
  wait_for 30 "objects of DNS" kubectl apply --request-timeout=10s -f "$CLUSTER/dns.yaml"
  wait_for 60 "the node" kubectl get node "$NODE" --request-timeout=5s
  kubectl wait --for=condition=Ready "node/$NODE" --timeout=60s >/dev/null
  wait_for 60 "the default service account" kubectl get serviceaccount default --request-timeout=5s
  wait_for 30 kube-proxy answers 10256 /healthz
  wait_for 30 CoreDNS answers 8181 /ready
}

give_up() {
  tail -n 5 "$CLUSTER"/log/*.log >&2 || true
  down
}

down() {
  local pids folder
  pids=$(ip netns pids "$NS" 2>/dev/null || true)
  # The end of a PID namespace's first process is the end of all.
  [ -z "$pids" ] || kill -KILL $pids 2>/dev/null || true
  ip link del "$LINK" 2>/dev/null || true
  wait_for 20 "the end of its processes" eval '[ -z "$(ip netns pids "$NS" 2>/dev/null)" ]'
  wait_for 20 "the end of its control groups" remove_cgroups
  wait_for 20 "the end of its folder" rm -rf "$CLUSTER"
  # The name goes last: until then nobody else takes the ID.
  ip netns del "$NS" 2>/dev/null || true
}

remove_cgroups() {
  find /sys/fs/cgroup -depth -type d \( -path "*/$NS" -o -path "*/$NS/*" \) -exec rmdir {} +
}

hold() {
  built || fail "the programs are not built: $SELF build"
  local free="" id
  for id in 0 1 2 3 4 5 6 7 8 9; do
    unset CLUSTER
    identify $id
    if claim || { left_over && down && claim; }; then free=$id && break; fi
  done
  [ -n "$free" ] || fail "ten clusters are up"
  trap give_up EXIT
  bring_up
  trap down EXIT
  echo "ready $ID $CLUSTER"
  cat >/dev/null
}

# A namespace without processes that is older than a cluster needs for its first one.
left_over() {
  local since
  since=$(stat -c %Y "/run/netns/$NS") || return 1
  [ $(($(date +%s) - since)) -gt 30 ] && [ -z "$(ip netns pids "$NS")" ]
}

built() { [ -x "$BIN/ctr" ]; }

build() {
  mkdir -p "$TOOLS"
  exec 9>"$TOOLS/lock"
  flock 9
  built || "$HERE/build.sh" "$BIN"
}

verb=${1:-help}
shift || true
case $verb in
  build) build ;;
  programs) echo "$BIN" ;;
  hold) hold ;;
  up | down | node | component | start | stop | image) identify "${CLUSTER_ID:-0}" && "$verb" "$@" ;;
  kubectl | helm) identify "${CLUSTER_ID:-0}" && exec "$verb" "$@" ;;
  ctr) identify "${CLUSTER_ID:-0}" && inside ctr -a "$SOCK" -n k8s.io "$@" ;;
  logs) identify "${CLUSTER_ID:-0}" && exec tail -n "${LINES_OF_LOG:-50}" "$CLUSTER/log/$1.log" ;;
  *) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$SELF" >&2 && exit 2 ;;
esac
