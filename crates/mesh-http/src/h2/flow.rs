//! Windows (RFC 9113 5.2 and 6.9): what we may send, what the peer may send.

use super::frame::MAX_31;
use super::settings::DEFAULT_WINDOW;

/// A window became larger than 2^31-1 (RFC 9113 6.9.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Overflow;

/// What we may send. Negative after the peer made its initial window smaller (RFC 9113 6.9.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SendWindow(i64);

impl SendWindow {
    pub(crate) fn new(size: u32) -> Self {
        Self(i64::from(size))
    }

    /// How many bytes may be sent now.
    pub(crate) fn available(self) -> usize {
        usize::try_from(self.0).unwrap_or(0)
    }

    pub(crate) fn take(&mut self, bytes: usize) {
        self.0 -= i64::try_from(bytes).unwrap_or(0);
    }

    /// Changes it and says whether that opened a window in which nothing was left.
    pub(crate) fn change(&mut self, by: i64) -> Result<bool, Overflow> {
        let was_closed = self.0 <= 0;
        let size = self.0 + by;
        if size > i64::from(MAX_31) {
            return Err(Overflow);
        }
        self.0 = size;
        Ok(was_closed && size > 0)
    }
}

/// What the peer may still send on one stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct StreamReceiving {
    open: i64,
    due: u32,
}

impl StreamReceiving {
    pub(crate) fn new(size: u32) -> Self {
        Self {
            open: i64::from(size),
            due: 0,
        }
    }

    /// Counts a frame; false: it is more than the window allows.
    pub(crate) fn receive(&mut self, length: u32) -> bool {
        self.open -= i64::from(length);
        // Frames without bytes need no window (RFC 9113 6.9.1), and it can be below zero (6.9.2).
        length == 0 || self.open >= 0
    }

    /// Our initial window is another one now, for the peer as well.
    pub(crate) fn shift(&mut self, by: i64) {
        self.open += by;
    }

    /// Bytes are passed on; `Some`: so much is to be announced, at least half a window.
    pub(crate) fn release(&mut self, bytes: u32, size: u32) -> Option<u32> {
        self.due = self.due.saturating_add(bytes);
        if self.due == 0 || self.due < size / 2 {
            return None;
        }
        let due = std::mem::take(&mut self.due);
        self.open += i64::from(due);
        Some(due)
    }
}

/// What the peer may still send on the connection.
///
/// Bytes are credited as they come, not as they are passed on, so that a stream nobody reads does
/// not stop the others; until so many are held that it must.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ConnectionReceiving {
    open: i64,
    size: i64,
    bound: i64,
    held: i64,
}

impl ConnectionReceiving {
    pub(crate) fn new(window: u32, buffer: u32) -> Self {
        let size = i64::from(window.min(buffer).min(MAX_31)).max(i64::from(DEFAULT_WINDOW));
        Self {
            open: i64::from(DEFAULT_WINDOW),
            size,
            bound: i64::from(buffer).max(size),
            held: 0,
        }
    }

    /// Counts a frame; false: it is more than the window allows.
    pub(crate) fn receive(&mut self, length: u32) -> bool {
        self.open -= i64::from(length);
        self.open >= 0
    }

    /// Bytes were handed out.
    pub(crate) fn hold(&mut self, bytes: usize) {
        self.held += i64::try_from(bytes).unwrap_or(0);
    }

    /// Bytes that were handed out are passed on.
    pub(crate) fn release(&mut self, bytes: usize) {
        self.held = (self.held - i64::try_from(bytes).unwrap_or(0)).max(0);
    }

    /// What is to be announced now, if it is half a window at least.
    pub(crate) fn credit(&mut self) -> Option<u32> {
        let wanted = self.size.min(self.bound - self.held);
        let due = wanted - self.open;
        if due < self.size / 2 {
            return None;
        }
        self.open = wanted;
        u32::try_from(due).ok()
    }

    /// What is announced at the start.
    pub(crate) fn first_credit(&mut self) -> Option<u32> {
        let due = u32::try_from(self.size - self.open).ok()?;
        self.open = self.size;
        (due > 0).then_some(due)
    }
}

#[cfg(test)]
mod tests;
