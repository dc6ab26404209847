use serde_json::json;

use super::*;

#[test]
fn a_mesh_without_pilot_or_citadel_is_wrong_and_one_without_a_gateway_worth_a_look() {
    let scaled = |name: &str, pods: u64| {
        let deployment = json!({"spec": {"replicas": pods}, "status": {"readyReplicas": pods}});
        let mut report = Report::default();
        ready(&deployment, name, "istio-system", report.category("x"));
        let check = report.to_json()["categories"][0]["checks"][0].take();
        (check, report.verdict().is_ok())
    };
    let hint = "kubectl -n istio-system scale deployment istio-citadel --replicas=1";
    assert_eq!(
        scaled("istio-citadel", 0),
        (
            json!({"description": "istio-citadel is ready", "result": "error",
                "error": "it is scaled to no pods", "hint": hint}),
            false
        )
    );
    assert!(!scaled("istio-pilot", 0).1);
    let (gateway, is_well) = scaled("istio-ingressgateway", 0);
    assert_eq!((&gateway["result"], is_well), (&json!("warning"), true));
    assert_eq!(scaled("istio-citadel", 1).0["result"], "success");
}

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

#[test]
fn sidecars_are_only_called_ready_where_there_are_some() {
    let said = |pods: Value| {
        let pods = pods.as_array().unwrap().clone();
        let mut report = Report::default();
        sidecars(&[("shop".to_owned(), pods)], report.category("x"));
        let checks = report.to_json()["categories"][0]["checks"].clone();
        let checks = checks.as_array().unwrap().iter();
        checks
            .map(|check| format!("{} {}", check["result"], check["description"]))
            .collect::<Vec<_>>()
    };
    let promise = "pods of namespaces in the mesh have a sidecar";
    assert_eq!(
        said(json!([])),
        [format!("\"success\" \"{promise} (0 pods in 1 namespace)\"")]
    );
    let pod = json!({"spec": {"containers": [{"name": "istio-proxy"}]}});
    assert_eq!(said(json!([pod])).len(), 3);
}
