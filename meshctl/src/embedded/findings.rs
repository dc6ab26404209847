//! Diagnostics as lines for people: place, object, field, what is wrong, the way out. Pure.

use std::collections::BTreeMap;

use mesh_api::decode;
use mesh_model::diag::{Diagnostic, Severity};

/// The texts of the files that were read, by the names that messages give them: an object knows
/// its document alone, and a message shall name the line of the field.
#[derive(Debug, Clone, Default)]
pub(crate) struct Texts(BTreeMap<String, String>);

impl Texts {
    /// Remembers the text of a file.
    pub(crate) fn add(&mut self, file: &str, text: String) {
        self.0.insert(file.to_owned(), text);
    }

    /// One finding on one line.
    pub(crate) fn line(&self, diagnostic: &Diagnostic) -> String {
        match self.origin(diagnostic) {
            Some(origin) => line(&diagnostic.clone().with_origin(origin)),
            None => line(diagnostic),
        }
    }

    /// The lines of the errors, and those of everything else.
    pub(crate) fn lines(&self, found: &[Diagnostic]) -> (Vec<String>, Vec<String>) {
        let (errors, others): (Vec<&Diagnostic>, Vec<&Diagnostic>) = found
            .iter()
            .partition(|diagnostic| diagnostic.severity == Severity::Error);
        let print = |list: Vec<&Diagnostic>| list.into_iter().map(|one| self.line(one)).collect();
        (print(errors), print(others))
    }

    /// Where the field stands, in the words of an origin: `FILE document N line L`.
    fn origin(&self, diagnostic: &Diagnostic) -> Option<String> {
        let (place, _) = diagnostic.origin.rsplit_once(" line ")?;
        let (file, document) = place.rsplit_once(" document ")?;
        let text = self.0.get(file)?;
        let document = document.parse().ok()?;
        let line = decode::line_of(text, document, diagnostic.at.as_ref(), &diagnostic.field)?;
        Some(format!("{place} line {line}"))
    }
}

/// One finding on one line, about an object whose text is not at hand.
pub(crate) fn line(diagnostic: &Diagnostic) -> String {
    // A diagnostic about an unreadable document prints its origin itself.
    if diagnostic.at.is_some() && !diagnostic.origin.is_empty() {
        format!("{}: {diagnostic}", diagnostic.origin)
    } else {
        diagnostic.to_string()
    }
}

#[cfg(test)]
mod tests;
