//! Time as a value: a clock that is passed in, and the arithmetic of waiting.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use parking_lot::Mutex;

/// What tells the time. Processes pass the system's clock in, tests one of their own.
pub trait Clock: Send + Sync {
    /// The moment for measuring and deadlines.
    fn now(&self) -> Instant;
    /// The moment for certificates and logs.
    fn wall(&self) -> SystemTime;
}

/// A clock that a test moves by hand; clones share the same time.
#[derive(Debug, Clone)]
pub struct TestClock(Arc<Mutex<(Instant, SystemTime)>>);

impl TestClock {
    /// Starts at the given moments.
    #[must_use]
    pub fn starting_at(now: Instant, wall: SystemTime) -> Self {
        Self(Arc::new(Mutex::new((now, wall))))
    }

    /// Moves both times forward.
    pub fn advance(&self, by: Duration) {
        let mut times = self.0.lock();
        times.0 += by;
        times.1 += by;
    }
}

impl Clock for TestClock {
    fn now(&self) -> Instant {
        self.0.lock().0
    }

    fn wall(&self) -> SystemTime {
        self.0.lock().1
    }
}

/// Waiting times that double from a first to a longest one.
///
/// `delay` takes a number in `0.0..1.0` that the caller drew, so that many clients do not
/// come back at the same moment: the answer lies between half and the whole of the step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    failures: u32,
}

impl Backoff {
    /// A schedule with nothing failed yet.
    #[must_use]
    pub fn new(first: Duration, longest: Duration) -> Self {
        Self {
            first,
            longest,
            failures: 0,
        }
    }

    /// How long to wait now that one more try failed.
    pub fn delay(&mut self, chance: f64) -> Duration {
        let step = self
            .first
            .saturating_mul(1 << self.failures.min(20))
            .min(self.longest);
        self.failures = self.failures.saturating_add(1);
        step.mul_f64(0.5 + chance.clamp(0.0, 1.0) / 2.0)
    }

    /// Starts over after a success.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests;
