//! What passing on bytes as they are needs of a wire: writes without a buffer of our own, moves inside
//! the kernel, and an end that is known to have been said.

use std::io;
use std::net::Shutdown;

use super::{Filled, Wire, blocked, write};
use crate::conn::tunnel::pipes::Pipe;
use crate::conn::wire::scratch::Sealing;

impl Wire {
    /// Whether there is no TLS in the way.
    pub(crate) fn is_plain(&self) -> bool {
        self.tls.is_none()
    }

    /// Whether bytes may be written: the socket takes some, and nothing waits before them.
    pub(crate) fn takes(&self) -> bool {
        self.writable && self.is_flushed() && !self.is_shaking()
    }

    /// Writes what is taken of `bytes`. What TLS has sealed counts as taken: it waits here.
    ///
    /// # Errors
    /// When the socket is broken.
    pub(crate) fn write(&mut self, bytes: &[u8], sealing: &mut Sealing) -> io::Result<usize> {
        let mut taken = 0;
        while self.takes() && taken < bytes.len() {
            let rest = bytes.get(taken..).unwrap_or_default();
            let (socket, writable) = (&mut self.socket, &mut self.writable);
            taken += match &mut self.tls {
                None => write(socket, rest, writable)?,
                Some(tls) => tls.seal(rest, socket, writable, sealing)?,
            };
        }
        Ok(taken)
    }

    /// Writes what TLS has sealed; whether some of it has left.
    ///
    /// # Errors
    /// When the socket is broken.
    pub(crate) fn flush_tls(&mut self, sealing: &mut Sealing) -> io::Result<bool> {
        let Some(tls) = &mut self.tls else {
            return Ok(false);
        };
        let progress = tls.write(&mut self.socket, &mut self.writable)?;
        tls.give_back(sealing);
        Ok(progress)
    }

    /// Moves bytes from the socket into a pipe.
    ///
    /// # Errors
    /// When the socket is broken.
    pub(crate) fn splice_into(&mut self, pipe: &mut Pipe) -> io::Result<Filled> {
        while self.readable {
            match pipe.fill(&self.socket) {
                Ok(0) => {
                    self.readable = false;
                    return Ok(Filled::End);
                }
                Ok(read) => return Ok(Filled::Bytes(read)),
                Err(error) => blocked(error, &mut self.readable)?,
            }
        }
        Ok(Filled::Nothing)
    }

    /// Moves what a pipe has to the socket; true when some of it was taken.
    ///
    /// # Errors
    /// When the socket is broken.
    pub(crate) fn splice_from(&mut self, pipe: &mut Pipe) -> io::Result<bool> {
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
    pub(crate) fn try_finish(&mut self, sealing: &mut Sealing) -> io::Result<bool> {
        if self.is_shaking() {
            return Ok(false);
        }
        if let Some(tls) = &mut self.tls {
            // Said once, however often it is asked for.
            tls.close();
            self.flush_tls(sealing)?;
        }
        if !self.is_flushed() {
            return Ok(false);
        }
        match self.socket.shutdown(Shutdown::Write) {
            // Gone already, which its own direction will find out.
            Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(true),
            result => result.map(|()| true),
        }
    }
}
