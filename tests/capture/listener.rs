//! Listeners that say who they are, and clients that hear it.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::net::sockopt::{
    ip_original_dst, ipv6_original_dst, set_ipv6_v6only, set_socket_reuseaddr,
};
use rustix::net::{AddressFamily, Shutdown, SocketType, bind, listen, shutdown, socket};
use rustix::process::{Gid, Uid};
use rustix::thread::{set_thread_gid, set_thread_uid};

use crate::space::Space;

/// How long a call may take; on one machine it takes no time.
const PATIENCE: Duration = Duration::from_secs(10);
/// Connections that may wait to be accepted.
const BACKLOG: i32 = 16;

/// Answers every connection with its name and the connection's first destination.
pub(crate) struct Listener {
    socket: Arc<TcpListener>,
    thread: Option<JoinHandle<()>>,
}

impl Listener {
    /// Listens in `space`.
    pub(crate) fn start(space: &Space, name: &'static str, address: SocketAddr) -> Self {
        let socket = Arc::new(space.inside(|| open(address)));
        let accepting = socket.clone();
        let thread = std::thread::spawn(move || {
            // Ends when the socket is shut down.
            while let Ok((mut stream, peer)) = accepting.accept() {
                let destination = first_destination(&stream);
                let _gone = write!(stream, "{name} {destination} from {}", peer.ip());
            }
        });
        Self {
            socket,
            thread: Some(thread),
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _woken = shutdown(&*self.socket, Shutdown::Both);
        let _ended = self.thread.take().map(JoinHandle::join);
    }
}

/// Who connects: a user and a group, and the address from which.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller {
    pub(crate) user: u32,
    pub(crate) group: u32,
    pub(crate) from: Option<IpAddr>,
}

/// What a call heard: `NAME DESTINATION from CLIENT`, or `refused`.
pub(crate) fn call(space: &Space, caller: Caller, to: SocketAddr) -> String {
    converse(space, caller, to, "")
}

/// The same after something was said.
pub(crate) fn converse(space: &Space, caller: Caller, to: SocketAddr, say: &str) -> String {
    String::from_utf8(converse_bytes(space, caller, to, say)).unwrap()
}

/// The same where the answer need not be text.
pub(crate) fn converse_bytes(space: &Space, caller: Caller, to: SocketAddr, say: &str) -> Vec<u8> {
    space.inside(|| {
        // Of this thread alone, which ends with the call.
        set_thread_gid(Gid::from_raw(caller.group)).unwrap();
        set_thread_uid(Uid::from_raw(caller.user)).unwrap();
        let connected = match caller.from {
            None => TcpStream::connect_timeout(&to, PATIENCE),
            Some(from) => connect_from(from, to),
        };
        match connected {
            Ok(stream) => hear(stream, say),
            Err(error) if error.kind() == ErrorKind::ConnectionRefused => b"refused".to_vec(),
            Err(error) => panic!("{caller:?} to {to}: {error}"),
        }
    })
}

fn hear(mut stream: TcpStream, say: &str) -> Vec<u8> {
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let mut heard = Vec::new();
    // Whoever is sent away may learn it by a reset.
    match stream
        .write_all(say.as_bytes())
        .and_then(|()| stream.read_to_end(&mut heard))
    {
        Ok(_) => {}
        Err(error)
            if [ErrorKind::ConnectionReset, ErrorKind::BrokenPipe].contains(&error.kind()) => {}
        Err(error) => panic!("after {heard:?}: {error}"),
    }
    heard
}

fn connect_from(from: IpAddr, to: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = socket(family(to), SocketType::STREAM, None)?;
    bind(&socket, &SocketAddr::new(from, 0))?;
    rustix::net::connect(&socket, &to)?;
    Ok(socket.into())
}

/// IPv6 sockets take IPv6 alone, so that there can be one for IPv4 beside each.
fn open(address: SocketAddr) -> TcpListener {
    let socket = socket(family(address), SocketType::STREAM, None).unwrap();
    set_socket_reuseaddr(&socket, true).unwrap();
    if address.is_ipv6() {
        set_ipv6_v6only(&socket, true).unwrap();
    }
    bind(&socket, &address).unwrap();
    listen(&socket, BACKLOG).unwrap();
    socket.into()
}

fn family(address: SocketAddr) -> AddressFamily {
    if address.is_ipv6() {
        AddressFamily::INET6
    } else {
        AddressFamily::INET
    }
}

/// SO_ORIGINAL_DST, or the own address where the kernel knows of no other.
fn first_destination(stream: &TcpStream) -> SocketAddr {
    let local = stream.local_addr().unwrap();
    let original = if local.is_ipv6() {
        ipv6_original_dst(stream).map(SocketAddr::from)
    } else {
        ip_original_dst(stream).map(SocketAddr::from)
    };
    original.unwrap_or(local)
}
