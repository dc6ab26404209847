//! Why a resource was refused: which one, which field, and what is wrong with it.

use std::fmt;

use mesh_model::Str;

/// A resource that cannot be brought into force.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reject {
    /// What it is: `listener`, `route configuration`, `cluster` or `endpoints`.
    pub kind: &'static str,
    /// Name of the resource.
    pub name: Str,
    /// Path of the field, for example `filter_chains[0].filters[1]`; empty for the whole resource.
    pub field: Str,
    /// What is wrong with it.
    pub why: Str,
}

impl fmt::Display for Reject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: ", self.kind, self.name)?;
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.why)
    }
}

impl std::error::Error for Reject {}

/// What is wrong with one field of a resource, while the way to it is still being written down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    field: String,
    why: String,
}

impl Fault {
    pub(crate) fn new(field: impl Into<String>, why: impl Into<String>) -> Self {
        Self {
            field: field.into(),
            why: why.into(),
        }
    }

    /// A feature that this proxy does not have and that must not be dropped in silence.
    pub(crate) fn unsupported(field: impl Into<String>) -> Self {
        Self::new(field, "is not supported")
    }

    pub(crate) fn missing(field: impl Into<String>) -> Self {
        Self::new(field, "is missing")
    }

    fn within(mut self, parent: &str) -> Self {
        self.field = match self.field.is_empty() {
            true => parent.to_owned(),
            false => format!("{parent}.{}", self.field),
        };
        self
    }

    pub(crate) fn of(self, kind: &'static str, name: &str) -> Reject {
        Reject {
            kind,
            name: name.into(),
            field: self.field.into(),
            why: self.why.into(),
        }
    }
}

pub(crate) type Compiled<T> = Result<T, Fault>;

/// Writes down where in the resource a fault was met.
pub(crate) trait At {
    fn at(self, parent: &str) -> Self;
    fn at_index(self, parent: &str, index: usize) -> Self;
}

impl<T> At for Compiled<T> {
    fn at(self, parent: &str) -> Self {
        self.map_err(|fault| fault.within(parent))
    }

    fn at_index(self, parent: &str, index: usize) -> Self {
        self.map_err(|fault| fault.within(&format!("{parent}[{index}]")))
    }
}
