//! The bytes of a connection: a socket, with or without TLS on it, read and written without
//! waiting.
//!
//! Sockets are edge-triggered: what was not read or written to the end is remembered here, because
//! nobody will tell it again. Buffers for reading are the worker's; a wire owns none.

mod passing;

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::time::Duration;

use mesh_http::Output;
use mio::net::TcpStream;
use socket2::SockRef;

/// Bytes that are read from a socket at once.
const READ: usize = 64 * 1024;
/// Bytes that are sealed by TLS before they are written: what a slow reader can make us hold.
const SEALED: usize = 64 * 1024;

/// The worker's buffers for reading.
pub(crate) struct Scratch {
    /// What was read, as the peer meant it.
    pub(crate) bytes: Box<[u8]>,
    /// What TLS came as.
    sealed: Box<[u8]>,
}

impl Scratch {
    pub(crate) fn new() -> Box<Self> {
        Box::new(Self {
            // A record that was cut in two reads adds to what one read can hold.
            bytes: vec![0; READ + 32 * 1024].into_boxed_slice(),
            sealed: vec![0; READ].into_boxed_slice(),
        })
    }
}

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
    tls: Option<Box<rustls::Connection>>,
    /// There may be something to be read.
    readable: bool,
    /// The peer's end was announced: reading goes on to it whatever a read brings.
    closing: bool,
    /// The socket may take something.
    writable: bool,
    /// TLS has said that nothing more comes.
    close_heard: bool,
    /// Bytes that TLS was given since it last had nothing to write.
    sealed: usize,
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
            close_heard: false,
            sealed: 0,
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

    /// The TLS session, if there is one.
    pub(crate) fn tls(&self) -> Option<&rustls::Connection> {
        self.tls.as_deref()
    }

    /// Begins TLS on the socket; `ahead` was read from it already.
    ///
    /// # Errors
    /// When `ahead` breaks TLS.
    pub(crate) fn begin_tls(
        &mut self,
        session: rustls::Connection,
        ahead: &[u8],
    ) -> Result<(), rustls::Error> {
        let mut session = Box::new(session);
        // What is sealed at once is bounded by us, in `flush`.
        session.set_buffer_limit(None);
        let mut ahead = ahead;
        while !ahead.is_empty() {
            let read = session.read_tls(&mut ahead);
            session.process_new_packets()?;
            if !matches!(read, Ok(1..)) {
                break;
            }
        }
        self.tls = Some(session);
        Ok(())
    }

    /// Notes what the kernel tells of the socket.
    pub(crate) fn ready(&mut self, event: &mio::event::Event) {
        self.readable |= event.is_readable() || event.is_read_closed() || event.is_error();
        self.closing |= event.is_read_closed() || event.is_error();
        self.writable |= event.is_writable() || event.is_write_closed() || event.is_error();
    }

    /// Whether a read may bring something.
    pub(crate) fn is_readable(&self) -> bool {
        self.readable || self.close_heard
    }

    /// Lets the next read try the socket, whatever the kernel has told so far.
    pub(crate) fn read_again(&mut self) {
        self.readable = true;
    }

    /// Whether everything handed to TLS has left.
    pub(crate) fn is_flushed(&self) -> bool {
        self.tls.as_ref().is_none_or(|tls| !tls.wants_write())
    }

    /// Bytes that TLS has sealed and that have not left, at most.
    pub(crate) fn backlog(&self) -> usize {
        self.sealed
    }

    /// Whether TLS is still being negotiated.
    pub(crate) fn is_shaking(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.is_handshaking())
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
            None => self.read_plain(first(&mut scratch.bytes, most)),
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
        let mut sealed = std::mem::take(&mut scratch.sealed);
        let filled = self.read_sealed(first(&mut sealed, most), &mut scratch.bytes);
        scratch.sealed = sealed;
        filled
    }

    fn read_sealed(&mut self, sealed: &mut [u8], into: &mut [u8]) -> io::Result<Filled> {
        // What came with the first bytes may wait inside TLS.
        let mut filled = self.open(&mut &[][..], into)?;
        while filled == 0 {
            if self.close_heard {
                return Ok(Filled::End);
            }
            let read = match self.read_plain(sealed)? {
                Filled::Bytes(read) => read,
                Filled::Nothing => return Ok(Filled::Nothing),
                // Without TLS's own end anybody may have cut the connection.
                Filled::End => return Err(io::ErrorKind::UnexpectedEof.into()),
            };
            let mut fresh = sealed.get(..read).unwrap_or_default();
            filled = self.open(&mut fresh, into)?;
        }
        Ok(Filled::Bytes(filled))
    }

    /// Lets TLS open what came, and takes the bytes out.
    fn open(&mut self, sealed: &mut &[u8], into: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            return Ok(0);
        };
        let mut filled = 0;
        loop {
            if !sealed.is_empty() {
                tls.read_tls(sealed)?;
            }
            let state = tls
                .process_new_packets()
                .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
            self.close_heard |= state.peer_has_closed();
            let waiting = state.plaintext_bytes_to_read();
            if waiting > 0 {
                let room = into.get_mut(filled..).unwrap_or_default();
                let read = tls.reader().read(room)?;
                filled += read;
                if read < waiting {
                    // Only a peer that sends far more than one read holds comes here.
                    self.readable = true;
                }
            }
            if sealed.is_empty() {
                return Ok(filled);
            }
        }
    }

    /// Writes as much of `out` as the socket takes.
    ///
    /// # Errors
    /// When the socket is broken.
    pub(crate) fn flush(&mut self, out: &mut Output) -> io::Result<()> {
        let Self {
            socket,
            tls,
            writable,
            sealed,
            ..
        } = self;
        let Some(tls) = tls else {
            while *writable && !out.is_empty() {
                let written = write(socket, out.pending(), writable)?;
                out.consume(written);
            }
            return Ok(());
        };
        loop {
            write_sealed(tls, socket, writable)?;
            if !tls.wants_write() {
                *sealed = 0;
            }
            if !*writable || out.is_empty() || tls.is_handshaking() {
                return Ok(());
            }
            let part = out.pending();
            let part = part.get(..part.len().min(SEALED)).unwrap_or_default();
            let taken = tls.writer().write(part)?;
            *sealed += taken;
            out.consume(taken);
        }
    }

    /// Says that nothing more will be sent, once everything was.
    pub(crate) fn finish(&mut self) {
        if let Some(tls) = &mut self.tls {
            tls.send_close_notify();
            // A peer that takes nothing more does not get it.
            while tls.wants_write() {
                if !matches!(tls.write_tls(&mut self.socket), Ok(1..)) {
                    break;
                }
            }
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

/// Writes what TLS has sealed; whether some of it has left.
fn write_sealed(
    tls: &mut rustls::Connection,
    socket: &mut TcpStream,
    writable: &mut bool,
) -> io::Result<bool> {
    let mut progress = false;
    while *writable && tls.wants_write() {
        match tls.write_tls(socket) {
            Ok(_) => progress = true,
            Err(error) => blocked(error, writable)?,
        }
    }
    Ok(progress)
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
