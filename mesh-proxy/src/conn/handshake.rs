//! Ends TLS of clients, and learns who they are.

use std::cell::RefCell;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use aws_lc_rs::digest;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mesh_model::Str;
use mesh_model::time::Clock;
use mesh_pki::credential::{ClientRoots, Credential};
use mesh_pki::live::LiveIdentity;
use mesh_pki::tls::edge::{Edge, edge_config};
use mesh_pki::tls::{self, ClientAuth, TrustPolicy, peer_spiffe_id};
use mesh_traffic::Secret;
use mesh_traffic::config::{Config, Map};
use mesh_traffic::template::Tls;
use mesh_traffic::tls::{DownstreamTls, Identity, Roots};
use rustls::server::UnbufferedServerConnection;
use rustls::{CipherSuite, ProtocolVersion, ServerConfig};

use crate::conn::wire::tls::Session;
use crate::http::connection::Peer;

/// ALPN offered where the configuration names none: HTTP, the newer version first.
const HTTP: &[&[u8]] = &[tls::ALPN_H2, tls::ALPN_HTTP11];

/// Digits in a line of PEM (RFC 7468 2).
const LINE: usize = 64;

/// Why nobody can be served by a TLS context.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CannotServe {
    /// It asks for something that this proxy does not have.
    #[error("{0}")]
    Unsupported(&'static str),
    /// The control plane has not sent it, or nobody has looked for its files.
    #[error("there is no secret {0}")]
    NoSecret(Str),
    /// A file cannot be used.
    #[error("{0}")]
    Unusable(Str),
    /// The TLS library refuses the configuration.
    #[error("the TLS configuration is refused")]
    Config(#[source] rustls::Error),
}

/// Why TLS with a client came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum HandshakeError {
    /// It was over before it began.
    #[error(transparent)]
    CannotServe(#[from] CannotServe),
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
    /// What was agreed on.
    pub(crate) agreed: Option<Tls>,
}

/// The server configurations of one worker, made once and kept. Nothing here is read from files.
pub struct ServerConfigs {
    identity: Option<LiveIdentity>,
    clock: Arc<dyn Clock>,
    made: RefCell<Vec<Made>>,
}

struct Made {
    wanted: DownstreamTls,
    /// What it was made from.
    secrets: Vec<Arc<Secret>>,
    at: Instant,
    config: Result<Arc<ServerConfig>, CannotServe>,
}

/// How many configurations are kept before all are made anew.
const KEPT: usize = 64;
/// After how long it is tried again what failed, where nothing else has changed.
const TRY_AGAIN: Duration = Duration::from_secs(60);

impl Made {
    fn is(&self, wanted: &DownstreamTls, secrets: &[Arc<Secret>]) -> bool {
        let mut same = self.secrets.iter().zip(secrets);
        self.secrets.len() == secrets.len()
            && same.all(|(a, b)| Arc::ptr_eq(a, b))
            && self.wanted == *wanted
    }

    fn lasts(&self, now: Instant) -> bool {
        self.config.is_ok() || now.saturating_duration_since(self.at) < TRY_AGAIN
    }
}

impl ServerConfigs {
    /// With an identity; without one TLS of the mesh cannot be ended.
    #[must_use]
    pub fn new(identity: Option<LiveIdentity>, clock: Arc<dyn Clock>) -> Self {
        Self {
            identity,
            clock,
            made: RefCell::default(),
        }
    }

    fn config(
        &self,
        wanted: &DownstreamTls,
        known: &Config,
    ) -> Result<Arc<ServerConfig>, CannotServe> {
        let secrets = secrets(wanted, known);
        let now = self.clock.now();
        let mut made = self.made.borrow_mut();
        let is = |made: &&Made| made.is(wanted, &secrets) && made.lasts(now);
        if let Some(made) = made.iter().find(is) {
            return made.config.clone();
        }
        let config = self.make(wanted, known).map(Arc::new);
        // What an older secret was made into is of no use any more.
        made.retain(|made| made.wanted != *wanted);
        if made.len() >= KEPT {
            made.clear();
        }
        made.push(Made {
            wanted: wanted.clone(),
            secrets,
            at: now,
            config: config.clone(),
        });
        config
    }

    fn make(&self, wanted: &DownstreamTls, known: &Config) -> Result<ServerConfig, CannotServe> {
        let named: Vec<&[u8]> = wanted.alpn.iter().map(|name| name.as_bytes()).collect();
        let alpn = if named.is_empty() {
            HTTP
        } else {
            named.as_slice()
        };
        let client_auth = match wanted.require_client_certificate {
            true => ClientAuth::Required,
            false => ClientAuth::Optional,
        };
        let credentials = match &wanted.identity {
            Identity::Workload => return self.of_mesh(wanted, client_auth, alpn),
            Identity::Files { .. } => in_files(wanted, known, Secret::certificate)?,
            Identity::Secrets(names) => sent(names, &known.secrets)?,
        };
        if !wanted.clients.is_any() {
            let why = "SPIFFE IDs can only be demanded of clients that the mesh's roots vouch for";
            return Err(CannotServe::Unsupported(why));
        }
        let clients = client_roots(wanted, known)?.map(|roots| (roots, client_auth));
        if clients.is_none() && wanted.require_client_certificate {
            let why = "nobody vouches for the clients' certificates that are demanded";
            return Err(CannotServe::Unsupported(why));
        }
        let edge = Edge {
            credentials,
            clients,
            versions: wanted.versions,
            alpn,
        };
        edge_config(&edge, self.clock.clone()).map_err(CannotServe::Config)
    }

    fn of_mesh(
        &self,
        wanted: &DownstreamTls,
        client_auth: ClientAuth,
        alpn: &[&[u8]],
    ) -> Result<ServerConfig, CannotServe> {
        let unsupported = CannotServe::Unsupported;
        let live = self
            .identity
            .as_ref()
            .ok_or_else(|| unsupported("this proxy has no identity"))?;
        if wanted.roots != Roots::Mesh {
            let why = "the proxy's own certificate is shown to clients of the mesh alone";
            return Err(unsupported(why));
        }
        let own = || live.current().spiffe_id().trust_domain().clone();
        let trust_domain = wanted.clients.trust_domains().next().unwrap_or_else(own);
        tls::server_config(live, TrustPolicy { trust_domain }, client_auth, alpn)
            .map_err(CannotServe::Config)
    }
}

/// What a configuration is made from of what was sent or found in files.
fn secrets(wanted: &DownstreamTls, known: &Config) -> Vec<Arc<Secret>> {
    let sent = wanted.secrets().filter_map(|name| known.secrets.get(name));
    let found = wanted.files().filter_map(|files| {
        let found = known.files.get(&files)?;
        found.as_ref().ok().cloned()
    });
    sent.cloned().chain(found).collect()
}

/// What was found of one kind in the files that are asked for; there is at least one.
fn in_files<T: Clone>(
    wanted: &DownstreamTls,
    known: &Config,
    of_kind: impl Fn(&Secret) -> Option<&T>,
) -> Result<Vec<T>, CannotServe> {
    let mut all = Vec::new();
    for files in wanted.files() {
        match known.files.get(&files) {
            Some(Ok(found)) => all.extend(of_kind(found).cloned()),
            Some(Err(why)) => return Err(CannotServe::Unusable(why.clone())),
            None => return Err(CannotServe::NoSecret(files.to_string().into())),
        }
    }
    Ok(all)
}

/// The certificates that are there; without any of them there is nothing to show.
fn sent(names: &[Str], known: &Map<Arc<Secret>>) -> Result<Vec<Credential>, CannotServe> {
    let found = names
        .iter()
        .filter_map(|name| known.get(name)?.certificate());
    let found: Vec<_> = found.cloned().collect();
    match (found.is_empty(), names.first()) {
        (true, Some(first)) => Err(CannotServe::NoSecret(first.clone())),
        (_, _) => Ok(found),
    }
}

/// Who vouches for clients. What should and is not there lets nobody in.
fn client_roots(
    wanted: &DownstreamTls,
    known: &Config,
) -> Result<Option<ClientRoots>, CannotServe> {
    match &wanted.roots {
        Roots::Unverified => Ok(None),
        Roots::Secret(name) => {
            let found = known.secrets.get(name).and_then(|secret| secret.roots());
            let found = found.ok_or_else(|| CannotServe::NoSecret(name.clone()))?;
            Ok(Some(found.clone()))
        }
        Roots::File(path) => {
            let found = in_files(wanted, known, Secret::roots)?.into_iter().next();
            let found = found.ok_or_else(|| CannotServe::NoSecret(path.clone()))?;
            Ok(Some(found))
        }
        Roots::Mesh | Roots::System => Err(CannotServe::Unsupported(
            "clients are judged by roots of the mesh or by those that were given",
        )),
    }
}

/// A session that is about to negotiate TLS with a client.
///
/// # Errors
/// [`CannotServe`] when there is no configuration for it.
pub(crate) fn begin(
    configs: &ServerConfigs,
    wanted: &DownstreamTls,
    known: &Config,
) -> Result<Session, CannotServe> {
    let config = configs.config(wanted, known)?;
    let session = UnbufferedServerConnection::new(config).map_err(CannotServe::Config)?;
    Ok(session.into())
}

/// What a finished handshake says of the client.
///
/// # Errors
/// [`HandshakeError::Refused`] when it is nobody who is let in.
pub(crate) fn judge(
    session: &rustls::CommonState,
    wanted: &DownstreamTls,
) -> Result<Secured, HandshakeError> {
    // Who was judged by other roots has no identity of the mesh, whatever the certificate says.
    let peer = match wanted.roots {
        Roots::Mesh => peer(session.peer_certificates().unwrap_or_default()),
        Roots::File(_) | Roots::Secret(_) | Roots::System | Roots::Unverified => None,
    };
    let peer = peer.filter(|peer| wanted.clients.accepts(&peer.identity));
    if peer.is_none() && wanted.require_client_certificate && wanted.roots == Roots::Mesh {
        return Err(HandshakeError::Refused);
    }
    let http2 = session.alpn_protocol() == Some(tls::ALPN_H2);
    Ok(Secured {
        http2,
        peer,
        agreed: agreed(session),
    })
}

/// Version and cipher suite, as OpenSSL calls them.
fn agreed(session: &rustls::CommonState) -> Option<Tls> {
    let version = match session.protocol_version()? {
        ProtocolVersion::TLSv1_2 => "TLSv1.2",
        ProtocolVersion::TLSv1_3 => "TLSv1.3",
        _ => return None,
    };
    let suite = session.negotiated_cipher_suite()?.suite();
    let known = SUITES.iter().find(|(known, _)| *known == suite);
    let cipher = known.map_or("", |(_, name)| name);
    Some(Tls { version, cipher })
}

/// The suites that there are, by the names that OpenSSL and Envoy give them.
const SUITES: [(CipherSuite, &str); 9] = [
    (
        CipherSuite::TLS13_AES_128_GCM_SHA256,
        "TLS_AES_128_GCM_SHA256",
    ),
    (
        CipherSuite::TLS13_AES_256_GCM_SHA384,
        "TLS_AES_256_GCM_SHA384",
    ),
    (
        CipherSuite::TLS13_CHACHA20_POLY1305_SHA256,
        "TLS_CHACHA20_POLY1305_SHA256",
    ),
    (
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
        "ECDHE-ECDSA-AES128-GCM-SHA256",
    ),
    (
        CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
        "ECDHE-ECDSA-AES256-GCM-SHA384",
    ),
    (
        CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
        "ECDHE-ECDSA-CHACHA20-POLY1305",
    ),
    (
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
        "ECDHE-RSA-AES128-GCM-SHA256",
    ),
    (
        CipherSuite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
        "ECDHE-RSA-AES256-GCM-SHA384",
    ),
    (
        CipherSuite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        "ECDHE-RSA-CHACHA20-POLY1305",
    ),
];

/// The client's certificate in PEM as it stands in a URL, if somebody has judged it.
pub(crate) fn certificate(session: &rustls::CommonState, wanted: &DownstreamTls) -> Option<Str> {
    if wanted.roots == Roots::Unverified {
        return None;
    }
    let first = session.peer_certificates()?.first()?;
    let text = STANDARD.encode(first);
    let mut pem = String::from("-----BEGIN CERTIFICATE-----\n");
    for line in text.as_bytes().chunks(LINE) {
        // The digits of base 64 are ASCII.
        pem.push_str(&String::from_utf8_lossy(line));
        pem.push('\n');
    }
    pem.push_str("-----END CERTIFICATE-----\n");
    let encode = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    Some(pem.bytes().map(encode).collect::<String>().into())
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

#[cfg(test)]
mod tests;
