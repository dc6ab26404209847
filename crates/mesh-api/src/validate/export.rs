//! The rules of `exportTo`.

use std::collections::BTreeSet;

use super::{Findings, names};

/// Checks `spec.exportTo` of a VirtualService or DestinationRule.
pub(super) fn check(export_to: &[String], findings: &mut Findings<'_>) {
    let mut seen = BTreeSet::new();
    for (index, to) in export_to.iter().enumerate() {
        let field = format!("spec.exportTo[{index}]");
        match to.as_str() {
            "*" | "." => {}
            "~" => findings.error_with_hint(
                &field,
                "\"~\" (nobody) is for ServiceEntries alone",
                "use \".\" for the object's own namespace",
            ),
            namespace => findings.check(&field, names::dns_label(namespace)),
        }
        if !seen.insert(to) {
            findings.error(field, format!("{to:?} is given twice"));
        }
    }
    if export_to.len() > 1 && export_to.iter().any(|to| to == "*") {
        findings.error("spec.exportTo", "\"*\" (everybody) must stand alone");
    }
}
