//! Bytes both ways between two connections, until both have said that nothing more comes.
//!
//! Nothing is decided here but whose turn it is: each direction reads only while its other end
//! takes, so that a stalled reader stops the writer and what is held is bounded by one batch. Where
//! no TLS is in the way bulk moves inside the kernel (splice), through pipes that a direction has
//! only while bytes are in them. The owner watches the sockets, edge-triggered, and calls.

pub(crate) mod pipes;

use std::io;
use std::time::{Duration, Instant};

use mesh_http::make_room;
use mio::event::Event;

use crate::conn::tunnel::pipes::{Pipe, Pipes};
use crate::conn::wire::scratch::{Scratch, Sealing};
use crate::conn::wire::{Filled, Wire};

/// Bytes that are moved before other connections get their turn.
const SHARE: usize = 1 << 20;
/// Bytes that are read at once.
const BATCH: usize = 64 * 1024;
/// The first read where both ends are plain: only what fills it is worth a pipe.
const PROBE: usize = 16 * 1024;

/// What the tunnels of one worker share.
#[derive(Default)]
pub(crate) struct Shared {
    pipes: Pipes,
    /// Bytes that may be read at once, where that is less than usual.
    at_once: Option<usize>,
}

impl Shared {
    /// Bytes that may be read at once from now on.
    pub(crate) fn read_at_once(&mut self, most: usize) {
        self.at_once = Some(most).filter(|most| *most < BATCH);
    }
}

/// What the worker lends for a turn.
pub(crate) struct Means<'a> {
    pub(crate) shared: &'a mut Shared,
    pub(crate) scratch: &'a mut Scratch,
    pub(crate) sealing: &'a mut Sealing,
}

/// An end of a tunnel, as seen from the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Side {
    /// Whoever called.
    Client,
    /// Whoever was called.
    Upstream,
}

/// What a call has come to.
#[derive(Debug)]
pub(crate) enum Progress {
    /// Nothing more can be done before a socket becomes ready.
    Wait,
    /// More can be done at once, but others should have their turn before.
    Again,
    /// Both directions have ended in good order.
    Done,
    /// A connection broke; both are to be dropped, and will be reset.
    Broken(io::Error),
}

/// Two connections, and what is on its way between them.
pub(crate) struct Tunnel {
    client: Wire,
    upstream: Wire,
    sent: Course,
    received: Course,
    moved_at: Instant,
}

/// One direction.
#[derive(Default)]
struct Course {
    /// Bytes that were read and not taken yet.
    held: Vec<u8>,
    /// How many of them were taken since.
    taken: usize,
    pipe: Option<Pipe>,
    /// More comes than one small read brings.
    bulk: bool,
    moved: u64,
    /// Nothing more comes.
    ended: bool,
    /// The other end was told that nothing more comes.
    closed: bool,
}

impl Tunnel {
    /// Joins two connections; `ahead` was read from the client already, and `said` from the upstream.
    pub(crate) fn new(
        client: Wire,
        upstream: Wire,
        ahead: Vec<u8>,
        said: Vec<u8>,
        now: Instant,
    ) -> Self {
        let mut tunnel = Self {
            client,
            upstream,
            sent: Course::beginning_with(ahead),
            received: Course::beginning_with(said),
            moved_at: now,
        };
        // Their end may have been read before, which no event tells again.
        tunnel.client.read_again();
        tunnel.upstream.read_again();
        tunnel
    }

    #[cfg(test)]
    fn socket(&mut self, side: Side) -> &mut mio::net::TcpStream {
        self.end(side).socket()
    }

    /// Notes what the kernel tells of an end's socket.
    pub(crate) fn ready(&mut self, side: Side, event: &Event) {
        self.end(side).ready(event);
    }

    /// Bytes from the client.
    pub(crate) fn sent(&self) -> u64 {
        self.sent.moved
    }

    /// Bytes from the upstream.
    pub(crate) fn received(&self) -> u64 {
        self.received.moved
    }

    /// Bytes that were read and not taken, in the kernel's pipes as well.
    pub(crate) fn held(&self) -> usize {
        let ends = self.client.backlog() + self.upstream.backlog();
        self.sent.held() + self.received.held() + ends
    }

    /// Whether nothing waits and nothing was moved for so long.
    pub(crate) fn is_silent(&self, now: Instant, bound: Duration) -> bool {
        self.held() == 0 && now.saturating_duration_since(self.moved_at) >= bound
    }

    /// When something was last moved.
    pub(crate) fn idle_since(&self) -> Instant {
        self.moved_at
    }

    /// Moves what can be moved; to be called after [`Tunnel::ready`], and after `Again`.
    pub(crate) fn advance(&mut self, means: &mut Means<'_>, now: Instant) -> Progress {
        match self.pump(means, now) {
            Err(error) => {
                self.cut();
                Progress::Broken(error)
            }
            Ok(_) if self.sent.closed && self.received.closed => Progress::Done,
            Ok(Turn::Over) => Progress::Again,
            Ok(Turn::Blocked) => Progress::Wait,
        }
    }

    /// Lets both connections be reset rather than closed when they are dropped: neither peer must
    /// take what it got for everything.
    pub(crate) fn cut(&self) {
        self.client.cut();
        self.upstream.cut();
    }

    fn end(&mut self, side: Side) -> &mut Wire {
        match side {
            Side::Client => &mut self.client,
            Side::Upstream => &mut self.upstream,
        }
    }

    fn pump(&mut self, means: &mut Means<'_>, now: Instant) -> io::Result<Turn> {
        let limit = self.sent.moved + self.received.moved + SHARE as u64;
        loop {
            let (client, upstream) = (&mut self.client, &mut self.upstream);
            let sent = self.sent.step(client, upstream, means)?;
            let received = self.received.step(upstream, client, means)?;
            if !sent && !received {
                return Ok(Turn::Blocked);
            }
            self.moved_at = now;
            if self.sent.moved + self.received.moved >= limit {
                return Ok(Turn::Over);
            }
        }
    }
}

/// Why a turn has ended.
enum Turn {
    /// Nothing can be done.
    Blocked,
    /// Its share is used up.
    Over,
}

impl Course {
    fn beginning_with(held: Vec<u8>) -> Self {
        Self {
            moved: held.len() as u64,
            held,
            ..Self::default()
        }
    }

    /// Moves one batch; false when there is nothing to be done.
    fn step(&mut self, from: &mut Wire, to: &mut Wire, means: &mut Means<'_>) -> io::Result<bool> {
        let mut progress = self.flush(to, means.sealing)?;
        // A handshake goes on whatever the other end does; its bytes are for nobody else.
        if self.is_waiting() || !(to.takes() || from.is_shaking()) {
            return Ok(progress);
        }
        let at_once = means.shared.at_once;
        let splices = self.bulk && at_once.is_none() && from.is_plain() && to.is_plain();
        progress |= if splices {
            self.splice(from, to, &mut means.shared.pipes)?
        } else {
            // It is empty: nothing waits.
            if let Some(pipe) = self.pipe.take() {
                means.shared.pipes.give_back(pipe);
            }
            self.copy(from, to, means, at_once.unwrap_or(BATCH))?
        };
        Ok(progress | self.close(to, means.sealing)?)
    }

    fn held(&self) -> usize {
        self.held.capacity() + self.pipe.as_ref().map_or(0, Pipe::held)
    }

    fn is_waiting(&self) -> bool {
        !self.held.is_empty() || self.pipe.as_ref().is_some_and(|pipe| !pipe.is_empty())
    }

    /// Passes on what came before.
    fn flush(&mut self, to: &mut Wire, sealing: &mut Sealing) -> io::Result<bool> {
        let mut progress = to.flush_tls(sealing)?;
        if let Some(pipe) = self.pipe.as_mut().filter(|pipe| !pipe.is_empty()) {
            progress |= to.splice_from(pipe)?;
        }
        if !self.held.is_empty() && to.takes() {
            let rest = self.held.get(self.taken..).unwrap_or_default();
            let written = to.write(rest, sealing)?;
            self.taken += written;
            progress |= written > 0;
            if self.taken == self.held.len() {
                self.held = Vec::new();
                self.taken = 0;
            }
        }
        Ok(progress)
    }

    /// Moves bytes inside the kernel. The pipe is empty before, so that a read that would block
    /// speaks of the socket.
    fn splice(&mut self, from: &mut Wire, to: &mut Wire, pipes: &mut Pipes) -> io::Result<bool> {
        let Some(mut pipe) = self.pipe.take().or_else(|| pipes.take()) else {
            // No descriptor is left: the small reads go on.
            self.bulk = false;
            return Ok(true);
        };
        let read = match from.splice_into(&mut pipe)? {
            Filled::Bytes(read) => read,
            Filled::Nothing => 0,
            Filled::End => {
                self.ended = true;
                0
            }
        };
        self.moved += read as u64;
        if read > 0 {
            to.splice_from(&mut pipe)?;
        }
        if pipe.is_empty() && !from.is_readable() {
            pipes.give_back(pipe);
            self.bulk = false;
        } else {
            self.pipe = Some(pipe);
        }
        Ok(read > 0)
    }

    /// Moves bytes through the worker's buffers; what is not taken is kept.
    fn copy(
        &mut self,
        from: &mut Wire,
        to: &mut Wire,
        means: &mut Means<'_>,
        most: usize,
    ) -> io::Result<bool> {
        if self.ended || !from.is_readable() {
            return Ok(false);
        }
        let both_plain = from.is_plain() && to.is_plain();
        let at_once = if both_plain { PROBE } else { BATCH };
        let read = match from.fill_at_most(most.min(at_once), means.scratch)? {
            Filled::Bytes(read) => read,
            // TLS may have something to say for itself.
            Filled::Nothing => return from.flush_tls(means.sealing),
            Filled::End => {
                self.ended = true;
                return Ok(true);
            }
        };
        self.moved += read as u64;
        self.bulk = both_plain && read == PROBE;
        let bytes = means.scratch.bytes.get(..read).unwrap_or_default();
        let written = to.write(bytes, means.sealing)?;
        let rest = bytes.get(written..).unwrap_or_default();
        make_room(&mut self.held, rest.len());
        self.held.extend_from_slice(rest);
        Ok(true)
    }

    /// Passes the end on, behind everything that came before it.
    fn close(&mut self, to: &mut Wire, sealing: &mut Sealing) -> io::Result<bool> {
        if self.closed || !self.ended || self.is_waiting() {
            return Ok(false);
        }
        self.closed = to.try_finish(sealing)?;
        Ok(self.closed)
    }
}

#[cfg(test)]
mod tests;
