//! The rules of names: of objects, labels, headers, gateways.

use mesh_model::diag::Diagnostic;
use mesh_model::labels::Labels;
use mesh_model::name::is_dns_label;

use super::Findings;
use crate::meta::Object;
use crate::timestamp::Timestamp;

/// Longest name of an object (Kubernetes: DNS-1123 subdomain).
const MAX_NAME: usize = 253;
/// Longest name part of a label's key, and longest value of a label (Kubernetes).
const MAX_LABEL: usize = 63;

/// Whether Kubernetes takes `name` as the name of an object.
///
/// # Errors
/// The sentence to show.
pub fn object_name(name: &str) -> Result<(), String> {
    let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    let label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(allowed)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if name.len() <= MAX_NAME && name.split('.').all(label) {
        return Ok(());
    }
    Err(format!(
        "{name:?} is not a name: lower-case letters, digits, '-' and '.', at most {MAX_NAME}"
    ))
}

/// Whether `name` is a namespace's name, or empty.
///
/// # Errors
/// The sentence to show.
pub fn namespace(name: &str) -> Result<(), String> {
    if name.is_empty() {
        return Ok(());
    }
    dns_label(name)
}

/// Whether `name` is a DNS label in lower case.
///
/// # Errors
/// The sentence to show.
pub fn dns_label(name: &str) -> Result<(), String> {
    if is_dns_label(name) {
        return Ok(());
    }
    Err(format!(
        "{name:?} is not a DNS label: lower-case letters, digits and '-', at most 63"
    ))
}

/// Whether `name` may be the name of a header (RFC 9110, 5.1: a token).
///
/// # Errors
/// The sentence to show.
pub fn header_name(name: &str) -> Result<(), String> {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if !name.is_empty() && name.bytes().all(token) {
        return Ok(());
    }
    Err(format!("{name:?} is not the name of a header"))
}

/// Whether `key` and `value` may be a label.
///
/// # Errors
/// The sentence to show.
pub fn label(key: &str, value: &str) -> Result<(), String> {
    let (prefix, name) = key.rsplit_once('/').unwrap_or(("", key));
    if !(prefix.is_empty() || object_name(prefix).is_ok()) || !label_part(name) || name.is_empty() {
        return Err(format!("{key:?} is not the key of a label"));
    }
    if !label_part(value) {
        return Err(format!("{value:?} is not the value of a label"));
    }
    Ok(())
}

fn label_part(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    let edge = |b: Option<&u8>| b.is_none_or(u8::is_ascii_alphanumeric);
    text.len() <= MAX_LABEL
        && text.bytes().all(allowed)
        && edge(text.as_bytes().first())
        && edge(text.as_bytes().last())
}

/// Checks every label of a field.
pub(super) fn check_labels(findings: &mut Findings<'_>, field: &str, labels: &Labels) {
    for (key, value) in &labels.0 {
        findings.check(format!("{field}.{key}"), label(key, value));
    }
}

/// Checks the parts of the metadata that have a form of their own.
pub(crate) fn check_metadata(object: &Object, found: &mut Vec<Diagnostic>) {
    let mut findings = Findings {
        key: &object.key,
        found,
    };
    check_labels(&mut findings, "metadata.labels", &object.meta.labels);
    let written = object
        .value
        .pointer("/metadata/creationTimestamp")
        .and_then(serde_json::Value::as_str);
    if let Some(text) = written.filter(|text| Timestamp::parse(text).is_none()) {
        let text = format!("{text:?} is not a time");
        let hint = "write for example 2026-01-31T09:30:00Z";
        findings.error_with_hint("metadata.creationTimestamp", text, hint);
    }
}
