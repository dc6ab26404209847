//! What is configured at one moment, and what is wrong with it.

use std::collections::BTreeMap;
use std::sync::Arc;

use mesh_api::{Object, ResourceSet};
use mesh_model::Str;
use mesh_model::diag::{Diagnostic, Severity};
use mesh_model::name::ResourceKey;

/// Everything that is configured, under a version that grows with every change.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Snapshot {
    /// Grows with every change; 0 until every source has told all it had at the start.
    pub version: u64,
    /// What is in force.
    pub resources: Arc<ResourceSet>,
    /// Each object that was ever seen and not deleted since.
    pub states: BTreeMap<ResourceKey, ObjectState>,
    /// Files and folders that cannot be read as a whole, and why.
    pub broken: BTreeMap<Str, Vec<Diagnostic>>,
}

/// How an object stands.
#[derive(Debug, Clone, PartialEq)]
pub struct ObjectState {
    /// Whether it is in force.
    pub state: State,
    /// What is wrong with it as it was written last, and with what it refers to.
    pub diagnostics: Vec<Diagnostic>,
    /// The object as it was written last; not what is in force when that is the last good version.
    pub object: Arc<Object>,
}

/// Whether an object is in force.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// As it was written last.
    InForce,
    /// As it was before: what was written last cannot be used.
    LastGood,
    /// Not at all: no version of it could be used so far.
    SetAside,
}

impl ObjectState {
    /// What is wrong badly enough to be shown in every overview.
    pub fn errors(&self) -> impl Iterator<Item = &Diagnostic> {
        self.diagnostics
            .iter()
            .filter(|diagnostic| diagnostic.severity == Severity::Error)
    }
}
