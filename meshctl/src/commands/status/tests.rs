use super::*;
use crate::embedded::status::{Ingress, WorkloadStatus};

fn mk_status(namespaces: &[&str]) -> Status {
    let workload = |namespace: &&str| WorkloadStatus {
        name: "web-0".to_owned(),
        namespace: (*namespace).to_owned(),
        version: String::new(),
        pid: None,
        sidecar_pid: None,
        app_url: None,
        inbound: None,
        outbound: Some("http://127.7.1.1:15002".to_owned()),
        admin: "http://127.7.1.1:15000".to_owned(),
        ready: true,
        restarts: 0,
        state: None,
    };
    Status {
        ingress: Ingress {
            http: "http://127.0.0.1:8080".to_owned(),
        },
        components: Vec::new(),
        workloads: namespaces.iter().map(workload).collect(),
    }
}

#[test]
fn a_namespace_without_workloads_is_told() {
    let check = |namespaces: &[&str], wanted: Option<&str>, expected: Option<&str>| {
        let got = nobody(&mk_status(namespaces), wanted);
        assert_eq!(got.as_deref(), expected, "{namespaces:?} {wanted:?}");
    };
    check(&["a", "b"], None, None);
    check(&["a", "b"], Some("b"), None);
    check(
        &["b", "a", "b"],
        Some("nope"),
        Some("no workloads in namespace nope; there are some in a, b"),
    );
    check(
        &[],
        Some("nope"),
        Some("no workloads in namespace nope; the mesh has none"),
    );
}
