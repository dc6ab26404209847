//! What one worker writes its records with.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::SystemTime;

use mesh_model::Str;
use mesh_model::time::Clock;
use mesh_traffic::AccessLog;

use crate::config::Workload;
use crate::http::mirror::CopyEnd;
use crate::http::observe::{End, Observer};
use crate::http::serve::Exchange;
use crate::record::Record;
use crate::record::access_log::{self, Line, LogFiles, Passed};
use crate::record::metrics::{Metrics, Shard};
use crate::record::peer::Peers;

/// What every worker's [`Recorder`] is made of.
#[derive(Clone)]
pub struct Books {
    /// Our own workload.
    pub own: Arc<Workload>,
    /// The metrics of all workers.
    pub metrics: Metrics,
    /// Where requests are logged of whose logs their listener says nothing.
    pub log: Option<AccessLog>,
    /// The files of all logs.
    pub files: LogFiles,
    /// The name of our machine.
    pub host_name: Str,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

/// Writes requests down; each worker has its own.
pub struct Recorder {
    worker: RefCell<Own>,
    clock: Arc<dyn Clock>,
    /// Where requests are logged of whose logs their listener says nothing.
    log: Option<AccessLog>,
}

struct Own {
    shard: Shard,
    peers: Peers,
    line: Line,
    open: Open,
}

/// The files that this worker has written to, so that it asks nobody for them again.
struct Open {
    files: LogFiles,
    known: Vec<(Str, access_log::AccessLog)>,
}

impl Open {
    fn write(&mut self, path: &Str, line: &[u8]) {
        if let Some((_, file)) = self.known.iter().find(|(known, _)| known == path) {
            return file.write(line);
        }
        if let Some(file) = self.files.of(path) {
            file.write(line);
            self.known.push((path.clone(), file));
        }
    }
}

impl Recorder {
    /// A worker's recorder.
    #[must_use]
    pub fn new(books: &Books) -> Self {
        let own = Own {
            shard: books.metrics.shard(&books.own),
            peers: Peers::new(),
            line: Line::new(books.host_name.clone()),
            open: Open {
                files: books.files.clone(),
                known: Vec::new(),
            },
        };
        Self {
            worker: RefCell::new(own),
            clock: books.clock.clone(),
            log: books.log.clone(),
        }
    }

    /// Writes a request down, into these logs too.
    pub fn close(&self, record: &Record<'_>, logs: &[AccessLog]) {
        let mut worker = self.worker.borrow_mut();
        let Own {
            shard,
            peers,
            line,
            open,
        } = &mut *worker;
        let peer = peers.of(record);
        shard.request(record, &peer);
        if !logs.is_empty() {
            line.of(record, logs, |path, line| open.write(path, line));
        }
    }

    /// The logs of a request: those of its chain, or else that of the process.
    fn logs<'a>(&'a self, exchange: &'a Exchange) -> &'a [AccessLog] {
        match exchange.served.manager() {
            Some(manager) if !manager.access_log.is_empty() => &manager.access_log,
            Some(_) | None => self.log.as_slice(),
        }
    }
}

impl Observer for Recorder {
    fn request_ended(&self, exchange: &Exchange, end: &End) {
        let logs = self.logs(exchange);
        // Only lines tell when a request came.
        let now = match logs.is_empty() {
            true => SystemTime::UNIX_EPOCH,
            false => self.clock.wall(),
        };
        self.close(&Record::of(exchange, end, now), logs);
    }

    fn connection_passed(&self, passed: &Passed) {
        let mut worker = self.worker.borrow_mut();
        let Own { line, open, .. } = &mut *worker;
        let now = self.clock.wall();
        line.of_passed(passed, now, |path, line| open.write(path, line));
    }

    fn copy_ended(&self, end: CopyEnd) {
        self.worker.borrow().shard.copy_ended(end);
    }

    fn connection_refused(&self, reason: &'static str) {
        self.worker.borrow().shard.connection_failed(reason);
    }

    fn sweep(&self) {
        self.worker.borrow_mut().peers.sweep();
    }
}
