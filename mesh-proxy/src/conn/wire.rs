//! The bytes of a connection: a socket, with or without TLS on it, read and written without
//! waiting.
//!
//! Sockets are edge-triggered: what was not read or written to the end is remembered here, because
//! nobody will tell it again. Buffers are the worker's; a wire owns none but what waits in it.

mod passing;
pub(crate) mod scratch;
pub(crate) mod tls;

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::time::Duration;

use mesh_http::Output;
use mio::net::TcpStream;
use socket2::SockRef;

use crate::conn::wire::scratch::{Scratch, Sealed, Sealing};
use crate::conn::wire::tls::{Session, Tls};

/// What a read came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filled {
    /// So many bytes are in the scratch buffer.
    Bytes(usize),
    /// There is nothing to be read now.
    Nothing,
    /// The peer has closed its side, in good order.
    End,
}

/// A socket, and TLS if there is any.
pub(crate) struct Wire {
    socket: TcpStream,
    tls: Option<Box<Tls>>,
    /// There may be something to be read.
    readable: bool,
    /// The peer's end was announced: reading goes on to it whatever a read brings.
    closing: bool,
    /// The socket may take something.
    writable: bool,
}

impl Wire {
    /// A socket as it is; both directions are tried first.
    pub(crate) fn new(socket: TcpStream) -> Self {
        Self {
            socket,
            tls: None,
            readable: true,
            closing: false,
            writable: true,
        }
    }

    /// The socket.
    pub(crate) fn socket(&mut self) -> &mut TcpStream {
        &mut self.socket
    }

    /// The socket, to look at.
    pub(crate) fn socket_ref(&self) -> &TcpStream {
        &self.socket
    }

    /// What TLS knows of the peer, if there is any.
    pub(crate) fn tls(&self) -> Option<&rustls::CommonState> {
        self.tls.as_deref().map(Tls::state)
    }

    /// Begins TLS on the socket; `ahead` was read from it already.
    ///
    /// # Errors
    /// When `ahead` breaks TLS.
    pub(crate) fn begin_tls(
        &mut self,
        session: Session,
        ahead: &[u8],
    ) -> Result<(), rustls::Error> {
        let tls = self.tls.insert(Box::new(Tls::new(session)));
        tls.begin(ahead)
    }

    /// Notes what the kernel tells of the socket.
    pub(crate) fn ready(&mut self, event: &mio::event::Event) {
        self.readable |= event.is_readable() || event.is_read_closed() || event.is_error();
        self.closing |= event.is_read_closed() || event.is_error();
        self.writable |= event.is_writable() || event.is_write_closed() || event.is_error();
    }

    /// Whether a read may bring something.
    pub(crate) fn is_readable(&self) -> bool {
        self.readable || self.tls.as_ref().is_some_and(|tls| tls.has_heard_close())
    }

    /// Lets the next read try the socket, whatever the kernel has told so far.
    pub(crate) fn read_again(&mut self) {
        self.readable = true;
    }

    /// Whether everything handed to TLS has left.
    pub(crate) fn is_flushed(&self) -> bool {
        self.tls.as_ref().is_none_or(|tls| tls.is_flushed())
    }

    /// Bytes that TLS has sealed and that have not left, and those of a record of which more is to
    /// come.
    pub(crate) fn backlog(&self) -> usize {
        self.tls.as_ref().map_or(0, |tls| tls.held())
    }

    /// Whether TLS is still being negotiated.
    pub(crate) fn is_shaking(&self) -> bool {
        self.tls().is_some_and(|tls| tls.is_handshaking())
    }

    /// Reads once into the scratch buffer.
    ///
    /// # Errors
    /// When the socket or TLS is broken; a TLS error is the inner error.
    pub(crate) fn fill(&mut self, scratch: &mut Scratch) -> io::Result<Filled> {
        self.fill_at_most(usize::MAX, scratch)
    }

    /// Reads once into the scratch buffer: from the socket at most so many bytes.
    ///
    /// # Errors
    /// When the socket or TLS is broken; a TLS error is the inner error.
    pub(crate) fn fill_at_most(
        &mut self,
        most: usize,
        scratch: &mut Scratch,
    ) -> io::Result<Filled> {
        match self.tls {
            None => self.read_plain(first(&mut scratch.bytes, most.min(Scratch::PLAIN))),
            Some(_) => self.read_tls(most, scratch),
        }
    }

    /// Reads from the socket itself.
    ///
    /// # Errors
    /// When it is broken.
    pub(crate) fn read_plain(&mut self, into: &mut [u8]) -> io::Result<Filled> {
        if !self.readable {
            return Ok(Filled::Nothing);
        }
        loop {
            match self.socket.read(into) {
                Ok(0) => {
                    self.readable = false;
                    return Ok(Filled::End);
                }
                Ok(read) => {
                    // A short read has emptied the socket, and the kernel will tell of more.
                    self.readable = self.closing || read == into.len();
                    return Ok(Filled::Bytes(read));
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.readable = false;
                    return Ok(Filled::Nothing);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
    }

    fn read_tls(&mut self, most: usize, scratch: &mut Scratch) -> io::Result<Filled> {
        loop {
            let mut sealed = scratch.lend_sealed();
            let read = self.read_sealed(most, &mut sealed, scratch);
            scratch.return_sealed(sealed);
            match read? {
                // A record of which more is to come, or one of TLS's own.
                Filled::Bytes(0) => {}
                filled => return Ok(filled),
            }
        }
    }

    /// Reads once, behind what is left of the last read, and lets TLS open it.
    fn read_sealed(
        &mut self,
        most: usize,
        sealed: &mut Sealed,
        scratch: &mut Scratch,
    ) -> io::Result<Filled> {
        if self.tls.as_ref().is_some_and(|tls| tls.has_heard_close()) {
            return Ok(Filled::End);
        }
        let read = match self.read_plain(first(sealed.fresh(), most))? {
            Filled::Bytes(read) => read,
            Filled::Nothing => return Ok(Filled::Nothing),
            // Without TLS's own end anybody may have cut the connection.
            Filled::End => return Err(io::ErrorKind::UnexpectedEof.into()),
        };
        let Some(tls) = &mut self.tls else {
            return Ok(Filled::Nothing);
        };
        tls.open(sealed, read, scratch).map(Filled::Bytes)
    }

    /// Writes as much of `out` as the socket takes.
    ///
    /// # Errors
    /// When the socket is broken.
    pub(crate) fn flush(&mut self, out: &mut Output, sealing: &mut Sealing) -> io::Result<()> {
        if self.tls.is_some() {
            self.flush_tls(sealing)?;
        }
        while self.takes() && !out.is_empty() {
            let taken = self.write(out.pending(), sealing)?;
            out.consume(taken);
        }
        Ok(())
    }

    /// Writes what a handshake has to say.
    ///
    /// # Errors
    /// When the socket is broken.
    pub(crate) fn flush_handshake(&mut self) -> io::Result<()> {
        match &mut self.tls {
            Some(tls) => tls.write(&mut self.socket, &mut self.writable).map(drop),
            None => Ok(()),
        }
    }

    /// Says that nothing more will be sent, once everything was.
    pub(crate) fn finish(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.close();
            // A peer that takes nothing more does not get it.
            let _best_effort = tls.write(&mut self.socket, &mut self.writable);
        }
        // The peer may be gone already, which is as good.
        let _gone = self.socket.shutdown(Shutdown::Write);
    }

    /// Lets the connection be cut off rather than closed: the peer must not take what it got for
    /// everything.
    pub(crate) fn cut(&self) {
        let socket = SockRef::from(&self.socket);
        let _best_effort = socket.set_linger(Some(Duration::ZERO));
    }
}

fn first(bytes: &mut [u8], most: usize) -> &mut [u8] {
    let most = most.min(bytes.len());
    bytes.get_mut(..most).unwrap_or_default()
}

fn write(socket: &mut TcpStream, bytes: &[u8], writable: &mut bool) -> io::Result<usize> {
    match socket.write(bytes) {
        Ok(written) => {
            // The rest has no room now, and the kernel will tell when it has.
            *writable = written == bytes.len();
            Ok(written)
        }
        Err(error) => {
            blocked(error, writable)?;
            Ok(0)
        }
    }
}

fn blocked(error: io::Error, writable: &mut bool) -> io::Result<()> {
    match error.kind() {
        // A socket that is still being connected says so in its own words.
        io::ErrorKind::WouldBlock | io::ErrorKind::NotConnected => {
            *writable = false;
            Ok(())
        }
        io::ErrorKind::Interrupted => Ok(()),
        _ => Err(error),
    }
}
