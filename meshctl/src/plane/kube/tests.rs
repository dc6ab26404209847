use serde_json::json;

use super::*;

#[test]
fn a_hint_leads_to_the_pods_of_a_deployment() {
    let labels = json!({"app": "security", "istio": "citadel"});
    let deployment = json!({
        "metadata": {"name": "istio-citadel", "namespace": "istio-system"},
        "spec": {"selector": {"matchLabels": labels}},
    });
    assert_eq!(
        what_pods_wait_for(&deployment),
        "kubectl -n istio-system describe pods -l app=security,istio=citadel"
    );
}

#[test]
fn what_is_not_there_comes_with_the_place_that_was_looked_at() {
    let named = |text: &str| no_such(&ProxyName::parse(text, None).unwrap(), "shop").error;
    assert_eq!(
        named("deployment/nope"),
        "deployment/nope: no such deployment in namespace shop"
    );
    assert_eq!(
        named("nope.shop"),
        "nope.shop: no such pod or deployment in namespace shop"
    );
    let missing = Asked::new("get", "pods", "shop", "nope").failed(&RequestError::Missing);
    assert_eq!(missing.error, "get pods shop/nope: there is none");
    assert_eq!(
        missing.hints,
        ["kubectl get pods -n shop lists what there is"]
    );
}

#[test]
fn a_mesh_that_is_elsewhere_is_named() {
    let found = not_installed("nope", &BTreeSet::from(["platform"]));
    assert_eq!(
        found.error,
        "there is no Deployment of mesh in namespace nope"
    );
    assert_eq!(found.hints, ["there is a mesh in platform: -i platform"]);
    let none = not_installed("nope", &BTreeSet::new());
    assert!(none.hints[0].contains("meshctl check --pre"), "{none:?}");
}
