//! Istio's standard metrics: the books of all workers, and each worker's shard of them.
//!
//! A series is entered once, under a lock; from then on its worker counts without one, in cells
//! that nobody else writes. The handle of a combination of cluster, peer, code and flags is
//! remembered by the worker, so that a repeated combination builds no label and takes no lock.
//! The number of series is bounded: what comes after goes to one series per reporter, and sums
//! stay right.

pub mod cells;
mod memo;
mod text;

use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::config::Workload;
use crate::http::failure::FailureKind;
use crate::http::mirror::CopyEnd;
use crate::record::labels;
use crate::record::metrics::cells::{Counter, RequestCells, RequestTotals};
use crate::record::metrics::memo::Memo;
use crate::record::peer::Side;
use crate::record::{Record, response_flags};

pub use crate::record::labels::{Labels, NAMES};

/// Series that are kept apart; each costs half a kilobyte per worker that has it.
const MAX_SERIES: usize = 4000;

/// The books of all workers. Clones share them.
#[derive(Clone, Default)]
pub struct Metrics(Arc<Mutex<Books>>);

#[derive(Default)]
struct Books {
    /// Labels to the place in `series`.
    places: HashMap<Arc<Labels>, usize, ahash::RandomState>,
    series: Vec<Series>,
    /// Requests whose labels found no place.
    overflowed: Vec<Arc<Counter>>,
    failures: BTreeMap<&'static str, Vec<Arc<Counter>>>,
    copies: BTreeMap<CopyEnd, Vec<Arc<Counter>>>,
    max_series: Option<usize>,
}

#[derive(Clone)]
struct Series {
    labels: Arc<Labels>,
    cells: Vec<Arc<RequestCells>>,
}

/// One series with what all workers have counted.
#[derive(Debug, Clone)]
pub struct Total {
    /// Values in the order of [`NAMES`].
    pub labels: Arc<Labels>,
    /// What was counted.
    pub request: RequestTotals,
}

impl Metrics {
    /// Empty books.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    #[cfg(test)]
    fn of_at_most(series: usize) -> Self {
        let metrics = Self::new();
        metrics.0.lock().max_series = Some(series);
        metrics
    }

    /// A worker's shard.
    #[must_use]
    pub fn shard(&self, own: &Workload) -> Shard {
        let mut books = self.0.lock();
        let overflowed = Arc::new(Counter::default());
        books.overflowed.push(overflowed.clone());
        let failures = FailureKind::ALL.map(|kind| {
            let counter = Arc::new(Counter::default());
            let reason = response_flags::answer(kind).counter;
            books
                .failures
                .entry(reason)
                .or_default()
                .push(counter.clone());
            counter
        });
        let copies = CopyEnd::ALL.map(|end| {
            let counter = Arc::new(Counter::default());
            books.copies.entry(end).or_default().push(counter.clone());
            (end, counter)
        });
        Shard {
            books: self.clone(),
            own: Side::own(own),
            memo: Memo::new(),
            overflowed,
            failures,
            copies,
        }
    }

    /// Every series with its sums, in the order in which they came up. What workers count
    /// meanwhile may or may not be in it; nothing is ever missing from the next call.
    #[must_use]
    pub fn totals(&self) -> Vec<Total> {
        // Workers that enter a new series wait for this lock, so only pointers are copied.
        let series = self.0.lock().series.clone();
        let total = |series: Series| Total {
            request: RequestTotals::sum(series.cells.iter().map(|cells| &**cells)),
            labels: series.labels,
        };
        series.into_iter().map(total).collect()
    }

    /// Failures by reason, and requests that were counted in an overflow series.
    #[must_use]
    pub fn failures(&self) -> (BTreeMap<&'static str, u64>, u64) {
        let books = self.0.lock();
        let sum = |counters: &Vec<Arc<Counter>>| counters.iter().map(|c| c.value()).sum();
        let failures = books
            .failures
            .iter()
            .map(|(reason, counters)| (*reason, sum(counters)));
        (failures.collect(), sum(&books.overflowed))
    }

    /// Copies of requests by how they ended.
    #[must_use]
    pub fn copies(&self) -> BTreeMap<CopyEnd, u64> {
        let books = self.0.lock();
        let sum = |counters: &Vec<Arc<Counter>>| counters.iter().map(|c| c.value()).sum();
        let copies = books.copies.iter();
        copies
            .map(|(end, counters)| (*end, sum(counters)))
            .collect()
    }

    /// Prints everything in Prometheus' text format.
    #[must_use]
    pub fn text(&self) -> String {
        text::print(self)
    }

    /// The labels under which to count: these if there is room, else those of the overflow.
    fn reserve(&self, labels: Labels) -> (Labels, bool) {
        let books = self.0.lock();
        let full = books.series.len() >= books.max_series.unwrap_or(MAX_SERIES);
        if full && !books.places.contains_key(&labels) {
            return (labels::overflow(&labels), true);
        }
        (labels, false)
    }

    /// New cells of a worker for these labels.
    fn enter(&self, labels: &Labels) -> Arc<RequestCells> {
        let mut books = self.0.lock();
        let place = match books.places.get(labels) {
            Some(place) => *place,
            None => books.add(labels.clone()),
        };
        let cells = Arc::new(RequestCells::default());
        if let Some(series) = books.series.get_mut(place) {
            series.cells.push(cells.clone());
        }
        cells
    }
}

impl Books {
    fn add(&mut self, labels: Labels) -> usize {
        let (labels, place) = (Arc::new(labels), self.series.len());
        self.places.insert(labels.clone(), place);
        self.series.push(Series {
            labels,
            cells: Vec::new(),
        });
        place
    }
}

/// One worker's part of the books.
pub struct Shard {
    books: Metrics,
    own: Side,
    memo: Memo,
    overflowed: Arc<Counter>,
    failures: [Arc<Counter>; FailureKind::ALL.len()],
    copies: [(CopyEnd, Arc<Counter>); CopyEnd::ALL.len()],
}

impl Shard {
    /// Counts a request.
    pub fn request(&mut self, record: &Record<'_>, peer: &Rc<Side>) {
        if let Some(kind) = record.response.failure {
            self.failed(kind);
        }
        let (own, books) = (&self.own, &self.books);
        let place = self.memo.place(record, peer, |entered| {
            entered.place(books, labels::of(record, own, peer))
        });
        if place.overflows {
            self.overflowed.add(1);
        }
        let cells = &place.cells;
        let bytes = &record.bytes;
        cells.requests.add(1);
        cells
            .duration
            .observe(record.duration.as_secs_f64() * 1000.0);
        cells
            .request_bytes
            .observe((bytes.request_head + bytes.request_body) as f64);
        cells
            .response_bytes
            .observe((bytes.response_head + bytes.response_body) as f64);
    }

    /// Counts a copy of a request.
    pub fn copy_ended(&self, end: CopyEnd) {
        if let Some((_, counter)) = self.copies.iter().find(|(other, _)| *other == end) {
            counter.add(1);
        }
    }

    /// Counts a connection that could not be served.
    pub fn connection_failed(&self, reason: &'static str) {
        let mut books = self.books.0.lock();
        let counters = books.failures.entry(reason).or_default();
        if counters.is_empty() {
            counters.push(Arc::new(Counter::default()));
        }
        if let Some(counter) = counters.first() {
            counter.add_shared(1);
        }
    }

    fn failed(&self, kind: FailureKind) {
        let index = FailureKind::ALL.iter().position(|other| *other == kind);
        if let Some(counter) = index.and_then(|index| self.failures.get(index)) {
            counter.add(1);
        }
    }
}

#[cfg(test)]
mod tests;
