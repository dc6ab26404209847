//! What is taken from a request: the public key, the wished lifetime, the identity if one is named.

use std::time::Duration;

use mesh_model::ident::{IdentError, SpiffeId};
use mesh_pki::csr::{self, CsrError};
use mesh_pki::key::PublicKey;
use mesh_proto::istio_ca::IstioCertificateRequest;
use prost_types::value::Kind;

/// Metadata by which a caller names an identity other than its own.
// istio: security.ImpersonatedIdentity
const IMPERSONATED: &str = "ImpersonatedIdentity";

/// Why a request is refused.
#[derive(Debug, thiserror::Error)]
pub enum BadRequest {
    /// The PKCS#10 part.
    #[error("csr: {0}")]
    Csr(#[from] CsrError),
    /// The identity in the metadata.
    #[error("metadata.{IMPERSONATED}: {0}")]
    Identity(#[from] IdentError),
}

/// A request once it was read and its signature was checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateRequest {
    /// The key to certify.
    pub key: PublicKey,
    /// The wished lifetime; the default if none.
    pub lifetime: Option<Duration>,
    /// An identity that the caller names; its own if none.
    pub identity: Option<SpiffeId>,
}

impl TryFrom<&IstioCertificateRequest> for CertificateRequest {
    type Error = BadRequest;

    fn try_from(request: &IstioCertificateRequest) -> Result<Self, BadRequest> {
        // istio: zero and less ask for the default.
        let seconds = u64::try_from(request.validity_duration).unwrap_or_default();
        Ok(Self {
            key: csr::public_key_of(&request.csr)?,
            lifetime: (seconds > 0).then(|| Duration::from_secs(seconds)),
            identity: named_identity(request)?,
        })
    }
}

fn named_identity(request: &IstioCertificateRequest) -> Result<Option<SpiffeId>, IdentError> {
    let fields = request.metadata.as_ref().map(|metadata| &metadata.fields);
    match fields.and_then(|fields| fields.get(IMPERSONATED)) {
        None => Ok(None),
        Some(value) => match &value.kind {
            Some(Kind::StringValue(text)) => SpiffeId::parse(text).map(Some),
            _ => Err(IdentError::Scheme(String::from("a value that is no text"))),
        },
    }
}

#[cfg(test)]
mod tests;
