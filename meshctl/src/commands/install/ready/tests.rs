use serde_json::json;

use super::*;

#[test]
fn a_deployment_is_ready_when_all_its_pods_are_new_and_available() {
    let of = |generation: u64, status: Value| {
        lacks(
            &json!({"metadata": {"generation": generation}, "spec": {"replicas": 2}, "status": status}),
        )
    };
    let status = |updated: u64, all: u64, available: u64| {
        json!({"observedGeneration": 2, "updatedReplicas": updated, "replicas": all,
               "availableReplicas": available})
    };
    assert_eq!(
        of(3, status(2, 2, 2)).as_deref(),
        Some("not seen by its controller yet")
    );
    assert_eq!(
        of(2, status(1, 2, 2)).as_deref(),
        Some("1 of 2 pods are new")
    );
    assert_eq!(
        of(2, status(2, 3, 2)).as_deref(),
        Some("1 old pods are going")
    );
    assert_eq!(
        of(2, status(2, 2, 1)).as_deref(),
        Some("1 of 2 pods are ready")
    );
    assert_eq!(of(2, status(2, 2, 2)), None);
}
