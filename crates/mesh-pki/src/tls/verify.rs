//! Judges peers in handshakes: every verifier asks a [`Judge`].

use std::sync::Arc;

use mesh_model::ident::SpiffeId;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, Error, OtherError, SignatureScheme,
};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use super::{ClientAuth, Expect, TrustPolicy};
use crate::dates;
use crate::judge::Judge;
use crate::live::LiveIdentity;
use crate::svid::{SvidError, Usage};

/// Why a valid identity is not the right one.
#[derive(Debug, Clone, thiserror::Error)]
enum Unexpected {
    #[error("the server is {got}, expected is one of {want:?}")]
    Server { got: SpiffeId, want: Vec<SpiffeId> },
    #[error("the peer {got} is not of trust domain {want}")]
    TrustDomain { got: SpiffeId, want: String },
}

/// Where a client finds the roots.
#[derive(Debug)]
pub(super) enum Roots {
    /// In the live identity.
    Live(LiveIdentity),
    /// Given once.
    Fixed(Arc<Judge>),
}

impl Roots {
    fn judge(&self) -> Arc<Judge> {
        match self {
            Self::Live(live) => live.current().judge().clone(),
            Self::Fixed(judge) => judge.clone(),
        }
    }
}

/// What servers and clients are judged alike by: their signatures, which are the library's affair.
/// The two traits have the same three methods and nothing in common.
macro_rules! signatures_of_the_provider {
    () => {
        fn verify_tls12_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            verify_tls12_signature(message, certificate, signed, algorithms())
        }

        fn verify_tls13_signature(
            &self,
            message: &[u8],
            certificate: &CertificateDer<'_>,
            signed: &DigitallySignedStruct,
        ) -> Result<HandshakeSignatureValid, Error> {
            verify_tls13_signature(message, certificate, signed, algorithms())
        }

        fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
            algorithms().supported_schemes()
        }
    };
}

/// Judges servers.
#[derive(Debug)]
pub(super) struct ServerVerifier {
    roots: Roots,
    expect: Expect,
}

impl ServerVerifier {
    pub(super) fn new(roots: Roots, expect: Expect) -> Self {
        Self { roots, expect }
    }
}

impl ServerCertVerifier for ServerVerifier {
    fn verify_server_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let judge = self.roots.judge();
        let peer = validate(leaf, intermediates, &judge, Usage::Server, now)?;
        if self.expect.accepts(&peer) {
            return Ok(ServerCertVerified::assertion());
        }
        Err(refuse(match &self.expect {
            Expect::AnyOf(want) => Unexpected::Server {
                got: peer,
                want: want.clone(),
            },
            Expect::TrustDomain(want) => Unexpected::TrustDomain {
                got: peer,
                want: want.to_string(),
            },
        }))
    }

    signatures_of_the_provider!();
}

/// Judges clients.
#[derive(Debug)]
pub(super) struct ClientVerifier {
    live: LiveIdentity,
    policy: TrustPolicy,
    auth: ClientAuth,
}

impl ClientVerifier {
    pub(super) fn new(live: LiveIdentity, policy: TrustPolicy, auth: ClientAuth) -> Self {
        Self { live, policy, auth }
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn client_auth_mandatory(&self) -> bool {
        self.auth == ClientAuth::Required
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        // None: the roots may change at any time, and a client without a hint shows what it has.
        &[]
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let identity = self.live.current();
        let peer = validate(leaf, intermediates, identity.judge(), Usage::Client, now)?;
        if *peer.trust_domain() == self.policy.trust_domain {
            return Ok(ClientCertVerified::assertion());
        }
        Err(refuse(Unexpected::TrustDomain {
            got: peer,
            want: self.policy.trust_domain.to_string(),
        }))
    }

    signatures_of_the_provider!();
}

fn algorithms() -> &'static WebPkiSupportedAlgorithms {
    &super::provider().signature_verification_algorithms
}

fn validate(
    leaf: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    judge: &Judge,
    usage: Usage,
    now: UnixTime,
) -> Result<SpiffeId, Error> {
    let mut chain = Vec::with_capacity(1 + intermediates.len());
    chain.push(leaf.clone());
    chain.extend_from_slice(intermediates);
    let now = dates::from_webpki(now);
    judge.validate(&chain, usage, now).map_err(to_tls)
}

/// The library's own error where it has a fitting one, so that the peer gets the right alert.
fn to_tls(error: SvidError) -> Error {
    match &error {
        SvidError::NoCertificate => Error::NoCertificatesPresented,
        SvidError::Damaged(_) => CertificateError::BadEncoding.into(),
        SvidError::Untrusted(webpki::Error::CertExpired { .. }) => CertificateError::Expired.into(),
        SvidError::Untrusted(webpki::Error::CertNotValidYet { .. }) => {
            CertificateError::NotValidYet.into()
        }
        // Our roots share one subject, so a leaf of another root looks like a bad signature.
        SvidError::Untrusted(
            webpki::Error::UnknownIssuer | webpki::Error::InvalidSignatureForPublicKey,
        ) => CertificateError::UnknownIssuer.into(),
        SvidError::Untrusted(_)
        | SvidError::Name(_)
        | SvidError::Rights { .. }
        | SvidError::RootNotCurrent
        | SvidError::Intermediate(_) => refuse(error),
    }
}

fn refuse(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    CertificateError::Other(OtherError(Arc::new(Worded(error)))).into()
}

/// An error that is printed as its message in every form: the TLS library shows the debug form of
/// what it does not know, and that ends in logs and in the answers of gRPC.
#[derive(thiserror::Error)]
#[error(transparent)]
struct Worded<E: std::error::Error + 'static>(E);

impl<E: std::error::Error + 'static> std::fmt::Debug for Worded<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0)
    }
}
