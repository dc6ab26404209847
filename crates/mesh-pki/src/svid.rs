//! Whether a peer's certificate chain is an X.509-SVID that a trust bundle vouches for.
//!
//! webpki builds and checks the chain. It accepts, however, certificates without a name or with two,
//! of another trust domain, without key usage or with that of a CA, and it never looks at the dates
//! of a root (all measured). Each of these rules of the X509-SVID standard is a function here.

use std::time::SystemTime;

use mesh_model::ident::{IdentError, SpiffeId, TrustDomain};
use rustls_pki_types::{CertificateDer, TrustAnchor};
use webpki::{EndEntityCert, KeyUsage, VerifiedPath};
use x509_parser::certificate::X509Certificate;

use crate::bundle::{TrustBundle, check_signing};
use crate::chain;
use crate::dates;

/// What the certificate is presented for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usage {
    /// To authenticate a TLS client.
    Client,
    /// To authenticate a TLS server.
    Server,
}

/// Why a chain is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SvidError {
    /// No certificate was presented.
    #[error("no certificate was presented")]
    NoCertificate,
    /// A certificate cannot be read.
    #[error("the certificate is damaged: {0}")]
    Damaged(String),
    /// The name is not what an SVID must have.
    #[error(transparent)]
    Name(#[from] NameFault),
    /// The certificate may do something that an SVID must not, or may not do what it is used for.
    #[error("the certificate's {field} {fault}")]
    Rights {
        /// The extension at fault.
        field: &'static str,
        /// What is wrong with it.
        fault: &'static str,
    },
    /// No valid path leads from the certificate to a root of the bundle.
    #[error("the certificate is not trusted: {0}")]
    Untrusted(#[source] webpki::Error),
    /// A path exists, but only to a root that is outside its dates.
    #[error("the root that signed the certificate is not valid at this time")]
    RootNotCurrent,
    /// A certificate between leaf and root may not sign.
    #[error("an intermediate certificate may not sign: {0}")]
    Intermediate(String),
}

/// What is wrong with the name in a certificate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NameFault {
    /// Not exactly one URI name.
    #[error("the certificate has {0} URI names, an SVID has exactly one")]
    Count(usize),
    /// The URI is no SPIFFE ID.
    #[error("the certificate's URI name is no SPIFFE ID: {0}")]
    NotSpiffe(#[from] IdentError),
    /// The identity is that of a trust domain, not of a workload.
    #[error("the certificate's identity {0} has no path")]
    NoPath(SpiffeId),
    /// The bundle is not of the identity's trust domain.
    #[error("the certificate's identity {got} is not of trust domain {want}")]
    OtherTrustDomain {
        /// The identity.
        got: SpiffeId,
        /// Whose roots were asked.
        want: TrustDomain,
    },
    /// Subject empty, name not critical.
    #[error("the certificate has no subject and its alternative name is not critical")]
    NotCritical,
}

/// Judges `chain` (leaf first) by the roots of `bundle` at `now`, and returns whose it is.
///
/// # Errors
/// The first broken rule.
pub fn validate_x509_svid(
    chain: &[CertificateDer<'_>],
    bundle: &TrustBundle,
    usage: Usage,
    now: SystemTime,
) -> Result<SpiffeId, SvidError> {
    let (leaf, intermediates) = chain.split_first().ok_or(SvidError::NoCertificate)?;
    let parsed = chain::parse(leaf).map_err(SvidError::Damaged)?;
    let identity = identity(&parsed)?;
    check_trust_domain(&identity, bundle.trust_domain())?;
    check_name_critical(&parsed)?;
    check_not_ca(&parsed)?;
    check_key_usage(&parsed)?;
    check_extended_key_usage(&parsed)?;
    check_path(leaf, intermediates, bundle, usage, now)?;
    Ok(identity)
}

/// The one SPIFFE ID of a leaf certificate that has been validated before.
///
/// # Errors
/// When there is no certificate, or it has no name of that kind.
pub fn peer_spiffe_id(chain: &[CertificateDer<'_>]) -> Result<SpiffeId, SvidError> {
    let leaf = chain.first().ok_or(SvidError::NoCertificate)?;
    let parsed = chain::parse(leaf).map_err(SvidError::Damaged)?;
    identity(&parsed)
}

fn identity(leaf: &X509Certificate<'_>) -> Result<SpiffeId, SvidError> {
    let uris = chain::uri_names(leaf).map_err(SvidError::Damaged)?;
    let [uri] = uris.as_slice() else {
        return Err(NameFault::Count(uris.len()).into());
    };
    let identity = SpiffeId::parse(uri).map_err(NameFault::NotSpiffe)?;
    if identity.path().is_empty() {
        return Err(NameFault::NoPath(identity).into());
    }
    Ok(identity)
}

fn check_trust_domain(identity: &SpiffeId, want: &TrustDomain) -> Result<(), NameFault> {
    if identity.trust_domain() == want {
        return Ok(());
    }
    Err(NameFault::OtherTrustDomain {
        got: identity.clone(),
        want: want.clone(),
    })
}

fn check_name_critical(leaf: &X509Certificate<'_>) -> Result<(), SvidError> {
    let names = leaf.subject_alternative_name().map_err(damaged)?;
    let critical = names.is_some_and(|names| names.critical);
    let has_subject = leaf.subject().iter().next().is_some();
    if critical || has_subject {
        return Ok(());
    }
    Err(NameFault::NotCritical.into())
}

fn check_not_ca(leaf: &X509Certificate<'_>) -> Result<(), SvidError> {
    let constraints = leaf.basic_constraints().map_err(damaged)?;
    if constraints.is_some_and(|constraints| constraints.value.ca) {
        return Err(rights("basic constraints", "say that it is a CA"));
    }
    Ok(())
}

fn check_key_usage(leaf: &X509Certificate<'_>) -> Result<(), SvidError> {
    const FIELD: &str = "key usage";
    let usage = leaf.key_usage().map_err(damaged)?;
    let usage = usage.ok_or_else(|| rights(FIELD, "is missing"))?;
    if !usage.critical {
        return Err(rights(FIELD, "is not critical"));
    }
    if !usage.value.digital_signature() {
        return Err(rights(FIELD, "lacks digitalSignature"));
    }
    if usage.value.key_cert_sign() {
        return Err(rights(FIELD, "has keyCertSign"));
    }
    if usage.value.crl_sign() {
        return Err(rights(FIELD, "has cRLSign"));
    }
    Ok(())
}

fn check_extended_key_usage(leaf: &X509Certificate<'_>) -> Result<(), SvidError> {
    const FIELD: &str = "extended key usage";
    let Some(usage) = leaf.extended_key_usage().map_err(damaged)? else {
        return Ok(());
    };
    if !usage.value.server_auth {
        return Err(rights(FIELD, "lacks serverAuth"));
    }
    if !usage.value.client_auth {
        return Err(rights(FIELD, "lacks clientAuth"));
    }
    Ok(())
}

fn rights(field: &'static str, fault: &'static str) -> SvidError {
    SvidError::Rights { field, fault }
}

fn damaged(error: x509_parser::error::X509Error) -> SvidError {
    SvidError::Damaged(error.to_string())
}

fn check_path(
    leaf: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    bundle: &TrustBundle,
    usage: Usage,
    now: SystemTime,
) -> Result<(), SvidError> {
    let end_entity = EndEntityCert::try_from(leaf).map_err(SvidError::Untrusted)?;
    let verify = |anchors: &[TrustAnchor<'_>]| {
        let path = verify(&end_entity, intermediates, anchors, usage, now)?;
        Ok(check_intermediates(&path, bundle.trust_domain()))
    };
    match verify(&bundle.current_anchors(now)) {
        Ok(checked) => checked,
        // Only for the message: is it the root's date that is in the way?
        Err(_) if verify(bundle.anchors()).is_ok() => Err(SvidError::RootNotCurrent),
        Err(error) => Err(SvidError::Untrusted(error)),
    }
}

fn verify<'a>(
    leaf: &'a EndEntityCert<'a>,
    intermediates: &'a [CertificateDer<'a>],
    anchors: &'a [TrustAnchor<'a>],
    usage: Usage,
    now: SystemTime,
) -> Result<VerifiedPath<'a>, webpki::Error> {
    let usage = match usage {
        Usage::Client => KeyUsage::client_auth(),
        Usage::Server => KeyUsage::server_auth(),
    };
    leaf.verify_for_usage(
        webpki::ALL_VERIFICATION_ALGS,
        anchors,
        intermediates,
        dates::to_webpki(now),
        usage,
        None,
        None,
    )
}

/// webpki takes an intermediate without keyCertSign, and one that names another trust domain.
fn check_intermediates(
    path: &VerifiedPath<'_>,
    trust_domain: &TrustDomain,
) -> Result<(), SvidError> {
    for certificate in path.intermediate_certificates() {
        let facts = chain::facts(&certificate.der())
            .map_err(|error| SvidError::Intermediate(error.to_string()))?;
        check_signing(&facts, trust_domain).map_err(SvidError::Intermediate)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
