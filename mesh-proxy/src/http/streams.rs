//! Which request runs on which stream of a connection.
//!
//! Most connections have one stream at a time, so the first costs nothing. Numbers of streams follow
//! one another, so those that run at the same time mostly differ in their last digits.

use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};

use mesh_http::StreamId;

use crate::worker::engine::FlowKey;

/// The requests of a connection by stream.
#[derive(Default)]
pub(crate) struct Streams {
    first: Option<(StreamId, FlowKey)>,
    others: Option<Box<Others>>,
}

/// The requests of a connection but for one.
struct Others {
    /// Each stream at the place that its last digits name.
    places: Vec<Option<(StreamId, FlowKey)>>,
    placed: usize,
    /// Those whose places are taken.
    more: HashMap<StreamId, FlowKey, BuildHasherDefault<Sequential>>,
}

/// Places of a connection with few streams.
const FEW: usize = 32;
/// Places that a connection without streams keeps.
const KEPT: usize = 4 * FEW;
/// Places of one with many; how many streams there may be is bounded elsewhere.
const MANY: usize = 512;

impl Others {
    fn new(places: usize) -> Self {
        Self {
            places: vec![None; places],
            placed: 0,
            more: HashMap::default(),
        }
    }

    fn place(&mut self, stream: StreamId) -> Option<&mut Option<(StreamId, FlowKey)>> {
        let index = number(stream) & (self.places.len() - 1);
        self.places.get_mut(index)
    }

    fn insert(&mut self, stream: StreamId, flow: FlowKey) {
        if let Some(place @ None) = self.place(stream) {
            *place = Some((stream, flow));
            self.placed += 1;
        } else if self.placed * 2 >= self.places.len() && self.places.len() < MANY {
            self.grow();
            self.insert(stream, flow);
        } else {
            self.more.insert(stream, flow);
        }
    }

    fn grow(&mut self) {
        let old = std::mem::replace(self, Self::new(self.places.len() * 2));
        for (stream, flow) in old.places.into_iter().flatten().chain(old.more) {
            self.insert(stream, flow);
        }
    }

    fn get(&self, stream: StreamId) -> Option<FlowKey> {
        let index = number(stream) & (self.places.len() - 1);
        match self.places.get(index) {
            Some(Some((placed, flow))) if *placed == stream => Some(*flow),
            _ if self.more.is_empty() => None,
            _ => self.more.get(&stream).copied(),
        }
    }

    fn remove(&mut self, stream: StreamId) {
        let is_it = |place: &&mut Option<(StreamId, FlowKey)>| {
            place.is_some_and(|(placed, _)| placed == stream)
        };
        if let Some(place) = self.place(stream).filter(is_it) {
            *place = None;
            self.placed -= 1;
        } else if !self.more.is_empty() {
            self.more.remove(&stream);
        }
    }

    fn len(&self) -> usize {
        self.placed + self.more.len()
    }
}

/// The numbers of one side's streams without the digit that all of them share (RFC 9113 5.1.1).
fn number(stream: StreamId) -> usize {
    usize::try_from(stream >> 1).unwrap_or_default()
}

impl Streams {
    /// Enters a request.
    pub(crate) fn insert(&mut self, stream: StreamId, flow: FlowKey) {
        if self.first.is_none() {
            self.first = Some((stream, flow));
        } else {
            let others = self
                .others
                .get_or_insert_with(|| Box::new(Others::new(FEW)));
            others.insert(stream, flow);
        }
    }

    /// The request of a stream.
    pub(crate) fn get(&self, stream: StreamId) -> Option<FlowKey> {
        match self.first {
            Some((first, flow)) if first == stream => Some(flow),
            Some(_) | None => self.others.as_ref()?.get(stream),
        }
    }

    /// Forgets a stream.
    pub(crate) fn remove(&mut self, stream: StreamId) {
        if self.first.is_some_and(|(first, _)| first == stream) {
            self.first = None;
        } else if let Some(others) = &mut self.others {
            others.remove(stream);
            if others.len() == 0 && (others.places.len() > KEPT || others.more.capacity() > KEPT) {
                self.others = None;
            }
        }
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        let others = self.others.as_ref().map_or(0, |others| others.len());
        usize::from(self.first.is_some()) + others
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All requests.
    pub(crate) fn flows(&self) -> Vec<FlowKey> {
        let others = self.others.as_deref();
        let places = others.map_or(&[][..], |others| &others.places);
        let more = others.into_iter().flat_map(|others| &others.more);
        let placed = self.first.iter().chain(places.iter().flatten());
        placed
            .map(|(_, flow)| *flow)
            .chain(more.map(|(_, flow)| *flow))
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

#[cfg(test)]
mod tests;
