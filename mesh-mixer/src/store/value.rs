//! What a series has counted, in all and lately.

use std::time::Duration;

use mesh_proto::telemetry::Histogram as Reported;
use mesh_proto::telemetry::delta::Value as Amount;

use super::Refusal;
use crate::graph;
use crate::window::{STEPS, Window};

/// Bytes that a series takes beside its key and columns, reckoned generously.
pub(super) const SERIES_BYTES: usize = 256;
/// Most bounds of a histogram; Istio's have 19.
const MAX_BOUNDS: usize = 64;

/// Counters and histograms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// One number that grows.
    Counter,
    /// Observations per bucket.
    Histogram,
}

/// The value of a series since this process began.
#[derive(Debug)]
pub struct Value {
    /// None for a counter.
    histogram: Option<Shape>,
    /// A counter's only column, or a histogram's buckets, not cumulative.
    columns: Box<[u64]>,
    /// Only for series that the graph looks at.
    lately: Option<Window>,
}

#[derive(Debug)]
struct Shape {
    /// Finite, rising; one fewer than there are columns.
    bounds: Box<[f64]>,
    sum: f64,
}

/// A value as the graph reads it.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// Upper bounds of a histogram's buckets but the last; none for a counter.
    pub bounds: Box<[f64]>,
    /// One column of a counter, or the buckets of a histogram, not cumulative.
    pub total: Box<[u64]>,
    /// The same, within the window.
    pub lately: Vec<u64>,
}

impl Value {
    /// A value that begins with `amount`.
    pub(super) fn first(metric: &str, amount: &Amount, at: Duration) -> Result<Self, Refusal> {
        let mut value = match amount {
            Amount::Counter(_) => Self::empty(metric, None, 1),
            Amount::Histogram(reported) => {
                check_shape(reported)?;
                let bounds = reported.bounds.as_slice().into();
                let shape = Shape { bounds, sum: 0.0 };
                Self::empty(metric, Some(shape), reported.counts.len())
            }
        };
        value.add(amount, at)?;
        Ok(value)
    }

    fn empty(metric: &str, histogram: Option<Shape>, columns: usize) -> Self {
        Self {
            histogram,
            columns: vec![0; columns].into(),
            lately: graph::is_watched(metric).then(Window::default),
        }
    }

    pub(super) fn add(&mut self, amount: &Amount, at: Duration) -> Result<(), Refusal> {
        match (&mut self.histogram, amount) {
            (None, Amount::Counter(added)) => self.add_columns(&[*added], at),
            (Some(shape), Amount::Histogram(reported)) => {
                check_shape(reported)?;
                if *shape.bounds != *reported.bounds {
                    return Err(Refusal::Bounds);
                }
                shape.sum += reported.sum;
                self.add_columns(&reported.counts, at);
            }
            (None, Amount::Histogram(_)) | (Some(_), Amount::Counter(_)) => {
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

    pub(super) fn kind(&self) -> Kind {
        match self.histogram {
            None => Kind::Counter,
            Some(_) => Kind::Histogram,
        }
    }

    /// Bytes that columns, bounds and the fullest window take.
    pub(super) fn bytes(&self) -> usize {
        let steps = if self.lately.is_some() { STEPS + 2 } else { 0 };
        let bounds = self
            .histogram
            .as_ref()
            .map_or(0, |shape| shape.bounds.len());
        (self.columns.len() * (1 + steps) + bounds + 4 * steps) * size_of::<u64>()
    }

    /// The sum of a counter, unless it is a histogram.
    #[must_use]
    pub fn counter(&self) -> Option<u64> {
        match self.histogram {
            None => self.columns.first().copied(),
            Some(_) => None,
        }
    }

    /// Bounds, buckets (not cumulative) and the sum of the observations, unless it is a counter.
    #[must_use]
    pub fn histogram(&self) -> Option<(&[f64], &[u64], f64)> {
        let shape = self.histogram.as_ref()?;
        Some((&shape.bounds, &self.columns, shape.sum))
    }

    pub(super) fn reading(&self, at: Duration) -> Option<Reading> {
        let lately = self.lately.as_ref()?.sums(at, self.columns.len());
        let bounds = self.histogram.as_ref().map(|shape| shape.bounds.clone());
        Some(Reading {
            bounds: bounds.unwrap_or_default(),
            total: self.columns.clone(),
            lately,
        })
    }
}

fn check_shape(reported: &Reported) -> Result<(), Refusal> {
    let Reported {
        bounds,
        counts,
        sum,
    } = reported;
    let rising = bounds.iter().zip(bounds.iter().skip(1)).all(|(a, b)| a < b);
    let finite = bounds.iter().all(|bound| bound.is_finite());
    let fits = bounds.len() <= MAX_BOUNDS && counts.len() == bounds.len() + 1;
    // Durations and sizes are never negative, and a NaN would spoil the sum for good.
    let sound = sum.is_finite() && *sum >= 0.0;
    if rising && finite && fits && sound {
        return Ok(());
    }
    Err(Refusal::Shape)
}
