//! Buffers for what connections send, shared by those that are not all busy at once.

use mesh_http::Version;

use crate::worker::shelf::Shelf;

/// Buffers that nobody needs at the moment.
#[derive(Default)]
pub(crate) struct Buffers {
    small: Shelf<Vec<u8>>,
    bytes: usize,
    large: Shelf<Vec<u8>>,
}

impl Buffers {
    /// Bytes that are kept in small ones. A client's connection and an endpoint's need a buffer each
    /// while a request goes from one to the other, so it takes many.
    const KEPT: usize = 2 * 1024 * 1024;
    const SMALL: usize = 16 * 1024;
    /// Large ones that are kept, and bytes of one. Only connections with many requests at a time get
    /// them: others need a small part, and would end up with all that are large.
    const FEW: usize = 4;
    const LARGEST: usize = 256 * 1024;

    /// Takes one out for a connection of this version.
    pub(crate) fn take(&mut self, version: Version) -> Option<Vec<u8>> {
        if version == Version::Http2
            && let Some(large) = self.large.take()
        {
            return Some(large);
        }
        let small = self.small.take()?;
        self.bytes = self.bytes.saturating_sub(small.capacity());
        Some(small)
    }

    /// Keeps one for somebody else.
    pub(crate) fn put(&mut self, buffer: Option<Vec<u8>>) {
        let Some(buffer) = buffer else {
            return;
        };
        let bytes = self.bytes.saturating_add(buffer.capacity());
        if buffer.capacity() > Self::SMALL {
            if buffer.capacity() <= Self::LARGEST && self.large.len() < Self::FEW {
                self.large.put(buffer);
            }
        } else if bytes <= Self::KEPT {
            self.bytes = bytes;
            self.small.put(buffer);
        }
    }

    /// Lets go of those that nobody has needed for a while.
    pub(crate) fn sweep(&mut self) {
        for small in self.small.sweep() {
            self.bytes = self.bytes.saturating_sub(small.capacity());
        }
        drop(self.large.sweep());
    }
}
