//! What a series has counted, in all and lately.

use std::time::Duration;

use mesh_proto::telemetry::Histogram as Reported;
use mesh_proto::telemetry::delta::Value as Amount;

use super::Refusal;
use crate::graph;
use crate::metric::{Kind, Metric};
use crate::window::{STEPS, Window};

/// Bytes that a series takes beside its key and columns, reckoned generously.
pub(super) const SERIES_BYTES: usize = 256;
/// The value of a series since this process began.
#[derive(Debug)]
pub struct Value {
    metric: &'static Metric,
    /// A counter's only column, or a histogram's buckets, not cumulative.
    columns: Box<[u64]>,
    /// Of a histogram's observations; always finite.
    sum: f64,
    /// Only for series that the graph looks at.
    lately: Option<Window>,
}

/// A value as the graph reads it.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// Upper bounds of a histogram's buckets but the last; none for a counter.
    pub bounds: &'static [f64],
    /// One column of a counter, or the buckets of a histogram, not cumulative.
    pub total: Box<[u64]>,
    /// The same, within the window.
    pub lately: Vec<u64>,
}

impl Value {
    /// A value that begins with `amount`.
    pub(super) fn first(
        metric: &'static Metric,
        amount: &Amount,
        at: Duration,
    ) -> Result<Self, Refusal> {
        let mut value = Self {
            metric,
            columns: vec![0; metric.kind.columns()].into(),
            sum: 0.0,
            lately: graph::is_watched(metric.name).then(Window::default),
        };
        value.add(amount, at)?;
        Ok(value)
    }

    pub(super) fn add(&mut self, amount: &Amount, at: Duration) -> Result<(), Refusal> {
        match (self.metric.kind, amount) {
            (Kind::Counter, Amount::Counter(added)) => self.add_columns(&[*added], at),
            (Kind::Histogram(bounds), Amount::Histogram(reported)) => {
                check_shape(bounds, reported)?;
                // Like a counter, a sum stops at the largest number instead of becoming none.
                self.sum = (self.sum + reported.sum).min(f64::MAX);
                self.add_columns(&reported.counts, at);
            }
            (Kind::Counter, Amount::Histogram(_)) | (Kind::Histogram(_), Amount::Counter(_)) => {
                return Err(Refusal::Kind);
            }
        }
        Ok(())
    }

    fn add_columns(&mut self, amounts: &[u64], at: Duration) {
        crate::window::add(&mut self.columns, amounts);
        if let Some(lately) = &mut self.lately {
            lately.add(at, amounts);
        }
    }

    /// Bytes that columns and the fullest window take.
    pub(super) fn bytes(&self) -> usize {
        let steps = if self.lately.is_some() { STEPS + 2 } else { 0 };
        (self.columns.len() * (1 + steps) + 4 * steps) * size_of::<u64>()
    }

    /// What it is a value of.
    #[must_use]
    pub fn metric(&self) -> &'static Metric {
        self.metric
    }

    /// The sum of a counter, unless it is a histogram.
    #[must_use]
    pub fn counter(&self) -> Option<u64> {
        match self.metric.kind {
            Kind::Counter => self.columns.first().copied(),
            Kind::Histogram(_) => None,
        }
    }

    /// Bounds, buckets (not cumulative) and the sum of the observations, unless it is a counter.
    #[must_use]
    pub fn histogram(&self) -> Option<(&'static [f64], &[u64], f64)> {
        match self.metric.kind {
            Kind::Counter => None,
            Kind::Histogram(bounds) => Some((bounds, &self.columns, self.sum)),
        }
    }

    pub(super) fn reading(&self, at: Duration) -> Option<Reading> {
        let lately = self.lately.as_ref()?.sums(at, self.columns.len());
        let bounds = match self.metric.kind {
            Kind::Counter => &[],
            Kind::Histogram(bounds) => bounds,
        };
        Some(Reading {
            bounds,
            total: self.columns.clone(),
            lately,
        })
    }
}

fn check_shape(bounds: &[f64], reported: &Reported) -> Result<(), Refusal> {
    if *bounds != *reported.bounds {
        return Err(Refusal::Bounds);
    }
    // Durations and sizes are never negative, and a NaN would spoil the sum for good.
    let sound = reported.sum.is_finite() && reported.sum >= 0.0;
    if sound && reported.counts.len() == bounds.len() + 1 {
        return Ok(());
    }
    Err(Refusal::Shape)
}
