//! Diagnostics: what is wrong with configuration, where, and the way out.
//!
//! Validators, `apply`, `status`, the file source and NACKs all speak through [`Diagnostic`], so
//! that a user reads the same sentence everywhere.

use std::fmt;

use crate::Str;
use crate::name::ResourceKey;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Works, but probably not as meant.
    Warning,
    /// Cannot be used.
    Error,
}

/// One finding about one place in one object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// Stable code, Istio's where it has one, for example `IST0101`; scripts may rely on it.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Which object; unknown while a document cannot be read.
    pub at: Option<ResourceKey>,
    /// File or source with document and line, for example `vs.yaml document 2 line 14`; may be empty.
    pub origin: Str,
    /// Path of the field, for example `spec.http[1].route[0].destination.subset`; may be empty.
    pub field: String,
    /// What is wrong, in lower case and without a full stop.
    pub message: String,
    /// The way out; may be empty.
    pub hint: String,
}

impl Diagnostic {
    /// An error about a field of an object.
    #[must_use]
    pub fn error(
        code: &'static str,
        at: &ResourceKey,
        field: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self::at(code, Severity::Error, at, field.into(), message.into())
    }

    /// A warning about a field of an object.
    #[must_use]
    pub fn warning(
        code: &'static str,
        at: &ResourceKey,
        field: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self::at(code, Severity::Warning, at, field.into(), message.into())
    }

    fn at(
        code: &'static str,
        severity: Severity,
        at: &ResourceKey,
        field: String,
        message: String,
    ) -> Self {
        Self {
            code,
            severity,
            at: Some(at.clone()),
            origin: Str::default(),
            field,
            message,
            hint: String::new(),
        }
    }

    /// Adds the way out.
    #[must_use]
    pub fn with_hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: hint.into(),
            ..self
        }
    }

    /// Adds where the text of the object came from.
    #[must_use]
    pub fn with_origin(self, origin: impl Into<Str>) -> Self {
        Self {
            origin: origin.into(),
            ..self
        }
    }
}

impl fmt::Display for Diagnostic {
    /// Prints `virtualservice default/reviews: spec.hosts: message; hint`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(at) = &self.at {
            write!(f, "{at}: ")?;
        } else if !self.origin.is_empty() {
            write!(f, "{}: ", self.origin)?;
        }
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.message)?;
        if !self.hint.is_empty() {
            write!(f, "; {}", self.hint)?;
        }
        Ok(())
    }
}
