use mesh_api::decode::objects;
use serde_json::{Value, json};

use super::*;

const REVIEWS: &str = "
apiVersion: v1
kind: Service
metadata: {name: reviews, namespace: default}
spec: {ports: [{name: http, port: 80}], selector: {app: reviews}}
";

fn request(operation: &str, object: Value) -> Request {
    Request {
        namespace: "default".into(),
        operation: operation.into(),
        object,
        ..Request::default()
    }
}

fn virtual_service(http: &Value) -> Value {
    json!({
        "apiVersion": "networking.istio.io/v1",
        "kind": "VirtualService",
        "metadata": {"name": "reviews", "namespace": "default", "uid": "x", "generation": 2,
            "creationTimestamp": "2026-01-01T00:00:00Z", "managedFields": [{"manager": "kubectl"}]},
        "spec": {"hosts": ["reviews"], "http": [http]},
    })
}

fn of(object: Value) -> Verdict {
    let (objects, found) = objects("in.yaml", REVIEWS);
    assert_eq!(found, []);
    let (set, _) = ResourceSet::build(objects);
    judge(&request("CREATE", object), &set, "cluster.local")
}

#[test]
fn what_is_in_order_passes() {
    let route = json!({"route": [{"destination": {"host": "reviews"}}]});
    assert_eq!(of(virtual_service(&route)), Verdict::default());
}

#[test]
fn a_misspelt_field_is_refused_with_its_name_and_a_hint() {
    let route = json!({"route": [{"destination": {"host": "reviews"}, "weigth": 10}]});
    let message = of(virtual_service(&route)).refused.unwrap().message;
    assert_eq!(
        message,
        "configuration is invalid: virtualservice default/reviews: \
         spec.http[0].route[0].weigth: unknown field; did you mean \"weight\"?"
    );
}

#[test]
fn several_errors_are_counted_and_listed() {
    let route = json!({"rout": [], "timeuot": "3s",
        "route": [{"destination": {"host": "reviews"}}]});
    let message = of(virtual_service(&route)).refused.unwrap().message;
    assert!(
        message.starts_with("configuration is invalid: 2 errors occurred:\n\t* "),
        "{message}"
    );
}

#[test]
fn a_missing_host_or_subset_only_warns() {
    for destination in [
        json!({"host": "nobody"}),
        json!({"host": "reviews", "subset": "v9"}),
    ] {
        let route = json!({"route": [{"destination": destination}]});
        let verdict = of(virtual_service(&route));
        assert_eq!(verdict.refused, None);
        assert_eq!(verdict.warnings.len(), 1, "{:?}", verdict.warnings);
        let place = "virtualservice default/reviews: spec.http[0].route[0].destination";
        assert!(
            verdict.warnings[0].starts_with(place),
            "{:?}",
            verdict.warnings
        );
    }
}

#[test]
fn a_kind_that_mesh_does_not_know_yet_is_refused_by_its_name() {
    let filter = json!({
        "apiVersion": "networking.istio.io/v1alpha3",
        "kind": "EnvoyFilter",
        "metadata": {"name": "lua"},
        "spec": {},
    });
    let message = of(filter).refused.unwrap().message;
    assert!(
        message.starts_with("cannot decode configuration: ") && message.contains("EnvoyFilter"),
        "{message}"
    );
}

#[test]
fn what_is_deleted_passes() {
    let gone = request("DELETE", Value::Null);
    let set = ResourceSet::default();
    assert_eq!(judge(&gone, &set, "cluster.local"), Verdict::default());
}

#[test]
fn what_is_no_object_is_refused_and_nothing_panics() {
    for object in [Value::Null, json!(7), json!([]), json!({"kind": 3})] {
        assert!(of(object.clone()).refused.is_some(), "{object}");
    }
}
