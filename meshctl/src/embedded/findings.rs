//! Diagnostics as lines for people: place, object, field, what is wrong, the way out. Pure.

use mesh_model::diag::{Diagnostic, Severity};

/// One finding on one line.
pub(crate) fn line(diagnostic: &Diagnostic) -> String {
    // A diagnostic about an unreadable document prints its origin itself.
    if diagnostic.at.is_some() && !diagnostic.origin.is_empty() {
        format!("{}: {diagnostic}", diagnostic.origin)
    } else {
        diagnostic.to_string()
    }
}

/// The lines of the errors, and those of everything else.
pub(crate) fn lines(found: &[Diagnostic]) -> (Vec<String>, Vec<String>) {
    let (errors, others): (Vec<&Diagnostic>, Vec<&Diagnostic>) = found
        .iter()
        .partition(|diagnostic| diagnostic.severity == Severity::Error);
    let print = |list: Vec<&Diagnostic>| list.into_iter().map(line).collect();
    (print(errors), print(others))
}
