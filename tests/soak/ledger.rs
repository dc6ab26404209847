//! What became of every exchange: as it was asked for, otherwise for a known reason, or unexplained.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use mesh_model::time::Clock;
use mesh_runtime::SystemClock;
use parking_lot::Mutex;
use serde::Serialize;

/// How many unexplained failures are kept with their details.
const KEPT: usize = 100;

/// Why an exchange did not end with a whole answer, where that was to be expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reason {
    /// The soak's own client gave it up.
    OwnReset,
    /// The application broke off in its answer, because it was asked to.
    ServerAborted,
    /// The application ended without an answer, because it was asked to.
    ServerDropped,
    /// The time-out that a VirtualService sets.
    RouteTimeout,
    /// A PeerAuthentication that asks for mutual TLS.
    Denied,
    /// No VirtualService has the host at that time.
    NoRoute,
    /// It was malformed.
    Malformed,
    /// A change that had to be refused.
    ChangeRefused,
}

/// An exchange that ended as it had to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// That many whole answers, as they were asked for.
    Good(u64),
    /// Something else, for this reason.
    Expected(Reason),
}

/// A verdict, or what nobody can explain.
pub(crate) type Judged = Result<Verdict, String>;

/// All exchanges of one kind.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Row {
    pub(crate) good: u64,
    pub(crate) expected: BTreeMap<Reason, u64>,
    pub(crate) unexplained: u64,
}

impl Row {
    /// Those that did not end with a whole answer, for known reasons.
    pub(crate) fn expected(&self) -> u64 {
        self.expected.values().sum()
    }
}

/// A failure without an explanation.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Failure {
    /// Seconds since the soak began.
    pub(crate) at_s: f64,
    pub(crate) traffic: &'static str,
    pub(crate) what: String,
}

/// The books.
#[derive(Debug)]
pub(crate) struct Ledger {
    started: Instant,
    books: Mutex<Books>,
    closed: AtomicBool,
}

#[derive(Debug, Default, Clone)]
pub(crate) struct Books {
    pub(crate) rows: BTreeMap<&'static str, Row>,
    pub(crate) failures: Vec<Failure>,
}

impl Books {
    /// Exchanges of all kinds.
    pub(crate) fn exchanges(&self) -> u64 {
        let of = |row: &Row| row.good + row.expected() + row.unexplained;
        self.rows.values().map(of).sum()
    }

    /// Failures without an explanation.
    pub(crate) fn unexplained(&self) -> u64 {
        self.rows.values().map(|row| row.unexplained).sum()
    }
}

impl Ledger {
    /// Opens the books.
    pub(crate) fn open() -> Arc<Self> {
        Arc::new(Self {
            started: SystemClock.now(),
            books: Mutex::default(),
            closed: AtomicBool::new(false),
        })
    }

    /// Seconds since then.
    pub(crate) fn seconds(&self) -> f64 {
        let passed = SystemClock.now().duration_since(self.started);
        passed.as_secs_f64()
    }

    /// Enters an exchange that has ended; tells of what is unexplained at once.
    pub(crate) fn enter(&self, traffic: &'static str, judged: Judged) {
        if self.closed.load(Ordering::SeqCst) {
            return;
        }
        let mut books = self.books.lock();
        let row = books.rows.entry(traffic).or_default();
        match judged {
            Ok(Verdict::Good(count)) => row.good += count,
            Ok(Verdict::Expected(reason)) => *row.expected.entry(reason).or_default() += 1,
            Err(what) => {
                row.unexplained += 1;
                let at_s = self.seconds();
                crate::report::note(&format!("UNEXPLAINED at {at_s:.1} s, {traffic}: {what}"));
                if books.failures.len() < KEPT {
                    books.failures.push(Failure {
                        at_s,
                        traffic,
                        what,
                    });
                }
            }
        }
    }

    /// Takes no more entries: what ends from now on was ended by us.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    /// The books as they are.
    pub(crate) fn books(&self) -> Books {
        self.books.lock().clone()
    }
}
