//! Whatever the text, decoding and validation answer with diagnostics and never with a panic.

use mesh_api::validate::references::check_references_in;
use mesh_api::{ResourceSet, decode, emit};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

const KINDS: &[(&str, &str)] = &[
    ("networking.istio.io/v1", "VirtualService"),
    ("networking.istio.io/v1", "DestinationRule"),
    ("networking.istio.io/v1", "Gateway"),
    ("security.istio.io/v1", "PeerAuthentication"),
    ("v1", "Service"),
    ("v1", "Pod"),
    ("apps/v1", "Deployment"),
    ("discovery.k8s.io/v1", "EndpointSlice"),
];

const FIELDS: &[&str] = &[
    "hosts",
    "http",
    "match",
    "route",
    "destination",
    "host",
    "subset",
    "port",
    "number",
    "weight",
    "uri",
    "exact",
    "prefix",
    "regex",
    "headers",
    "request",
    "set",
    "timeout",
    "subsets",
    "name",
    "labels",
    "trafficPolicy",
    "loadBalancer",
    "simple",
    "tls",
    "mode",
    "servers",
    "protocol",
    "selector",
    "matchLabels",
    "mtls",
    "portLevelMtls",
    "ports",
    "template",
    "spec",
    "status",
    "containers",
    "podIP",
    "endpoints",
    "addresses",
    "addressType",
    "exportTo",
    "gateways",
    "x_y",
];

fn field() -> impl Strategy<Value = String> {
    proptest::sample::select(FIELDS).prop_map(str::to_owned)
}

fn leaf() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (0_i64..70_000).prop_map(Value::from),
        field().prop_map(Value::from),
        proptest::sample::select(&[
            "*", "STRICT", "HTTP", "1.5s", "80", "", "(", "~", "a/b", "é"
        ])
        .prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ]
}

fn tree() -> impl Strategy<Value = Value> {
    leaf().prop_recursive(6, 64, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            proptest::collection::btree_map(field(), inner, 0..6)
                .prop_map(|members| Value::from(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn document() -> impl Strategy<Value = Value> {
    let kind = proptest::sample::select(KINDS);
    (kind, tree(), tree(), tree()).prop_map(|((version, kind), spec, labels, extra)| {
        let mut document = json!({
            "apiVersion": version, "kind": kind, "spec": spec,
            "metadata": {"name": "it", "labels": labels},
        });
        if let (Value::Object(extra), Some(members)) = (extra, document.as_object_mut()) {
            for (name, value) in extra {
                members.entry(name).or_insert(value);
            }
        }
        document
    })
}

/// Everything that is wrong with a text says where and what.
fn answered(text: &str) -> Result<(), TestCaseError> {
    let (_, found) = decode::objects("any", text);
    for diagnostic in found {
        prop_assert!(
            diagnostic.origin.starts_with("any document "),
            "{}",
            diagnostic
        );
        prop_assert!(!diagnostic.message.is_empty(), "{}", diagnostic);
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_text_is_answered(text in any::<String>()) {
        answered(&text)?;
    }

    #[test]
    fn any_text_like_yaml_is_answered(text in "[-a-c:#|>&*!%@'\"{}\\[\\], \n\t0-9.~?]{0,200}") {
        answered(&text)?;
    }

    #[test]
    fn any_object_is_answered_and_written_back(value in document()) {
        let text = emit::to_yaml(&value).unwrap();
        let (objects, found) = decode::objects("any", &text);
        prop_assert_eq!(&found, &[], "{}", text);
        let (set, found) = ResourceSet::build(objects.clone());
        for diagnostic in &found {
            prop_assert!(diagnostic.at.is_some() && !diagnostic.message.is_empty());
        }
        for diagnostic in check_references_in(&set, "cluster.local", |_| true) {
            prop_assert!(diagnostic.at.is_some(), "{}", diagnostic);
        }
        // What was written in one go reads as the same once more.
        let again = emit::to_yaml(&objects[0].value).unwrap();
        let (same, _) = decode::objects("any", &again);
        prop_assert!(same[0].same_content(&objects[0]), "{}", again);
    }
}
