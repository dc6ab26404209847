use mesh_api::decode;

use super::*;

#[test]
fn the_ingress_serves_when_a_gateway_selects_it() {
    let check = |kind: &str, selector: &str, expected: bool| {
        let text = format!(
            "apiVersion: networking.istio.io/v1\nkind: {kind}\nmetadata: {{name: a}}\nspec: {selector}\n"
        );
        let (objects, found) = decode::objects("a.yaml", &text);
        assert!(found.is_empty(), "{found:?}");
        assert_eq!(is_served(&objects), expected, "{kind} {selector}");
    };
    check("Gateway", "{selector: {istio: ingressgateway}}", true);
    check("Gateway", "{selector: {app: istio-ingressgateway}}", true);
    check("Gateway", "{}", true);
    check("Gateway", "{selector: {istio: egressgateway}}", false);
    check(
        "Gateway",
        "{selector: {istio: ingressgateway, color: red}}",
        false,
    );
    check("VirtualService", "{hosts: [a]}", false);
    assert!(!is_served(&[]));
}
