//! What one worker writes its records with.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::SystemTime;

use mesh_model::time::Clock;

use crate::config::Workload;
use crate::http::mirror::CopyEnd;
use crate::http::observe::{End, Observer};
use crate::http::serve::Exchange;
use crate::record::Record;
use crate::record::access_log::{AccessLog, Line};
use crate::record::metrics::{Metrics, Shard};
use crate::record::peer::Peers;

/// What every worker's [`Recorder`] is made of.
#[derive(Clone)]
pub struct Books {
    /// Our own workload.
    pub own: Arc<Workload>,
    /// The metrics of all workers.
    pub metrics: Metrics,
    /// The log of all workers, if requests are logged.
    pub log: Option<AccessLog>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

/// Writes requests down; each worker has its own.
pub struct Recorder {
    worker: RefCell<Own>,
    clock: Arc<dyn Clock>,
    /// Whether requests are logged.
    logs: bool,
}

struct Own {
    shard: Shard,
    peers: Peers,
    log: Option<AccessLog>,
    line: Line,
}

impl Recorder {
    /// A worker's recorder.
    #[must_use]
    pub fn new(books: &Books) -> Self {
        let own = Own {
            shard: books.metrics.shard(&books.own),
            peers: Peers::new(),
            log: books.log.clone(),
            line: Line::new(),
        };
        Self {
            worker: RefCell::new(own),
            clock: books.clock.clone(),
            logs: books.log.is_some(),
        }
    }

    /// Writes a request down.
    pub fn close(&self, record: &Record<'_>) {
        let mut worker = self.worker.borrow_mut();
        let Own {
            shard,
            peers,
            log,
            line,
        } = &mut *worker;
        let peer = peers.of(record);
        shard.request(record, &peer);
        if let Some(log) = log {
            log.write(line.of(record));
        }
    }
}

impl Observer for Recorder {
    fn request_ended(&self, exchange: &Exchange, end: &End) {
        // Only lines tell when a request came.
        let now = match self.logs {
            true => self.clock.wall(),
            false => SystemTime::UNIX_EPOCH,
        };
        self.close(&Record::of(exchange, end, now));
    }

    fn copy_ended(&self, end: CopyEnd) {
        self.worker.borrow().shard.copy_ended(end);
    }

    fn connection_refused(&self, reason: &'static str) {
        self.worker.borrow().shard.connection_failed(reason);
    }
}
