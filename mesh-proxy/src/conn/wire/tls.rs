//! A TLS session on a wire. It has no buffers of its own: what comes is opened where it was read,
//! what leaves is sealed in the worker's block, and only what has to wait is kept here.

use std::io;

use mio::net::TcpStream;
use rustls::client::{ClientConnectionData, UnbufferedClientConnection};
use rustls::server::{ServerConnectionData, UnbufferedServerConnection};
use rustls::unbuffered::{
    AppDataRecord, ConnectionState, EncodeError, EncodeTlsData, EncryptError, UnbufferedStatus,
    WriteTraffic,
};
use rustls::{CommonState, Error};

use super::scratch::{Scratch, Sealed, Sealing, Waiting};
use super::write;

/// A session, by the side that we are on.
pub(crate) enum Session {
    Client(Box<UnbufferedClientConnection>),
    Server(Box<UnbufferedServerConnection>),
}

impl From<UnbufferedClientConnection> for Session {
    fn from(session: UnbufferedClientConnection) -> Self {
        Self::Client(Box::new(session))
    }
}

impl From<UnbufferedServerConnection> for Session {
    fn from(session: UnbufferedServerConnection) -> Self {
        Self::Server(Box::new(session))
    }
}

/// A session, and what waits at it.
pub(super) struct Tls {
    session: Session,
    /// What came of a record, or a message of the handshake, of which more is to come.
    rest: Waiting,
    /// What was sealed and has not left.
    sealed: Waiting,
    /// The peer has said that nothing more comes.
    close_heard: bool,
    /// We have said so.
    close_said: bool,
}

impl Tls {
    pub(super) fn new(session: Session) -> Self {
        Self {
            session,
            rest: Waiting::default(),
            sealed: Waiting::default(),
            close_heard: false,
            close_said: false,
        }
    }

    /// What is known of the peer.
    pub(super) fn state(&self) -> &CommonState {
        match &self.session {
            Session::Client(session) => session.state(),
            Session::Server(session) => session.state(),
        }
    }

    pub(super) fn has_heard_close(&self) -> bool {
        self.close_heard
    }

    /// Whether everything that was sealed has left.
    pub(super) fn is_flushed(&self) -> bool {
        self.sealed.is_empty()
    }

    /// Bytes that wait here.
    pub(super) fn held(&self) -> usize {
        self.rest.len() + self.sealed.len()
    }

    /// Says what is to be said first; `ahead` has come already.
    ///
    /// # Errors
    /// When it breaks TLS.
    pub(super) fn begin(&mut self, ahead: &[u8]) -> Result<(), Error> {
        self.rest = Waiting::of(ahead);
        self.turn(&mut [], Ask::Nothing).map(drop)
    }

    /// Opens what was read, and puts it into the scratch buffer; how much that is.
    ///
    /// # Errors
    /// When it breaks TLS, or a message is too long; the error is the inner one.
    pub(super) fn open(
        &mut self,
        sealed: &mut Sealed,
        fresh: usize,
        scratch: &mut Scratch,
    ) -> io::Result<usize> {
        let input = sealed.behind(self.rest.bytes(), fresh)?;
        let (session, out) = (&mut self.session, &mut self.sealed);
        let turn = session.turn(input, &mut scratch.bytes, out, Ask::Nothing);
        self.close_heard |= turn.closed;
        let left = input.get(turn.used..).filter(|_| !self.close_heard);
        let left = left.unwrap_or_default();
        let kept = self.rest.replace(left, &mut scratch.blocks);
        if let Some(error) = turn.failed {
            return Err(invalid(error));
        }
        kept?;
        Ok(turn.opened)
    }

    /// Seals the first of the bytes and writes them; how many were sealed. Nothing waits before.
    ///
    /// # Errors
    /// When the socket is broken, or TLS takes nothing.
    pub(super) fn seal(
        &mut self,
        bytes: &[u8],
        socket: &mut TcpStream,
        writable: &mut bool,
        sealing: &mut Sealing,
    ) -> io::Result<usize> {
        let bytes = bytes.get(..Sealing::AT_ONCE).unwrap_or(bytes);
        let ask = Ask::Seal(bytes, sealing.outgoing());
        let end = self.turn(&mut [], ask).map_err(invalid)?.asked()?;
        if !self.sealed.is_empty() {
            // TLS had to say something of its own before.
            let more = sealing.outgoing().get(..end).unwrap_or_default();
            self.sealed.room(more.len()).copy_from_slice(more);
            self.sealed.grow(more.len());
            self.write(socket, writable)?;
            return Ok(bytes.len());
        }
        let sealed = sealing.outgoing().get(..end).unwrap_or_default();
        let written = write(socket, sealed, writable)?;
        if written < end {
            self.sealed = sealing.hand_out(written, end);
        }
        Ok(bytes.len())
    }

    /// Writes what waits; whether some of it has left.
    ///
    /// # Errors
    /// When the socket is broken.
    pub(super) fn write(
        &mut self,
        socket: &mut TcpStream,
        writable: &mut bool,
    ) -> io::Result<bool> {
        let mut progress = false;
        while *writable && !self.sealed.is_empty() {
            let written = write(socket, self.sealed.bytes(), writable)?;
            self.sealed.consume(written);
            progress |= written > 0;
        }
        Ok(progress)
    }

    /// Gives the worker's block back once everything has left.
    pub(super) fn give_back(&mut self, sealing: &mut Sealing) {
        sealing.give_back(&mut self.sealed);
    }

    /// Says, behind what waits, that nothing more comes. Said once, however often it is asked for.
    pub(super) fn close(&mut self) {
        if std::mem::replace(&mut self.close_said, true) {
            return;
        }
        let mut alert = [0; ALERT];
        let turn = self.turn(&mut [], Ask::Close(&mut alert));
        // Whoever has not got through the handshake is not told.
        if let Ok(length) = turn.map_err(invalid).and_then(Turn::asked) {
            let alert = alert.get(..length).unwrap_or_default();
            self.sealed.room(length).copy_from_slice(alert);
            self.sealed.grow(length);
        }
    }

    /// A turn of the session with what is left of earlier reads.
    fn turn(&mut self, into: &mut [u8], ask: Ask<'_>) -> Result<Turn, Error> {
        let (session, out) = (&mut self.session, &mut self.sealed);
        let mut turn = session.turn(self.rest.bytes_mut(), into, out, ask);
        self.close_heard |= turn.closed;
        self.rest.consume(turn.used);
        match turn.failed.take() {
            Some(error) => Err(error),
            None => Ok(turn),
        }
    }
}

/// What a sealed alert takes at most: its record's head, two bytes, and what ciphers add.
const ALERT: usize = 128;

/// What is wanted of a session besides reading.
enum Ask<'a> {
    Nothing,
    /// To seal bytes into a buffer.
    Seal(&'a [u8], &'a mut [u8]),
    /// To say in a buffer that nothing more comes.
    Close(&'a mut [u8]),
}

impl Ask<'_> {
    fn put<Data>(
        &mut self,
        mut session: WriteTraffic<'_, Data>,
    ) -> Option<Result<usize, EncryptError>> {
        match std::mem::replace(self, Ask::Nothing) {
            Ask::Nothing => None,
            Ask::Seal(bytes, into) => Some(session.encrypt(bytes, into)),
            Ask::Close(into) => Some(session.queue_close_notify(into)),
        }
    }
}

/// What a turn came to.
#[derive(Default)]
struct Turn {
    /// Bytes of the input that are no longer needed.
    used: usize,
    /// Bytes that were opened.
    opened: usize,
    /// Bytes of what was asked for; nothing while the handshake goes on.
    asked: Option<Result<usize, EncryptError>>,
    /// The peer has said that nothing more comes.
    closed: bool,
    failed: Option<Error>,
}

impl Turn {
    fn take(&mut self, record: Result<AppDataRecord<'_>, Error>, into: &mut [u8]) {
        let record = match record {
            Ok(record) => record,
            Err(error) => return self.failed = Some(error),
        };
        self.used += record.discard;
        let end = self.opened + record.payload.len();
        match into.get_mut(self.opened..end) {
            Some(room) => {
                room.copy_from_slice(record.payload);
                self.opened = end;
            }
            // What is opened takes less than what it came as, for which there was room.
            None => self.failed = Some(Error::General("more came than was read".to_owned())),
        }
    }

    fn asked(self) -> io::Result<usize> {
        match self.asked {
            Some(Ok(length)) => Ok(length),
            Some(Err(error)) => Err(io::Error::other(error.to_string())),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }
}

impl Session {
    fn turn(&mut self, input: &mut [u8], into: &mut [u8], out: &mut Waiting, ask: Ask<'_>) -> Turn {
        match self {
            Self::Client(session) => turn(&mut **session, input, into, out, ask),
            Self::Server(session) => turn(&mut **session, input, into, out, ask),
        }
    }
}

/// What both sides of a session can do.
trait Records {
    type Data;

    fn state(&self) -> &CommonState;

    fn next<'c, 'i>(&'c mut self, input: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data>;
}

impl Records for UnbufferedClientConnection {
    type Data = ClientConnectionData;

    fn state(&self) -> &CommonState {
        self
    }

    fn next<'c, 'i>(&'c mut self, input: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(input)
    }
}

impl Records for UnbufferedServerConnection {
    type Data = ServerConnectionData;

    fn state(&self) -> &CommonState {
        self
    }

    fn next<'c, 'i>(&'c mut self, input: &'i mut [u8]) -> UnbufferedStatus<'c, 'i, Self::Data> {
        self.process_tls_records(input)
    }
}

/// Lets a session go on as far as the input reaches: what is opened goes to `into`, what it says for
/// itself to `out`. After a failure it still says the alert that tells of it.
fn turn<R: Records>(
    session: &mut R,
    input: &mut [u8],
    into: &mut [u8],
    out: &mut Waiting,
    mut ask: Ask<'_>,
) -> Turn {
    let mut turn = Turn::default();
    loop {
        if turn.failed.is_some() && !session.state().wants_write() {
            return turn;
        }
        let rest = input.get_mut(turn.used..).unwrap_or_default();
        let UnbufferedStatus { discard, state } = session.next(rest);
        turn.used += discard;
        match state {
            Ok(ConnectionState::ReadTraffic(mut records)) => {
                while let Some(record) = records.next_record() {
                    turn.take(record, into);
                }
            }
            Ok(ConnectionState::EncodeTlsData(data)) => encode(data, out),
            Ok(ConnectionState::TransmitTlsData(data)) => data.done(),
            Ok(ConnectionState::PeerClosed) => turn.closed = true,
            Ok(ConnectionState::WriteTraffic(session)) => {
                turn.asked = ask.put(session);
                return turn;
            }
            // Data before the handshake is never asked for, so none comes.
            Ok(_) => return turn,
            Err(_) if turn.failed.is_some() => return turn,
            Err(error) => turn.failed = Some(error),
        }
    }
}

fn encode<Data>(mut data: EncodeTlsData<'_, Data>, out: &mut Waiting) {
    let mut needed = 0;
    loop {
        match data.encode(out.room(needed)) {
            Ok(length) => return out.grow(length),
            Err(EncodeError::InsufficientSize(size)) if size.required_size > needed => {
                needed = size.required_size;
            }
            Err(EncodeError::InsufficientSize(_) | EncodeError::AlreadyEncoded) => return,
        }
    }
}

fn invalid(error: Error) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests;
