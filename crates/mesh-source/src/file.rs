//! Folders of manifests, watched: every `*.yaml`, `*.yml` and `*.json` in them, not recursive.
//!
//! A change is told at once, by inotify. A file that is being written is not looked at before its
//! writer closes it, so nobody sees half of one. What cannot be read is told as broken, and the
//! objects that came from it stay. Names that start with a dot are not looked at.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use notify::{RecommendedWatcher, RecursiveMode, Watcher};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::{Event, NextEvents, Source};
use pending::Pending;
use tree::Tree;

mod pending;
mod tree;

/// Why folders cannot be followed.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// It is not there, or not a folder.
    #[error("{} is not a folder", .0.display())]
    NotAFolder(PathBuf),
    /// The system does not let us watch; its limits are `fs.inotify.max_user_*`.
    #[error("cannot watch {}", path.display())]
    Watch {
        /// What should be watched.
        path: PathBuf,
        /// Why it cannot be.
        #[source]
        source: notify::Error,
    },
}

/// Folders that are watched; the earlier one counts where two hold the same object.
pub struct FileSource {
    roots: Vec<PathBuf>,
    tree: Tree,
    signals: Arc<Signals>,
    watcher: RecommendedWatcher,
}

/// What the watcher's thread leaves for the source.
struct Signals {
    pending: Mutex<Pending>,
    wake: Notify,
}

impl FileSource {
    /// Starts to watch; nothing is read yet.
    ///
    /// # Errors
    /// [`SourceError`] when a folder is missing or cannot be watched.
    pub fn open(dirs: impl IntoIterator<Item = PathBuf>) -> Result<Self, SourceError> {
        let roots: Vec<PathBuf> = dirs
            .into_iter()
            .map(|dir| match std::path::absolute(&dir) {
                Ok(path) if path.is_dir() => Ok(path),
                Ok(_) | Err(_) => Err(SourceError::NotAFolder(dir)),
            })
            .collect::<Result<_, _>>()?;
        let signals = Arc::new(Signals {
            pending: Mutex::new(Pending::new(roots.clone())),
            wake: Notify::new(),
        });
        let mut watcher = notify::recommended_watcher(listener(signals.clone()))
            .map_err(|source| watch_error(roots.first(), source))?;
        for root in &roots {
            for path in [Some(root.as_path()), root.parent()].into_iter().flatten() {
                watcher
                    .watch(path, RecursiveMode::NonRecursive)
                    .map_err(|source| watch_error(Some(path), source))?;
            }
        }
        Ok(Self {
            tree: Tree::new(roots.clone()),
            roots,
            signals,
            watcher,
        })
    }

    async fn changed(&mut self) -> Option<Vec<Event>> {
        loop {
            self.signals.wake.notified().await;
            let change = self.signals.pending.lock().take();
            for root in &change.replaced {
                self.watch_again(root);
            }
            let events = self.tree.scan(&change);
            if !events.is_empty() {
                return Some(events);
            }
        }
    }

    /// A folder that was moved or deleted leaves a watch on something that nobody means any more.
    /// Where the new one is not there yet, the watch on its parent tells when it comes.
    fn watch_again(&mut self, root: &Path) {
        if let Err(error) = self.watcher.unwatch(root) {
            tracing::debug!(path = %root.display(), %error, "was not watched");
        }
        if let Err(error) = self.watcher.watch(root, RecursiveMode::NonRecursive) {
            tracing::debug!(path = %root.display(), %error, "cannot be watched for now");
        }
    }
}

impl Source for FileSource {
    fn first(&mut self) -> Vec<Event> {
        let mut events = self.tree.scan(&pending::Change::everything(&self.roots));
        events.push(Event::Synced);
        events
    }

    fn next(&mut self) -> NextEvents<'_> {
        Box::pin(self.changed())
    }
}

fn watch_error(path: Option<impl AsRef<Path>>, source: notify::Error) -> SourceError {
    let path = path.map(|path| path.as_ref().to_owned());
    SourceError::Watch {
        path: path.unwrap_or_default(),
        source,
    }
}

/// Runs on the watcher's thread: notes what happened and wakes the source, without waiting.
fn listener(signals: Arc<Signals>) -> impl Fn(notify::Result<notify::Event>) + Send + 'static {
    move |event| {
        let wake = match event {
            Ok(event) => signals.pending.lock().note(&event),
            Err(error) => {
                tracing::warn!(%error, "watching failed, everything is read again");
                signals.pending.lock().everything()
            }
        };
        if wake {
            signals.wake.notify_one();
        }
    }
}

#[cfg(test)]
mod tests;
