//! Percentiles from buckets.

use serde::Serialize;

use super::rounded;
use crate::window;

/// Percentiles in milliseconds; none when nothing was observed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub(super) struct Latency {
    p50: Option<f64>,
    p90: Option<f64>,
    p99: Option<f64>,
}

/// Buckets of several series added up, not cumulative.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    bounds: Vec<f64>,
    buckets: Vec<u64>,
}

impl Histogram {
    /// Adds a series; one whose bounds differ from the first one's is left out.
    pub(super) fn add(&mut self, bounds: &[f64], buckets: &[u64]) {
        if self.buckets.is_empty() {
            self.bounds = bounds.to_vec();
            self.buckets = buckets.to_vec();
        } else if self.bounds == bounds {
            window::add(&mut self.buckets, buckets);
        }
    }

    pub(super) fn percentiles(&self) -> Latency {
        Latency {
            p50: self.quantile(0.5),
            p90: self.quantile(0.9),
            p99: self.quantile(0.99),
        }
    }

    /// As Prometheus' `histogram_quantile`: even within a bucket, and at most the last bound.
    fn quantile(&self, share: f64) -> Option<f64> {
        let all = self
            .buckets
            .iter()
            .fold(0_u64, |sum, n| sum.saturating_add(*n));
        if all == 0 {
            return None;
        }
        let rank = share * all as f64;
        let (mut below, mut lower) = (0.0, 0.0);
        for (bound, count) in self.bounds.iter().zip(&self.buckets) {
            let within = *count as f64;
            if within > 0.0 && below + within >= rank {
                return Some(rounded(lower + (bound - lower) * (rank - below) / within));
            }
            below += within;
            lower = *bound;
        }
        self.bounds.last().copied()
    }
}

#[cfg(test)]
mod tests;
