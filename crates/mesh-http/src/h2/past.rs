//! Streams that are over, as far as it matters how they ended.
//!
//! Frames of a stream that we reset may still be under way and are no fault of the peer (RFC 9113
//! 5.1); frames of a stream that the peer ended itself are.

/// Streams that we reset and remember one by one.
const DROPPED: usize = 32;
/// Streams that the peer ended and that we remember.
const ENDED: usize = 16;

/// How the last streams ended.
#[derive(Debug)]
pub(crate) struct Past {
    dropped: Ring<DROPPED>,
    /// Of the streams up to here some that we reset are no longer remembered: so all of them are
    /// taken for such.
    forgotten: u32,
    ended: Ring<ENDED>,
}

#[derive(Debug)]
struct Ring<const N: usize> {
    ids: [u32; N],
    next: usize,
}

impl<const N: usize> Ring<N> {
    fn new() -> Self {
        Self {
            ids: [0; N],
            next: 0,
        }
    }

    /// Remembers a stream and returns the one forgotten for it, or 0.
    fn push(&mut self, id: u32) -> u32 {
        let place = self.next;
        self.next = (place + 1) % N;
        self.ids
            .get_mut(place)
            .map_or(0, |slot| std::mem::replace(slot, id))
    }
}

impl Past {
    pub(crate) fn new() -> Self {
        Self {
            dropped: Ring::new(),
            forgotten: 0,
            ended: Ring::new(),
        }
    }

    /// We reset the stream, or never took it.
    pub(crate) fn drop(&mut self, id: u32) {
        let forgotten = self.dropped.push(id);
        self.forgotten = self.forgotten.max(forgotten);
    }

    /// Whether frames on that stream, which is over, are to be ignored.
    pub(crate) fn is_dropped(&self, id: u32) -> bool {
        id <= self.forgotten || self.dropped.ids.contains(&id)
    }

    /// The peer ended the stream.
    pub(crate) fn end(&mut self, id: u32) {
        self.ended.push(id);
    }

    /// Whether that stream was open once and the peer ended it a short time ago.
    pub(crate) fn has_ended(&self, id: u32) -> bool {
        self.ended.ids.contains(&id)
    }
}

#[cfg(test)]
mod tests;
