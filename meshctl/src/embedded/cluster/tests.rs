use std::path::PathBuf;

use mesh_api::decode::objects;
use serde_json::{Value, json};

use super::{PodState, fixed, moving};
use crate::embedded::addresses::{LowPorts, Network};
use crate::embedded::findings::Texts;
use crate::embedded::images::{ImageRule, Rule};
use crate::embedded::manifests::sort;
use crate::embedded::plan::sets::Sets;
use crate::embedded::plan::tests::mk_shop_in_namespaces;
use crate::embedded::plan::{Layout, Plan, Settings, make};

const WEB: &str = "
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{name: http, port: 80, targetPort: http}]}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web-v1}
spec:
  replicas: 2
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: web, ports: [{name: http, containerPort: 80}]}]}
";

fn mk_plan() -> Plan {
    let (manifests, _) = sort(objects("web.yaml", WEB).0, &Texts::default());
    let rule = Rule {
        rule: ImageRule {
            pattern: "*".to_owned(),
            command: vec!["web".to_owned()],
            ..ImageRule::default()
        },
        file: "local.yaml".to_owned(),
        index: 0,
        folder: PathBuf::from("/"),
    };
    let settings = Settings {
        layout: Layout::Loopback,
        network: Network(7),
        low_ports: LowPorts::Moved,
        ingress_port: 8081,
        state: PathBuf::from("/state"),
        ca_root: PathBuf::from("/state/ca/root-cert.pem"),
        sets: Sets::default(),
    };
    make(&manifests, &[rule], &settings, &mut (20_001..)).unwrap()
}

fn mk_object(states: &[PodState], name: &str) -> Value {
    let files = moving(&mk_plan(), states, PodState::Ready);
    let found = files.into_iter().find(|file| file.name == name);
    found.expect("there is such a file").object
}

#[test]
fn a_slice_follows_the_state_of_its_pods_and_has_the_ports_as_they_are_bound() {
    let slice = mk_object(
        &[PodState::Ready, PodState::Draining],
        "endpointslice.default.web-1.yaml",
    );
    let endpoint = |ip: &str, pod: &str, ready: bool| {
        json!({
            "addresses": [ip],
            "conditions": {"ready": ready, "serving": true, "terminating": !ready},
            "targetRef": {"kind": "Pod", "name": pod, "namespace": "default"},
        })
    };
    assert_eq!(
        slice["ports"],
        json!([{"name": "http", "port": 10080, "protocol": "TCP"}])
    );
    let endpoints = [
        endpoint("127.7.1.1", "web-v1-0", true),
        endpoint("127.7.2.1", "web-v1-1", false),
    ];
    assert_eq!(slice["endpoints"], json!(endpoints));
}

#[test]
fn a_pod_says_where_its_proxy_listens() {
    let pod = mk_object(
        &[PodState::Ready, PodState::Unready],
        "pod.default.web-v1-1.yaml",
    );
    let listeners = pod["metadata"]["annotations"]["mesh/listeners"]
        .as_str()
        .unwrap();
    let listeners: Value = serde_json::from_str(listeners).unwrap();
    let expected = json!({
        "inbound": {"80": {"bind": "127.7.2.1:10080", "app": "127.0.0.1:20002"}},
        "outbound": {"web.default.svc.cluster.local:80": "127.7.2.11:10080"},
        "httpProxy": "127.7.2.1:15002",
    });
    assert_eq!(listeners, expected);
    assert_eq!(pod["status"]["conditions"][0]["status"], "False");
    assert_eq!(
        pod["metadata"]["labels"]["service.istio.io/workload-name"],
        "web-v1"
    );
}

#[test]
fn the_gateway_serves_the_ingress_port_of_the_machine() {
    let pod = mk_object(
        &[PodState::Ready; 2],
        "pod.istio-system.istio-ingressgateway-0.yaml",
    );
    assert_eq!(
        pod["metadata"]["annotations"]["mesh/listeners"],
        r#"{"gateway":"127.0.0.1"}"#
    );
    let service = fixed(&mk_plan())
        .into_iter()
        .find(|file| file.name.contains("service.istio-system"));
    let port = &service.expect("the gateway has a service").object["spec"]["ports"][0];
    assert_eq!(
        *port,
        json!({"name": "http2", "port": 80, "targetPort": 8081, "protocol": "TCP"})
    );
}

#[test]
fn namespaces_and_accounts_that_nobody_declared_are_made() {
    let names: Vec<String> = fixed(&mk_plan())
        .into_iter()
        .map(|file| file.name)
        .collect();
    for wanted in [
        "namespace.default.yaml",
        "namespace.istio-system.yaml",
        "serviceaccount.default.default.yaml",
    ] {
        assert!(
            names.iter().any(|name| name == wanted),
            "{wanted} in {names:?}"
        );
    }
}

#[test]
fn in_namespaces_pods_and_services_are_as_kubernetes_has_them() {
    let plan = mk_shop_in_namespaces();
    let states = vec![PodState::Ready; plan.workloads.len()];
    let find = |name: &str| {
        let files = fixed(&plan).into_iter();
        let mut files = files.chain(moving(&plan, &states, PodState::Ready));
        files.find(|file| file.name == name).unwrap().object
    };
    assert_eq!(
        find("service.default.web.yaml")["spec"]["clusterIP"],
        "10.45.0.11"
    );
    let pod = find("pod.default.web-v1-0.yaml");
    assert_eq!(pod["status"]["podIP"], "10.44.1.2");
    assert_eq!(pod["metadata"]["annotations"], json!({}));
    let slice = find("endpointslice.default.web-1.yaml");
    assert_eq!(slice["ports"][0]["port"], 8080);
    assert_eq!(slice["endpoints"][0]["addresses"], json!(["10.44.1.2"]));
}
