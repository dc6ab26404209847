//! Bytes that peers make a worker hold, counted where they are taken in.
//!
//! The process's memory is looked at ten times a second, which is too late for a burst. So a worker
//! has a budget for what it holds, a part of the process's limit: once half of it is used, each peer
//! gets the less room the less is left, down to what is needed to move at all. Nothing is given up
//! here, and no clock or system call is needed.

use mesh_http::h2;

use crate::http::downstream::HIGH_WATER;
use crate::worker::overload::Level;

/// What a peer may have waiting however short memory is: else nothing would move.
const LEAST: usize = 4 * 1024;
/// One part in so many of what is left is promised to a connection of HTTP/2, whose peer may use it
/// up later.
const PROMISED: usize = 32;
/// The window that every connection of HTTP/2 has (RFC 9113 6.9.2).
const LEAST_WINDOW: usize = 64 * 1024;
/// A stream's part of its connection's window.
const STREAMS: usize = 4;

/// What somebody holds, as it was counted last.
#[derive(Debug, Default)]
pub(crate) struct Holding(usize);

/// What a worker holds in all.
#[derive(Debug)]
pub(crate) struct Held {
    bytes: usize,
    budget: usize,
    /// The process has to be told to take nothing more.
    short: bool,
    /// Somebody may have got less room than usual, and may wait for more.
    tight: bool,
    /// Everybody was asked to give back what is not needed.
    asked: bool,
}

impl Held {
    /// Nothing is held yet of what may be.
    pub(crate) fn new(budget: usize) -> Self {
        Self {
            bytes: 0,
            budget,
            short: false,
            tight: false,
            asked: false,
        }
    }

    /// Takes over what the process is told.
    pub(crate) fn follow(&mut self, level: Level, budget: usize) {
        self.budget = budget;
        self.short = level >= Level::Pause;
        self.tight |= self.is_tight();
    }

    /// Somebody holds so much now.
    pub(crate) fn note(&mut self, holding: &mut Holding, bytes: usize) {
        self.bytes = self.bytes.wrapping_sub(holding.0).wrapping_add(bytes);
        holding.0 = bytes;
        self.tight |= self.is_tight();
    }

    /// Somebody holds so much more.
    pub(crate) fn add(&mut self, holding: &mut Holding, bytes: usize) {
        self.note(holding, holding.0 + bytes);
    }

    /// Bytes that one peer may have waiting before whoever sends them is held back.
    pub(crate) fn room(&self) -> usize {
        match () {
            () if self.short => LEAST,
            () if !self.is_tight() => HIGH_WATER,
            () => {
                let left = self.budget.saturating_sub(self.bytes);
                let steps = self.budget / 2 / HIGH_WATER;
                (left / steps.max(1)).clamp(LEAST, HIGH_WATER)
            }
        }
    }

    /// Bytes that are read at once.
    pub(crate) fn at_once(&self) -> usize {
        match self.room() {
            HIGH_WATER => usize::MAX,
            less => less,
        }
    }

    /// The limits of a new connection of HTTP/2: its windows are a promise, and are counted only
    /// when they are used.
    pub(crate) fn within(&self, limits: h2::Limits) -> h2::Limits {
        let left = self.budget.saturating_sub(self.bytes);
        let connection = (left / PROMISED).max(LEAST_WINDOW);
        let as_window = |bytes: usize| u32::try_from(bytes).unwrap_or(u32::MAX);
        let stream = as_window(connection / STREAMS);
        let connection = as_window(connection);
        h2::Limits {
            connection_window: limits.connection_window.min(connection),
            connection_buffer: limits.connection_buffer.min(connection),
            stream_window: limits.stream_window.min(stream),
            ..limits
        }
    }

    /// Whether everybody is to give back what is not needed; true once each time it gets tight.
    pub(crate) fn has_tightened(&mut self) -> bool {
        self.is_tight() && !std::mem::replace(&mut self.asked, true)
    }

    /// Whether those who got less room are to look again.
    pub(crate) fn has_eased(&mut self) -> bool {
        // A little below the mark at which it began, so that it does not flutter.
        let eased = self.tight && !self.short && self.bytes <= self.budget / 16 * 7;
        self.tight &= !eased;
        self.asked &= !eased;
        eased
    }

    fn is_tight(&self) -> bool {
        self.short || self.bytes > self.budget / 2
    }
}

#[cfg(test)]
mod tests;
