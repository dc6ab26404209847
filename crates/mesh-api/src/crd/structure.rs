//! Tables of fields as structural schemas of Kubernetes.

use serde_json::{Map, Value, json};

use super::Content;
use crate::networking::destination_rule::DESTINATION_RULE;
use crate::networking::gateway::GATEWAY;
use crate::networking::virtual_service::VIRTUAL_SERVICE;
use crate::schema::{Message, Shape};
use crate::security::peer_authentication::PEER_AUTHENTICATION;

/// What [`crate::wire`] reads as a duration: numbers with units, in a row.
const DURATION: &str = r"^(([0-9]+\.?[0-9]*|\.[0-9]+)(h|m|s|ms|us|µs|ns))+$";

/// The schema of a kind's objects; those without a table keep whatever is written.
pub(super) fn of_object(content: Content) -> Value {
    let Some(spec) = table(content) else {
        return json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    };
    let status = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let required: &[&str] = if spec.required.is_empty() {
        &[]
    } else {
        &["spec"]
    };
    without_empty(json!({
        "type": "object",
        "properties": {"spec": message(spec), "status": status},
        "required": required,
    }))
}

fn table(content: Content) -> Option<&'static Message> {
    match content {
        Content::VirtualService => Some(&VIRTUAL_SERVICE),
        Content::DestinationRule => Some(&DESTINATION_RULE),
        Content::Gateway => Some(&GATEWAY),
        Content::PeerAuthentication => Some(&PEER_AUTHENTICATION),
        _ => None,
    }
}

fn message(message: &Message) -> Value {
    let read = message.fields.iter().map(|(name, of)| (*name, shape(of)));
    let unread = message.later.iter().chain(message.ignored);
    let properties: Map<String, Value> = read
        .chain(unread.map(|name| (*name, anything())))
        .map(|(name, schema)| (name.to_owned(), schema))
        .collect();
    let rules = message.rules.iter();
    let rules = rules.map(|(rule, message)| json!({"rule": rule, "message": message}));
    // Pairs and no rule of CEL, whose cost a server reckons as if every list were as long as it can be.
    let pairs = message.exclusive.iter().copied().flat_map(pairs);
    without_empty(json!({
        "type": "object",
        "properties": properties,
        "required": message.required,
        "not": without_empty(json!({"anyOf": pairs.collect::<Vec<_>>()})),
        "x-kubernetes-validations": rules.collect::<Vec<_>>(),
    }))
}

/// Leaves out lists and maps without content.
fn without_empty(mut schema: Value) -> Value {
    if let Some(members) = schema.as_object_mut() {
        members.retain(|_, value| match value {
            Value::Array(elements) => !elements.is_empty(),
            Value::Object(members) => !members.is_empty(),
            _ => true,
        });
    }
    schema
}

/// Every two of them, each as "both are set".
fn pairs(group: &'static [&'static str]) -> impl Iterator<Item = Value> {
    group.iter().enumerate().flat_map(move |(index, first)| {
        let others = group.iter().skip(index + 1);
        others.map(move |second| json!({"required": [first, second]}))
    })
}

fn shape(shape_of: &Shape) -> Value {
    match shape_of {
        Shape::Text | Shape::Hidden | Shape::AnyCaseChoice { .. } => json!({"type": "string"}),
        Shape::Bool => json!({"type": "boolean"}),
        Shape::Count => json!({"type": "integer", "format": "int32", "minimum": 0}),
        Shape::Percent => json!({"type": "number", "minimum": 0, "maximum": 100}),
        Shape::Factor => json!({"type": "number", "minimum": 1, "maximum": 1000}),
        Shape::Port => json!({"type": "integer", "minimum": 1, "maximum": u16::MAX}),
        Shape::PortOrName => json!({"x-kubernetes-int-or-string": true}),
        Shape::Duration => json!({"type": "string", "pattern": DURATION}),
        Shape::Choice { now, later } => {
            json!({"type": "string", "enum": ([*now, *later].concat())})
        }
        Shape::List(of) => json!({"type": "array", "items": shape(of)}),
        Shape::Map(of) | Shape::MapByPort(of) => {
            json!({"type": "object", "additionalProperties": shape(of)})
        }
        Shape::Message(of) => message(of),
        Shape::Same(of) => shape(of),
        Shape::Ignored => anything(),
    }
}

fn anything() -> Value {
    json!({"x-kubernetes-preserve-unknown-fields": true})
}
