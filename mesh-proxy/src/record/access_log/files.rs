//! The files that lines go to, one writer for each, whichever listener names it.
//!
//! A worker that has a line for a file never waits for it to be opened: lines gather meanwhile. Like
//! Envoy, the proxy keeps a file open once it was named.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use mesh_model::Str;
use mesh_runtime::Tasks;
use parking_lot::Mutex;
use tokio::sync::Notify;

use super::{AccessLog, Lines};

/// Files that are open at a time; each may hold lines that wait.
const MAX_FILES: usize = 64;
/// Istio's and Envoy's name of the standard output.
pub const STDOUT: &str = "/dev/stdout";
const STDERR: &str = "/dev/stderr";

/// The files of a process. Clones share them.
#[derive(Clone, Default)]
pub struct LogFiles(Arc<Shared>);

#[derive(Default)]
struct Shared {
    files: Mutex<Files>,
    named: Notify,
}

#[derive(Default)]
struct Files {
    open: Vec<(Str, AccessLog)>,
    /// Those for which there is no writer yet.
    unopened: Vec<(Str, AccessLog)>,
    full: bool,
}

impl LogFiles {
    /// Files are opened as they are named, until the tasks are asked to stop.
    #[must_use]
    pub fn start(tasks: &Tasks) -> Self {
        let files = Self::default();
        let (opener, writers) = (files.clone(), tasks.clone());
        tasks.spawn("access logs", async move {
            loop {
                let named = opener.0.named.notified();
                opener.open_named(&writers);
                if writers
                    .stopping()
                    .run_until_cancelled(named)
                    .await
                    .is_none()
                {
                    return opener.open_named(&writers);
                }
            }
        });
        files
    }

    /// Opens a file at once.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn open(&self, path: &str, tasks: &Tasks) -> io::Result<()> {
        let log = AccessLog::open(path.into(), tasks)?;
        self.0.files.lock().open.push((path.into(), log));
        Ok(())
    }

    /// The file of this path; `None` when there are too many.
    #[must_use]
    pub fn of(&self, path: &Str) -> Option<AccessLog> {
        let mut files = self.0.files.lock();
        if let Some((_, log)) = files.open.iter().find(|(known, _)| known == path) {
            return Some(log.clone());
        }
        if files.open.len() >= MAX_FILES {
            if !std::mem::replace(&mut files.full, true) {
                tracing::error!(%path, most = MAX_FILES, "access log not opened: there are too many");
            }
            return None;
        }
        let log = AccessLog::unopened();
        files.open.push((path.clone(), log.clone()));
        files.unopened.push((path.clone(), log.clone()));
        drop(files);
        self.0.named.notify_one();
        Some(log)
    }

    /// Opens every file anew before its next line.
    pub fn reopen(&self) {
        let files = self.0.files.lock();
        files.open.iter().for_each(|(_, log)| log.reopen());
    }

    /// What became of the lines so far.
    #[must_use]
    pub fn lines(&self) -> Lines {
        let files = self.0.files.lock();
        let lines = files.open.iter().map(|(_, log)| log.lines());
        lines.fold(Lines::default(), |all, lines| Lines {
            accepted: all.accepted + lines.accepted,
            dropped: all.dropped + lines.dropped,
        })
    }

    fn open_named(&self, tasks: &Tasks) {
        let unopened = std::mem::take(&mut self.0.files.lock().unopened);
        for (path, log) in unopened {
            log.begin(tasks, move || {
                output(&path).inspect_err(|error| {
                    tracing::error!(%path, %error, "access log cannot be opened");
                })
            });
        }
    }
}

/// An output of the process, or a file to which lines are appended.
pub(super) fn output(path: &str) -> io::Result<Box<dyn Write + Send>> {
    Ok(match path {
        STDOUT => Box::new(io::stdout()),
        STDERR => Box::new(io::stderr()),
        path => Box::new(
            OpenOptions::new()
                .create(true)
                .append(true)
                .open(Path::new(path))?,
        ),
    })
}
