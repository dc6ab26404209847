//! Floods: what is allowed frame by frame, and an attack in its sum.
//!
//! Each kind of cheap frame has a purse: so many at once, so many per second, and more for useful
//! work done on the connection. A busy connection therefore never runs out, however fast it is,
//! while one that sends nothing else is cut off soon.

use std::time::Instant;

use super::limits::Limits;

/// Streams that were open so long are no rapid resets: there can only be so many of them.
const OLD: std::time::Duration = std::time::Duration::from_secs(1);
/// Streams that may be refused before the client can know how many it may open.
const REFUSED_UNKNOWING: u32 = 1_000;

/// What fills and empties a purse.
#[derive(Debug, Clone, Copy)]
struct Rule {
    at_once: u64,
    per_second: u64,
    /// For each unit of work.
    earned: u64,
    at_most: u64,
}

/// PING, SETTINGS, PRIORITY, unknown frames, frames on streams that are over (CVE-2019-9512, -9513,
/// -9515). Peers that estimate bandwidth send a PING for each batch of data: work pays for it.
const CONTROL: Rule = Rule {
    at_once: 2_000,
    per_second: 200,
    earned: 2,
    at_most: 20_000,
};
/// Frames that carry nothing and end nothing (CVE-2019-9518).
const EMPTY: Rule = Rule {
    at_once: 200,
    per_second: 50,
    earned: 1,
    at_most: 1_000,
};
/// WINDOW_UPDATE (CVE-2019-9511, -9517): some peers send one for each 4 KiB that we send, and one
/// or two per stream.
const UPDATES: Rule = Rule {
    at_once: 4_000,
    per_second: 1_000,
    earned: 1,
    at_most: 40_000,
};
/// What one stream and what 2 KiB sent are worth in [`UPDATES`].
const UPDATES_PER_STREAM: u64 = 8;
const BYTES_PER_UPDATE: u64 = 2_048;

/// One purse.
#[derive(Debug)]
struct Purse {
    rule: Rule,
    left: u64,
    /// Up to when time was paid.
    paid: Option<Instant>,
    /// Up to where work was paid.
    worked: u64,
}

impl Purse {
    fn new(rule: Rule) -> Self {
        Self {
            rule,
            left: rule.at_once,
            paid: None,
            worked: 0,
        }
    }

    /// Takes out `cost`; false: there is not so much left.
    fn spend(&mut self, cost: u64, now: Instant, work: u64) -> bool {
        if self.left < cost {
            self.fill(now, work);
        }
        self.paid.get_or_insert(now);
        match self.left.checked_sub(cost) {
            Some(left) => {
                self.left = left;
                true
            }
            None => false,
        }
    }

    fn fill(&mut self, now: Instant, work: u64) {
        let earned = work.saturating_sub(self.worked);
        self.worked = work;
        let mut more = earned.saturating_mul(self.rule.earned);
        let since = self.paid.map_or(0, |paid| {
            u64::try_from(now.saturating_duration_since(paid).as_millis()).unwrap_or(u64::MAX)
        });
        let by_time = since.saturating_mul(self.rule.per_second) / 1_000;
        if by_time > 0 {
            self.paid = Some(now);
            more = more.saturating_add(by_time);
        }
        self.left = self.left.saturating_add(more).min(self.rule.at_most);
    }
}

/// The purses of a connection.
#[derive(Debug)]
pub(crate) struct Abuse {
    control: Purse,
    empty: Purse,
    updates: Purse,
    resets: Purse,
    refused: u32,
    /// Useful frames received.
    frames: u64,
    /// Streams and bytes sent, in window updates that they are worth.
    sent: u64,
    sent_bytes: u64,
    /// Streams that came to their end.
    finished: u64,
}

impl Abuse {
    pub(crate) fn new(limits: &Limits) -> Self {
        let resets = Rule {
            at_once: u64::from(limits.resets),
            per_second: u64::from(limits.resets_per_second),
            earned: 1,
            at_most: u64::from(limits.resets_at_most),
        };
        Self {
            control: Purse::new(CONTROL),
            empty: Purse::new(EMPTY),
            updates: Purse::new(UPDATES),
            resets: Purse::new(resets),
            refused: 0,
            frames: 0,
            sent: 0,
            sent_bytes: 0,
            finished: 0,
        }
    }

    /// A frame that carries something: a head, or bytes of a body.
    pub(crate) fn useful(&mut self) {
        self.frames = self.frames.wrapping_add(1);
    }

    /// A stream was opened.
    pub(crate) fn opened(&mut self) {
        self.sent = self.sent.wrapping_add(UPDATES_PER_STREAM);
    }

    /// A stream came to its end on both sides.
    pub(crate) fn finished(&mut self) {
        self.finished = self.finished.wrapping_add(1);
    }

    /// Bytes of a body were sent.
    pub(crate) fn sent(&mut self, bytes: usize) {
        self.sent_bytes = self
            .sent_bytes
            .wrapping_add(u64::try_from(bytes).unwrap_or(0));
        self.sent = self.sent.wrapping_add(1);
    }

    /// Frames that only cost; false: too many.
    pub(crate) fn control(&mut self, now: Instant, cost: u64) -> bool {
        self.control.spend(cost, now, self.frames)
    }

    /// A frame without content; false: too many.
    pub(crate) fn empty(&mut self, now: Instant) -> bool {
        self.empty.spend(1, now, self.frames)
    }

    /// A window update; false: too many.
    pub(crate) fn update(&mut self, now: Instant) -> bool {
        let work = self.sent.wrapping_add(self.sent_bytes / BYTES_PER_UPDATE);
        self.updates.spend(1, now, work)
    }

    /// A client gave up a stream, or made us give it up, or we are about to as a client; false: too
    /// many (CVE-2023-44487, and CVE-2025-8671 for those we are made to reset).
    pub(crate) fn reset(&mut self, now: Instant, opened: Option<Instant>) -> bool {
        let is_old = opened.is_some_and(|opened| now.saturating_duration_since(opened) >= OLD);
        is_old || self.resets.spend(1, now, self.finished)
    }

    /// A stream was refused since there are too many; false: too many were.
    pub(crate) fn refuse(&mut self, now: Instant, is_informed: bool) -> bool {
        if !is_informed && self.refused < REFUSED_UNKNOWING {
            self.refused += 1;
            return true;
        }
        self.resets.spend(1, now, self.finished)
    }
}

#[cfg(test)]
mod tests;
