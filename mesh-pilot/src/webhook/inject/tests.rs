use mesh_inject::patch::Operation;
use serde_json::{Value, json};

use super::*;
use crate::webhook::review::Kind;

fn creation(kind: &str, object: Value) -> Request {
    Request {
        uid: "1".into(),
        kind: Kind {
            group: String::new(),
            version: "v1".into(),
            kind: kind.into(),
        },
        namespace: "default".into(),
        operation: "CREATE".into(),
        object,
    }
}

fn pod(annotations: &Value) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"generateName": "web-5d8-", "annotations": annotations},
        "spec": {"containers": [{"name": "web", "image": "web"}]},
    })
}

#[test]
fn a_pod_gets_its_sidecar_by_patch() {
    let verdict = judge(&creation("Pod", pod(&json!({}))), &Settings::default());
    assert_eq!(verdict.refused, None);
    let added = serde_json::to_string(&verdict.patch).unwrap();
    for name in ["istio-proxy", "istio-init", "sidecar.istio.io/status"] {
        let name = name.replace('/', "~1");
        assert!(
            added.contains(&name) || added.contains(&name.replace("~1", "/")),
            "{name}: {added}"
        );
    }
    let first = &verdict.patch[0];
    assert!(matches!(
        first,
        Operation::Add { .. } | Operation::Replace { .. }
    ));
}

#[test]
fn a_pod_that_wants_none_passes_as_it_is() {
    let pod = pod(&json!({"sidecar.istio.io/inject": "false"}));
    let verdict = judge(&creation("Pod", pod), &Settings::default());
    assert_eq!(verdict, Verdict::default());
}

#[test]
fn a_pod_with_a_bad_annotation_is_refused_by_its_name() {
    let pod = pod(&json!({"traffic.sidecar.istio.io/includeInboundPorts": "http"}));
    let verdict = judge(&creation("Pod", pod), &Settings::default());
    let message = verdict.refused.unwrap().message;
    assert!(
        message.starts_with("the pod cannot get a sidecar: pod default/web-5d8-: ")
            && message.contains("includeInboundPorts"),
        "{message}"
    );
    assert_eq!(verdict.patch, []);
}

#[test]
fn other_kinds_and_other_operations_pass() {
    let settings = Settings::default();
    let other = creation("ConfigMap", json!({"data": {}}));
    assert_eq!(judge(&other, &settings), Verdict::default());
    let mut update = creation("Pod", pod(&json!({})));
    update.operation = "UPDATE".into();
    assert_eq!(judge(&update, &settings), Verdict::default());
}

#[test]
fn an_object_that_is_no_pod_at_all_is_refused_and_nothing_panics() {
    for object in [Value::Null, json!(7), json!({"spec": {"containers": 3}})] {
        let verdict = judge(&creation("Pod", object.clone()), &Settings::default());
        assert!(verdict.refused.is_some(), "{object}");
    }
}
