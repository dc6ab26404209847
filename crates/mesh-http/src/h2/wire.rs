//! What is to be sent, and how many answers in it the peer has not read yet.
//!
//! A peer that asks (PING, SETTINGS, broken requests) and never reads would make the output grow
//! without end. Positions in the output are counted so that answers still waiting are known.

use super::frame::{self, Kind};
use crate::{ErrorCode, Output};

/// Answers that may wait at a time.
const MOST_UNREAD: u32 = 4_000;

/// The output of a connection.
#[derive(Debug, Default)]
pub(crate) struct Wire {
    output: Output,
    /// Whether the caller had access since `seen` was taken: it may have consumed.
    is_lent: bool,
    /// Pending bytes when last looked at.
    seen: usize,
    /// Bytes appended in all.
    appended: u64,
    /// Answers before and after `mark`.
    older: u32,
    newer: u32,
    /// Once so many bytes are consumed, all older answers are.
    mark: u64,
}

impl Wire {
    /// The output, for the caller to consume from.
    pub(crate) fn lend(&mut self) -> &mut Output {
        self.settle();
        self.is_lent = true;
        &mut self.output
    }

    /// Where frames are appended.
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        if self.is_lent {
            self.is_lent = false;
            self.seen = self.output.len();
        }
        self.output.buffer()
    }

    /// Where frames with a piece of a body are appended, with room for it.
    pub(crate) fn buffer_for(&mut self, piece: usize) -> &mut Vec<u8> {
        self.buffer();
        self.output.buffer_for(piece)
    }

    pub(crate) fn reset(&mut self, stream: u32, code: ErrorCode) {
        frame::put_reset(self.buffer(), stream, code);
    }

    pub(crate) fn window_update(&mut self, stream: u32, increment: u32) {
        frame::put_window_update(self.buffer(), stream, increment);
    }

    pub(crate) fn go_away(&mut self, last: u32, code: ErrorCode) {
        frame::put_go_away(self.buffer(), last, code);
    }

    pub(crate) fn ping(&mut self, flags: u8, payload: &[u8]) {
        frame::put(self.buffer(), Kind::Ping, flags, 0, payload);
    }

    pub(crate) fn settings_ack(&mut self) {
        frame::put(self.buffer(), Kind::Settings, frame::ACK, 0, &[]);
    }

    /// Counts an answer just written; false: too many wait.
    pub(crate) fn count_answer(&mut self) -> bool {
        self.settle();
        let waiting = u64::try_from(self.output.len()).unwrap_or(u64::MAX);
        if self.appended.saturating_sub(waiting) >= self.mark {
            self.older = self.newer;
            self.newer = 0;
            self.mark = self.appended;
        }
        self.newer += 1;
        self.older + self.newer <= MOST_UNREAD
    }

    fn settle(&mut self) {
        let len = self.output.len();
        if !self.is_lent {
            let added = len.saturating_sub(self.seen);
            self.appended += u64::try_from(added).unwrap_or(0);
        }
        self.is_lent = false;
        self.seen = len;
    }
}

#[cfg(test)]
mod tests;
