//! Access logs: for which requests a line is written, what it says, and into which file it goes.

mod filter;
mod format;

use std::ops::Deref;
use std::sync::Arc;

use mesh_model::Str;

pub(crate) use self::filter::{Compare, Comparison, Filter};
pub use self::format::Format;
pub(crate) use self::format::Json;
use crate::template::{Needs, Subject};

/// A log of requests or connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccessLog {
    /// File; `/dev/stdout` and `/dev/stderr` for the process's outputs.
    pub path: Str,
    /// What a line says.
    pub format: Arc<Format>,
    /// For which requests one is written; for all of them without it.
    pub(crate) filter: Option<Filter>,
}

/// The logs of a filter chain.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AccessLogs {
    logs: Vec<AccessLog>,
    needs: Needs,
}

impl AccessLogs {
    /// What must be kept of an answer until its request is over.
    #[must_use]
    pub fn needs(&self) -> Needs {
        self.needs
    }
}

impl Deref for AccessLogs {
    type Target = [AccessLog];

    fn deref(&self) -> &[AccessLog] {
        &self.logs
    }
}

impl From<Vec<AccessLog>> for AccessLogs {
    fn from(logs: Vec<AccessLog>) -> Self {
        let needs = logs.iter().map(|log| log.format.needs());
        let needs = needs.fold(Needs::default(), Needs::with);
        Self { logs, needs }
    }
}

impl AccessLog {
    /// A log of everything in Istio's default format.
    #[must_use]
    pub fn of_all(path: &str) -> Self {
        Self {
            path: path.into(),
            format: Arc::new(Format::istio()),
            filter: None,
        }
    }

    /// Whether a line is written; chance is asked for only where a share of requests is logged.
    pub fn takes(&self, subject: &Subject<'_>, draw: &mut dyn FnMut() -> u64) -> bool {
        self.filter
            .as_ref()
            .is_none_or(|filter| filter.takes(subject, draw))
    }
}

#[cfg(test)]
pub(crate) mod tests;
