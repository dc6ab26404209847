//! What is to be told, as a pure state machine: sums in, batches out, acknowledgements in.
//!
//! A batch keeps its number and its deltas until it is acknowledged, on whichever stream; so mixer
//! counts it once. Series are defined once per stream.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use mesh_model::Str;
use mesh_proto::telemetry::{Delta, Histogram, Label, ReportRequest, Series, delta};
use mesh_runtime::metrics::BOUNDS;

use crate::record::metrics::cells::{HistogramTotals, RequestTotals};
use crate::record::metrics::{Labels, NAMES, Total};

/// Label sets in one batch, so that a message with all their definitions stays below 4 MiB.
const MAX_LABEL_SETS: usize = 400;

/// Metrics of one label set, in the order of their series' numbers.
const METRICS: [&str; 4] = [
    "istio_requests_total",
    "istio_request_duration_milliseconds",
    "istio_request_bytes",
    "istio_response_bytes",
];

/// Decides what to tell.
pub struct Batcher {
    instance: String,
    sequence: u64,
    /// What was put into batches so far, by place in the books.
    told: HashMap<usize, RequestTotals>,
    pending: Option<Vec<Told>>,
    /// Places that the present stream has defined.
    defined: HashSet<usize>,
}

struct Told {
    place: usize,
    labels: Arc<Labels>,
    delta: RequestTotals,
}

impl Batcher {
    /// Nothing was told yet; `instance` names this life of the process.
    #[must_use]
    pub fn new(instance: String) -> Self {
        Self {
            instance,
            sequence: 0,
            told: HashMap::new(),
            pending: None,
            defined: HashSet::new(),
        }
    }

    /// A stream begins: it knows no series. What is unacknowledged is to be sent again on it.
    pub fn connected(&mut self) -> Option<ReportRequest> {
        self.defined.clear();
        self.request()
    }

    /// Makes a batch of what has changed, unless one is under way or nothing has.
    pub fn next(&mut self, totals: &[Total]) -> Option<ReportRequest> {
        if self.pending.is_some() {
            return None;
        }
        let mut changed = Vec::new();
        for (place, total) in totals.iter().enumerate() {
            if changed.len() == MAX_LABEL_SETS {
                break; // the rest differs still, and follows in the next batch
            }
            let told = self.told.entry(place).or_default();
            if told.requests != total.request.requests {
                changed.push(Told {
                    place,
                    labels: total.labels.clone(),
                    delta: since(&total.request, told),
                });
                *told = total.request.clone();
            }
        }
        if changed.is_empty() {
            return None;
        }
        self.sequence += 1;
        self.pending = Some(changed);
        self.request()
    }

    /// Mixer has counted every batch up to this one.
    pub fn acknowledged(&mut self, sequence: u64) {
        if sequence >= self.sequence {
            self.pending = None;
        }
    }

    /// Whether a batch is under way.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.pending.is_some()
    }

    /// The batch under way, with definitions of what the stream does not know yet.
    fn request(&mut self) -> Option<ReportRequest> {
        let pending = self.pending.as_ref()?;
        let mut request = ReportRequest {
            instance: self.instance.clone(),
            sequence: self.sequence,
            series: Vec::new(),
            deltas: Vec::new(),
        };
        for told in pending {
            if self.defined.insert(told.place) {
                request.series.extend(definitions(told));
            }
            request.deltas.extend(deltas(told));
        }
        Some(request)
    }
}

/// Number of a series: good for the process's life, so for every stream.
fn id(place: usize, metric: usize) -> u32 {
    u32::try_from(place * METRICS.len() + metric).unwrap_or(u32::MAX)
}

fn definitions(told: &Told) -> impl Iterator<Item = Series> {
    METRICS.iter().enumerate().map(|(metric, name)| Series {
        id: id(told.place, metric),
        metric: (*name).to_owned(),
        labels: labels(&told.labels),
    })
}

fn labels(values: &Labels) -> Vec<Label> {
    let label = |(name, value): (&&str, &Str)| Label {
        name: (*name).to_owned(),
        value: value.to_string(),
    };
    NAMES.iter().zip(values).map(label).collect()
}

fn deltas(told: &Told) -> [Delta; METRICS.len()] {
    let RequestTotals {
        requests,
        duration,
        request_bytes,
        response_bytes,
    } = &told.delta;
    let values = [
        delta::Value::Counter(*requests),
        histogram(duration),
        histogram(request_bytes),
        histogram(response_bytes),
    ];
    let mut metric = 0;
    values.map(|value| {
        metric += 1;
        Delta {
            series: id(told.place, metric - 1),
            value: Some(value),
        }
    })
}

fn histogram(totals: &HistogramTotals) -> delta::Value {
    delta::Value::Histogram(Histogram {
        bounds: BOUNDS.to_vec(),
        counts: totals.counts.to_vec(),
        sum: totals.sum,
    })
}

fn since(now: &RequestTotals, before: &RequestTotals) -> RequestTotals {
    RequestTotals {
        requests: now.requests.saturating_sub(before.requests),
        duration: now.duration.since(&before.duration),
        request_bytes: now.request_bytes.since(&before.request_bytes),
        response_bytes: now.response_bytes.since(&before.response_bytes),
    }
}

#[cfg(test)]
mod tests;
