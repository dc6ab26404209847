//! Opens a byte stream to an endpoint: TCP, and TLS with a check of who is there.

use std::io;
use std::sync::Arc;

use mesh_model::Str;
use mesh_pki::tls::peer_spiffe_id;
use rustls::ClientConfig;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::conn::io::{Io, Rewound};
use crate::http::failure::{Failure, FailureKind};
use crate::upstream::target::Target;
use crate::upstream::tls::{Carries, TlsConfigs, server_name};

/// An open byte stream.
pub struct Dialed {
    /// The stream.
    pub io: Io,
    /// Whether ALPN chose HTTP/2.
    pub http2: bool,
    /// Who the server is, by its certificate.
    pub peer: Option<Str>,
    /// Our own address.
    pub local: Option<std::net::SocketAddr>,
}

/// What dialing needs besides the target; made before the first await.
pub struct Plan {
    address: std::net::SocketAddr,
    tls: Option<(Arc<ClientConfig>, rustls::pki_types::ServerName<'static>)>,
    timeout: std::time::Duration,
}

/// Looks up how the target is reached.
///
/// # Errors
/// [`FailureKind::TlsFailed`] when TLS cannot be had that way.
pub fn plan(configs: &TlsConfigs, target: &Target, carries: Carries) -> Result<Plan, Failure> {
    let tls = match &target.tls {
        None => None,
        Some(tls) => {
            let name = server_name(tls.sni.as_ref(), target.address)?;
            Some((configs.config(tls, carries)?, name))
        }
    };
    Ok(Plan {
        address: target.address,
        tls,
        timeout: target.connect_timeout,
    })
}

/// Opens the stream.
///
/// # Errors
/// A [`Failure`] after which nothing has been sent. Dropping the future closes the socket.
pub async fn dial(plan: Plan) -> Result<Dialed, Failure> {
    let timeout = plan.timeout;
    match tokio::time::timeout(timeout, open(plan)).await {
        Ok(result) => result,
        Err(elapsed) => Err(Failure::safe(FailureKind::ConnectTimeout).caused_by(elapsed)),
    }
}

async fn open(plan: Plan) -> Result<Dialed, Failure> {
    let refused = |error: io::Error| {
        let text = format!("{}: {error}", plan.address);
        Failure::safe(FailureKind::ConnectFailed).caused_by(text)
    };
    let socket = TcpStream::connect(plan.address).await.map_err(refused)?;
    socket.set_nodelay(true).map_err(refused)?;
    let local = socket.local_addr().ok();
    let rewound = Rewound::new(socket, Vec::new());
    let Some((config, name)) = plan.tls else {
        return Ok(Dialed {
            io: Io::Plain(rewound),
            http2: false,
            peer: None,
            local,
        });
    };
    let stream = TlsConnector::from(config)
        .connect(name, rewound)
        .await
        .map_err(tls_failure)?;
    let (_, session) = stream.get_ref();
    let http2 = matches!(session.alpn_protocol(), Some(b"h2" | b"istio-h2"));
    let certificates = session.peer_certificates().unwrap_or_default();
    let peer = peer_spiffe_id(certificates)
        .ok()
        .map(|id| id.to_string().into());
    Ok(Dialed {
        io: Io::Tls(Box::new(stream.into())),
        http2,
        peer,
        local,
    })
}

/// A certificate that we refuse is another matter than a handshake that breaks off.
fn tls_failure(error: io::Error) -> Failure {
    let tls = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let kind = match tls {
        Some(rustls::Error::InvalidCertificate(_)) => FailureKind::WrongIdentity,
        Some(_) | None => FailureKind::TlsFailed,
    };
    Failure::safe(kind).caused_by(error)
}
