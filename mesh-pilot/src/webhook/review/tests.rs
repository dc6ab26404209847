use serde_json::{Value, json};

use super::*;

fn question(version: &str) -> Vec<u8> {
    json!({
        "apiVersion": version,
        "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "namespace": "default",
            "operation": "CREATE",
            "userInfo": {"username": "admin"},
            "object": {"kind": "Pod"},
            "oldObject": null,
            "dryRun": true,
        },
    })
    .to_string()
    .into_bytes()
}

#[test]
fn an_answer_has_the_version_and_the_name_of_its_question() {
    for version in ["admission.k8s.io/v1", "admission.k8s.io/v1beta1"] {
        let review = Review::read(&question(version)).unwrap();
        assert_eq!(review.request.namespace, "default");
        assert_eq!(
            review.answer(&Verdict::default()),
            json!({
                "apiVersion": version,
                "kind": "AdmissionReview",
                "response": {"uid": "705ab4f5", "allowed": true},
            })
        );
    }
}

#[test]
fn a_patch_is_carried_in_base64() {
    let review = Review::read(&question("admission.k8s.io/v1")).unwrap();
    let verdict = Verdict {
        patch: vec![Operation::Remove { path: "/a".into() }],
        ..Verdict::default()
    };
    let answer = review.answer(&verdict);
    assert_eq!(answer["response"]["patchType"], "JSONPatch");
    let patch = STANDARD
        .decode(answer["response"]["patch"].as_str().unwrap())
        .unwrap();
    let patch: Value = serde_json::from_slice(&patch).unwrap();
    assert_eq!(patch, json!([{"op": "remove", "path": "/a"}]));
}

#[test]
fn a_refusal_says_why_and_long_warnings_are_cut() {
    let review = Review::read(&question("admission.k8s.io/v1")).unwrap();
    let mut verdict = Verdict::refused("invalid_pod", "no".to_owned());
    verdict.warnings = vec!["é".repeat(300)];
    let answer = &review.answer(&verdict)["response"];
    assert_eq!(answer["allowed"], false);
    assert_eq!(answer["status"]["message"], "no");
    assert_eq!(answer["status"]["code"], 422);
    let warning = answer["warnings"][0].as_str().unwrap();
    assert_eq!(warning.chars().count(), 256);
    assert!(warning.ends_with("é…"));
}

#[test]
fn what_is_no_review_is_refused_with_the_reason() {
    let refused = |body: &[u8]| Review::read(body).unwrap_err();
    assert_eq!(
        refused(b""),
        "the body is empty; expected an AdmissionReview"
    );
    assert!(refused(b"{").starts_with("the body is no AdmissionReview: EOF"));
    assert_eq!(
        refused(&question("admission.k8s.io/v2")),
        "apiVersion: expected admission.k8s.io/v1 or admission.k8s.io/v1beta1, \
         found \"admission.k8s.io/v2\""
    );
    let empty = br#"{"apiVersion": "admission.k8s.io/v1"}"#;
    assert_eq!(refused(empty), "request: is missing");
}
