//! What is wrong within a pod, by a path that begins at the pod.

use mesh_model::diag::{Diagnostic, Severity};
use mesh_model::name::ResourceKey;

/// A finding about a field of a pod or of its template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    code: &'static str,
    severity: Severity,
    field: String,
    message: String,
    hint: String,
}

impl Problem {
    pub(crate) fn error(
        code: &'static str,
        field: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            code,
            severity: Severity::Error,
            field: field.into(),
            message: message.into(),
            hint: String::new(),
        }
    }

    pub(crate) fn warning(
        code: &'static str,
        field: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            severity: Severity::Warning,
            ..Self::error(code, field, message)
        }
    }

    pub(crate) fn with_hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: hint.into(),
            ..self
        }
    }

    /// The finding about the object around the pod, which stands at `prefix`.
    pub(crate) fn about(self, at: &ResourceKey, prefix: &str, origin: &str) -> Diagnostic {
        let field = if prefix.is_empty() {
            self.field
        } else {
            format!("{prefix}.{}", self.field)
        };
        Diagnostic {
            code: self.code,
            severity: self.severity,
            at: Some(at.clone()),
            origin: origin.into(),
            field,
            message: self.message,
            hint: self.hint,
        }
    }
}

/// The path of an annotation.
pub(crate) fn annotation(name: &str) -> String {
    format!("metadata.annotations[{name:?}]")
}
