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
