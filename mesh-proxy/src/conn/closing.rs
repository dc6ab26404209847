//! Connections that have said everything and wait for their peer to have heard it.
//!
//! Closing a socket with unread bytes makes the kernel reset the connection, and the peer may lose
//! the answer that explains the end (RFC 9112 9.6). So the sending side is closed first, and what
//! still comes is thrown away for a while.

use std::time::Duration;

use crate::conn::wire::{Filled, Wire};
use crate::worker::engine::{Conn, ConnKey, Due, Engine};

/// How long a peer may take to close its side.
const LINGER: Duration = Duration::from_secs(1);
/// Bytes that are thrown away before we lose patience: what a client can have sent before it hears
/// an answer that came early.
const THROWN_AWAY: usize = 16 * 1024 * 1024;

/// A connection whose sending side is closed.
pub(crate) struct Closing {
    /// Its bytes.
    pub(crate) wire: Wire,
    thrown_away: usize,
}

impl Engine {
    /// Closes a connection in good order; everything that was to be sent has left.
    pub(crate) fn close(&mut self, key: ConnKey) {
        let wire = match self.remove(key) {
            Some(Conn::Opening(opening)) => opening.wire,
            Some(Conn::Downstream(down)) => down.wire,
            Some(Conn::Link(link)) => link.wire,
            _ => return,
        };
        let mut wire = wire;
        wire.finish();
        // The kernel's interest moves with the socket to the new key.
        let _known = self.deregister(&mut wire);
        let closing = Closing {
            wire,
            thrown_away: 0,
        };
        if let Ok(key) = self.enter(Conn::Closing(Box::new(closing))) {
            self.timers.set(self.now + LINGER, Due::Conn(key));
            self.read_closing(key);
        }
    }

    /// Throws away what a peer still says.
    pub(crate) fn read_closing(&mut self, key: ConnKey) {
        let mut scratch = self.lend_scratch();
        let over = match self.conns.get_mut(key) {
            Some(Conn::Closing(closing)) => loop {
                match closing.wire.read_plain(&mut scratch.bytes) {
                    Ok(Filled::Bytes(read)) => {
                        closing.thrown_away += read;
                        if closing.thrown_away > THROWN_AWAY {
                            break true;
                        }
                    }
                    Ok(Filled::Nothing) => break false,
                    Ok(Filled::End) | Err(_) => break true,
                }
            },
            _ => false,
        };
        self.return_scratch(scratch);
        if over {
            self.remove(key);
        }
    }
}
