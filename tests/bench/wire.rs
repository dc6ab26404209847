//! Non-blocking sockets and the kernel's event queue, as little as load and back end need of them.
//!
//! Edge-triggered: whoever is told that a socket is readable reads until nothing is left.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::{AsFd, OwnedFd};

use rustix::buffer::spare_capacity;
use rustix::event::epoll;
use rustix::io::Errno;
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

pub(crate) mod h2;

/// Events that one call of the kernel may report.
const EVENTS: usize = 512;
/// Size of the buffer that every socket is read into.
pub(crate) const SCRATCH: usize = 256 << 10;

/// The kernel's queue of events.
pub(crate) struct Poller(OwnedFd);

/// What happened to a watched source.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ready {
    /// What the source was registered under.
    pub(crate) token: usize,
    /// Something can be read.
    pub(crate) readable: bool,
    /// The other side will send no more.
    pub(crate) ended: bool,
    /// The connection is gone.
    pub(crate) broken: bool,
}

impl Poller {
    /// Opens an empty queue.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self(epoll::create(epoll::CreateFlags::CLOEXEC)?))
    }

    /// Watches a source for both directions until it is closed.
    pub(crate) fn watch(&self, source: impl AsFd, token: usize) -> io::Result<()> {
        use epoll::EventFlags as Flags;
        let flags = Flags::IN | Flags::OUT | Flags::RDHUP | Flags::ET;
        let data = epoll::EventData::new_u64(token as u64);
        Ok(epoll::add(&self.0, source, data, flags)?)
    }

    /// Waits until something happens, and replaces `ready` by what did.
    pub(crate) fn wait(&self, ready: &mut Vec<Ready>) -> io::Result<()> {
        use epoll::EventFlags as Flags;
        let mut events: Vec<epoll::Event> = Vec::with_capacity(EVENTS);
        match epoll::wait(&self.0, spare_capacity(&mut events), None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        ready.clear();
        ready.extend(events.iter().map(|event| {
            let (flags, data) = (event.flags, event.data);
            Ready {
                token: usize::try_from(data.u64()).unwrap_or(usize::MAX),
                readable: flags.contains(Flags::IN),
                ended: flags.contains(Flags::RDHUP),
                broken: flags.intersects(Flags::HUP | Flags::ERR),
            }
        }));
        Ok(())
    }
}

/// Begins to connect; the queue tells when the socket can be written.
pub(crate) fn connect(to: SocketAddr, from: Option<SocketAddr>) -> io::Result<TcpStream> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None)?;
    sockopt::set_tcp_nodelay(&socket, true)?;
    if let Some(from) = from {
        rustix::net::bind(&socket, &from)?;
    }
    match rustix::net::connect(&socket, &to) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(TcpStream::from(socket)),
        Err(error) => Err(error.into()),
    }
}

/// Whether a connection goes on after it was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    /// More may come.
    Open,
    /// The other side has sent everything.
    Ended,
}

/// Reads what is there and hands it on, piece by piece.
pub(crate) fn drain(
    mut socket: &TcpStream,
    ended: bool,
    scratch: &mut [u8],
    mut take: impl FnMut(&[u8]) -> io::Result<()>,
) -> io::Result<Flow> {
    loop {
        match socket.read(scratch) {
            Ok(0) => return Ok(Flow::Ended),
            Ok(count) => {
                take(scratch.get(..count).unwrap_or_default())?;
                // A short read emptied the socket: another edge comes with the next byte, unless
                // the end is there already.
                if count < scratch.len() && !ended {
                    return Ok(Flow::Open);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(Flow::Open),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Bytes that wait for their socket.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    /// What was put in and is not wholly sent.
    pub(crate) bytes: Vec<u8>,
    sent: usize,
}

impl Outbox {
    /// Writes as much as the socket takes; true when nothing is left.
    pub(crate) fn flush(&mut self, socket: &TcpStream) -> io::Result<bool> {
        while let Some(rest) = self.bytes.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match write(socket, rest)? {
                0 => return Ok(false),
                count => self.sent += count,
            }
        }
        self.bytes.clear();
        self.sent = 0;
        Ok(true)
    }
}

/// Writes once; zero when the socket takes nothing now.
pub(crate) fn write(mut socket: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    loop {
        match socket.write(bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(count) => return Ok(count),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(0),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
