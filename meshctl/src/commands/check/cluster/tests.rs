use serde_json::json;

use super::*;

#[test]
fn a_pod_that_waits_for_its_sidecar_is_looked_at_and_one_that_is_done_is_not() {
    let phase = |phase: &str| json!({"metadata": {}, "status": {"phase": phase}});
    assert!(is_to_serve(&phase("Pending")));
    assert!(is_to_serve(&phase("Running")));
    assert!(!is_to_serve(&phase("Succeeded")));
    let mut going = phase("Running");
    going["metadata"]["deletionTimestamp"] = json!("2026-11-22T00:00:00Z");
    assert!(!is_to_serve(&going));
}
