//! The body of a request on its way to an endpoint, and what a second try would need of it.
//!
//! What has come is kept until it passes [`REPLAY_LIMIT`]; then the request can be sent no more
//! than this once. Nothing here does I/O: bytes come in, and whoever sends them says how many left.

use mesh_http::{Fields, make_room};

/// Bytes of a request body that are kept for a second try (Envoy's per-try buffer is 1 MiB; a
/// sidecar's memory is worth more than the retry of an upload).
pub(crate) const REPLAY_LIMIT: usize = 64 * 1024;

/// The body of a request for all of its attempts.
#[derive(Debug, Default)]
pub(crate) struct Upload {
    /// Bytes from number `dropped` on.
    kept: Vec<u8>,
    /// Bytes that are gone for good.
    dropped: u64,
    /// Which of the kept bytes the present attempt sends next.
    next: usize,
    /// Bytes for which the client was given credit again.
    released: u64,
    /// Bytes for which it is given credit although they are kept: somebody wants to see them first.
    wanted: u64,
    received: u64,
    trailers: Option<Fields>,
    ended: bool,
    /// Whether the present attempt has sent everything, the end included.
    pub(crate) finished: bool,
}

impl Upload {
    /// Begins anew, for another request; a small buffer is used again.
    pub(crate) fn restart(&mut self, bodiless: bool) {
        const KEEP: usize = 4 * 1024;
        let mut kept = std::mem::take(&mut self.kept);
        kept.clear();
        if kept.capacity() > KEEP {
            kept = Vec::new();
        }
        *self = Self {
            kept,
            ended: bodiless,
            ..Self::default()
        };
    }

    /// Begins with all that there will be.
    pub(crate) fn begin_with(&mut self, body: Vec<u8>) {
        *self = Self {
            received: body.len() as u64,
            kept: body,
            ended: true,
            ..Self::default()
        };
    }

    /// From now on the client may send so much before any of it is sent on.
    pub(crate) fn want(&mut self, bytes: usize) {
        self.wanted = bytes as u64;
    }

    /// Bytes for which the client has to wait until they are sent.
    pub(crate) fn in_the_way(&self) -> usize {
        let wanted = usize::try_from(self.wanted).unwrap_or(usize::MAX);
        self.unsent().len().saturating_sub(wanted)
    }

    /// Begins as the copy of another: with what that has of its body and what is still to come.
    pub(crate) fn copy(&mut self, other: &Self) {
        self.restart(other.ended);
        self.push(other.unsent());
        self.trailers = other.trailers.clone();
    }

    /// Bytes that have come from the client.
    pub(crate) fn received(&self) -> u64 {
        self.received
    }

    /// Whether the client has sent everything.
    pub(crate) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether another attempt would send the same bytes.
    pub(crate) fn can_repeat(&self) -> bool {
        self.dropped == 0
    }

    /// Whether there was nothing at all, and nothing will come.
    pub(crate) fn is_empty(&self) -> bool {
        self.ended && self.received == 0 && self.trailers.is_none()
    }

    /// Whether fresh bytes may be sent past this: nothing waits, and nothing is kept any more.
    pub(crate) fn passes(&self) -> bool {
        self.dropped > 0 && self.unsent().is_empty()
    }

    /// Counts bytes that were sent without having been kept.
    pub(crate) fn passed(&mut self, bytes: usize) {
        self.received += bytes as u64;
        self.dropped += bytes as u64;
    }

    /// Takes in bytes.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.received += bytes.len() as u64;
        make_room(&mut self.kept, bytes.len());
        self.kept.extend_from_slice(bytes);
    }

    /// Nothing more will come; `trailers` end the body, if there are any.
    pub(crate) fn end(&mut self, trailers: Option<Fields>) {
        self.ended = true;
        self.trailers = trailers;
    }

    /// The bytes that wait to be sent.
    pub(crate) fn unsent(&self) -> &[u8] {
        self.kept.get(self.next..).unwrap_or_default()
    }

    /// Bytes that its buffer takes.
    pub(crate) fn capacity(&self) -> usize {
        self.kept.capacity()
    }

    /// The trailer section.
    pub(crate) fn trailers(&self) -> Option<&Fields> {
        self.trailers.as_ref()
    }

    /// Notes that some of the waiting bytes were sent; those of a body that is longer than
    /// `replayed` are kept no longer.
    pub(crate) fn sent(&mut self, bytes: usize, replayed: usize) {
        self.next = (self.next + bytes).min(self.kept.len());
        if self.dropped > 0 || self.kept.len() > replayed.min(REPLAY_LIMIT) {
            self.dropped += self.next as u64;
            self.kept.drain(..self.next);
            self.next = 0;
            if self.kept.is_empty() {
                // The rest is passed straight on; a buffer would be held until the end.
                self.kept = Vec::new();
            }
        }
    }

    /// How much credit the client is due since the last call.
    pub(crate) fn take_credit(&mut self) -> usize {
        let came = self.dropped + self.kept.len() as u64;
        let sent = self.dropped + self.next as u64;
        let sent = sent.max(came.min(self.wanted));
        let due = sent.saturating_sub(self.released);
        self.released = self.released.max(sent);
        usize::try_from(due).unwrap_or(usize::MAX)
    }

    /// As [`Self::take_credit`], for all that has come: nothing of it is of use any more.
    pub(crate) fn take_last_credit(&mut self) -> usize {
        let came = self.dropped + self.kept.len() as u64;
        let due = came.saturating_sub(self.released);
        self.released = self.released.max(came);
        usize::try_from(due).unwrap_or(usize::MAX)
    }

    /// Begins another attempt.
    pub(crate) fn rewind(&mut self) {
        self.next = 0;
        self.finished = false;
    }

    /// The connection has left HTTP: bytes follow, and none of them is kept.
    pub(crate) fn begin_tunnel(&mut self) {
        *self = Self {
            received: self.received,
            // Nothing of it can be repeated.
            dropped: 1,
            released: 1,
            ..Self::default()
        };
    }
}

#[cfg(test)]
mod tests;
