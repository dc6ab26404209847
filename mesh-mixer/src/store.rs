//! The series of the mesh: merges what proxies report, each batch once, within bounds.
//!
//! Knows no locks, no clock and no protocol; time comes in as a value. What a peer sends may be
//! wrong in any way: the worst it achieves is that its own series are refused.

mod instances;
mod ledger;
mod value;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use mesh_model::Str;
use mesh_model::ident::SpiffeId;
use mesh_proto::telemetry::delta::Value as Amount;

use crate::metric::{self, Metric};
use crate::series::Key;
use instances::{Instances, Turn};
use ledger::Ledger;

pub use instances::NotCounted;
pub use value::{Reading, Value};

/// Bounds of a store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Series, of all peers together.
    pub series: usize,
    /// Bytes that series take, of all peers together.
    pub bytes: usize,
    /// Lives of proxies that are remembered.
    pub instances: usize,
    /// Streams that one identity may have open.
    pub streams_per_identity: usize,
    /// The share of series, bytes and instances that one identity may use is one in so many.
    pub share: usize,
    /// A life that was silent for so long is forgotten.
    pub instance_memory: Duration,
    /// When room is short, a series that was silent for so long gives way.
    pub idle_series: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            series: 50_000,
            bytes: 64 * 1024 * 1024,
            instances: 16_384,
            streams_per_identity: 256,
            share: 4,
            instance_memory: Duration::from_secs(3600),
            idle_series: Duration::from_secs(600),
        }
    }
}

/// How often room is looked for, at most: a search visits every series.
const SEARCH_PAUSE: Duration = Duration::from_secs(10);

/// Why a delta, or a series with all its deltas, is left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Metric name or labels are none that can be kept.
    Malformed,
    /// No metric that the hub knows.
    Unknown,
    /// The labels of the reporter's own end are not the reporter's.
    Foreign,
    /// There is no room for another series.
    Limit,
    /// The stream never declared the series, or it was refused.
    Undeclared,
    /// No value, or one that is not of the metric's kind.
    Kind,
    /// A histogram that contradicts itself.
    Shape,
    /// A histogram whose bounds are not the metric's.
    Bounds,
}

impl Refusal {
    /// Those that a declared series can meet.
    pub const OF_SERIES: [Self; 4] = [Self::Malformed, Self::Unknown, Self::Foreign, Self::Limit];
    /// Those that a delta can meet.
    pub const OF_DELTAS: [Self; 5] = [
        Self::Limit,
        Self::Undeclared,
        Self::Kind,
        Self::Shape,
        Self::Bounds,
    ];

    /// The word for metrics.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Unknown => "unknown",
            Self::Foreign => "foreign",
            Self::Limit => "limit",
            Self::Undeclared => "undeclared",
            Self::Kind => "kind",
            Self::Shape => "shape",
            Self::Bounds => "bounds",
        }
    }
}

/// What became of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// Every batch up to this number has been counted.
    pub acknowledged: u64,
    /// Whether the batch had been counted before, and so was left out.
    pub duplicate: bool,
    /// Numbers between the batch before and this one that never came.
    pub skipped: u64,
    /// The deltas that were left out.
    pub refused: Vec<Refusal>,
}

/// One entry of a batch: a series, if the stream declared it, and what to add.
pub type Entry<'a> = (Option<&'a Key>, Option<&'a Amount>);

#[derive(Debug)]
struct Series {
    metric: &'static Metric,
    /// Nothing until the first delta.
    value: Option<Value>,
    owner: SpiffeId,
    touched: Duration,
    bytes: usize,
}

/// All series and the lives of the proxies that report them.
#[derive(Debug)]
pub struct Store {
    limits: Limits,
    began: Instant,
    series: BTreeMap<Key, Series>,
    ledger: Ledger,
    instances: Instances,
    searched: Option<Duration>,
}

impl Store {
    /// An empty store; windows are counted from `now`.
    #[must_use]
    pub fn new(limits: Limits, now: Instant) -> Self {
        Self {
            began: now,
            series: BTreeMap::new(),
            ledger: Ledger::new(limits),
            instances: Instances::new(limits),
            searched: None,
            limits,
        }
    }

    /// A stream of `peer` for one life of its process begins.
    ///
    /// # Errors
    /// When the life is another's, or there are too many lives or streams.
    pub fn open(
        &mut self,
        instance: &Str,
        peer: &SpiffeId,
        now: Instant,
    ) -> Result<(), NotCounted> {
        let at = self.at(now);
        self.instances.open(instance, peer, at)
    }

    /// A stream that was opened ends.
    pub fn close(&mut self, instance: &Str, now: Instant) {
        let at = self.at(now);
        self.instances.close(instance, at);
    }

    /// Makes room for a series and gives back the key to count it by.
    ///
    /// # Errors
    /// [`Refusal::Unknown`] when there is no such metric, [`Refusal::Limit`] when there is no room.
    pub fn declare(&mut self, peer: &SpiffeId, key: Key, now: Instant) -> Result<Key, Refusal> {
        if let Some((known, _)) = self.series.get_key_value(&key) {
            return Ok(known.clone());
        }
        let metric = metric::known(key.metric()).ok_or(Refusal::Unknown)?;
        let at = self.at(now);
        let bytes = value::SERIES_BYTES + key.size();
        if !self.ledger.has_room(peer, 1, bytes) {
            self.make_room(at);
        }
        self.ledger.charge(peer, 1, bytes)?;
        let series = Series {
            metric,
            value: None,
            owner: peer.clone(),
            touched: at,
            bytes,
        };
        self.series.insert(key.clone(), series);
        Ok(key)
    }

    /// Counts a batch of an open life, unless it was counted before.
    ///
    /// # Errors
    /// When the life is not open, or the batch has no number.
    pub fn count<'a>(
        &mut self,
        instance: &Str,
        sequence: u64,
        entries: impl Iterator<Item = Entry<'a>>,
        now: Instant,
    ) -> Result<Counted, NotCounted> {
        let at = self.at(now);
        let turn = self.instances.turn(instance, sequence, at)?;
        let Turn::New { skipped } = turn else {
            return Ok(Counted {
                acknowledged: self.instances.acknowledged(instance),
                duplicate: true,
                skipped: 0,
                refused: Vec::new(),
            });
        };
        let added = entries.map(|(key, amount)| self.add(key, amount, at));
        Ok(Counted {
            refused: added.filter_map(Result::err).collect(),
            acknowledged: sequence,
            duplicate: false,
            skipped,
        })
    }

    fn add(
        &mut self,
        key: Option<&Key>,
        amount: Option<&Amount>,
        at: Duration,
    ) -> Result<(), Refusal> {
        let key = key.ok_or(Refusal::Undeclared)?;
        let amount = amount.ok_or(Refusal::Kind)?;
        let series = self.series.get_mut(key).ok_or(Refusal::Undeclared)?;
        series.touched = at;
        if let Some(value) = &mut series.value {
            return value.add(amount, at);
        }
        let first = Value::first(series.metric, amount, at)?;
        self.ledger.charge(&series.owner, 0, first.bytes())?;
        series.bytes += first.bytes();
        series.value = Some(first);
        Ok(())
    }

    /// Every series with a value, those of one metric side by side.
    pub fn readings(&self) -> impl Iterator<Item = (&Key, &Value)> {
        self.series
            .iter()
            .filter_map(|(key, series)| Some((key, series.value.as_ref()?)))
    }

    /// What the graph is made of: the watched series, with what was added lately.
    #[must_use]
    pub fn watched(&self, now: Instant) -> (Vec<(Key, Reading)>, Duration) {
        let at = self.at(now);
        let read = |(key, value): (&Key, &Value)| Some((key.clone(), value.reading(at)?));
        let watched = self.readings().filter_map(read).collect();
        (watched, crate::window::covered(at))
    }

    /// Forgets lives that were silent for long.
    pub fn forget_silent(&mut self, now: Instant) {
        let at = self.at(now);
        self.instances.forget_silent(at);
    }

    /// Number of series.
    #[must_use]
    pub fn series(&self) -> usize {
        self.series.len()
    }

    /// Bytes that the series are reckoned to take.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.ledger.bytes()
    }

    /// Lives that are remembered.
    #[must_use]
    pub fn instances(&self) -> usize {
        self.instances.len()
    }

    /// Streams that are open.
    #[must_use]
    pub fn streams(&self) -> usize {
        self.instances.streams()
    }

    /// Drops series that are idle and that no open stream mentions.
    fn make_room(&mut self, at: Duration) {
        let soon = self.searched.map(|last| last.saturating_add(SEARCH_PAUSE));
        if soon.is_some_and(|soon| at < soon) {
            return;
        }
        self.searched = Some(at);
        let idle = self.limits.idle_series;
        let gone = self.series.extract_if(.., |key, series| {
            !key.is_shared() && at.saturating_sub(series.touched) >= idle
        });
        for (_, series) in gone {
            self.ledger.refund(&series.owner, 1, series.bytes);
        }
    }

    fn at(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.began)
    }
}

#[cfg(test)]
mod tests;
