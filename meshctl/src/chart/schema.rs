//! What `values.schema.json` says against values: the part of JSON Schema that our schemas use. Pure.
//!
//! A keyword that is not known here is an error of the schema, found by a test.

use regex::Regex;
use serde_json::Value;

use crate::plane::kube::text;

/// Keywords that say nothing about a value.
#[cfg(test)]
const SILENT: [&str; 4] = ["$schema", "$defs", "title", "description"];
/// Those that are understood.
#[cfg(test)]
const KNOWN: [&str; 10] = [
    "type",
    "enum",
    "properties",
    "additionalProperties",
    "items",
    "required",
    "pattern",
    "minimum",
    "maximum",
    "$ref",
];

/// What is wrong with values, a line each.
pub(super) fn complaints(schema: &Value, values: &Value) -> Vec<String> {
    let mut found = Vec::new();
    look(schema, schema, values, "", &mut found);
    found
}

fn look(root: &Value, schema: &Value, value: &Value, at: &str, found: &mut Vec<String>) {
    if let Some(name) = text(schema, "/$ref").strip_prefix('#') {
        if let Some(target) = root.pointer(name) {
            look(root, target, value, at, found);
        }
        return;
    }
    let place = if at.is_empty() { "values" } else { at };
    if let Some(wanted) = schema.get("type")
        && !is_of(value, wanted)
    {
        found.push(format!("{place}: {} is no {}", shown(value), types(wanted)));
        return;
    }
    if let Some(Value::Array(allowed)) = schema.get("enum")
        && !allowed.contains(value)
    {
        let allowed: Vec<String> = allowed.iter().map(shown).collect();
        found.push(format!(
            "{place}: {} is none of {}",
            shown(value),
            allowed.join(", ")
        ));
    }
    bounds(schema, value, place, found);
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let known = schema.get("properties").and_then(|known| known.get(name));
                let others = schema
                    .get("additionalProperties")
                    .filter(|others| others.is_object());
                let at = if at.is_empty() {
                    name.clone()
                } else {
                    format!("{at}.{name}")
                };
                if let Some(schema) = known.or(others) {
                    look(root, schema, member, &at, found);
                }
            }
            let required = schema.get("required").and_then(Value::as_array);
            let required = required.into_iter().flatten().filter_map(Value::as_str);
            let missing = required.filter(|name| !members.contains_key(*name));
            found.extend(missing.map(|name| format!("{place}: {name} is missing")));
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                if let Some(schema) = schema.get("items") {
                    look(root, schema, item, &format!("{at}[{index}]"), found);
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn bounds(schema: &Value, value: &Value, place: &str, found: &mut Vec<String>) {
    if let Some(number) = value.as_f64() {
        let bound = |name: &str| schema.get(name).and_then(Value::as_f64);
        if bound("minimum").is_some_and(|least| number < least)
            || bound("maximum").is_some_and(|most| number > most)
        {
            found.push(format!("{place}: {number} is out of bounds"));
        }
    }
    let pattern = schema.get("pattern").and_then(Value::as_str);
    if let (Some(pattern), Some(text)) = (pattern, value.as_str())
        && Regex::new(pattern).is_ok_and(|pattern| !pattern.is_match(text))
    {
        found.push(format!("{place}: {text:?} does not match {pattern}"));
    }
}

fn is_of(value: &Value, wanted: &Value) -> bool {
    match wanted {
        Value::Array(several) => several.iter().any(|one| is_of(value, one)),
        Value::String(name) => match name.as_str() {
            "object" => value.is_object(),
            "array" => value.is_array(),
            "string" => value.is_string(),
            "boolean" => value.is_boolean(),
            "integer" => value.is_i64() || value.is_u64(),
            "number" => value.is_number(),
            "null" => value.is_null(),
            _ => true,
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => true,
    }
}

fn types(wanted: &Value) -> String {
    match wanted {
        Value::Array(several) => several.iter().map(types).collect::<Vec<_>>().join(" or "),
        one => one.as_str().unwrap_or_default().to_owned(),
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::Object(_) => "an object".to_owned(),
        Value::Array(_) => "a list".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests;
