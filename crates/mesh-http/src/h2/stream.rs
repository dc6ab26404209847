//! The streams of a connection: what each of them waits for, and where to find it.
//!
//! Streams are kept by value in one open-addressed table. Identifiers are counted up, so half the
//! identifier is a perfect hash as long as the open streams are close to one another.

use std::time::Instant;

use super::flow::{SendWindow, StreamReceiving};

/// What the peer has still to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Receive {
    /// The head of a response.
    Head,
    /// The body, or trailers.
    Body,
    /// Bytes of a tunnel: no trailers.
    Tunnel,
    /// Nothing: the stream is half-closed by the peer.
    Done,
}

/// What we have still to send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Send {
    /// The head of a response.
    Head,
    /// The body, or trailers.
    Body,
    /// The end of a message that has no body (RFC 9110 6.4.1): what is sent of one is dropped.
    Muted,
    /// Nothing: the stream is half-closed by us.
    Done,
}

/// No content-length was given.
pub(crate) const ANY_LENGTH: u64 = u64::MAX;

/// One open or half-closed stream.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Stream {
    /// 0 marks a free place of the table.
    pub(crate) id: u32,
    pub(crate) receive: Receive,
    pub(crate) send: Send,
    /// The request's method is HEAD: the response has no body.
    pub(crate) is_head: bool,
    /// The request's method is CONNECT: a success makes it a tunnel.
    pub(crate) is_connect: bool,
    pub(crate) send_window: SendWindow,
    pub(crate) receiving: StreamReceiving,
    /// Bytes of the body that must still come, by its content-length.
    pub(crate) receive_left: u64,
    /// Bytes of the body that we must still send, by its content-length.
    pub(crate) send_left: u64,
    /// When the peer opened it; `None` for our own.
    pub(crate) opened: Option<Instant>,
}

impl Stream {
    pub(crate) fn new(id: u32, send_window: u32, receive_window: u32) -> Self {
        Self {
            id,
            receive: Receive::Head,
            send: Send::Head,
            is_head: false,
            is_connect: false,
            send_window: SendWindow::new(send_window),
            receiving: StreamReceiving::new(receive_window),
            receive_left: ANY_LENGTH,
            send_left: ANY_LENGTH,
            opened: None,
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.receive == Receive::Done && self.send == Send::Done
    }
}

/// Streams by identifier.
#[derive(Debug, Default)]
pub(crate) struct Streams {
    /// A power of two of places, at least half of them free; or none.
    places: Vec<Stream>,
    len: usize,
    /// How many of them are not at the place that their identifier says.
    displaced: usize,
}

/// Places of the first table.
const FEWEST: usize = 8;

impl Streams {
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    pub(crate) fn get(&self, id: u32) -> Option<&Stream> {
        self.places.get(self.find(id)?)
    }

    pub(crate) fn get_mut(&mut self, id: u32) -> Option<&mut Stream> {
        let place = self.find(id)?;
        self.places.get_mut(place)
    }

    /// Adds a stream whose identifier is in no place yet.
    pub(crate) fn insert(&mut self, stream: Stream) {
        if (self.len + 1) * 2 > self.places.len() {
            self.grow();
        }
        self.put(stream);
        self.len += 1;
    }

    pub(crate) fn remove(&mut self, id: u32) -> Option<Stream> {
        let place = self.find(id)?;
        let found = self.places.get_mut(place)?;
        let removed = *found;
        found.id = 0;
        self.len -= 1;
        // As long as identifiers are close to one another, nobody stands in another's place.
        if self.displaced > 0 {
            self.displaced -= usize::from(place != self.home(id));
            self.close_gap(place);
        }
        Some(removed)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Stream> {
        self.places.iter().filter(|stream| stream.id != 0)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Stream> {
        self.places.iter_mut().filter(|stream| stream.id != 0)
    }

    /// Gives the memory back if there is no stream.
    pub(crate) fn rest(&mut self) {
        if self.is_empty() {
            *self = Self::default();
        }
    }

    fn mask(&self) -> usize {
        self.places.len().wrapping_sub(1)
    }

    fn home(&self, id: u32) -> usize {
        (id >> 1) as usize & self.mask()
    }

    fn find(&self, id: u32) -> Option<usize> {
        if id == 0 {
            return None;
        }
        let mut place = self.home(id);
        loop {
            match self.places.get(place)?.id {
                found if found == id => return Some(place),
                0 => return None,
                _ => place = (place + 1) & self.mask(),
            }
        }
    }

    fn put(&mut self, stream: Stream) {
        let home = self.home(stream.id);
        let mask = self.mask();
        let mut place = home;
        while let Some(found) = self.places.get_mut(place) {
            if found.id == 0 {
                *found = stream;
                self.displaced += usize::from(place != home);
                return;
            }
            place = (place + 1) & mask;
        }
    }

    fn grow(&mut self) {
        let size = (self.places.len() * 2).max(FEWEST);
        let before = std::mem::replace(&mut self.places, vec![Stream::new(0, 0, 0); size]);
        self.displaced = 0;
        for stream in before.into_iter().filter(|stream| stream.id != 0) {
            self.put(stream);
        }
    }

    /// Moves up those after a free place that would no longer be found.
    fn close_gap(&mut self, mut gap: usize) {
        let mask = self.mask();
        let mut place = gap;
        loop {
            place = (place + 1) & mask;
            let Some(id) = self.places.get(place).map(|s| s.id).filter(|id| *id != 0) else {
                return;
            };
            let from_home = place.wrapping_sub(self.home(id)) & mask;
            let from_gap = place.wrapping_sub(gap) & mask;
            if from_home >= from_gap {
                self.places.swap(place, gap);
                self.displaced -= usize::from(from_home == from_gap);
                gap = place;
            }
        }
    }
}

#[cfg(test)]
mod tests;
