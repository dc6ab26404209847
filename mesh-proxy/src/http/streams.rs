//! Which request runs on which stream of a connection.
//!
//! Most connections have one stream at a time, so the first costs nothing.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use mesh_http::StreamId;

use crate::worker::engine::FlowKey;

/// The requests of a connection by stream.
#[derive(Default)]
pub(crate) struct Streams {
    first: Option<(StreamId, FlowKey)>,
    more: HashMap<StreamId, FlowKey, BuildHasherDefault<Sequential>>,
}

impl Streams {
    /// Enters a request.
    pub(crate) fn insert(&mut self, stream: StreamId, flow: FlowKey) {
        if self.first.is_none() {
            self.first = Some((stream, flow));
        } else {
            self.more.insert(stream, flow);
        }
    }

    /// The request of a stream.
    pub(crate) fn get(&self, stream: StreamId) -> Option<FlowKey> {
        match self.first {
            Some((first, flow)) if first == stream => Some(flow),
            Some(_) | None => self.more.get(&stream).copied(),
        }
    }

    /// Forgets a stream.
    pub(crate) fn remove(&mut self, stream: StreamId) {
        if self.first.is_some_and(|(first, _)| first == stream) {
            self.first = None;
        } else {
            self.more.remove(&stream);
            if self.more.is_empty() && self.more.capacity() > 64 {
                self.more = HashMap::default();
            }
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        usize::from(self.first.is_some()) + self.more.len()
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All requests.
    pub(crate) fn flows(&self) -> Vec<FlowKey> {
        let first = self.first.map(|(_, flow)| flow);
        first
            .into_iter()
            .chain(self.more.values().copied())
            .collect()
    }
}

/// Stream identifiers follow one another, so spreading them is all a hash has to do.
#[derive(Default)]
pub(crate) struct Sequential(u64);

impl Hasher for Sequential {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u32(u32::from(*byte));
        }
    }

    fn write_u32(&mut self, number: u32) {
        // Knuth's multiplicative hashing; the map looks at both ends of the result.
        self.0 = (self.0 ^ u64::from(number)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}
