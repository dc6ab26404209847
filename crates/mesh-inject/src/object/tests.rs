use serde_json::json;

use super::*;

fn deployment(metadata: Value, template: Value) -> Value {
    json!({
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {"template": {"metadata": template, "spec": {"containers": [{"name": "web"}]}}},
    })
}

fn report(mut object: Value) -> Report {
    inject_object(&mut object, &Settings::default(), "default", "").unwrap()
}

#[test]
fn a_wish_in_the_wrong_place_is_said() {
    let metadata = json!({"name": "web", "annotations": {"sidecar.istio.io/inject": "false"}});
    let said = report(deployment(metadata, json!({}))).findings;
    let said: Vec<String> = said.iter().map(ToString::to_string).collect();
    let expected = "deployment default/web: metadata.annotations[\"sidecar.istio.io/inject\"]: has \
                    no effect here; move it to spec.template.metadata.annotations";
    assert_eq!(said, [expected]);
}

#[test]
fn a_cron_jobs_wishes_count_in_both_places() {
    let job = |outer: Value, inner: Value| {
        let pod = json!({"metadata": {"labels": inner}, "spec": {"containers": [{"name": "a"}]}});
        let job = json!({"metadata": {"labels": outer}, "spec": {"template": pod}});
        json!({
            "apiVersion": "batch/v1", "kind": "CronJob",
            "metadata": {"name": "nightly"}, "spec": {"jobTemplate": job},
        })
    };
    let (on, off) = (json!({INJECT: "true"}), json!({INJECT: "false"}));
    let skipped = |object| matches!(report(object).outcome, Outcome::Skipped(_));
    assert!(skipped(job(off.clone(), json!({}))));
    assert!(skipped(job(on.clone(), off.clone())));
    assert!(!skipped(job(off, on)));
}

#[test]
fn what_is_not_wanted_any_more_is_taken_out() {
    let mut object = deployment(json!({"name": "web"}), json!({}));
    let before = object.clone();
    let settings = Settings::default();
    drop(inject_object(&mut object, &settings, "default", ""));
    object["spec"]["template"]["metadata"]["labels"][INJECT] = json!("false");
    let report = inject_object(&mut object, &settings, "default", "").unwrap();
    assert!(matches!(report.outcome, Outcome::Removed(_)), "{report:?}");
    assert_eq!(
        object["spec"]["template"]["spec"],
        before["spec"]["template"]["spec"]
    );
}

#[test]
fn the_webhook_patches_pods_only() {
    let pod = json!({
        "metadata": {"generateName": "web-", "labels": {"app": "web"}},
        "spec": {"containers": [{"name": "web"}]},
    });
    let labels = json!({"istio-injection": "enabled"});
    let settings = Settings::default();
    let admitted = admit(&pod, &settings, "shop", labels.as_object());
    assert_eq!(admitted.outcome, Outcome::Injected);
    let mut patched = pod.clone();
    crate::patch::tests::apply(&mut patched, &admitted.patch);
    let mut object = pod.clone();
    object["apiVersion"] = json!("v1");
    object["kind"] = json!("Pod");
    drop(inject_object(&mut object, &settings, "shop", ""));
    assert_eq!(patched["spec"], object["spec"]);
    assert_eq!(patched["metadata"], object["metadata"]);

    let unlabelled = admit(&pod, &settings, "shop", Some(&Map::new()));
    assert!(matches!(unlabelled.outcome, Outcome::Skipped(_)));
    assert_eq!(unlabelled.patch, []);
}

#[test]
fn a_pod_is_known_by_its_deployment() {
    let check = |pod: Value, name: &str| assert_eq!(workload_name(&pod), name, "{pod}");
    let owner = |kind: &str, name: &str| json!([{"kind": kind, "name": name}]);
    let hash = json!({"pod-template-hash": "7d4b9"});
    check(
        json!({"metadata": {"labels": hash, "ownerReferences": owner("ReplicaSet", "web-7d4b9")}}),
        "web",
    );
    check(
        json!({"metadata": {"name": "db-0", "ownerReferences": owner("StatefulSet", "db")}}),
        "db",
    );
    check(json!({"metadata": {"name": "alone"}}), "alone");
    check(json!({"metadata": {"generateName": "many-"}}), "many");
}

#[test]
fn an_annotation_that_cannot_be_used_is_explained_where_a_sidecar_is_wanted() {
    let annotations = json!({"sidecar.istio.io/proxyCPU": "much"});
    let object = deployment(json!({"name": "web"}), json!({"annotations": annotations}));
    let settings = Settings::default();
    let explained =
        |labels: Value| explain_object(&object, &settings, "shop", labels.as_object()).unwrap();
    let wanted = explained(json!({"istio-injection": "enabled"}));
    assert!(wanted.decision.inject);
    let refused: Vec<String> = wanted.refused.iter().map(ToString::to_string).collect();
    let field = "deployment shop/web: \
                 spec.template.metadata.annotations[\"sidecar.istio.io/proxyCPU\"]: \"much\"";
    assert!(
        matches!(&refused[..], [one] if one.starts_with(field)),
        "{refused:?}"
    );
    let unwanted = explained(json!({}));
    assert!(!unwanted.decision.inject && unwanted.refused.is_empty());
}
