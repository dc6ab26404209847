//! How slowly the body of a request may come: whoever sends it byte by byte holds a connection and
//! an application's thread for as long as he likes.

use std::time::{Duration, Instant};

/// Bytes per second that must come; Apache's and nginx' defaults are of this size.
const RATE: u64 = 240;
/// How long a body may take for its first bytes, where the listener says nothing of heads.
const GRACE: Duration = Duration::from_secs(10);

/// A body that is watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pace {
    every: Duration,
    due: Instant,
    /// Bytes that had come when it was last looked at.
    seen: u64,
}

impl Pace {
    /// A body begins; it is looked at as often as a head may take.
    pub(crate) fn begin(now: Instant, head_bound: Option<Duration>) -> Self {
        let every = head_bound.unwrap_or(GRACE);
        Self {
            every,
            due: now + every,
            seen: 0,
        }
    }

    /// When it is to be looked at.
    pub(crate) fn due(&self) -> Instant {
        self.due
    }

    /// Whether enough has come since the last look, `received` bytes in all; a client that had to
    /// wait for us is excused.
    pub(crate) fn keeps_up(&mut self, now: Instant, received: u64, had_to_wait: bool) -> bool {
        let came = received.saturating_sub(self.seen);
        self.seen = received;
        self.due = now + self.every;
        let wanted = u128::from(RATE) * self.every.as_millis() / 1000;
        had_to_wait || u128::from(came) >= wanted.max(1)
    }
}

#[cfg(test)]
mod tests;
