//! Time as a value: a clock that is passed in, and the arithmetic of waiting.

mod format;

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use parking_lot::Mutex;

pub use format::{BadConversion, TimeFormat};

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

/// Writes a moment as `2026-11-21T15:29:00Z` (RFC 3339, whole seconds, UTC).
#[must_use]
pub fn rfc3339(moment: SystemTime) -> String {
    let seconds = moment
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let (year, month, day) = civil_date(seconds / 86_400);
    let (hour, minute, second) = (seconds / 3600 % 24, seconds / 60 % 60, seconds % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// Year, month and day of a day counted from 1970-01-01, in the Gregorian calendar.
///
/// Counts from the first of March of year 0, so that the leap day is the last of its year.
fn civil_date(days_since_1970: u64) -> (u64, u64, u64) {
    const DAYS_BEFORE_1970: u64 = 719_468;
    const DAYS_OF_400_YEARS: u64 = 146_097;
    let days = days_since_1970 + DAYS_BEFORE_1970;
    let (era, day) = (days / DAYS_OF_400_YEARS, days % DAYS_OF_400_YEARS);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day_of_year = day - (365 * year + year / 4 - year / 100);
    let from_march = (5 * day_of_year + 2) / 153;
    let day_of_month = day_of_year - (153 * from_march + 2) / 5 + 1;
    let month = if from_march < 10 {
        from_march + 3
    } else {
        from_march - 9
    };
    (
        era * 400 + year + u64::from(month <= 2),
        month,
        day_of_month,
    )
}

#[cfg(test)]
mod tests;
