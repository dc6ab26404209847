//! The worker's buffers that wires read into and seal with, lent to one of them at a time.

use std::io;

use crate::worker::shelf::Shelf;

/// Bytes that are read from a socket at once.
const READ: usize = 64 * 1024;
/// What may be left of earlier reads: a handshake's message of 64 KiB, and the record it goes on in.
const LEFT: usize = 96 * 1024;
/// From this size on the heap has its blocks from the kernel (`mesh_model::heap`): they leave no holes
/// in it, and cost only what is used of them.
const BLOCK: usize = 128 * 1024;
/// Blocks that are kept for others.
const KEPT: usize = 4;

/// The buffers for reading.
pub(crate) struct Scratch {
    /// What was read, as the peer meant it.
    pub(crate) bytes: Box<[u8]>,
    /// What TLS came as.
    sealed: Sealed,
    pub(super) blocks: Blocks,
}

impl Scratch {
    /// Bytes that are read at once where there is no TLS.
    pub(super) const PLAIN: usize = 96 * 1024;

    pub(crate) fn new() -> Box<Self> {
        let room = || vec![0; LEFT + READ].into_boxed_slice();
        Box::new(Self {
            // Opened it takes less room than sealed.
            bytes: room(),
            sealed: Sealed(room()),
            blocks: Blocks::default(),
        })
    }

    /// Takes the room for sealed bytes out, to be read into beside the rest.
    pub(super) fn lend_sealed(&mut self) -> Sealed {
        Sealed(std::mem::take(&mut self.sealed.0))
    }

    pub(super) fn return_sealed(&mut self, sealed: Sealed) {
        self.sealed = sealed;
    }

    /// Lets go of what nobody has needed for a while.
    pub(crate) fn sweep(&mut self) {
        self.blocks.sweep();
    }
}

/// More is left of earlier reads than any message of TLS is long.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a message is too long")]
pub(super) struct TooLong;

impl From<TooLong> for io::Error {
    fn from(error: TooLong) -> Self {
        Self::new(io::ErrorKind::InvalidData, error)
    }
}

/// Room for what is left of earlier reads, and behind it for one read.
pub(super) struct Sealed(Box<[u8]>);

impl Sealed {
    /// What is read into.
    pub(super) fn fresh(&mut self) -> &mut [u8] {
        self.0.get_mut(LEFT..).unwrap_or_default()
    }

    /// What is left of earlier reads, and the fresh bytes of this one.
    ///
    /// # Errors
    /// [`TooLong`] when more is left than there is room for.
    pub(super) fn behind(&mut self, left: &[u8], fresh: usize) -> Result<&mut [u8], TooLong> {
        let start = LEFT.checked_sub(left.len()).ok_or(TooLong)?;
        let room = self.0.get_mut(start..LEFT).ok_or(TooLong)?;
        room.copy_from_slice(left);
        self.0.get_mut(start..LEFT + fresh).ok_or(TooLong)
    }
}

/// The buffers for sealing.
pub(crate) struct Sealing {
    /// What is being sealed. It goes to a wire whose socket does not take all of it.
    outgoing: Vec<u8>,
    blocks: Blocks,
}

impl Sealing {
    /// Bytes that are sealed at once: what a slow reader can make us hold, but for what TLS adds.
    pub(super) const AT_ONCE: usize = 96 * 1024;

    pub(crate) fn new() -> Self {
        let mut blocks = Blocks::default();
        let outgoing = blocks.take();
        Self { outgoing, blocks }
    }

    pub(super) fn outgoing(&mut self) -> &mut Vec<u8> {
        &mut self.outgoing
    }

    /// Hands out what was sealed, from `start` to `end`, to wait.
    pub(super) fn hand_out(&mut self, start: usize, end: usize) -> Waiting {
        let bytes = std::mem::replace(&mut self.outgoing, self.blocks.take());
        Waiting { bytes, start, end }
    }

    /// Takes the block of what has left.
    pub(super) fn give_back(&mut self, waiting: &mut Waiting) {
        waiting.give_back(&mut self.blocks);
    }

    /// Lets go of what nobody has needed for a while.
    pub(crate) fn sweep(&mut self) {
        self.blocks.sweep();
    }
}

/// Blocks that nobody needs at the moment.
#[derive(Default)]
pub(super) struct Blocks(Shelf<Vec<u8>>);

impl Blocks {
    fn take(&mut self) -> Vec<u8> {
        self.0.take().unwrap_or_else(|| vec![0; BLOCK])
    }

    fn put(&mut self, block: Vec<u8>) {
        if block.len() == BLOCK && self.0.len() < KEPT {
            self.0.put(block);
        }
    }

    fn sweep(&mut self) {
        drop(self.0.sweep());
    }
}

/// Bytes that wait at a wire: few in a buffer of their own, many in a block of the worker's.
#[derive(Default)]
pub(super) struct Waiting {
    bytes: Vec<u8>,
    start: usize,
    end: usize,
}

impl Waiting {
    /// What is not worth a block.
    const FEW: usize = 4 * 1024;

    pub(super) fn of(bytes: &[u8]) -> Self {
        Self {
            bytes: bytes.to_vec(),
            start: 0,
            end: bytes.len(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.start == self.end
    }

    pub(super) fn len(&self) -> usize {
        self.end - self.start
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(self.start..self.end).unwrap_or_default()
    }

    pub(super) fn bytes_mut(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.start..self.end).unwrap_or_default()
    }

    /// Notes that the first `count` are no longer needed.
    pub(super) fn consume(&mut self, count: usize) {
        self.start = self.start.saturating_add(count).min(self.end);
        if self.is_empty() {
            (self.start, self.end) = (0, 0);
            if self.bytes.len() < BLOCK {
                self.bytes = Vec::new();
            }
        }
    }

    /// Puts other bytes in their place.
    ///
    /// # Errors
    /// [`TooLong`] for more than a block takes; then none are kept.
    pub(super) fn replace(&mut self, bytes: &[u8], blocks: &mut Blocks) -> Result<(), TooLong> {
        (self.start, self.end) = (0, 0);
        if bytes.len() <= Self::FEW {
            self.give_back(blocks);
            self.bytes = bytes.to_vec();
        } else {
            if self.bytes.len() < BLOCK {
                self.bytes = blocks.take();
            }
            let room = self.bytes.get_mut(..bytes.len()).ok_or(TooLong)?;
            room.copy_from_slice(bytes);
        }
        self.end = bytes.len();
        Ok(())
    }

    /// Room for `count` more at the end.
    pub(super) fn room(&mut self, count: usize) -> &mut [u8] {
        let end = self.end + count;
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        self.bytes.get_mut(self.end..end).unwrap_or_default()
    }

    /// Notes that the first `count` of the room are used.
    pub(super) fn grow(&mut self, count: usize) {
        self.end = self.end.saturating_add(count).min(self.bytes.len());
    }

    fn give_back(&mut self, blocks: &mut Blocks) {
        if self.is_empty() {
            blocks.put(std::mem::take(&mut self.bytes));
        }
    }
}

#[cfg(test)]
mod tests;
