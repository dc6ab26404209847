//! The connections of a worker, and the kernel's interest in their sockets.

use std::io;

use mio::{Interest, Token};
use slotmap::{Key, KeyData};

use super::{ConnKey, Engine};
use crate::conn::closing::Closing;
use crate::conn::forward_tcp::Forward;
use crate::conn::opening::Opening;
use crate::conn::wire::Wire;
use crate::http::downstream::Downstream;
use crate::upstream::link::Link;
use crate::worker::held::Holding;

/// A connection, by what it is for.
pub(crate) enum Conn {
    /// A client's, of which it is not known yet what it speaks.
    Opening(Box<Opening>),
    /// A client's, that speaks HTTP.
    Downstream(Box<Downstream>),
    /// One to an endpoint.
    Link(Box<Link>),
    /// A client's whose bytes are passed on as they are, or its way to that.
    Forward(Box<Forward>),
    /// The other end of one that is passed on.
    ForwardEnd(ConnKey),
    /// One that has said everything and waits for its peer to have heard it.
    Closing(Box<Closing>),
    /// A client's that somebody is at work on.
    Taken,
}

impl Engine {
    /// Puts a connection in the place of one that was taken out.
    pub(crate) fn put(&mut self, key: ConnKey, conn: Conn) {
        if let Some(place) = self.conns.get_mut(key) {
            *place = conn;
        }
        self.mark(key);
    }

    /// Enters a connection, and asks the kernel to tell of it.
    pub(crate) fn enter(&mut self, conn: Conn) -> io::Result<ConnKey> {
        let key = self.conns.insert(conn);
        let wire = self.conns.get_mut(key).and_then(Conn::wire);
        let registered = match wire {
            Some(wire) => register(&self.registry, wire.socket(), key),
            None => Err(io::ErrorKind::NotFound.into()),
        };
        if let Err(error) = registered {
            self.conns.remove(key);
            return Err(error);
        }
        Ok(key)
    }

    /// Enters the other socket of a connection that is passed on.
    pub(crate) fn enter_other(
        &mut self,
        socket: &mut mio::net::TcpStream,
        whole: ConnKey,
    ) -> io::Result<ConnKey> {
        let key = self.conns.insert(Conn::ForwardEnd(whole));
        if let Err(error) = register(&self.registry, socket, key) {
            self.conns.remove(key);
            return Err(error);
        }
        Ok(key)
    }

    /// Takes a connection out. Closing its socket ends the kernel's interest as well.
    pub(crate) fn remove(&mut self, key: ConnKey) -> Option<Conn> {
        let mut conn = self.conns.remove(key)?;
        self.admitted.remove(key);
        if let Some(holding) = conn.holding() {
            self.held.note(holding, 0);
        }
        match conn {
            Conn::Opening(_) | Conn::Downstream(_) | Conn::Forward(_) | Conn::Taken => {
                self.signals.closed();
            }
            Conn::Link(_) | Conn::ForwardEnd(_) | Conn::Closing(_) => {}
        }
        Some(conn)
    }

    /// Ends the kernel's interest in a socket that goes on under another key.
    pub(crate) fn deregister(&self, wire: &mut Wire) -> io::Result<()> {
        self.registry.deregister(wire.socket())
    }
}

impl Conn {
    /// Gives back what the connection does not need while it is idle.
    pub(super) fn rest(&mut self) {
        match self {
            Self::Downstream(down) if down.streams.is_empty() => {
                // It keeps the routes of its time.
                down.served = None;
                down.codec.rest();
            }
            Self::Link(link) if link.streams.is_empty() => link.rest(),
            _ => {}
        }
    }

    /// What it holds of what its peers do not take.
    fn holding(&mut self) -> Option<&mut Holding> {
        match self {
            Self::Downstream(down) => Some(&mut down.holding),
            Self::Link(link) => Some(&mut link.holding),
            Self::Forward(forward) => Some(&mut forward.holding),
            Self::Opening(_) | Self::Closing(_) | Self::ForwardEnd(_) | Self::Taken => None,
        }
    }

    /// The connection's bytes, where they are its own.
    pub(crate) fn wire(&mut self) -> Option<&mut Wire> {
        match self {
            Self::Opening(opening) => Some(&mut opening.wire),
            Self::Downstream(down) => Some(&mut down.wire),
            Self::Link(link) => Some(&mut link.wire),
            Self::Closing(closing) => Some(&mut closing.wire),
            Self::Forward(_) | Self::ForwardEnd(_) | Self::Taken => None,
        }
    }
}

fn register(
    registry: &mio::Registry,
    socket: &mut mio::net::TcpStream,
    key: ConnKey,
) -> io::Result<()> {
    registry.register(
        socket,
        token_of(key),
        Interest::READABLE | Interest::WRITABLE,
    )
}

fn token_of(key: ConnKey) -> Token {
    // Slot maps count versions in the upper half, so no key is the waker's token.
    Token(usize::try_from(key.data().as_ffi()).unwrap_or(usize::MAX - 1))
}

pub(super) fn key_of(token: Token) -> ConnKey {
    ConnKey::from(KeyData::from_ffi(token.0 as u64))
}
