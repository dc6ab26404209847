//! The rules of `http[].match[]`: string matches, header names, labels, gateways.

use std::collections::BTreeMap;

use regex::bytes::{Regex, RegexBuilder};

use super::virtual_service::check_gateway;
use super::{Findings, names};
use crate::codes;
use crate::networking::string_match::StringMatch;
use crate::networking::virtual_service::HttpMatch;

/// Longest regular expression (Istio: validation of StringMatch).
const MAX_REGEX: usize = 1024;
/// Most memory of a compiled one; below the bound at which proxies refuse their route table.
const MAX_PROGRAM: usize = 768 * 1024;
/// How Istio writes a match on claims of a token among the headers.
const CLAIMS_PREFIX: &str = "@request.auth.claims";
/// Keys that Istio reserves among the headers, and does not match.
const RESERVED_HEADERS: &[&str] = &["authority", "method", "scheme", "uri"];

/// Checks one alternative of a rule.
pub(super) fn check(matched: &HttpMatch, place: &str, findings: &mut Findings<'_>) {
    let parts = [
        ("uri", &matched.uri, Prefix::MayBeEmpty),
        ("scheme", &matched.scheme, Prefix::NotEmpty),
        ("method", &matched.method, Prefix::NotEmpty),
        ("authority", &matched.authority, Prefix::NotEmpty),
    ];
    for (name, rule, prefix) in parts {
        if let Some(rule) = rule {
            findings.check(format!("{place}.{name}"), string_match(rule, prefix));
        }
    }
    headers(&matched.headers, &format!("{place}.headers"), findings);
    headers(
        &matched.without_headers,
        &format!("{place}.withoutHeaders"),
        findings,
    );
    for (name, rule) in &matched.query_params {
        let field = format!("{place}.queryParams.{name}");
        findings.check(field, named_match(rule));
    }
    names::check_labels(
        findings,
        &format!("{place}.sourceLabels"),
        &matched.source_labels,
    );
    findings.check(
        format!("{place}.sourceNamespace"),
        names::namespace(&matched.source_namespace),
    );
    for (index, gateway) in matched.gateways.iter().enumerate() {
        check_gateway(gateway, &format!("{place}.gateways[{index}]"), findings);
    }
}

fn headers(rules: &BTreeMap<String, StringMatch>, place: &str, findings: &mut Findings<'_>) {
    for (name, rule) in rules {
        let field = format!("{place}.{name}");
        if name.starts_with(CLAIMS_PREFIX) {
            findings.unsupported(field, "matching claims of a token is");
            continue;
        }
        if RESERVED_HEADERS.contains(&name.as_str()) {
            let text = format!("is never compared: Istio reserves the key {name:?}");
            let hint = format!("write it as match.{name}");
            findings.warning(codes::SCHEMA, &field, text, hint);
        }
        findings.check(&field, names::header_name(name));
        findings.check(field, named_match(rule));
    }
}

#[derive(Clone, Copy)]
enum Prefix {
    MayBeEmpty,
    NotEmpty,
}

/// A header's or parameter's match, where `*` as a regular expression means presence.
fn named_match(rule: &StringMatch) -> Result<(), String> {
    if rule.is_presence() {
        return Ok(());
    }
    string_match(rule, Prefix::NotEmpty)
}

/// A match that some text passes, and not every one.
pub(super) fn filled_match(rule: &StringMatch) -> Result<(), String> {
    match rule {
        StringMatch::Present => Err("has neither exact, prefix nor regex".to_owned()),
        StringMatch::Exact(text) if text.is_empty() => Err("the text is empty".to_owned()),
        StringMatch::Exact(_) | StringMatch::Prefix(_) | StringMatch::Regex(_) => {
            string_match(rule, Prefix::NotEmpty)
        }
    }
}

fn string_match(rule: &StringMatch, prefix: Prefix) -> Result<(), String> {
    match (rule, prefix) {
        (StringMatch::Prefix(text), Prefix::NotEmpty) if text.is_empty() => {
            Err("the prefix is empty".to_owned())
        }
        (StringMatch::Regex(text), _) => regex(text),
        (StringMatch::Exact(_) | StringMatch::Prefix(_) | StringMatch::Present, _) => Ok(()),
    }
}

fn regex(text: &str) -> Result<(), String> {
    if text.is_empty() {
        return Err("the regular expression is empty".to_owned());
    }
    if text.len() > MAX_REGEX {
        return Err(format!("the regular expression is longer than {MAX_REGEX}"));
    }
    compile(text).map(|_| ()).map_err(|error| {
        let why = error.to_string();
        let why = why.lines().last().unwrap_or_default();
        let why = why.strip_prefix("error: ").unwrap_or(why);
        format!("{text:?} is not a regular expression (RE2): {why}")
    })
}

/// As proxies do: classes mean ASCII, as in RE2, unless the expression needs more.
fn compile(text: &str) -> Result<Regex, regex::Error> {
    let build = |unicode: bool| {
        RegexBuilder::new(text)
            .unicode(unicode)
            .size_limit(MAX_PROGRAM)
            .build()
    };
    build(false).or_else(|_not_ascii| build(true))
}
