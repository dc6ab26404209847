use mesh_api::kinds;
use serde_json::json;

use super::*;

fn kept(group: &str, kind: &str, value: &Value) -> Value {
    let keep = Keep::of(kinds::find(group, kind).unwrap());
    let text = value.to_string();
    keep.deserialize(&mut serde_json::Deserializer::from_str(&text))
        .unwrap()
}

#[test]
fn managed_fields_and_the_copy_of_kubectl_are_dropped_everywhere() {
    for kind in kinds::all() {
        let whole = json!({"metadata": {
            "name": "a",
            "uid": "u",
            "managedFields": [{"manager": "kubectl", "fieldsV1": {"f:spec": {}}}],
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}"},
        }});
        let kept = kept(kind.group, kind.kind, &whole).to_string();
        assert!(kept.contains(r#""name":"a""#), "{kept}");
        assert!(
            !kept.contains("anage") && !kept.contains("last-applied"),
            "{kept}"
        );
    }
}

#[test]
fn of_a_pod_stays_what_the_mesh_reads() {
    let whole = json!({
        "metadata": {"name": "a", "labels": {"app": "a"}, "generateName": "a-",
            "deletionTimestamp": "2026-01-01T00:00:00Z", "deletionGracePeriodSeconds": 30,
            "ownerReferences": [{"kind": "ReplicaSet", "name": "a-1", "uid": "u", "controller": true}]},
        "spec": {
            "containers": [{"name": "app", "image": "app:1", "env": [{"name": "PASSWORD", "value": "x"}],
                "ports": [{"containerPort": 80}], "resources": {}}],
            "nodeName": "n", "serviceAccountName": "s", "volumes": [{"name": "v"}], "hostNetwork": true},
        "status": {"phase": "Running", "podIP": "10.0.0.1", "startTime": "now",
            "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "now"}]},
    });
    let expected = json!({
        "metadata": {"name": "a", "labels": {"app": "a"},
            "deletionTimestamp": "2026-01-01T00:00:00Z",
            "ownerReferences": [{"kind": "ReplicaSet", "name": "a-1"}]},
        "spec": {"containers": [{"name": "app", "ports": [{"containerPort": 80}]}],
            "nodeName": "n", "serviceAccountName": "s", "hostNetwork": true},
        "status": {"phase": "Running", "podIP": "10.0.0.1",
            "conditions": [{"type": "Ready", "status": "True"}]},
    });
    assert_eq!(kept("", "Pod", &whole), expected);
}

#[test]
fn a_heartbeat_of_a_node_changes_nothing_that_is_kept() {
    let node = |beat: &str| {
        json!({"metadata": {"name": "n", "labels": {"topology.kubernetes.io/zone": "z"},
                "annotations": {"beat": beat}},
            "status": {"conditions": [{"type": "Ready", "lastHeartbeatTime": beat}],
                "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}]}})
    };
    let first = kept("", "Node", &node("1"));
    assert_eq!(first, kept("", "Node", &node("2")));
    assert_eq!(first["status"]["addresses"][0]["address"], "10.0.0.1");
}

#[test]
fn unknown_fields_of_the_mesh_stay_to_be_reported_and_the_status_goes() {
    let whole = json!({"metadata": {"name": "a", "generation": 3, "uid": "u"},
        "spec": {"hots": ["a"], "http": [1.5, -1, null, true]}, "sepc": {}, "status": {"x": 1}});
    let expected = json!({"metadata": {"name": "a", "generation": 3},
        "spec": {"hots": ["a"], "http": [1.5, -1, null, true]}, "sepc": {}});
    assert_eq!(
        kept("networking.istio.io", "VirtualService", &whole),
        expected
    );
}

#[test]
fn of_a_secret_stays_what_a_credential_may_have() {
    let whole = json!({"metadata": {"name": "a"}, "type": "Opaque",
        "data": {"tls.key": "a", "tls.crt": "b", "password": "c"}, "stringData": {"password": "c"}});
    let kept = kept("", "Secret", &whole);
    assert_eq!(kept["data"], json!({"tls.key": "a", "tls.crt": "b"}));
    assert!(!kept.to_string().contains("password"));
}

#[test]
fn values_of_another_shape_than_expected_are_kept_as_they_are() {
    let whole =
        json!({"metadata": {"name": "a"}, "endpoints": {"not": "a list"}, "addressType": 7});
    assert_eq!(kept("discovery.k8s.io", "EndpointSlice", &whole), whole);
    assert_eq!(
        kept("", "Pod", &json!({"spec": ["a"]})),
        json!({"spec": ["a"]})
    );
}
