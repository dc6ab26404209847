# Packs a folder as an image of one layer. Sourced by cluster.sh.

quoted() { # TEXT: as a string of JSON
  printf '"%s"' "$(sed 's/[\\"]/\\&/g' <<<"$1")"
}

blob() { # FOLDER FILE: moves it among the blobs; its descriptor's digest and size
  local digest size
  digest=$(sha256sum "$2" | cut -d ' ' -f 1)
  size=$(stat -c %s "$2")
  mv "$2" "$1/blobs/sha256/$digest"
  printf '"digest":"sha256:%s","size":%s' "$digest" "$size"
}

pack() { # ARCHIVE IMAGE FOLDER ENTRYPOINT...
  local archive=$1 image=$2 root=$3 oci=application/vnd.oci.image work layer config manifest
  local words='' variables='' word diff architecture
  shift 3
  case $(uname -m) in aarch64) architecture=arm64 ;; *) architecture=amd64 ;; esac
  for word in "$@"; do words+=${words:+,}$(quoted "$word"); done
  for word in ${IMAGE_ENV:-}; do variables+=,$(quoted "$word"); done
  work=$(mktemp -d "$archive.XXXX")
  mkdir -p "$work/blobs/sha256"
  tar --sort=name --mode=a+rX,u+w --numeric-owner --owner=0 --group=0 -C "$root" -cf "$work/layer" .
  diff=$(sha256sum "$work/layer" | cut -d ' ' -f 1)
  layer=$(blob "$work" "$work/layer")
  cat >"$work/config" <<J
{"architecture":"$architecture","os":"linux","config":{"User":"${IMAGE_USER:-}","Entrypoint":[$words],
"Env":["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"$variables]},
"rootfs":{"type":"layers","diff_ids":["sha256:$diff"]}}
J
  config=$(blob "$work" "$work/config")
  cat >"$work/manifest" <<J
{"schemaVersion":2,"mediaType":"$oci.manifest.v1+json",
"config":{"mediaType":"$oci.config.v1+json",$config},
"layers":[{"mediaType":"$oci.layer.v1.tar",$layer}]}
J
  manifest=$(blob "$work" "$work/manifest")
  echo '{"imageLayoutVersion":"1.0.0"}' >"$work/oci-layout"
  cat >"$work/index.json" <<J
{"schemaVersion":2,"manifests":[{"mediaType":"$oci.manifest.v1+json",$manifest,
"annotations":{"io.containerd.image.name":$(quoted "$image"),
"org.opencontainers.image.ref.name":$(quoted "${image##*:}")}}]}
J
  tar -C "$work" -cf "$archive" .
  rm -r "$work"
}
