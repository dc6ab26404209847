use super::*;

/// Two webhooks, of which the second has the roots `old` and starts leniently.
fn configuration() -> Value {
    json!({"webhooks": [
        {"name": "a.istio.io", "clientConfig": {"service": {"name": "istio-pilot"}},
         "failurePolicy": "Fail"},
        {"name": "b.istio.io", "clientConfig": {"caBundle": base64("old")},
         "failurePolicy": "Ignore"},
    ]})
}

#[test]
fn every_webhook_gets_the_roots_unless_it_has_them() {
    let config = configuration();
    assert_eq!(
        Value::from(bundles(&config, "new")),
        json!([
            {"op": "test", "path": "/webhooks/0/name", "value": "a.istio.io"},
            {"op": "add", "path": "/webhooks/0/clientConfig/caBundle", "value": "bmV3"},
            {"op": "test", "path": "/webhooks/1/name", "value": "b.istio.io"},
            {"op": "add", "path": "/webhooks/1/clientConfig/caBundle", "value": "bmV3"},
        ])
    );
    assert_eq!(bundles(&config, "old").len(), 2);
    assert_eq!(bundles(&json!({}), "new"), [Value::Null; 0]);
}

#[test]
fn what_was_lenient_becomes_strict() {
    assert_eq!(
        Value::from(strict(&configuration())),
        json!([
            {"op": "test", "path": "/webhooks/1/name", "value": "b.istio.io"},
            {"op": "add", "path": "/webhooks/1/failurePolicy", "value": "Fail"},
        ])
    );
}

#[test]
fn only_the_refusal_of_a_webhook_shows_that_it_is_reached() {
    let said = |code, text: &str| Fault::Refused {
        code,
        text: text.to_owned(),
        wait: Duration::ZERO,
    };
    let denied = "admission webhook \"validation.istio.io\" denied the request: \
                  configuration is invalid";
    assert_eq!(was_denied(said(400, denied)), Ok(true));
    assert_eq!(was_denied(said(500, "failed calling webhook")), Ok(false));
    assert_eq!(was_denied(Fault::Missing), Ok(false));
    assert_eq!(was_denied(Fault::Forbidden), Err(Fault::Forbidden));
    let away = Fault::Unreachable("no answer".into());
    assert_eq!(was_denied(away.clone()), Err(away));
}
