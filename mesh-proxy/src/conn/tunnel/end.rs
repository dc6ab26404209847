//! One end of a tunnel: a socket, with or without TLS on it, and what is known of its readiness.

use std::io::{self, Read, Write};
use std::net::Shutdown;
use std::time::Duration;

use mio::event::Event;
use mio::net::TcpStream;

use super::Buffers;
use super::pipes::Pipe;

/// A connection as the tunnel uses it. What was not read or written to the end is remembered,
/// because an edge-triggered poll tells it once.
pub(crate) struct End {
    socket: TcpStream,
    tls: Option<Box<rustls::Connection>>,
    /// A read may bring something.
    readable: bool,
    /// The kernel has announced the peer's end: a short read does not mean that nothing is left.
    closing: bool,
    /// A write may be taken.
    writable: bool,
    /// TLS may have opened bytes before the tunnel began.
    opened_before: bool,
    /// The peer has said that nothing more comes.
    ended: bool,
    /// We have said it, to TLS.
    close_said: bool,
    /// Bytes that TLS was given and that have not left, at most.
    sealed: usize,
}

/// What a read has brought.
pub(super) struct Got {
    /// Bytes in the buffer.
    pub(super) bytes: usize,
    /// Whether anything came at all: bytes, the end, or what TLS has to say for itself.
    pub(super) something: bool,
}

impl End {
    /// A connection as it is; a handshake of TLS may still be going on.
    pub(crate) fn new(socket: TcpStream, mut tls: Option<Box<rustls::Connection>>) -> Self {
        if let Some(tls) = &mut tls {
            // A batch is sealed as a whole, and none is read before the last one has left.
            tls.set_buffer_limit(None);
        }
        Self {
            socket,
            opened_before: tls.is_some(),
            tls,
            readable: true,
            // It may have been announced to whoever had the socket before.
            closing: true,
            writable: true,
            ended: false,
            close_said: false,
            sealed: 0,
        }
    }

    #[cfg(test)]
    pub(super) fn socket(&mut self) -> &mut TcpStream {
        &mut self.socket
    }

    pub(super) fn ready(&mut self, event: &Event) {
        let broken = event.is_error();
        self.readable |= event.is_readable() || event.is_read_closed() || broken;
        self.closing |= event.is_read_closed() || broken;
        self.writable |= event.is_writable() || event.is_write_closed() || broken;
    }

    pub(super) fn backlog(&self) -> usize {
        self.sealed
    }

    pub(super) fn is_plain(&self) -> bool {
        self.tls.is_none()
    }

    pub(super) fn is_readable(&self) -> bool {
        !self.ended && (self.readable || self.opened_before)
    }

    pub(super) fn is_shaking(&self) -> bool {
        self.tls.as_ref().is_some_and(|tls| tls.is_handshaking())
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ended
    }

    /// Whether bytes may be written: the socket takes some, and nothing waits before them.
    pub(super) fn takes(&self) -> bool {
        let free = |tls: &rustls::Connection| !tls.is_handshaking() && !tls.wants_write();
        self.writable && self.tls.as_deref().is_none_or(free)
    }

    /// Reads into the plain buffer: at most `at_once` bytes from the socket.
    ///
    /// # Errors
    /// When the socket or TLS is broken; TLS that ends without its own end is broken.
    pub(super) fn read(&mut self, buffers: &mut Buffers, at_once: usize) -> io::Result<Got> {
        if self.tls.is_some() {
            return self.read_tls(buffers, at_once);
        }
        let into = buffers.plain.get_mut(..at_once).unwrap_or_default();
        let Some(bytes) = self.receive(into)? else {
            return Ok(Got {
                bytes: 0,
                something: false,
            });
        };
        self.ended = bytes == 0;
        Ok(Got {
            bytes,
            something: true,
        })
    }

    fn read_tls(&mut self, buffers: &mut Buffers, at_once: usize) -> io::Result<Got> {
        let Buffers { plain, sealed } = buffers;
        let before = std::mem::take(&mut self.opened_before);
        if before {
            let bytes = self.open(&[], plain)?;
            if bytes > 0 || self.ended {
                return Ok(Got {
                    bytes,
                    something: true,
                });
            }
        }
        let room = sealed.get_mut(..at_once).unwrap_or_default();
        let Some(came) = self.receive(room)? else {
            return Ok(Got {
                bytes: 0,
                something: before,
            });
        };
        if came == 0 {
            // Without TLS's own end anybody may have cut the connection.
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let bytes = self.open(sealed.get(..came).unwrap_or_default(), plain)?;
        Ok(Got {
            bytes,
            something: true,
        })
    }

    /// Lets TLS open what came, and takes all of it out.
    fn open(&mut self, mut sealed: &[u8], plain: &mut [u8]) -> io::Result<usize> {
        let Some(tls) = &mut self.tls else {
            return Ok(0);
        };
        let mut filled = 0;
        loop {
            if !sealed.is_empty() {
                tls.read_tls(&mut sealed)?;
            }
            let state = tls.process_new_packets();
            let state = state.map_err(|why| io::Error::new(io::ErrorKind::InvalidData, why))?;
            if state.plaintext_bytes_to_read() > 0 {
                let room = plain.get_mut(filled..).unwrap_or_default();
                filled += tls.reader().read(room)?;
            }
            if state.peer_has_closed() {
                self.ended = true;
                return Ok(filled);
            }
            if sealed.is_empty() {
                return Ok(filled);
            }
        }
    }

    /// Reads from the socket itself; nothing when nothing is there, zero bytes at its end.
    fn receive(&mut self, into: &mut [u8]) -> io::Result<Option<usize>> {
        while self.readable {
            match self.socket.read(into) {
                Ok(read) => {
                    // A short read has emptied the socket, and the kernel will tell of more.
                    self.readable = read > 0 && (self.closing || read == into.len());
                    return Ok(Some(read));
                }
                Err(error) => {
                    blocked(error, &mut self.readable)?;
                    self.closing &= self.readable;
                }
            }
        }
        Ok(None)
    }

    /// Writes what is taken of `bytes`; TLS takes all of it.
    ///
    /// # Errors
    /// When the socket is broken.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if let Some(tls) = &mut self.tls {
            let taken = tls.writer().write(bytes)?;
            self.sealed += taken;
            self.flush()?;
            return Ok(taken);
        }
        while self.writable {
            match self.socket.write(bytes) {
                Ok(written) => {
                    // The rest has no room now, and the kernel will tell when it has.
                    self.writable = written == bytes.len();
                    return Ok(written);
                }
                Err(error) => blocked(error, &mut self.writable)?,
            }
        }
        Ok(0)
    }

    /// Writes what TLS has sealed.
    ///
    /// # Errors
    /// When the socket is broken.
    pub(super) fn flush(&mut self) -> io::Result<bool> {
        let Some(tls) = &mut self.tls else {
            return Ok(false);
        };
        let mut progress = false;
        while self.writable && tls.wants_write() {
            match tls.write_tls(&mut self.socket) {
                Ok(_) => progress = true,
                Err(error) => blocked(error, &mut self.writable)?,
            }
        }
        if !tls.wants_write() {
            self.sealed = 0;
        }
        Ok(progress)
    }

    /// Moves bytes into an empty pipe.
    ///
    /// # Errors
    /// When the socket is broken.
    pub(super) fn splice_into(&mut self, pipe: &mut Pipe) -> io::Result<usize> {
        while self.readable {
            match pipe.fill(&self.socket) {
                Ok(0) => {
                    self.readable = false;
                    self.ended = true;
                }
                Ok(read) => return Ok(read),
                Err(error) => blocked(error, &mut self.readable)?,
            }
        }
        Ok(0)
    }

    /// Moves what a pipe has to the socket; true when some of it was taken.
    ///
    /// # Errors
    /// When the socket is broken.
    pub(super) fn splice_from(&mut self, pipe: &mut Pipe) -> io::Result<bool> {
        let mut progress = false;
        while self.writable && !pipe.is_empty() {
            match pipe.empty(&self.socket) {
                Ok(()) => progress = true,
                Err(error) => blocked(error, &mut self.writable)?,
            }
        }
        Ok(progress)
    }

    /// Says that nothing more will be sent; false while that cannot be said yet.
    ///
    /// # Errors
    /// When the socket is broken.
    pub(super) fn finish(&mut self) -> io::Result<bool> {
        if self.is_shaking() {
            return Ok(false);
        }
        if let Some(tls) = &mut self.tls {
            if !self.close_said {
                tls.send_close_notify();
                self.close_said = true;
            }
            self.flush()?;
            if self.tls.as_ref().is_some_and(|tls| tls.wants_write()) {
                return Ok(false);
            }
        }
        match self.socket.shutdown(Shutdown::Write) {
            // Gone already, which its own direction will find out.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(true),
            result => result.map(|()| true),
        }
    }

    pub(super) fn cut(&self) {
        let socket = socket2::SockRef::from(&self.socket);
        let _best_effort = socket.set_linger(Some(Duration::ZERO));
    }
}

/// An error that only means "later" clears the flag; any other is returned.
fn blocked(error: io::Error, flag: &mut bool) -> io::Result<()> {
    match error.kind() {
        io::ErrorKind::WouldBlock => {
            *flag = false;
            Ok(())
        }
        io::ErrorKind::Interrupted => Ok(()),
        _ => Err(error),
    }
}
