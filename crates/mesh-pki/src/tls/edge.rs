//! TLS of gateways, for clients that know nothing of the mesh.

use std::sync::Arc;

use mesh_model::time::Clock;
use rustls::ServerConfig;
use rustls::server::{
    ClientHello, NoServerSessionStorage, ResolvesServerCert, WebPkiClientVerifier,
};
use rustls::sign::CertifiedKey;

use super::{ClientAuth, owned, provider};
use crate::credential::{ClientRoots, Credential};
use crate::live::TlsClock;

/// Versions of TLS that a server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Versions {
    /// 1.2 and 1.3.
    #[default]
    All,
    /// 1.2 alone.
    Only12,
    /// 1.3 alone.
    Only13,
}

/// What a gateway's server shows and asks for.
#[derive(Debug, Clone)]
pub struct Edge<'a> {
    /// Certificates, of which each client is shown the first that it can check.
    pub credentials: Vec<Credential>,
    /// The roots by which clients' certificates are judged, and whether a client needs one; without
    /// roots none is asked for.
    pub clients: Option<(ClientRoots, ClientAuth)>,
    /// Versions of TLS.
    pub versions: Versions,
    /// Protocols by preference; with an empty list none is negotiated.
    pub alpn: &'a [&'a [u8]],
}

/// A server for clients from outside.
///
/// # Errors
/// When the TLS library refuses the combination.
pub fn edge_config(edge: &Edge<'_>, clock: Arc<dyn Clock>) -> Result<ServerConfig, rustls::Error> {
    let versions: &[_] = match edge.versions {
        Versions::All => rustls::DEFAULT_VERSIONS,
        Versions::Only12 => &[&rustls::version::TLS12],
        Versions::Only13 => &[&rustls::version::TLS13],
    };
    let builder = ServerConfig::builder_with_details(provider().clone(), Arc::new(TlsClock(clock)))
        .with_protocol_versions(versions)?;
    let builder = match &edge.clients {
        None => builder.with_no_client_auth(),
        Some((roots, auth)) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(
                roots.store().clone(),
                provider().clone(),
            );
            let verifier = match auth {
                ClientAuth::Required => verifier,
                ClientAuth::Optional => verifier.allow_unauthenticated(),
            };
            let verifier = verifier.build();
            let verifier = verifier.map_err(|error| rustls::Error::General(error.to_string()))?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let certificates = edge.credentials.iter().map(|one| one.certified().clone());
    let mut config = builder.with_cert_resolver(Arc::new(Shown(certificates.collect())));
    // Each worker has a configuration of its own: what one remembers no other would know.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.alpn_protocols = owned(edge.alpn);
    Ok(config)
}

/// Certificates, the preferred one first.
#[derive(Debug)]
struct Shown(Vec<Arc<CertifiedKey>>);

impl ResolvesServerCert for Shown {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let schemes = hello.signature_schemes();
        let mut all = self.0.iter();
        let fits = all.find(|one| one.key.choose_scheme(schemes).is_some());
        fits.cloned()
    }
}
