//! The store with its lock, its clock and its counters; and one stream's way into it.

use std::sync::Arc;
use std::time::Duration;

use ahash::{AHashMap, AHashSet};
use mesh_model::Str;
use mesh_model::ident::SpiffeId;
use mesh_model::time::Clock;
use mesh_proto::telemetry::{ReportRequest, ReportResponse, Series as Declared};
use mesh_runtime::Tasks;
use parking_lot::Mutex;
use prometheus::Registry;

use crate::about;
use crate::exposition;
use crate::graph::Graph;
use crate::metrics::Metrics;
use crate::series::Key;
use crate::store::{Limits, NotCounted, Refusal, Store};

/// How often silent lives are looked for.
const SWEEP: Duration = Duration::from_secs(30);
/// Longest name of a proxy's life in bytes.
const MAX_INSTANCE: usize = 256;
/// Series that one stream may number.
const MAX_DECLARED: usize = 16_384;
/// Peers of whom it is remembered that they were warned of; beyond, all are warned of again.
const MAX_WARNED: usize = 4096;

/// Why a stream ends.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// The first batch does not name a life, or a later one names another.
    #[error("every batch of a stream names one instance, of 1 to 256 bytes")]
    Instance,
    /// The batch cannot be counted.
    #[error(transparent)]
    NotCounted(#[from] NotCounted),
}

/// All that the process knows of the mesh. Clones share it.
#[derive(Clone)]
pub struct Hub(Arc<Inner>);

struct Inner {
    store: Mutex<Store>,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    /// Peers that reported of others, and were in the log for it.
    warned: Mutex<AHashSet<SpiffeId>>,
}

impl Hub {
    /// An empty hub, whose own counters are in `registry`.
    ///
    /// # Errors
    /// When the registry has another hub's counters.
    pub fn new(
        limits: Limits,
        clock: Arc<dyn Clock>,
        registry: &Registry,
    ) -> Result<Self, prometheus::Error> {
        let store = Mutex::new(Store::new(limits, clock.now()));
        let metrics = Metrics::new(registry)?;
        Ok(Self(Arc::new(Inner {
            store,
            clock,
            metrics,
            warned: Mutex::default(),
        })))
    }

    /// A stream of an authenticated peer begins.
    #[must_use]
    pub fn reader(&self, peer: SpiffeId) -> Reader {
        Reader {
            hub: self.clone(),
            peer,
            instance: None,
            declared: AHashMap::new(),
        }
    }

    /// All series as Prometheus reads them.
    #[must_use]
    pub fn metrics(&self) -> String {
        exposition::text(&self.0.store.lock())
    }

    /// The graph as of now.
    #[must_use]
    pub fn graph(&self) -> Graph {
        let now = self.0.clock.now();
        let (readings, covered) = self.0.store.lock().watched(now);
        Graph::of(&readings, covered)
    }

    /// Brings the hub's own counters up to date.
    pub fn measure(&self) {
        self.0.metrics.sizes(&self.0.store.lock());
    }

    /// Whether this is the first time that `peer` reports of others.
    fn is_first_offence(&self, peer: &SpiffeId) -> bool {
        let mut warned = self.0.warned.lock();
        if warned.len() >= MAX_WARNED {
            warned.clear();
        }
        warned.insert(peer.clone())
    }

    /// Forgets, from time to time, what was silent for long.
    pub fn start_sweeping(&self, tasks: &Tasks) {
        let hub = self.clone();
        let stopping = tasks.stopping().clone();
        tasks.spawn("sweep", async move {
            let sweeping = async {
                loop {
                    tokio::time::sleep(SWEEP).await;
                    hub.0.store.lock().forget_silent(hub.0.clock.now());
                }
            };
            stopping.run_until_cancelled(sweeping).await;
        });
    }
}

/// One stream: remembers which series its numbers mean.
pub struct Reader {
    hub: Hub,
    peer: SpiffeId,
    instance: Option<Str>,
    declared: AHashMap<u32, Key>,
}

impl Reader {
    /// Counts a batch and says up to where batches have been counted.
    ///
    /// What is wrong with single series or deltas leaves them out and lets the others pass: a
    /// batch that was refused as a whole would come again for ever.
    ///
    /// # Errors
    /// When the stream must end.
    pub fn take(&mut self, batch: &ReportRequest) -> Result<ReportResponse, Broken> {
        let taken = self.try_take(batch);
        if taken.is_err() {
            self.hub.0.metrics.batches_refused.inc();
        }
        taken
    }

    fn try_take(&mut self, batch: &ReportRequest) -> Result<ReportResponse, Broken> {
        let ReportRequest {
            instance,
            sequence,
            series,
            deltas,
        } = batch;
        let instance = self.open(instance)?;
        for series in series {
            self.declare(series);
        }
        let entries = deltas
            .iter()
            .map(|delta| (self.declared.get(&delta.series), delta.value.as_ref()));
        let now = self.hub.0.clock.now();
        let counted = self
            .hub
            .0
            .store
            .lock()
            .count(&instance, *sequence, entries, now)?;
        self.hub.0.metrics.batch(&counted);
        Ok(ReportResponse {
            acknowledged: counted.acknowledged,
        })
    }

    fn open(&mut self, instance: &str) -> Result<Str, Broken> {
        if let Some(open) = &self.instance {
            return if open == instance {
                Ok(open.clone())
            } else {
                Err(Broken::Instance)
            };
        }
        if instance.is_empty() || instance.len() > MAX_INSTANCE {
            return Err(Broken::Instance);
        }
        let name = Str::from(instance);
        let now = self.hub.0.clock.now();
        self.hub.0.store.lock().open(&name, &self.peer, now)?;
        self.instance = Some(name.clone());
        Ok(name)
    }

    /// A series that cannot be kept is forgotten here; its deltas are then refused one by one.
    fn declare(&mut self, series: &Declared) {
        self.declared.remove(&series.id);
        match self.try_declare(series) {
            Ok(key) => {
                self.declared.insert(series.id, key);
            }
            Err(refusal) => {
                self.hub.0.metrics.series_refused(refusal);
                self.note(refusal, series);
            }
        }
    }

    /// A peer that speaks for others is in the log once; what else is refused is in the metrics.
    fn note(&self, refusal: Refusal, series: &Declared) {
        let (peer, metric, reason) = (&self.peer, &series.metric, refusal.word());
        if refusal == Refusal::Foreign && self.hub.is_first_offence(peer) {
            tracing::warn!(%peer, ?metric, reason, "series about another workload refused");
        } else {
            tracing::debug!(%peer, ?metric, reason, "series refused");
        }
    }

    fn try_declare(&self, series: &Declared) -> Result<Key, Refusal> {
        let key = Key::of_declared(series).map_err(|_| Refusal::Malformed)?;
        if self.declared.len() >= MAX_DECLARED {
            return Err(Refusal::Limit);
        }
        if !about::agrees(&self.peer, &key) {
            return Err(Refusal::Foreign);
        }
        let now = self.hub.0.clock.now();
        self.hub.0.store.lock().declare(&self.peer, key, now)
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        if let Some(instance) = &self.instance {
            let now = self.hub.0.clock.now();
            self.hub.0.store.lock().close(instance, now);
        }
    }
}

#[cfg(test)]
mod tests;
