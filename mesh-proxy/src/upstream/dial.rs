//! How an endpoint is reached: what a connection to it begins with, and who answered.

pub(crate) mod patience;

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use mesh_model::Str;
use mesh_pki::tls::peer_spiffe_id;
use mesh_traffic::cluster::Keepalive;
use rustix::io::Errno;
use rustls::client::UnbufferedClientConnection;
use socket2::{Domain, Protocol, SockRef, Socket, TcpKeepalive, Type};

use crate::conn::wire::scratch::Scratch;
use crate::conn::wire::tls::Session;
use crate::conn::wire::{Filled, Wire};
use crate::http::failure::{Failure, FailureKind};
use crate::upstream::target::Target;
use crate::upstream::tls::{Carries, TlsConfigs, is_of_mesh, server_name};

/// Who is at the other end of a connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct About {
    /// Whether it is mutual TLS of the mesh.
    pub(crate) mutual_tls: bool,
    /// Who the server is, by its certificate.
    pub(crate) peer: Option<Str>,
    /// Our own address.
    pub(crate) local: Option<SocketAddr>,
    /// Whether ALPN chose HTTP/2.
    pub(crate) http2: bool,
}

/// A socket that is about to be connected to the target.
///
/// # Errors
/// When it is known at once that there will be none.
pub(crate) fn begin(target: &Target) -> Result<mio::net::TcpStream, Failure> {
    let begun = match target.source {
        None => mio::net::TcpStream::connect(target.address),
        Some(source) => begin_from(source, target.address),
    };
    begun
        .and_then(|socket| socket.set_nodelay(true).map(|()| socket))
        .and_then(|socket| match target.keepalive {
            Some(keepalive) => keep_alive(&socket, keepalive).map(|()| socket),
            None => Ok(socket),
        })
        .map_err(|error| refused(target.address, &error))
}

/// What the kernel would refuse, and the connection with it, is as near to it as can be.
fn keep_alive(socket: &mio::net::TcpStream, keepalive: Keepalive) -> io::Result<()> {
    /// Linux: `MAX_TCP_KEEPIDLE`, `MAX_TCP_KEEPINTVL` and `MAX_TCP_KEEPCNT`.
    const LONGEST: Duration = Duration::from_secs(32_767);
    const PROBES: u32 = 127;
    let shortest = Duration::from_secs(1);
    let mut asked = TcpKeepalive::new();
    if let Some(time) = keepalive.time {
        asked = asked.with_time(time.clamp(shortest, LONGEST));
    }
    if let Some(interval) = keepalive.interval {
        asked = asked.with_interval(interval.clamp(shortest, LONGEST));
    }
    if let Some(probes) = keepalive.probes {
        asked = asked.with_retries(probes.clamp(1, PROBES));
    }
    SockRef::from(socket).set_tcp_keepalive(&asked)
}

fn begin_from(source: IpAddr, address: SocketAddr) -> io::Result<mio::net::TcpStream> {
    let kind = Type::STREAM.nonblocking().cloexec();
    let socket = Socket::new(Domain::for_address(address), kind, Some(Protocol::TCP))?;
    socket.bind(&SocketAddr::new(source, 0).into())?;
    match socket.connect(&address.into()) {
        Ok(()) => {}
        Err(error) if Errno::from_io_error(&error) == Some(Errno::INPROGRESS) => {}
        Err(error) => return Err(error),
    }
    Ok(mio::net::TcpStream::from_std(socket.into()))
}

/// A TLS session that is about to be negotiated with the target; `None` where there is no TLS.
///
/// # Errors
/// [`FailureKind::TlsFailed`] when TLS cannot be had that way.
pub(crate) fn session(
    configs: &TlsConfigs,
    target: &Target,
    carries: Carries,
) -> Result<Option<Session>, Failure> {
    let Some(tls) = &target.tls else {
        return Ok(None);
    };
    let name = server_name(tls.sni.as_ref(), target.address)?;
    let config = configs.config(tls, carries)?;
    let session = UnbufferedClientConnection::new(config, name)
        .map_err(|error| Failure::safe(FailureKind::TlsFailed).caused_by(error))?;
    Ok(Some(session.into()))
}

/// What a finished handshake says of the server.
pub(crate) fn about(
    session: Option<&rustls::CommonState>,
    target: &Target,
    local: Option<SocketAddr>,
) -> About {
    let Some(session) = session else {
        return About {
            local,
            ..About::default()
        };
    };
    let certificates = session.peer_certificates().unwrap_or_default();
    // A name in a certificate means something only if the mesh's own root vouched for it.
    let of_mesh = target.tls.as_deref().is_some_and(is_of_mesh);
    let named = peer_spiffe_id(certificates).ok().filter(|_| of_mesh);
    let peer: Option<Str> = named.map(|id| id.to_string().into());
    About {
        mutual_tls: peer.is_some(),
        peer,
        local,
        http2: matches!(session.alpn_protocol(), Some(b"h2" | b"istio-h2")),
    }
}

/// The endpoint refused the connection, or is not there.
pub(crate) fn refused(address: SocketAddr, error: &io::Error) -> Failure {
    Failure::safe(FailureKind::ConnectFailed).caused_by(format!("{address}: {error}"))
}

/// A certificate that we refuse is another matter than a handshake that breaks off.
pub(crate) fn tls_failure(error: io::Error) -> Failure {
    let tls = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let kind = match tls {
        Some(rustls::Error::InvalidCertificate(_)) => FailureKind::WrongIdentity,
        Some(_) | None => FailureKind::TlsFailed,
    };
    Failure::safe(kind).caused_by(error)
}

/// Takes the next step towards an open connection; whether it was the last. What the server says
/// together with the end of its handshake goes to `ahead`.
///
/// # Errors
/// A [`Failure`] after which nothing has been sent.
pub(crate) fn advance(
    wire: &mut Wire,
    address: SocketAddr,
    session: &mut Option<Session>,
    ahead: &mut Vec<u8>,
    scratch: &mut Scratch,
) -> Result<bool, Failure> {
    if wire.tls().is_none() {
        if !connected(wire).map_err(|error| refused(address, &error))? {
            return Ok(false);
        }
        let Some(session) = session.take() else {
            return Ok(true);
        };
        wire.begin_tls(session, &[])
            .map_err(|error| tls_failure(io::Error::other(error)))?;
    }
    loop {
        wire.flush_handshake().map_err(tls_failure)?;
        if !wire.is_shaking() {
            return Ok(true);
        }
        match wire.fill(scratch) {
            // The answer to what came is written before more is waited for.
            Ok(Filled::Nothing) => {
                wire.flush_handshake().map_err(tls_failure)?;
                if wire.is_shaking() {
                    return Ok(false);
                }
            }
            Ok(Filled::Bytes(read)) => {
                ahead.extend_from_slice(scratch.bytes.get(..read).unwrap_or_default());
            }
            Ok(Filled::End) => return Err(tls_failure(io::ErrorKind::UnexpectedEof.into())),
            Err(error) => {
                // A refusal is told to the server by an alert, if it takes it.
                let _alert = wire.flush_handshake();
                return Err(tls_failure(error));
            }
        }
    }
}

/// Whether TCP is there.
fn connected(wire: &mut Wire) -> io::Result<bool> {
    if let Some(error) = wire.socket().take_error()? {
        return Err(error);
    }
    match wire.socket().peer_addr() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
        Err(error) => Err(error),
    }
}
