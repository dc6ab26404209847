//! What is known of each resource besides its content: version, age, and why it was refused.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use mesh_xds::Kind;
use mesh_xds::client::Rejection;
use parking_lot::Mutex;
use tokio::sync::watch;

/// What the feed knows of its resources. Clones share it; the admin pages read it.
#[derive(Clone)]
pub struct Catalog(Arc<Shared>);

struct Shared {
    entries: Mutex<BTreeMap<(Kind, String), Entry>>,
    ready: watch::Sender<bool>,
}

/// One resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Version of the content that was accepted; empty when none was.
    pub version: String,
    /// When that was.
    pub accepted: Option<SystemTime>,
    /// The last version, if it was refused.
    pub refused: Option<Refusal>,
}

/// A version of a resource that could not be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The version.
    pub version: String,
    /// When it came.
    pub at: SystemTime,
    /// Field and reason.
    pub why: String,
}

impl Catalog {
    /// Nothing has come yet.
    #[must_use]
    pub fn new() -> Self {
        Self(Arc::new(Shared {
            entries: Mutex::default(),
            ready: watch::channel(false).0,
        }))
    }

    /// Whether everything was received once that clusters and listeners ask for.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        *self.0.ready.borrow()
    }

    /// Tells when that becomes true.
    #[must_use]
    pub fn ready(&self) -> watch::Receiver<bool> {
        self.0.ready.subscribe()
    }

    /// The resources of one type by name.
    #[must_use]
    pub fn of_kind(&self, kind: Kind) -> BTreeMap<String, Entry> {
        let entries = self.0.entries.lock();
        let of_kind = entries.iter().filter(|((own, _), _)| *own == kind);
        of_kind
            .map(|((_, name), entry)| (name.clone(), entry.clone()))
            .collect()
    }

    /// The number of resources whose last version was refused.
    #[must_use]
    pub fn refused(&self) -> usize {
        let entries = self.0.entries.lock();
        entries
            .values()
            .filter(|entry| entry.refused.is_some())
            .count()
    }

    pub(crate) fn set_ready(&self) {
        self.0
            .ready
            .send_if_modified(|ready| !std::mem::replace(ready, true));
    }

    pub(crate) fn accept(&self, kind: Kind, name: &str, version: &str, now: SystemTime) {
        let entry = Entry {
            version: version.to_owned(),
            accepted: Some(now),
            refused: None,
        };
        self.0.entries.lock().insert((kind, name.to_owned()), entry);
    }

    pub(crate) fn refuse(&self, kind: Kind, rejection: &Rejection, version: &str, now: SystemTime) {
        let why = match rejection.field.as_str() {
            "" => rejection.why.clone(),
            field => format!("{field}: {}", rejection.why),
        };
        let refusal = Refusal {
            version: version.to_owned(),
            at: now,
            why,
        };
        let mut entries = self.0.entries.lock();
        let entry = entries
            .entry((kind, rejection.resource.clone()))
            .or_insert_with(|| Entry {
                version: String::new(),
                accepted: None,
                refused: None,
            });
        entry.refused = Some(refusal);
    }

    pub(super) fn remove(&self, kind: Kind, name: &str) {
        self.0.entries.lock().remove(&(kind, name.to_owned()));
    }
}

impl Default for Catalog {
    fn default() -> Self {
        Self::new()
    }
}
