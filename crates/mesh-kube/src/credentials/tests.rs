use mesh_api::decode::objects;

use super::*;

/// What is asked for after these objects were told, as `namespace/name`.
fn asked_by(text: &str) -> Vec<String> {
    let (objects, found) = objects("in.yaml", text);
    assert_eq!(found, []);
    let mut credentials = Credentials::default();
    for object in objects {
        credentials.on(&Event::Upsert(Arc::new(object)));
    }
    let wanted = credentials.wanted().into_iter();
    wanted
        .map(|(namespace, name)| format!("{namespace}/{name}"))
        .collect()
}

const POD: &str = "
apiVersion: v1
kind: Pod
metadata: {name: gateway-0, namespace: edge, labels: {istio: ingressgateway}}
spec: {containers: [{name: app, image: app}]}
---
";

fn gateway(selector: &str, tls: &str) -> String {
    format!(
        "
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {{name: a, namespace: default}}
spec:
  selector: {selector}
  servers: [{{port: {{number: 443, name: https, protocol: HTTPS}}, hosts: [a.example], tls: {tls}}}]
---
"
    )
}

#[test]
fn a_gateway_asks_for_its_secrets_where_its_pods_are() {
    let simple = gateway(
        "{istio: ingressgateway}",
        "{mode: SIMPLE, credentialName: a}",
    );
    assert_eq!(asked_by(&format!("{POD}{simple}")), ["edge/a"]);
    assert_eq!(asked_by(&format!("{simple}{POD}")), ["edge/a"]);
    let mutual = gateway(
        "{istio: ingressgateway}",
        "{mode: MUTUAL, credentialName: a}",
    );
    assert_eq!(
        asked_by(&format!("{POD}{mutual}")),
        ["edge/a", "edge/a-cacert"]
    );
}

#[test]
fn nothing_is_asked_for_that_no_pod_could_use() {
    let other = gateway(
        "{istio: egressgateway}",
        "{mode: SIMPLE, credentialName: a}",
    );
    assert!(asked_by(&format!("{POD}{other}")).is_empty());
    let all = gateway("{}", "{mode: SIMPLE, credentialName: a}");
    assert!(asked_by(&format!("{POD}{all}")).is_empty());
    let passed = gateway("{istio: ingressgateway}", "{mode: PASSTHROUGH}");
    assert!(asked_by(&format!("{POD}{passed}")).is_empty());
}

#[test]
fn an_ingress_of_ours_asks_for_its_secret() {
    let ingress = |class: &str| {
        format!(
            "
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {{name: a, namespace: default, annotations: {{kubernetes.io/ingress.class: {class}}}}}
spec: {{tls: [{{secretName: a}}]}}
---
"
        )
    };
    assert_eq!(asked_by(&format!("{POD}{}", ingress("istio"))), ["edge/a"]);
    assert!(asked_by(&format!("{POD}{}", ingress("other"))).is_empty());
}

#[test]
fn only_what_matters_is_looked_at_again() {
    let simple = gateway(
        "{istio: ingressgateway}",
        "{mode: SIMPLE, credentialName: a}",
    );
    let (objects, _) = objects("in.yaml", &format!("{simple}{POD}"));
    let mut credentials = Credentials::default();
    let events: Vec<_> = objects
        .into_iter()
        .map(|one| Event::Upsert(Arc::new(one)))
        .collect();
    let looked = |credentials: &mut Credentials| {
        let each = events.iter().map(|event| credentials.on(event));
        each.collect::<Vec<_>>()
    };
    assert_eq!(looked(&mut credentials), [true, true]);
    assert_eq!(looked(&mut credentials), [false, false]);
}
