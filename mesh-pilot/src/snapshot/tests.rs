use mesh_model::labels::Labels;

use super::*;

fn authentication(name: &str, namespace: &str, text: &str) -> PeerAuthenticationText {
    PeerAuthenticationText(format!(
        "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\n\
         metadata: {{name: {name}, namespace: {namespace}}}\nspec: {text}\n---\n"
    ))
}

struct PeerAuthenticationText(String);

/// The mode of port 8080 of a workload `app=a` in the namespace `default`.
#[track_caller]
fn check(objects: &[PeerAuthenticationText], wanted: MtlsMode) {
    let text: String = objects.iter().map(|object| &*object.0).collect();
    let world = crate::testing::world(text.trim_end().trim_end_matches("---"), 1);
    let labels: Labels = [("app", "a")].into_iter().collect();
    let mode = world.authentications.mode("default", &labels, 8080);
    assert_eq!(mode, wanted, "{text}");
}

#[test]
fn the_nearest_peer_authentication_counts() {
    use MtlsMode::{Disable, Permissive, Strict};
    let strict = "{mtls: {mode: STRICT}}";
    let mesh = || authentication("mesh", "istio-system", strict);
    let namespace = || authentication("ns", "default", "{mtls: {mode: DISABLE}}");
    let unset = || authentication("ns", "default", "{mtls: {mode: UNSET}}");
    let of = |text: &str| authentication("workload", "default", text);
    let workload = || of("{selector: {matchLabels: {app: a}}, mtls: {mode: PERMISSIVE}}");
    let other = || of("{selector: {matchLabels: {app: b}}, mtls: {mode: PERMISSIVE}}");
    check(&[], Permissive);
    check(&[mesh()], Strict);
    check(&[mesh(), namespace()], Disable);
    check(&[mesh(), unset()], Strict);
    check(&[mesh(), namespace(), workload()], Permissive);
    check(&[mesh(), namespace(), other()], Disable);
    check(&[authentication("elsewhere", "other", strict)], Permissive);
}

#[test]
fn a_port_comes_before_its_workload() {
    let of = |ports: &str| {
        let text = format!(
            "{{selector: {{matchLabels: {{app: a}}}}, mtls: {{mode: STRICT}}, portLevelMtls: {ports}}}"
        );
        [authentication("workload", "default", &text)]
    };
    check(&of("{8080: {mode: DISABLE}}"), MtlsMode::Disable);
    check(&of("{8080: {mode: UNSET}}"), MtlsMode::Strict);
    check(&of("{9090: {mode: DISABLE}}"), MtlsMode::Strict);
}

#[test]
fn a_selector_in_the_root_namespace_is_for_that_namespace() {
    let text = "{selector: {matchLabels: {app: a}}, mtls: {mode: STRICT}}";
    check(
        &[authentication("root", "istio-system", text)],
        MtlsMode::Permissive,
    );
}
