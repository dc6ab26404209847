//! Pods whose proxy we bring: objects beside those that the supervisor writes into `cluster/`
//! (docs/local-mesh.md).

use std::net::{Ipv4Addr, SocketAddr};

use mesh_tests::Mesh;
use mesh_tests::status::address;
use serde_json::{Value, json};

/// A pod, and where its proxy listens.
pub(super) struct Guest {
    pub(super) name: &'static str,
    pub(super) namespace: &'static str,
    pub(super) account: &'static str,
    /// `sidecar` or `router`, as node ids have it.
    pub(super) role: &'static str,
    pub(super) ip: Ipv4Addr,
    labels: Value,
    /// The annotation `mesh/listeners`.
    pub(super) listeners: Value,
    /// Where it takes what is meant for it, or lets requests in.
    pub(super) entry: SocketAddr,
}

/// What calls services, and the last part of the address at which it does.
const CALLED: [(&str, u8); 2] = [("ratings", 11), ("details", 12)];

impl Guest {
    /// One more pod of reviews; its application is that of v2.
    pub(super) fn reviews(mesh: &Mesh) -> Self {
        let ip = own(mesh, 200);
        let status = mesh.status();
        let app = address(status.workload("reviews-v2").app_url.as_ref().unwrap());
        let entry = SocketAddr::new(ip.into(), 9080);
        let outbound: serde_json::Map<String, Value> = CALLED
            .iter()
            .map(|(service, last)| {
                let [a, b, c, _] = ip.octets();
                let at = format!("{}:9080", Ipv4Addr::new(a, b, c, *last));
                (
                    format!("{service}.default.svc.cluster.local:9080"),
                    at.into(),
                )
            })
            .collect();
        Self {
            name: "reviews-envoy-0",
            namespace: "default",
            account: "bookinfo-reviews",
            role: "sidecar",
            ip,
            labels: json!({"app": "reviews", "version": "envoy",
                "security.istio.io/tlsMode": "istio",
                "service.istio.io/workload-name": "reviews-envoy"}),
            listeners: json!({
                "inbound": {"9080": {"bind": entry, "app": app}},
                "outbound": outbound,
                "httpProxy": format!("{ip}:15002"),
            }),
            entry,
        }
    }

    /// One more pod of the ingress gateway.
    pub(super) fn gateway(mesh: &Mesh) -> Self {
        let ip = own(mesh, 201);
        let entry = SocketAddr::new(ip.into(), mesh.gateway().port());
        Self {
            name: "ingress-envoy-0",
            namespace: "istio-system",
            account: "istio-ingressgateway-service-account",
            role: "router",
            ip,
            labels: json!({"app": "istio-ingressgateway", "istio": "ingressgateway",
                "service.istio.io/workload-name": "ingress-envoy"}),
            listeners: json!({"gateway": ip}),
            entry,
        }
    }

    /// A pod whose gRPC library asks pilot itself.
    pub(super) fn library(mesh: &Mesh) -> Self {
        let ip = own(mesh, 202);
        Self {
            name: "library-0",
            namespace: "default",
            account: "library",
            role: "sidecar",
            ip,
            labels: json!({"app": "library", "service.istio.io/workload-name": "library"}),
            listeners: json!({}),
            entry: SocketAddr::new(ip.into(), 9),
        }
    }

    /// Who it is.
    pub(super) fn identity(&self) -> String {
        format!(
            "spiffe://cluster.local/ns/{}/sa/{}",
            self.namespace, self.account
        )
    }

    /// Its node, as it introduces itself to pilot.
    pub(super) fn node(&self) -> Value {
        let Self {
            name,
            namespace,
            account,
            role,
            ip,
            ..
        } = self;
        json!({
            "id": format!("{role}~{ip}~{name}.{namespace}~{namespace}.svc.cluster.local"),
            "cluster": format!("{name}.{namespace}"),
            "metadata": {"NAMESPACE": namespace, "SERVICE_ACCOUNT": account, "INTERCEPTION_MODE": "NONE"},
        })
    }

    /// The pod is there, and ready.
    pub(super) fn enter(&self, mesh: &Mesh) {
        let mut annotations = json!({});
        annotations["mesh/listeners"] = self.listeners.to_string().into();
        let ports = json!([{"containerPort": self.entry.port(), "protocol": "TCP"}]);
        self.write(
            mesh,
            "pod",
            &json!({
                "apiVersion": "v1", "kind": "Pod",
                "metadata": {"name": self.name, "namespace": self.namespace, "labels": self.labels,
                    "annotations": annotations},
                "spec": {"serviceAccountName": self.account,
                    "containers": [{"name": "app", "ports": ports}]},
                "status": {"phase": "Running", "podIP": self.ip, "podIPs": [{"ip": self.ip}],
                    "conditions": [{"type": "Ready", "status": "True"}]},
            }),
        );
    }

    /// Its service leads to it as well.
    pub(super) fn serve(&self, mesh: &Mesh) {
        let target = json!({"kind": "Pod", "name": self.name, "namespace": self.namespace});
        self.write(
            mesh,
            "endpointslice",
            &json!({
                "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice",
                "metadata": {"name": self.name, "namespace": self.namespace,
                    "labels": {"kubernetes.io/service-name": "reviews"}},
                "addressType": "IPv4",
                "ports": [{"name": "http", "port": self.entry.port(), "protocol": "TCP"}],
                "endpoints": [{"addresses": [self.ip], "targetRef": target,
                    "conditions": {"ready": true, "serving": true, "terminating": false}}],
            }),
        );
    }

    /// By rename, as everything comes there.
    fn write(&self, mesh: &Mesh, kind: &str, object: &Value) {
        let folder = mesh.state().join("cluster");
        let name = format!("{kind}.{}.{}.yaml", self.namespace, self.name);
        let unfinished = folder.join(format!(".{name}"));
        std::fs::write(&unfinished, object.to_string()).unwrap();
        std::fs::rename(unfinished, folder.join(name)).unwrap();
    }
}

/// An address of the mesh's network that no workload of Bookinfo has.
fn own(mesh: &Mesh, number: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, network(mesh), number, 1)
}

/// Where pilot is.
pub(super) fn pilot(mesh: &Mesh) -> SocketAddr {
    SocketAddr::from(([127, network(mesh), 0, 11], 15012))
}

/// The second part of all addresses of a mesh.
fn network(mesh: &Mesh) -> u8 {
    let status = mesh.status();
    let pilot = status.component("pilot").admin.clone();
    match address(&pilot) {
        SocketAddr::V4(address) => address.ip().octets()[1],
        SocketAddr::V6(address) => panic!("{address} is of no local mesh"),
    }
}
