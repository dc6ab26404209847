//! What passes between the stream and the handler.

use std::collections::BTreeSet;
use std::fmt;

use mesh_proto::Any;

use crate::Kind;

/// A change to the resources of one type.
#[derive(Debug, Clone, PartialEq)]
pub struct Update {
    /// Which type.
    pub kind: Kind,
    /// Resources that are new or have changed.
    pub upserts: Vec<Upsert>,
    /// Names of resources that are no more.
    pub removals: Vec<String>,
}

/// One resource that is new or has changed.
#[derive(Clone, PartialEq)]
pub struct Upsert {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its content.
    pub any: Any,
}

/// The content is not shown: it may be secret.
impl fmt::Debug for Upsert {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upsert")
            .field("name", &self.name)
            .field("version", &self.version)
            .field("bytes", &self.any.value.len())
            .finish_non_exhaustive()
    }
}

/// What became of an update.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Applied {
    /// Resources that cannot be used; what was there before them stays in force.
    pub rejections: Vec<Rejection>,
    /// For each type named here, all the names that shall be subscribed to from now on.
    pub wanted: Vec<(Kind, BTreeSet<String>)>,
}

/// A resource that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejection {
    /// Name of the resource.
    pub resource: String,
    /// Path of the field; may be empty.
    pub field: String,
    /// What is wrong with it.
    pub why: String,
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.resource)?;
        if !self.field.is_empty() {
            write!(f, "{}: ", self.field)?;
        }
        f.write_str(&self.why)
    }
}

/// Takes updates. Called from one task, in the order in which the server sent them.
pub trait Handler: Send + 'static {
    /// Puts an update in force, except for what cannot be used.
    fn apply(&mut self, update: Update) -> Applied;
}
