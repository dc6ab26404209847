//! TLS configurations from a live identity.
//!
//! A configuration is made once and kept: certificate and roots are looked up at each handshake.
//! TLS 1.2 and 1.3; resumption is off at both ends, because a resumed session asks no verifier.

pub mod edge;
mod resolve;
mod verify;

use std::sync::{Arc, LazyLock};

use mesh_model::ident::{SpiffeId, TrustDomain};
use mesh_model::time::Clock;
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::server::NoServerSessionStorage;
use rustls::{CipherSuite, ClientConfig, ServerConfig, SupportedCipherSuite};

use crate::bundle::TrustBundle;
use crate::judge::Judge;
use crate::live::{LiveIdentity, TlsClock};
pub use crate::svid::peer_spiffe_id;
use resolve::LiveCertificate;
use verify::{ClientVerifier, Roots, ServerVerifier};

/// Name of HTTP/2 in ALPN.
pub const ALPN_H2: &[u8] = b"h2";
/// Name of HTTP/1.1 in ALPN.
pub const ALPN_HTTP11: &[u8] = b"http/1.1";

/// The cryptography that all TLS of mesh uses.
///
/// AES with 128 bits comes first, as in Envoy: it is as good as with 256 against what is known, and
/// bulk costs a fifth less of it.
#[must_use]
pub fn provider() -> &'static Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> = LazyLock::new(|| {
        let mut provider = rustls::crypto::aws_lc_rs::default_provider();
        let aes128 = |suite: &SupportedCipherSuite| {
            matches!(
                suite.suite(),
                CipherSuite::TLS13_AES_128_GCM_SHA256
                    | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
                    | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256
            )
        };
        provider.cipher_suites.sort_by_key(|suite| !aes128(suite));
        Arc::new(provider)
    });
    &PROVIDER
}

/// Which clients a server believes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustPolicy {
    /// Their trust domain.
    pub trust_domain: TrustDomain,
}

/// Whether a client must show a certificate. One that it shows must be valid in either case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientAuth {
    /// Clients without a certificate are refused.
    Required,
    /// Clients without a certificate are let in, unnamed.
    Optional,
}

/// Which server a client expects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// One of these identities; an empty list accepts nobody.
    AnyOf(Vec<SpiffeId>),
    /// Any workload of the trust domain.
    TrustDomain(TrustDomain),
}

impl Expect {
    /// Whether `identity` is expected.
    #[must_use]
    pub fn accepts(&self, identity: &SpiffeId) -> bool {
        match self {
            Self::AnyOf(wanted) => wanted.contains(identity),
            Self::TrustDomain(wanted) => identity.trust_domain() == wanted,
        }
    }
}

/// A server that shows the live identity and judges clients by its bundle.
///
/// `alpn` lists protocols by preference; with an empty list none is negotiated.
///
/// # Errors
/// When the TLS library refuses the combination of versions and cryptography.
pub fn server_config(
    live: &LiveIdentity,
    policy: TrustPolicy,
    client_auth: ClientAuth,
    alpn: &[&[u8]],
) -> Result<ServerConfig, rustls::Error> {
    let verifier = ClientVerifier::new(live.clone(), policy, client_auth);
    let clock = Arc::new(TlsClock(live.clock().clone()));
    let mut config = ServerConfig::builder_with_details(provider().clone(), clock)
        .with_protocol_versions(rustls::DEFAULT_VERSIONS)?
        .with_client_cert_verifier(Arc::new(verifier))
        .with_cert_resolver(Arc::new(LiveCertificate(live.clone())));
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.alpn_protocols = owned(alpn);
    Ok(config)
}

/// A client that shows the live identity and accepts the expected server alone.
///
/// # Errors
/// As [`server_config`].
pub fn client_config(
    live: &LiveIdentity,
    expect: Expect,
    alpn: &[&[u8]],
) -> Result<ClientConfig, rustls::Error> {
    let verifier = ServerVerifier::new(Roots::Live(live.clone()), expect);
    let clock = Arc::new(TlsClock(live.clock().clone()));
    let config = ClientConfig::builder_with_details(provider().clone(), clock)
        .with_protocol_versions(rustls::DEFAULT_VERSIONS)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_client_cert_resolver(Arc::new(LiveCertificate(live.clone())));
    Ok(finish_client(config, alpn))
}

/// A client that has no identity yet, and accepts the expected server alone.
///
/// # Errors
/// As [`server_config`].
pub fn client_config_without_identity(
    bundle: Arc<TrustBundle>,
    expect: Expect,
    clock: Arc<dyn Clock>,
    alpn: &[&[u8]],
) -> Result<ClientConfig, rustls::Error> {
    let verifier = ServerVerifier::new(Roots::Fixed(Arc::new(Judge::new(bundle))), expect);
    let config = ClientConfig::builder_with_details(provider().clone(), Arc::new(TlsClock(clock)))
        .with_protocol_versions(rustls::DEFAULT_VERSIONS)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier))
        .with_no_client_auth();
    Ok(finish_client(config, alpn))
}

fn finish_client(mut config: ClientConfig, alpn: &[&[u8]]) -> ClientConfig {
    config.resumption = Resumption::disabled();
    config.alpn_protocols = owned(alpn);
    config
}

fn owned(alpn: &[&[u8]]) -> Vec<Vec<u8>> {
    alpn.iter().map(|protocol| protocol.to_vec()).collect()
}

#[cfg(test)]
mod tests;
