//! Token buckets, shared by all workers without a lock.
//!
//! A bucket is the moment at which it would have been empty: it fills by time alone, and taking a token moves that
//! moment on.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// What is lost in the arithmetic must not cost a token that is there.
const SLACK: f64 = 1e-6;

/// How a bucket fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Filling {
    /// What it holds; it is full at first.
    pub(crate) most: u32,
    /// So many tokens come...
    pub(crate) tokens: u32,
    /// ...in so much time, one by one.
    pub(crate) every: Duration,
}

/// A token bucket.
#[derive(Debug)]
pub(crate) struct Bucket {
    filling: Filling,
    /// When it was first asked.
    began: OnceLock<Instant>,
    /// Seconds from then to the moment at which it would have been empty, as the bits of a float.
    empty_at: AtomicU64,
}

/// How full a bucket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// What it holds.
    pub most: u32,
    /// What is left in it.
    pub remaining: u64,
    /// How long it takes until there is one more, if none is left.
    pub next: Duration,
}

impl Bucket {
    pub(crate) fn new(filling: Filling) -> Self {
        Self {
            filling,
            began: OnceLock::new(),
            empty_at: AtomicU64::new(f64::NEG_INFINITY.to_bits()),
        }
    }

    /// How many tokens come in a second.
    pub(crate) fn rate(&self) -> f64 {
        f64::from(self.filling.tokens) / self.filling.every.as_secs_f64()
    }

    /// Takes a token; false if there is none.
    pub(crate) fn take(&self, now: Instant) -> bool {
        let now = self.seconds(now);
        let less = |empty_at: u64| {
            let tokens = self.tokens(f64::from_bits(empty_at), now);
            let moment = now - (tokens - 1.0) / self.rate();
            (tokens + SLACK >= 1.0).then(|| moment.to_bits())
        };
        let taken = self
            .empty_at
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, less);
        taken.is_ok()
    }

    /// How full it is.
    pub(crate) fn window(&self, now: Instant) -> Window {
        let empty_at = f64::from_bits(self.empty_at.load(Ordering::Relaxed));
        let tokens = self.tokens(empty_at, self.seconds(now));
        let missing = match tokens + SLACK >= 1.0 {
            true => 0.0,
            false => 1.0 - tokens,
        };
        let next = Duration::try_from_secs_f64(missing / self.rate());
        Window {
            most: self.filling.most,
            remaining: (tokens + SLACK).max(0.0) as u64,
            next: next.unwrap_or(Duration::MAX),
        }
    }

    fn tokens(&self, empty_at: f64, now: f64) -> f64 {
        ((now - empty_at) * self.rate()).min(self.filling.most.into())
    }

    /// Workers read their clocks by themselves: one may be a little behind the one that asked first.
    fn seconds(&self, now: Instant) -> f64 {
        let began = *self.began.get_or_init(|| now);
        match now.checked_duration_since(began) {
            Some(after) => after.as_secs_f64(),
            None => -began.saturating_duration_since(now).as_secs_f64(),
        }
    }
}

#[cfg(test)]
mod tests;
