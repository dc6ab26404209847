//! Where the sidecars of a mesh listen, as its pods say (docs/local-mesh.md).

use std::net::SocketAddr;

use serde_json::Value;

use crate::mesh::Mesh;
use crate::status::address;

impl Mesh {
    /// Where the sidecar of a pod listens for a service of the namespace `default`.
    #[track_caller]
    #[must_use]
    pub fn outbound(&self, pod: &str, service: &str, port: u16) -> SocketAddr {
        let key = format!("{service}.default.svc.cluster.local:{port}");
        let listeners = self.listeners(pod);
        found(&listeners, &["outbound", &key])
    }

    /// Where the sidecar of a pod takes what is meant for a port of its application.
    #[track_caller]
    #[must_use]
    pub fn inbound(&self, pod: &str, port: u16) -> SocketAddr {
        let listeners = self.listeners(pod);
        found(&listeners, &["inbound", &port.to_string(), "bind"])
    }

    /// Where the ingress gateway listens.
    #[track_caller]
    #[must_use]
    pub fn gateway(&self) -> SocketAddr {
        address(&self.status().ingress.http)
    }

    /// The annotation `mesh/listeners` of a pod.
    #[track_caller]
    fn listeners(&self, pod: &str) -> Value {
        let file = format!("cluster/pod.default.{pod}.yaml");
        let pod = std::fs::read_to_string(self.state().join(file)).expect("the pod");
        let line = pod
            .lines()
            .find_map(|line| line.trim().strip_prefix("mesh/listeners: "));
        let quoted = line.expect("the pod has the annotation");
        // A quoted string of YAML, and JSON in it.
        let text: String = serde_json::from_str(quoted).expect("a quoted string");
        serde_json::from_str(&text).expect("JSON")
    }
}

#[track_caller]
fn found(listeners: &Value, path: &[&str]) -> SocketAddr {
    let value = path
        .iter()
        .try_fold(listeners, |value, name| value.get(name));
    let address = value.and_then(Value::as_str).map(str::parse);
    let address = address.and_then(Result::ok);
    assert!(address.is_some(), "no listener {path:?} in {listeners}");
    address.expect("this was looked at")
}
