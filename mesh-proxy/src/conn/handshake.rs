//! Ends TLS of clients, and learns who they are.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;

use aws_lc_rs::digest;
use mesh_pki::live::LiveIdentity;
use mesh_pki::tls::{self, ClientAuth, TrustPolicy, peer_spiffe_id};
use mesh_traffic::tls::{DownstreamTls, Identity, Roots};
use rustls::ServerConfig;

use crate::http::connection::Peer;

/// ALPN offered where the configuration names none: HTTP, the newer version first.
const HTTP: &[&[u8]] = &[tls::ALPN_H2, tls::ALPN_HTTP11];

/// Why TLS with a client came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// The listener asks for something that this proxy does not have.
    #[error("{0}")]
    Unsupported(&'static str),
    /// The TLS library refuses the configuration.
    #[error("the TLS configuration is refused")]
    Config(#[source] rustls::Error),
    /// The handshake failed; the client may have been refused.
    #[error("TLS handshake")]
    Handshake(#[source] io::Error),
    /// The client proved who it is, and is not one that is let in.
    #[error("the client's identity is not one that is let in")]
    Refused,
}

/// What a handshake brought to light.
pub(crate) struct Secured {
    /// Whether ALPN chose HTTP/2.
    pub(crate) http2: bool,
    /// Who the client is, if it showed a certificate.
    pub(crate) peer: Option<Peer>,
}

/// The server configurations of one worker, made once and kept.
pub struct ServerConfigs {
    identity: Option<LiveIdentity>,
    made: RefCell<Vec<(DownstreamTls, Arc<ServerConfig>)>>,
}

/// How many configurations are kept before all are made anew.
const KEPT: usize = 64;

impl ServerConfigs {
    /// With an identity; without one TLS cannot be ended.
    #[must_use]
    pub fn new(identity: Option<LiveIdentity>) -> Self {
        Self {
            identity,
            made: RefCell::default(),
        }
    }

    fn config(&self, wanted: &DownstreamTls) -> Result<Arc<ServerConfig>, HandshakeError> {
        let mut made = self.made.borrow_mut();
        if let Some((_, config)) = made.iter().find(|(tls, _)| tls == wanted) {
            return Ok(config.clone());
        }
        let config = Arc::new(self.make(wanted)?);
        if made.len() >= KEPT {
            made.clear();
        }
        made.push((wanted.clone(), config.clone()));
        Ok(config)
    }

    fn make(&self, wanted: &DownstreamTls) -> Result<ServerConfig, HandshakeError> {
        let unsupported = HandshakeError::Unsupported;
        let live = self
            .identity
            .as_ref()
            .ok_or_else(|| unsupported("this proxy has no identity"))?;
        if wanted.identity != Identity::Workload || wanted.roots != Roots::Mesh {
            return Err(unsupported(
                "only certificates of the mesh are served to clients",
            ));
        }
        let own = || live.current().spiffe_id().trust_domain().clone();
        let trust_domain = wanted.clients.trust_domains().next().unwrap_or_else(own);
        let client_auth = match wanted.require_client_certificate {
            true => ClientAuth::Required,
            false => ClientAuth::Optional,
        };
        let named: Vec<&[u8]> = wanted.alpn.iter().map(|name| name.as_bytes()).collect();
        let alpn = if named.is_empty() {
            HTTP
        } else {
            named.as_slice()
        };
        tls::server_config(live, TrustPolicy { trust_domain }, client_auth, alpn)
            .map_err(HandshakeError::Config)
    }
}

/// A session that is about to negotiate TLS with a client.
///
/// # Errors
/// [`HandshakeError`] when the configuration cannot be served.
pub(crate) fn begin(
    configs: &ServerConfigs,
    wanted: &DownstreamTls,
) -> Result<rustls::Connection, HandshakeError> {
    let config = configs.config(wanted)?;
    let session = rustls::ServerConnection::new(config).map_err(HandshakeError::Config)?;
    Ok(session.into())
}

/// What a finished handshake says of the client.
///
/// # Errors
/// [`HandshakeError::Refused`] when it is nobody who is let in.
pub(crate) fn judge(
    session: &rustls::Connection,
    wanted: &DownstreamTls,
) -> Result<Secured, HandshakeError> {
    let peer = peer(session.peer_certificates().unwrap_or_default())
        .filter(|peer| wanted.clients.accepts(&peer.identity));
    if peer.is_none() && wanted.require_client_certificate {
        return Err(HandshakeError::Refused);
    }
    let http2 = session.alpn_protocol() == Some(tls::ALPN_H2);
    Ok(Secured { http2, peer })
}

/// The verifier has judged the chain already: this only reads the name.
fn peer(chain: &[rustls::pki_types::CertificateDer<'_>]) -> Option<Peer> {
    let identity = peer_spiffe_id(chain).ok()?;
    let hash = digest::digest(&digest::SHA256, chain.first()?);
    let hex: String = hash
        .as_ref()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let text = identity.to_string().into();
    Some(Peer {
        identity,
        text,
        certificate_hash: hex.into(),
    })
}
