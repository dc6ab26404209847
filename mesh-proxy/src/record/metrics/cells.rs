//! Counters and histograms that one worker writes and anybody reads.
//!
//! Only the owner adds, so an addition is a load and a store, without a locked instruction.

use std::sync::atomic::{AtomicU64, Ordering};

use mesh_runtime::metrics::BOUNDS;

/// Buckets of a histogram: one for each bound, and one for what is above.
const BUCKETS: usize = BOUNDS.len() + 1;

/// A number that grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds; for the owner alone.
    pub fn add(&self, more: u64) {
        let now = self.0.load(Ordering::Relaxed);
        self.0.store(now.wrapping_add(more), Ordering::Relaxed);
    }

    /// Adds; for counters that several threads write.
    pub fn add_shared(&self, more: u64) {
        self.0.fetch_add(more, Ordering::Relaxed);
    }

    /// The sum.
    #[must_use]
    pub fn value(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Observations sorted into buckets.
#[derive(Debug, Default)]
pub struct Histogram {
    buckets: [Counter; BUCKETS],
    /// Bits of a floating-point number.
    sum: AtomicU64,
}

impl Histogram {
    /// Adds an observation; for the owner alone.
    pub fn observe(&self, value: f64) {
        let bucket = BOUNDS.partition_point(|bound| *bound < value);
        if let Some(counter) = self.buckets.get(bucket) {
            counter.add(1);
        }
        let sum = f64::from_bits(self.sum.load(Ordering::Relaxed)) + value;
        self.sum.store(sum.to_bits(), Ordering::Relaxed);
    }
}

/// What one worker has counted of one series.
#[derive(Debug, Default)]
pub struct RequestCells {
    /// `istio_requests_total`
    pub requests: Counter,
    /// `istio_request_duration_milliseconds`
    pub duration: Histogram,
    /// `istio_request_bytes`
    pub request_bytes: Histogram,
    /// `istio_response_bytes`
    pub response_bytes: Histogram,
}

/// A histogram at one moment.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HistogramTotals {
    /// Observations by bucket, not cumulative.
    pub counts: [u64; BUCKETS],
    /// Sum of all observations.
    pub sum: f64,
}

impl HistogramTotals {
    fn add(&mut self, histogram: &Histogram) {
        for (count, bucket) in self.counts.iter_mut().zip(&histogram.buckets) {
            *count += bucket.value();
        }
        self.sum += f64::from_bits(histogram.sum.load(Ordering::Relaxed));
    }

    /// Number of observations.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// What came in since `before`.
    #[must_use]
    pub fn since(&self, before: &Self) -> Self {
        let mut counts = self.counts;
        for (count, before) in counts.iter_mut().zip(&before.counts) {
            *count = count.saturating_sub(*before);
        }
        Self {
            counts,
            sum: self.sum - before.sum,
        }
    }
}

/// A series at one moment.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RequestTotals {
    /// `istio_requests_total`
    pub requests: u64,
    /// `istio_request_duration_milliseconds`
    pub duration: HistogramTotals,
    /// `istio_request_bytes`
    pub request_bytes: HistogramTotals,
    /// `istio_response_bytes`
    pub response_bytes: HistogramTotals,
}

impl RequestTotals {
    /// Adds up what several workers have counted.
    pub fn sum<'a>(cells: impl Iterator<Item = &'a RequestCells>) -> Self {
        let mut totals = Self::default();
        for cells in cells {
            totals.requests += cells.requests.value();
            totals.duration.add(&cells.duration);
            totals.request_bytes.add(&cells.request_bytes);
            totals.response_bytes.add(&cells.response_bytes);
        }
        totals
    }
}
