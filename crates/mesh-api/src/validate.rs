//! The rules that a single object must keep, one file per kind, and those between objects
//! ([`references`]).
//!
//! Shapes, ranges and unknown fields are the schema's business; here is what no type can say.

use mesh_model::diag::Diagnostic;
use mesh_model::name::ResourceKey;

use crate::codes;

pub mod destination_rule;
pub mod gateway;
pub mod kubernetes;
pub mod locality;
pub mod names;
pub mod peer_authentication;
pub mod references;
pub mod virtual_service;

mod export;
mod match_rules;

/// The diagnostics of one object, as its check finds them.
struct Findings<'a> {
    key: &'a ResourceKey,
    found: &'a mut Vec<Diagnostic>,
}

impl Findings<'_> {
    fn error(&mut self, field: impl Into<String>, text: impl Into<String>) {
        self.add(codes::SCHEMA, field, text, "");
    }

    fn error_with_hint(
        &mut self,
        field: impl Into<String>,
        text: impl Into<String>,
        hint: impl Into<String>,
    ) {
        self.add(codes::SCHEMA, field, text, hint);
    }

    fn unsupported(&mut self, field: impl Into<String>, text: &str) {
        let text = format!("{text} known to Istio but not supported by this version of mesh");
        self.add(codes::UNSUPPORTED, field, text, "");
    }

    fn warning(
        &mut self,
        code: &'static str,
        field: impl Into<String>,
        text: impl Into<String>,
        hint: impl Into<String>,
    ) {
        let warning = Diagnostic::warning(code, self.key, field, text);
        self.found.push(warning.with_hint(hint));
    }

    fn add(
        &mut self,
        code: &'static str,
        field: impl Into<String>,
        text: impl Into<String>,
        hint: impl Into<String>,
    ) {
        let error = Diagnostic::error(code, self.key, field, text);
        self.found.push(error.with_hint(hint));
    }

    /// Reports what a rule of [`names`] or another function had against a field.
    fn check(&mut self, field: impl Into<String>, rule: Result<(), String>) {
        if let Err(text) = rule {
            self.error(field, text);
        }
    }
}

#[cfg(test)]
mod tests;
