//! When to push: the first change at once, further ones that follow gathered. A pure machine.

use std::time::{Duration, Instant};

/// How long it must be quiet before gathered changes go out.
///
/// departs from istio: 100 ms there. Nothing here takes that long to compute, and a change shall be
/// in force in every proxy within 100 ms even when another one came just before (ADR 0007).
pub const QUIET: Duration = Duration::from_millis(25);
/// How long changes are gathered at most while they keep coming.
pub const LONGEST: Duration = Duration::from_secs(1);

/// Gathers changes.
#[derive(Debug, Clone, Copy, Default)]
pub struct Gather {
    last_push: Option<Instant>,
    waiting: Option<Waiting>,
}

#[derive(Debug, Clone, Copy)]
struct Waiting {
    since: Instant,
    latest: Instant,
}

impl Gather {
    /// A change came.
    pub fn changed(&mut self, now: Instant) {
        let since = self.waiting.map_or(now, |waiting| waiting.since);
        self.waiting = Some(Waiting { since, latest: now });
    }

    /// When what was gathered must go out; none while there is nothing.
    #[must_use]
    pub fn due(&self) -> Option<Instant> {
        let waiting = self.waiting?;
        let quiet_before = self
            .last_push
            .is_none_or(|push| waiting.since.saturating_duration_since(push) >= QUIET);
        let alone = waiting.since == waiting.latest;
        if quiet_before && alone {
            return Some(waiting.since);
        }
        Some((waiting.latest + QUIET).min(waiting.since + LONGEST))
    }

    /// What was gathered has gone out.
    pub fn pushed(&mut self, now: Instant) {
        self.last_push = Some(now);
        self.waiting = None;
    }
}

#[cfg(test)]
mod tests;
