//! The rules of `http[].mirror`, `mirrors` and their shares.

use super::{check_percent, check_place};
use crate::codes;
use crate::networking::virtual_service::HttpRoute;
use crate::validate::Findings;

/// Checks where copies of a rule's requests go.
pub(super) fn check(route: &HttpRoute, place: &str, findings: &mut Findings<'_>) {
    for (to, _, field) in route.copies() {
        check_place(to, &format!("{place}.{field}"), findings);
    }
    if route.mirror.is_some() && !route.mirrors.is_empty() {
        let text = "cannot go with mirrors";
        let hint = "list all of them in mirrors";
        findings.error_with_hint(format!("{place}.mirror"), text, hint);
    }
    if let Some(percent) = route.mirror_percent {
        let field = format!("{place}.mirrorPercent");
        check_percent(percent, &field, findings);
        let hint = "write mirrorPercentage: {value: ...}";
        let text = match route.mirror_percentage {
            Some(_) => "is not heeded beside mirrorPercentage",
            None => "is the old way to say it",
        };
        findings.warning(codes::SCHEMA, field, text, hint);
    }
    let shares = [
        ("mirrorPercentage", route.mirror_percentage.is_some()),
        ("mirrorPercent", route.mirror_percent.is_some()),
    ];
    for (name, is_there) in shares {
        if is_there && route.mirror.is_none() {
            let field = format!("{place}.{name}");
            let text = "is not heeded without mirror";
            findings.warning(codes::SCHEMA, field, text, "say it in mirrors[].percentage");
        }
    }
}
