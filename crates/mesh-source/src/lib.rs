//! How configuration enters a process: sources, and the versioned store that merges them.
//!
//! A source tells of objects as they were written; what they mean and whether they are valid is
//! mesh-api's business. After the store no code knows where an object came from.

use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use mesh_api::Object;
use mesh_model::Str;
use mesh_model::diag::Diagnostic;
use mesh_model::name::ResourceKey;
use mesh_runtime::Tasks;
use tokio::sync::watch;

pub mod file;
mod follow;
mod notice;
pub mod snapshot;
pub mod store;

pub use file::SourceError;
pub use follow::{follow, follow_in};
pub use snapshot::{ObjectState, Snapshot, State};

/// What a source tells.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// An object is there, or changed.
    Upsert(Arc<Object>),
    /// An object is gone.
    Delete(ResourceKey),
    /// Everything that was there at the start has been told.
    Synced,
    /// A place cannot be read as a whole; told again when the reason changes.
    Broken {
        /// The place: a file or a folder.
        origin: Str,
        /// Why.
        diagnostics: Vec<Diagnostic>,
        /// Objects that came from it earlier and stay in force although it no longer shows them.
        held: Vec<ResourceKey>,
    },
    /// A place that was broken is well again.
    Mended {
        /// The place.
        origin: Str,
    },
}

/// A batch of events to come, or `None` when there will be no more.
pub type NextEvents<'a> = Pin<Box<dyn Future<Output = Option<Vec<Event>>> + Send + 'a>>;

/// A place that objects come from.
pub trait Source: Send + 'static {
    /// What is known without waiting; called once, before [`Source::next`].
    fn first(&mut self) -> Vec<Event>;

    /// Waits for the next change; all that is known by then comes as one batch.
    ///
    /// Cancelling it loses nothing.
    fn next(&mut self) -> NextEvents<'_>;
}

/// Follows folders of manifests: reads them, then watches them until `tasks` stop.
///
/// Of two folders that hold the same object the earlier one counts. The first snapshot is complete;
/// each further one is published as soon as a change is seen. Needs a runtime.
///
/// # Errors
/// [`SourceError`] when a folder is missing or cannot be watched.
pub fn start(
    dirs: impl IntoIterator<Item = PathBuf>,
    tasks: &Tasks,
) -> Result<watch::Receiver<Arc<Snapshot>>, SourceError> {
    let files = file::FileSource::open(dirs)?;
    Ok(follow(vec![Box::new(files)], tasks))
}
