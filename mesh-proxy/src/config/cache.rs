//! The last good configuration on disk, for a start while nobody answers.
//!
//! What was accepted is written behind the back of whoever puts it in force. Secrets are not: they come from whoever
//! issues them. Should the disk not keep up, or fail, there is no cache any more rather than one that is wrong.

mod journal;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context;
use mesh_runtime::Tasks;
use mesh_xds::Kind;
use mesh_xds::client::Upsert;
use tokio::sync::mpsc;

use self::journal::{Journal, Record, Resource};

/// Changes that may wait for the disk.
const WAITING: usize = 64;

/// Where changes go.
pub struct Cache {
    changes: Option<mpsc::Sender<Record>>,
    /// Some of them did not reach the disk.
    lost: Arc<AtomicBool>,
    whole: bool,
}

impl Cache {
    /// Opens the cache of a proxy, and says what its last run left there, if it left all that it needs.
    ///
    /// # Errors
    /// When the folder cannot be used.
    pub fn open(
        folder: &Path,
        node: &str,
        tasks: &Tasks,
    ) -> anyhow::Result<(Self, Vec<(Kind, Upsert)>)> {
        let opened = Journal::open(folder, node);
        let (journal, left) =
            opened.with_context(|| format!("--config-cache {}", folder.display()))?;
        let (sender, changes) = mpsc::channel(WAITING);
        let lost = Arc::<AtomicBool>::default();
        let seen = lost.clone();
        tasks.spawn_blocking("config cache", move || keep(journal, changes, &seen));
        let cache = Self {
            changes: Some(sender),
            lost,
            whole: !left.is_empty(),
        };
        Ok((cache, left))
    }

    /// Keeps what was accepted, and forgets what is no more.
    pub(super) fn note(&mut self, upserts: Vec<(Kind, Upsert)>, removals: Vec<(Kind, String)>) {
        let upserts = upserts
            .into_iter()
            .filter(|(kind, _)| *kind != Kind::Secret);
        let record = Record {
            upserts: upserts.map(|(_, upsert)| Resource::of(upsert)).collect(),
            removals: removals
                .into_iter()
                .map(|(kind, name)| Resource::gone(kind, name))
                .collect(),
            whole: false,
        };
        if !record.upserts.is_empty() || !record.removals.is_empty() {
            self.send(record);
        }
    }

    /// Notes that all that the proxy needs has come.
    pub(super) fn is_whole(&mut self) {
        if !std::mem::replace(&mut self.whole, true) {
            self.send(Record {
                whole: true,
                ..Record::default()
            });
        }
    }

    fn send(&mut self, record: Record) {
        let Some(changes) = &self.changes else {
            return;
        };
        if changes.try_send(record).is_err() {
            self.lost.store(true, Ordering::Release);
            self.changes = None;
        }
    }
}

/// Writes until nobody sends any more.
fn keep(mut journal: Journal, mut changes: mpsc::Receiver<Record>, lost: &AtomicBool) {
    while let Some(record) = changes.blocking_recv() {
        if let Err(error) = journal.append(&record) {
            return forget(journal, &error.to_string());
        }
    }
    if lost.load(Ordering::Acquire) {
        forget(journal, "changes come faster than they can be written");
    }
}

fn forget(journal: Journal, why: &str) {
    tracing::error!(
        error = why,
        "the configuration is not kept for the next start any more"
    );
    if let Err(error) = journal.remove() {
        tracing::warn!(%error, "what was kept of it stays");
    }
}

#[cfg(test)]
mod tests;
