//! What became of a workload, for people.

use mesh_model::diag::{Diagnostic, Severity};
use mesh_model::name::ResourceKey;

/// What became of a workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Its pods have a sidecar now.
    Injected,
    /// Its pods get none, and have none; the reason.
    Skipped(String),
    /// Its pods had a sidecar that is out now; the reason.
    Removed(String),
    /// Its pods cannot get one as they are; the findings say why.
    Refused,
    /// What an injection had put in is out again.
    Uninjected,
    /// There was nothing to take out.
    NotInjected,
}

/// What became of a workload, and what there is to say about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Which object.
    pub at: ResourceKey,
    /// What became of it.
    pub outcome: Outcome,
    /// Errors and warnings.
    pub findings: Vec<Diagnostic>,
}

impl Report {
    /// What stops it.
    pub fn errors(&self) -> impl Iterator<Item = &Diagnostic> {
        let findings = self.findings.iter();
        findings.filter(|finding| finding.severity == Severity::Error)
    }
}
