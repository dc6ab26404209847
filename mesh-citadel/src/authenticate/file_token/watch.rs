//! Reads the accepted tokens again when their directory changes.

use std::path::PathBuf;
use std::sync::Arc;

use mesh_runtime::Tasks;
use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tokio::sync::Notify;

use super::FileTokens;

/// The directory cannot be watched.
#[derive(Debug, thiserror::Error)]
#[error("{} cannot be watched", directory.display())]
pub struct WatchError {
    directory: PathBuf,
    #[source]
    error: notify::Error,
}

impl FileTokens {
    /// Follows the directory, which must exist, in a task of `tasks`.
    ///
    /// # Errors
    /// [`WatchError`].
    pub fn watch(&self, tasks: &Tasks) -> Result<(), WatchError> {
        let changed = Arc::new(Notify::new());
        let watcher = self.start(changed.clone()).map_err(|error| WatchError {
            directory: self.0.directory.clone(),
            error,
        })?;
        // What changed before the watcher was there.
        self.refresh();
        let tokens = self.clone();
        let stopping = tasks.stopping().clone();
        tasks.spawn("accepted tokens", async move {
            let follow = async {
                loop {
                    changed.notified().await;
                    tokens.refresh();
                }
            };
            let _never: Option<()> = stopping.run_until_cancelled(follow).await;
            drop(watcher);
        });
        Ok(())
    }

    fn start(&self, changed: Arc<Notify>) -> notify::Result<RecommendedWatcher> {
        let mut watcher =
            notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
                match event {
                    // Our own reading of the files is no change.
                    Ok(event) if matches!(event.kind, EventKind::Access(_)) => {}
                    Ok(_) => changed.notify_one(),
                    Err(error) => {
                        tracing::warn!(%error, "watching the accepted tokens");
                        changed.notify_one();
                    }
                }
            })?;
        watcher.watch(&self.0.directory, RecursiveMode::NonRecursive)?;
        Ok(watcher)
    }
}
