use mesh_test::clock;
use mesh_test::pki::{Authority, Certified, to_pem};

use super::*;
use crate::snapshot::view::Role;
use crate::snapshot::{ProxyId, ProxyKind, World};
use crate::translate::translate;

use mesh_model::time::Clock as _;

fn pem(leaf: &Certified) -> String {
    leaf.chain
        .iter()
        .map(|der| to_pem("CERTIFICATE", der))
        .collect()
}

fn indented(pem: &str) -> String {
    pem.lines().map(|line| format!("    {line}\n")).collect()
}

/// A Secret of `kubernetes.io/tls` with a certificate of its own, and what is secret of it.
fn secret(namespace: &str, name: &str) -> (String, String) {
    let root = Authority::root("shop.example", clock::fixed().wall());
    let leaf = root.leaf("spiffe://shop.example/a");
    let text = format!(
        "apiVersion: v1\nkind: Secret\nmetadata: {{name: {name}, namespace: {namespace}}}\n\
         type: kubernetes.io/tls\nstringData:\n  tls.crt: |\n{}  tls.key: |\n{}  ca.crt: |\n{}---\n",
        indented(&pem(&leaf)),
        indented(&leaf.key_pem),
        indented(&root.pem()),
    );
    let body = leaf.key_pem.lines().nth(1).unwrap().to_owned();
    (text, body)
}

fn pod(name: &str, namespace: &str, label: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, namespace: {namespace}, \
         labels: {{istio: {label}}}}}\n\
         spec: {{serviceAccountName: a, containers: [{{name: a, image: a}}]}}\n\
         status: {{podIP: 10.0.0.1}}\n---\n"
    )
}

fn gateway(selector: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: Gateway\n\
         metadata: {{name: shop, namespace: default}}\nspec:\n  selector: {selector}\n  servers:\n\
         \x20 - port: {{number: 443, name: https, protocol: HTTPS}}\n    hosts: [a.example]\n\
         \x20   tls: {{mode: MUTUAL, credentialName: shop}}\n---\n"
    )
}

fn world(text: &str) -> World {
    crate::testing::world(text.trim_end().trim_end_matches("---"), 1)
}

fn sent(world: &World, pod: &str, namespace: &str, kind: ProxyKind) -> Vec<String> {
    let workload = NamespacedName {
        namespace: namespace.into(),
        name: pod.into(),
    };
    let view = world.view(&ProxyId { workload, kind }).unwrap();
    translate(&view).secrets.into_keys().collect()
}

const EDGE: &str = "{istio: ingressgateway}";

#[test]
fn a_gateway_has_the_secrets_of_its_servers_and_its_namespace_alone() {
    let (own, _) = secret("edge", "shop");
    let (other, _) = secret("other", "shop");
    let (unnamed, _) = secret("edge", "unnamed");
    let pods = [
        pod("gateway", "edge", "ingressgateway"),
        pod("gateway", "elsewhere", "ingressgateway"),
        pod("app", "edge", "app"),
    ];
    let text = format!("{own}{other}{unnamed}{}{}", gateway(EDGE), pods.concat());
    let world = world(&text);
    let all = ["kubernetes://shop", "kubernetes://shop-cacert"];
    assert_eq!(sent(&world, "gateway", "edge", ProxyKind::Router), all);
    let none: [&str; 0] = [];
    assert_eq!(
        sent(&world, "gateway", "elsewhere", ProxyKind::Router),
        none
    );
    assert_eq!(sent(&world, "gateway", "edge", ProxyKind::Sidecar), none);
    // Whoever calls himself a gateway is not one that the Gateway selects.
    assert_eq!(sent(&world, "app", "edge", ProxyKind::Router), none);
}

#[test]
fn a_gateway_for_everybody_gives_no_secret_away() {
    let (own, _) = secret("edge", "shop");
    let text = format!("{own}{}{}", gateway("{}"), pod("gateway", "edge", "a"));
    let none: [&str; 0] = [];
    assert_eq!(
        sent(&world(&text), "gateway", "edge", ProxyKind::Router),
        none
    );
}

#[test]
fn nothing_secret_is_printed() {
    let (own, body) = secret("edge", "shop");
    let pod = pod("gateway", "edge", "ingressgateway");
    let world = world(&format!("{own}{}{pod}", gateway(EDGE)));
    let workload = NamespacedName {
        namespace: "edge".into(),
        name: "gateway".into(),
    };
    let kind = ProxyKind::Router;
    let view = world.view(&ProxyId { workload, kind }).unwrap();
    let Role::Router(router) = &view.role else {
        panic!("it is a gateway");
    };
    assert_eq!(router.secrets.len(), 2);
    let made = translate(&view);
    for shown in [format!("{view:?}"), format!("{made:?}")] {
        assert!(
            !shown.contains("PRIVATE") && !shown.contains(&body),
            "{shown}"
        );
    }
}
