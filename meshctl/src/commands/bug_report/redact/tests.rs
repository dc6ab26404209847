use serde_json::json;

use super::*;

#[track_caller]
fn check_text(text: &str, wanted: &str) {
    assert_eq!(Redactor::new().text(text), wanted, "of {text:?}");
}

#[test]
fn every_rule_is_one() {
    assert_eq!(Redactor::new().rules.len(), 6);
}

#[test]
fn private_keys_go_whole_halved_and_escaped() {
    let key = "-----BEGIN EC PRIVATE KEY-----\nMHc=\n-----END EC PRIVATE KEY-----";
    check_text(
        &format!("a\n{key}\nb"),
        "a\n-----BEGIN EC PRIVATE KEY-----[redacted]\nb",
    );
    check_text(
        "-----BEGIN PRIVATE KEY-----\\nMHc=\\n-----END PRIVATE KEY-----\\n",
        "-----BEGIN PRIVATE KEY-----[redacted]\\n",
    );
    check_text(
        "-----BEGIN PRIVATE KEY-----\nMHc",
        "-----BEGIN PRIVATE KEY-----[redacted]",
    );
    let certificate = "-----BEGIN CERTIFICATE-----\nMHc=\n-----END CERTIFICATE-----";
    check_text(certificate, certificate);
}

#[test]
fn tokens_and_passwords_in_lines_go() {
    check_text("Authorization: Basic dTpw x", "Authorization: [redacted] x");
    check_text("cookie: a=b; c=d\nx", "cookie: [redacted]\nx");
    check_text("got bearer abcdefgh1234", "got bearer [redacted]");
    check_text(
        "GET /a?access_token=abc&b=1 200",
        "GET /a?access_token=[redacted]&b=1 200",
    );
    check_text(
        r#"{"api_key":"abc","b":"c"}"#,
        r#"{"api_key":"[redacted]","b":"c"}"#,
    );
    check_text(
        r#"x \"password\": \"abc\" y"#,
        r#"x \"password\": \"[redacted]\" y"#,
    );
    check_text(
        "jwt eyJhbGciOiJI.eyJzdWIiOiIx.c2ln end",
        "jwt [redacted] end",
    );
    check_text(
        "to https://user:pass@host/x",
        "to https://user:[redacted]@host/x",
    );
}

#[test]
fn what_is_no_secret_stays() {
    for text in [
        "tokens are read each minute",
        "outbound|9080|v1|reviews.default.svc.cluster.local::127.7.0.1:9080::cx_active::1",
        "spiffe://cluster.local/ns/default/sa/bookinfo-reviews",
        "http://127.0.0.1:8080/productpage?u=normal",
        "basic checks passed",
    ] {
        check_text(text, text);
    }
}

#[track_caller]
fn check_object(mut object: Value, wanted: &Value) {
    Redactor::new().object(&mut object);
    assert_eq!(object, *wanted);
}

#[test]
fn the_content_of_a_secret_never_stays() {
    check_object(
        json!({"kind": "List", "items": [{"kind": "Secret", "metadata": {"name": "a",
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{}", "b": "c"},
            "managedFields": [{}]}, "data": {"tls.key": "AAAA"}, "stringData": {"x": "y"}}]}),
        &json!({"kind": "List", "items": [{"kind": "Secret", "metadata": {"name": "a",
            "annotations": {"b": "c"}},
            "data": {"tls.key": REDACTED}, "stringData": {"x": REDACTED}}]}),
    );
}

#[test]
fn what_applications_are_told_goes_and_what_sidecars_are_told_stays() {
    let told = |app: &str, key: &str, sidecar: &str| {
        json!({"kind": "Pod", "spec": {"containers": [
            {"name": "app", "args": [app], "command": [app],
                "env": [{"name": "A", "value": app}, {"name": "B", "valueFrom": {"x": "y"}}]},
            {"name": "istio-proxy", "args": [sidecar],
                "env": [{"name": "ISTIO_META_X", "value": "1"}, {"name": "API_KEY", "value": key}]},
        ]}})
    };
    check_object(
        told("secret", "k", "--drain-time=5s"),
        &told(REDACTED, REDACTED, "--drain-time=5s"),
    );
}

#[test]
fn members_that_are_secret_by_name_go_and_keep_their_form() {
    check_object(
        json!({"spec": {"http": [{"match": [{"headers": {
            "Authorization": {"exact": "Basic x"}, "end-user": {"exact": "jason"}}}]}]}}),
        &json!({"spec": {"http": [{"match": [{"headers": {
            "Authorization": {"exact": REDACTED}, "end-user": {"exact": "jason"}}}]}]}}),
    );
    check_object(
        json!({"private_key": {"inline_bytes": "AAAA"}, "header": {"key": "cookie", "value": "a=b"},
            "matcher": {"name": "authorization", "string_match": {"exact": "x"}}}),
        &json!({"private_key": {"inline_bytes": REDACTED}, "header": {"key": "cookie", "value": REDACTED},
            "matcher": {"name": "authorization", "string_match": {"exact": REDACTED}}}),
    );
}
