//! Access logs: lines of requests and connections, in the formats that listeners ask for.
//!
//! Workers append to one bounded buffer per file; a thread of its own writes it out. When that thread does
//! not keep up, lines are dropped and counted: no request waits for a disk.

pub mod files;
mod line;

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use mesh_model::Str;
use mesh_runtime::Tasks;
use parking_lot::{Condvar, Mutex};

pub use files::LogFiles;
pub use line::{Line, Passed};

/// Bytes of lines that wait to be written.
const MAX_WAITING: usize = 1 << 20;
/// How long lines are gathered before they are written, so that a busy proxy writes in large pieces.
const GATHER: Duration = Duration::from_millis(50);
/// Lines are not gathered beyond this many bytes.
const ENOUGH: usize = 64 << 10;

/// Where lines go. Clones share the destination.
#[derive(Clone)]
pub struct AccessLog(Arc<Shared>);

struct Shared {
    waiting: Mutex<Waiting>,
    more: Condvar,
}

#[derive(Default)]
struct Waiting {
    bytes: Vec<u8>,
    /// The writer sleeps until something comes.
    idle: bool,
    dropped: u64,
    written: u64,
    /// The file is to be opened anew.
    moved: bool,
    closed: bool,
}

/// What became of the lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lines {
    /// Lines handed to the writer.
    pub accepted: u64,
    /// Lines dropped because the writer did not keep up.
    pub dropped: u64,
}

impl AccessLog {
    /// Opens an output of the process or a file, to which lines are appended.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(path: Str, tasks: &Tasks) -> io::Result<Self> {
        let mut first = Some(files::output(&path)?);
        let log = Self::unopened();
        log.begin(tasks, move || match first.take() {
            Some(output) => Ok(output),
            None => files::output(&path),
        });
        Ok(log)
    }

    /// Writes to `output` until the tasks are asked to stop; what was logged before is written.
    #[must_use]
    pub fn to(output: Box<dyn Write + Send>, tasks: &Tasks) -> Self {
        let log = Self::unopened();
        let mut output = Some(output);
        log.begin(tasks, move || {
            let gone = || io::Error::from(io::ErrorKind::NotFound);
            output.take().ok_or_else(gone)
        });
        log
    }

    /// Has no output yet: lines gather.
    fn unopened() -> Self {
        Self(Arc::new(Shared {
            waiting: Mutex::default(),
            more: Condvar::new(),
        }))
    }

    /// Writes what has gathered and what will come, until the tasks are asked to stop.
    fn begin(
        &self,
        tasks: &Tasks,
        mut open: impl FnMut() -> io::Result<Box<dyn Write + Send>> + Send + 'static,
    ) {
        let writer = self.clone();
        tasks.spawn_blocking("access log", move || match open() {
            Ok(output) => writer.run(output, &mut open),
            Err(_told) => writer.give_up(),
        });
        let (stopping, closing) = (tasks.stopping().clone(), self.clone());
        tasks.spawn("access log end", async move {
            stopping.cancelled().await;
            closing.close();
        });
    }

    /// Appends a line; drops it if too much waits already.
    pub fn write(&self, line: &[u8]) {
        let mut waiting = self.0.waiting.lock();
        if waiting.bytes.len() + line.len() > MAX_WAITING || waiting.closed {
            waiting.dropped += 1;
            return;
        }
        waiting.bytes.extend_from_slice(line);
        waiting.written += 1;
        let wake = waiting.idle || waiting.bytes.len() >= ENOUGH;
        drop(waiting);
        if wake {
            self.0.more.notify_one();
        }
    }

    /// What became of the lines so far.
    #[must_use]
    pub fn lines(&self) -> Lines {
        let waiting = self.0.waiting.lock();
        Lines {
            accepted: waiting.written,
            dropped: waiting.dropped,
        }
    }

    fn close(&self) {
        self.0.waiting.lock().closed = true;
        self.0.more.notify_one();
    }

    /// There is no output: lines are only counted.
    fn give_up(&self) {
        let mut waiting = self.0.waiting.lock();
        waiting.closed = true;
        waiting.bytes = Vec::new();
        waiting.dropped += std::mem::take(&mut waiting.written);
    }

    /// Opens the file anew before the next line, because somebody has moved it.
    fn reopen(&self) {
        self.0.waiting.lock().moved = true;
    }

    fn run(
        &self,
        mut output: Box<dyn Write + Send>,
        open: &mut impl FnMut() -> io::Result<Box<dyn Write + Send>>,
    ) {
        let mut taken = Vec::new();
        let mut told = false;
        while self.take(&mut taken) {
            let moved = std::mem::take(&mut self.0.waiting.lock().moved);
            if moved && let Ok(anew) = open() {
                output = anew;
            }
            let result = output.write_all(&taken).and_then(|()| output.flush());
            if let Err(error) = result
                && !told
            {
                tracing::error!(%error, "access log cannot be written");
                told = true;
            }
            taken.clear();
        }
    }

    /// Waits for lines and takes them; false when there will be none any more.
    fn take(&self, taken: &mut Vec<u8>) -> bool {
        let mut waiting = self.0.waiting.lock();
        waiting.idle = true;
        while waiting.bytes.is_empty() && !waiting.closed {
            self.0.more.wait(&mut waiting);
        }
        waiting.idle = false;
        if !waiting.closed && waiting.bytes.len() < ENOUGH {
            self.0.more.wait_for(&mut waiting, GATHER);
        }
        std::mem::swap(&mut waiting.bytes, taken);
        !taken.is_empty()
    }
}

#[cfg(test)]
mod tests;
