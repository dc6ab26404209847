use serde_json::json;

use super::*;

static INNER: Message = Message {
    fields: &[("exact", Shape::Text), ("prefix", Shape::Text)],
    exclusive: &[&["exact", "prefix"]],
    ..Message::ISTIO
};
static OUTER: Message = Message {
    fields: &[
        ("name", Shape::Text),
        ("exportTo", Shape::List(&Shape::Text)),
        ("weight", Shape::Count),
        ("port", Shape::Port),
        ("targetPort", Shape::PortOrName),
        ("timeout", Shape::Duration),
        ("flag", Shape::Bool),
        ("headers", Shape::Map(&Shape::Message(&INNER))),
        ("byPort", Shape::MapByPort(&Shape::Bool)),
        (
            "mode",
            Shape::Choice {
                now: &["STRICT", "DISABLE"],
                later: &["MUTUAL"],
            },
        ),
        (
            "protocol",
            Shape::AnyCaseChoice {
                now: &["HTTP"],
                later: &["TCP"],
            },
        ),
        ("httpsRedirect", Shape::Bool),
    ],
    ignored: &["status"],
    later: &["fault"],
    ..Message::ISTIO
};

fn walk(value: &Value) -> (Value, Vec<Diagnostic>) {
    let key = ResourceKey {
        group: "".into(),
        kind: "Thing".into(),
        namespace: "default".into(),
        name: "one".into(),
    };
    let mut found = Vec::new();
    let canonical = canonical(&OUTER, "spec", value, &key, &mut found);
    (canonical, found)
}

#[track_caller]
fn accepts(value: Value, expected: Value) {
    assert_eq!(walk(&value), (expected, vec![]), "{value}");
}

#[track_caller]
fn refuses(value: Value, expected: &str) {
    let (_, found) = walk(&value);
    let texts: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert_eq!(texts, [format!("thing default/one: {expected}")], "{value}");
}

#[test]
fn proto_json_is_taken_in_all_its_spellings() {
    accepts(json!({"export_to": ["a"]}), json!({"exportTo": ["a"]}));
    accepts(
        json!({"port": "80", "weight": 10.0}),
        json!({"port": 80, "weight": 10}),
    );
    accepts(json!({"targetPort": "http"}), json!({"targetPort": "http"}));
    accepts(json!({"targetPort": "8080"}), json!({"targetPort": 8080}));
    accepts(
        json!({"name": null, "headers": null, "fault": null}),
        json!({}),
    );
    accepts(json!({"timeout": "1.5s"}), json!({"timeout": "1.5s"}));
    accepts(json!({"protocol": "http"}), json!({"protocol": "HTTP"}));
    accepts(
        json!({"httpsRedirect": false}),
        json!({"httpsRedirect": false}),
    );
    accepts(json!({"headers": {"a": {}}}), json!({"headers": {"a": {}}}));
    accepts(json!({"status": {"any": "thing"}}), json!({}));
    accepts(Value::Null, json!({}));
}

#[test]
fn unknown_fields_are_named_with_the_nearest_right_one() {
    refuses(
        json!({"wieght": 1}),
        r#"spec.wieght: unknown field; did you mean "weight"?"#,
    );
    refuses(
        json!({"expotTo": []}),
        r#"spec.expotTo: unknown field; did you mean "exportTo"?"#,
    );
    refuses(
        json!({"fualt": {}}),
        r#"spec.fualt: unknown field; did you mean "fault"?"#,
    );
    refuses(
        json!({"headers": {"x.y": {"suffix": "a"}}}),
        r#"spec.headers["x.y"].suffix: unknown field; known here: exact, prefix"#,
    );
}

#[test]
fn what_istio_knows_and_mesh_does_not_yet_is_refused_by_name() {
    let not_yet = "known to Istio but not supported by this version of mesh";
    refuses(json!({"fault": {}}), &format!("spec.fault: {not_yet}"));
    refuses(
        json!({"mode": "MUTUAL"}),
        &format!("spec.mode: MUTUAL is {not_yet}; supported: STRICT, DISABLE"),
    );
}

#[test]
fn values_of_the_wrong_kind_are_named() {
    refuses(
        json!({"name": 1.5}),
        "spec.name: expected a string, found the number 1.5; write it in quotes: \"1.5\"",
    );
    refuses(
        json!({"exportTo": "*"}),
        r#"spec.exportTo: expected a list, found "*""#,
    );
    refuses(
        json!({"exportTo": [null]}),
        "spec.exportTo[0]: expected a string, found nothing",
    );
    refuses(
        json!({"port": 0}),
        "spec.port: 0 is out of range, expected 1 to 65535",
    );
    refuses(
        json!({"weight": -1}),
        "spec.weight: -1 is out of range, expected 0 to 2147483647",
    );
    refuses(
        json!({"weight": 1.5}),
        "spec.weight: expected a whole number, found the number 1.5",
    );
    refuses(
        json!({"targetPort": 70000}),
        "spec.targetPort: 70000 is out of range, expected 1 to 65535",
    );
    refuses(
        json!({"flag": "yes"}),
        "spec.flag: expected true or false, found \"yes\"",
    );
    refuses(
        json!({"headers": {"a": null}}),
        "spec.headers.a: expected a map of fields, found nothing",
    );
    refuses(
        json!({"byPort": {"http": true}}),
        "spec.byPort.http: the key is not a port from 1 to 65535",
    );
    refuses(
        json!({"mode": "STRIKT"}),
        "spec.mode: unknown value \"STRIKT\"; did you mean STRICT?",
    );
    refuses(
        json!({"timeout": "5 seconds"}),
        "spec.timeout: expected a duration, found \"5 seconds\"; write for example 1.5s, 100ms or 1h",
    );
    refuses(json!([]), "spec: expected a map of fields, found a list");
}

#[test]
fn exclusive_and_doubled_fields_are_refused() {
    refuses(
        json!({"headers": {"a": {"exact": "x", "prefix": "y"}}}),
        "spec.headers.a: only one of exact, prefix may be set",
    );
    refuses(
        json!({"exportTo": [], "export_to": []}),
        "spec.export_to: is given twice, in two spellings",
    );
}

#[test]
fn everything_that_is_wrong_is_reported_at_once() {
    let (_, found) = walk(&json!({"nmae": "x", "port": 0, "fault": {}, "flag": 1}));
    assert_eq!(found.len(), 4);
}
