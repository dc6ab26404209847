use mesh_api::decode::objects;
use mesh_source::Event;
use mesh_source::store::Store;

use super::*;

#[test]
fn an_ingress_says_where_its_gateway_is_reached() {
    let ingress = "
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: a, namespace: default, annotations: {kubernetes.io/ingress.class: istio}}
---
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: foreign, namespace: default, annotations: {kubernetes.io/ingress.class: other}}
---
apiVersion: v1
kind: Service
metadata: {name: gateway, namespace: mesh}
";
    let check = |rest: &str, expected: Value| {
        let (objects, found) = objects("in.yaml", &format!("{ingress}{rest}"));
        assert_eq!(found, []);
        let mut store = Store::default();
        let events = objects.into_iter().map(|one| Event::Upsert(Arc::new(one)));
        store.apply(0, events);
        let service = NamespacedName {
            namespace: "mesh".into(),
            name: "gateway".into(),
        };
        let said: Vec<_> = wanted(&store.snapshot(), &service).into_values().collect();
        assert_eq!(said, [expected], "{rest}");
    };
    let balanced = "status: {loadBalancer: {ingress: [{ip: 10.0.0.1}, {hostname: a.example}]}}";
    check(
        balanced,
        json!([{"ip": "10.0.0.1"}, {"hostname": "a.example"}]),
    );
    check(
        "spec: {externalIPs: [10.0.0.2]}",
        json!([{"ip": "10.0.0.2"}]),
    );
    check("spec: {}", json!([]));
}
