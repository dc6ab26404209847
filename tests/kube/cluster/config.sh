# Certificates and configuration files of a cluster, in its folder. Sourced by cluster.sh.

leaf() { # NAME SUBJECT [SAN]
  openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
    -keyout "$1.key" -out "$1.csr" -subj "$2" 2>/dev/null
  {
    echo "extendedKeyUsage=clientAuth,serverAuth"
    [ -z "${3-}" ] || echo "subjectAltName=$3"
  } >"$1.ext"
  openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 30 \
    -extfile "$1.ext" -out "$1.crt" 2>/dev/null
}

kubeconfig() { # NAME: for whom the certificate of that name is
  cat >"$CLUSTER/$1.conf" <<T
apiVersion: v1
kind: Config
current-context: cluster
contexts: [{name: cluster, context: {cluster: cluster, user: $1}}]
clusters: [{name: cluster, cluster: {server: "$API", certificate-authority-data: $(base64 -w0 ca.crt)}}]
users: [{name: $1, user: {client-certificate-data: $(base64 -w0 "$1.crt"), client-key-data: $(base64 -w0 "$1.key")}}]
T
}

certificates() {
  cd "$PKI"
  local service=kubernetes.default.svc.cluster.local
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 \
    -keyout ca.key -out ca.crt -subj /CN=kubernetes-ca 2>/dev/null
  openssl genrsa -out sa.key 2048 2>/dev/null
  openssl rsa -in sa.key -pubout -out sa.pub 2>/dev/null
  leaf apiserver /CN=kube-apiserver "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:$service,DNS:localhost,IP:127.0.0.1,IP:$API_IP,IP:$NODE_IP"
  leaf admin /O=system:masters/CN=admin
  leaf kubelet "/O=system:nodes/CN=system:node:$NODE" "DNS:$NODE,IP:127.0.0.1,IP:$NODE_IP"
  leaf controller /CN=system:kube-controller-manager
  leaf scheduler /CN=system:kube-scheduler
  leaf proxy /CN=system:kube-proxy
  leaf dns /O=system:masters/CN=dns
  local who
  for who in admin kubelet controller scheduler proxy dns; do kubeconfig $who; done
}

files() {
  cat >"$CLUSTER/containerd.toml" <<T
version = 3
root = "$CLUSTER/containerd"
state = "$CLUSTER/run/state"
disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.devmapper"]
[grpc]
  address = "$SOCK"
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = "localhost/pause:1"
[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true
  disable_apparmor = true
  disable_hugetlb_controller = true
  tolerate_missing_hugetlb_controller = true
[plugins.'io.containerd.cri.v1.runtime'.cni]
  bin_dirs = ["/usr/lib/cni"]
  conf_dir = "$CLUSTER/cni"
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
  runtime_type = "io.containerd.runc.v2"
[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
  BinaryName = "/usr/sbin/runc"
  SystemdCgroup = false
T
  # Routed, not bridged: what one pod sends another passes the node's netfilter, whatever the
  # kernel makes of bridges.
  cat >"$CLUSTER/cni/10-pods.conflist" <<T
{"cniVersion":"1.0.0","name":"pods","plugins":[
 {"type":"ptp","ipMasq":false,"ipam":{"type":"host-local","ranges":[[{"subnet":"$POD_CIDR"}]],
  "routes":[{"dst":"0.0.0.0/0"}],"dataDir":"$CLUSTER/run/ipam"}},
 {"type":"portmap","capabilities":{"portMappings":true}}]}
T
  cat >"$CLUSTER/kubelet.yaml" <<T
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: false}, x509: {clientCAFile: $PKI/ca.crt}, webhook: {enabled: true}}
authorization: {mode: Webhook}
tlsCertFile: $PKI/kubelet.crt
tlsPrivateKeyFile: $PKI/kubelet.key
containerRuntimeEndpoint: unix://$SOCK
cgroupDriver: cgroupfs
cgroupRoot: /$NS
failCgroupV1: false
failSwapOn: false
enforceNodeAllocatable: []
localStorageCapacityIsolation: false
clusterDNS: [$DNS_IP]
clusterDomain: cluster.local
resolvConf: $CLUSTER/resolv.conf
syncFrequency: 5s
nodeStatusUpdateFrequency: 2s
podLogsDir: $CLUSTER/podlogs
volumePluginDir: $CLUSTER/kubelet/volumeplugins
evictionHard: {memory.available: "50Mi", nodefs.available: "1%", imagefs.available: "1%"}
imageGCHighThresholdPercent: 99
imageGCLowThresholdPercent: 98
T
  : >"$CLUSTER/resolv.conf"
  cat >"$CLUSTER/Corefile" <<T
.:53 {
  bind $NODE_IP
  errors
  ready 127.0.0.1:8181
  kubernetes cluster.local in-addr.arpa ip6.arpa {
    kubeconfig $CLUSTER/dns.conf
  }
}
T
  cat >"$CLUSTER/dns.yaml" <<T
apiVersion: v1
kind: Service
metadata: {name: kube-dns, namespace: kube-system}
spec: {clusterIP: $DNS_IP, ports: [{name: dns, port: 53, protocol: UDP}, {name: dns-tcp, port: 53, protocol: TCP}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: kube-dns, namespace: kube-system, labels: {kubernetes.io/service-name: kube-dns}}
addressType: IPv4
ports: [{name: dns, port: 53, protocol: UDP}, {name: dns-tcp, port: 53, protocol: TCP}]
endpoints: [{addresses: [$NODE_IP]}]
T
}
