//! Configuration that is about to be taken.
//!
//! Errors refuse. A host or subset that is missing only warns: objects come in any order, and what
//! is missing may be on its way.

use mesh_api::resources::{Typed, has_errors, read};
use mesh_api::validate::references::check_references_in;
use mesh_api::{Object, ResourceSet, decode};
use mesh_model::diag::{Diagnostic, Severity};

use super::review::{Request, Verdict};

/// What becomes of an object beside the configuration that is in force.
pub(super) fn judge(request: &Request, in_force: &ResourceSet, domain: &str) -> Verdict {
    if !matches!(request.operation.as_str(), "CREATE" | "UPDATE") {
        return Verdict::default();
    }
    let decoded = decode::object_in(request.object.clone(), &request.namespace, "");
    let object = match decoded {
        Ok(object) => object,
        Err(found) => {
            let message = format!("cannot decode configuration: {}", sentences(&found));
            return Verdict::refused("cannot_decode", message);
        }
    };
    let (typed, found) = read(&object);
    if has_errors(&found) {
        let message = format!("configuration is invalid: {}", sentences(&found));
        return Verdict::refused("invalid_resource", message);
    }
    let dangling = typed.map_or(Vec::new(), |typed| {
        dangling(&object, typed, in_force, domain)
    });
    Verdict {
        warnings: found
            .iter()
            .chain(&dangling)
            .map(Diagnostic::to_string)
            .collect(),
        ..Verdict::default()
    }
}

/// What it refers to and what does not exist.
fn dangling(
    object: &Object,
    typed: Typed,
    in_force: &ResourceSet,
    domain: &str,
) -> Vec<Diagnostic> {
    let mut after = in_force.clone();
    after.put(typed);
    check_references_in(&after, domain, |key| *key == object.key)
}

/// All errors, one after the other; where there are several, how many first.
fn sentences(found: &[Diagnostic]) -> String {
    let errors = found.iter().filter(|one| one.severity == Severity::Error);
    let errors: Vec<String> = errors.map(Diagnostic::to_string).collect();
    match errors.as_slice() {
        [one] => one.clone(),
        several => {
            let lines: String = several.iter().map(|line| format!("\n\t* {line}")).collect();
            format!("{} errors occurred:{lines}", several.len())
        }
    }
}

#[cfg(test)]
mod tests;
