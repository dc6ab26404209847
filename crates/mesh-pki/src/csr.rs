//! Certificate requests (PKCS#10): ours, and what we take from those of others.
//!
//! From a request only the public key is taken, after its own signature proved that the sender
//! holds the private half. Names, CA flags and other extensions that it asks for are never copied;
//! requests that carry them are not refused, because many tools add them on their own.

use mesh_model::ident::SpiffeId;
use rcgen::{CertificateParams, DistinguishedName, SanType};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::pem::parse_x509_pem;
use x509_parser::prelude::FromDer;

use crate::key::{Key, KeyError, PublicKey};

/// PEM labels of a request; the second is what Java's keytool writes.
const LABELS: [&str; 2] = ["CERTIFICATE REQUEST", "NEW CERTIFICATE REQUEST"];

/// Why a request is refused, or could not be made.
#[derive(Debug, thiserror::Error)]
pub enum CsrError {
    /// The text holds no PEM block.
    #[error("the certificate request is not in PEM form")]
    Pem,
    /// The PEM block holds something else.
    #[error("a PEM block {0:?} found where CERTIFICATE REQUEST is expected")]
    Label(String),
    /// The content is no PKCS#10 request.
    #[error("the certificate request is damaged")]
    Damaged,
    /// The sender did not prove that it holds the private key.
    #[error("the certificate request's own signature is not valid: {0}")]
    Signature(String),
    /// The public key is not accepted.
    #[error("the certificate request's key is refused: {0}")]
    Key(#[from] KeyError),
    /// Ours could not be written.
    #[error("the certificate request could not be made: {0}")]
    Make(String),
}

/// Makes a request in PEM for `identity` over `key`.
///
/// # Errors
/// [`CsrError::Make`].
pub fn create(key: &Key, identity: &SpiffeId) -> Result<String, CsrError> {
    let failed = |error: rcgen::Error| CsrError::Make(error.to_string());
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    let uri = identity.to_string().try_into().map_err(failed)?;
    params.subject_alt_names = vec![SanType::URI(uri)];
    let request = params.serialize_request(key.pair()).map_err(failed)?;
    request.pem().map_err(failed)
}

/// Reads a request in PEM, checks its signature, and returns its public key.
///
/// # Errors
/// The [`CsrError`] that names the first broken rule.
pub fn public_key_of(pem: &str) -> Result<PublicKey, CsrError> {
    let (_, block) = parse_x509_pem(pem.as_bytes()).map_err(|_| CsrError::Pem)?;
    if !LABELS.contains(&block.label.as_str()) {
        return Err(CsrError::Label(block.label));
    }
    let (rest, request) =
        X509CertificationRequest::from_der(&block.contents).map_err(|_| CsrError::Damaged)?;
    if !rest.is_empty() {
        return Err(CsrError::Damaged);
    }
    let key = PublicKey::from_spki(request.certification_request_info.subject_pki.raw)?;
    request
        .verify_signature()
        .map_err(|error| CsrError::Signature(error.to_string()))?;
    Ok(key)
}

#[cfg(test)]
mod tests;
