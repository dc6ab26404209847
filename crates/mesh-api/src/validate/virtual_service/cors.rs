//! The rules of `http[].corsPolicy` (Istio: validateCORSPolicy).

use std::time::Duration;

use crate::codes;
use crate::networking::virtual_service::cors::CorsPolicy;
use crate::validate::{Findings, match_rules, names};

/// Methods that pages may be allowed; `*` stands for those that they ask for.
const METHODS: [&str; 10] = [
    "*", "CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "TRACE",
];

/// Checks what a rule says of pages of other origins.
pub(super) fn check(policy: &CorsPolicy, place: &str, findings: &mut Findings<'_>) {
    for (index, origin) in policy.allow_origins.iter().enumerate() {
        let field = format!("{place}.allowOrigins[{index}]");
        findings.check(field, match_rules::filled_match(origin));
    }
    if !policy.allow_origins.is_empty() && !policy.allow_origin.is_empty() {
        let field = format!("{place}.allowOrigin");
        let text = "is not heeded beside allowOrigins";
        findings.warning(codes::SCHEMA, field, text, "leave one of them out");
    }
    for (index, method) in policy.allow_methods.iter().enumerate() {
        if !METHODS.contains(&method.as_str()) {
            let field = format!("{place}.allowMethods[{index}]");
            let text = format!("{method:?} is no method of HTTP");
            let hint = format!("one of {}", METHODS.join(", "));
            findings.error_with_hint(field, text, hint);
        }
    }
    let lists = [
        ("allowHeaders", &policy.allow_headers),
        ("exposeHeaders", &policy.expose_headers),
    ];
    for (name, list) in lists {
        for (index, header) in list.iter().enumerate() {
            let field = format!("{place}.{name}[{index}]");
            findings.check(field, names::header_name(header));
        }
    }
    if let Some(age) = policy.max_age {
        findings.check(format!("{place}.maxAge"), max_age(age));
    }
}

fn max_age(age: Duration) -> Result<(), String> {
    match age.subsec_nanos() == 0 && age.as_secs() > 0 {
        true => Ok(()),
        false => Err("must be a whole number of seconds, one at least".to_owned()),
    }
}
