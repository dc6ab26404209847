use super::*;

fn scope(namespace: Option<&str>, exclude: &[&str]) -> Scope {
    let exclude: Vec<String> = exclude.iter().map(ToString::to_string).collect();
    Scope::new(&[], namespace, &exclude, "istio-system").unwrap()
}

#[test]
fn secrets_are_never_asked_for() {
    let mut of_mesh = kinds::all()
        .iter()
        .filter(|kind| kind.group.ends_with(".istio.io"));
    assert!(of_kubernetes().all(|kind| kind.plural != "secrets"));
    assert!(of_mesh.all(|kind| kind.plural != "secrets"));
}

#[test]
fn a_pod_is_of_its_deployment_or_of_what_owns_it() {
    let pod = |owner: &str, hash: &str| json!({"metadata": {"ownerReferences": [{"name": owner}], "labels": {"pod-template-hash": hash}}});
    assert_eq!(workload(&pod("web-7d4b9c", "7d4b9c")), "web");
    assert_eq!(workload(&pod("db", "")), "db");
    assert_eq!(workload(&json!({})), "");
}

#[test]
fn objects_are_listed_everywhere_or_where_it_was_said() {
    let everywhere = spread("/api/v1", "pods", &scope(None, &[]), "default");
    assert_eq!(everywhere, ["/api/v1/pods"]);
    let shop = spread("/api/v1", "pods", &scope(Some("shop"), &[]), "default");
    let wanted = [
        "/api/v1/namespaces/istio-system/pods",
        "/api/v1/namespaces/shop/pods",
    ];
    assert_eq!(shop, wanted);
    let kind = of_kubernetes()
        .find(|kind| kind.plural == "endpointslices")
        .unwrap();
    let path = "/apis/discovery.k8s.io/v1/namespaces/shop/endpointslices?limit=5000";
    assert_eq!(kind.paths("shop"), [path]);
}

#[test]
fn excluded_namespaces_schemas_and_images_are_left_out() {
    let of = |plural: &str| of_kubernetes().find(|kind| kind.plural == plural).unwrap();
    let scope = scope(None, &["pay"]);
    let services = json!({"items": [{"metadata": {"name": "a", "namespace": "shop"}},
        {"metadata": {"name": "b", "namespace": "pay"}}]});
    let kept = of("services").kept(services, &scope);
    assert_eq!(items(kept).len(), 1);
    let definitions = json!({"items": [
        {"spec": {"group": "networking.istio.io", "versions": [{"name": "v1", "schema": {}}]}},
        {"spec": {"group": "example.com"}}]});
    let wanted = json!({"items": [
        {"spec": {"group": "networking.istio.io", "versions": [{"name": "v1"}]}}]});
    assert_eq!(
        of("customresourcedefinitions").kept(definitions, &scope),
        wanted
    );
}
