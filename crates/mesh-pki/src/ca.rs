//! A certificate authority as a value: its certificate, its key, and the act of signing.

use std::fmt;
use std::time::{Duration, SystemTime};

use mesh_model::ident::TrustDomain;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, IsCa, KeyUsagePurpose, SanType,
};
use rustls_pki_types::CertificateDer;

use crate::chain::{self, CertificateFacts, ChainError};
use crate::dates;
use crate::key::Key;
use crate::template::{BACKDATE, Serial, ToBeSigned};

/// How long a root that we make is valid.
// istio: CITADEL_SELF_SIGNED_CA_CERT_TTL, 87600 h
pub const ROOT_LIFETIME: Duration = Duration::from_secs(3650 * 24 * 3600);

/// Why a certificate authority cannot be used or made.
#[derive(Debug, thiserror::Error)]
pub enum CaError {
    /// Its certificate cannot be read.
    #[error(transparent)]
    Certificate(#[from] ChainError),
    /// Its certificate may not sign others.
    #[error("the certificate may not sign others: {0}")]
    NotCa(&'static str),
    /// Key and certificate do not belong together.
    #[error("the private key does not belong to the certificate")]
    KeyMismatch,
    /// Signing failed.
    #[error("signing failed: {0}")]
    Sign(String),
}

/// Certificate and key of an authority that signs leaves.
pub struct Ca {
    facts: CertificateFacts,
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
}

impl Ca {
    /// Joins a CA certificate and its key.
    ///
    /// # Errors
    /// When the certificate is no CA, or the key is another's.
    pub fn new(certificate: CertificateDer<'static>, key: Key) -> Result<Self, CaError> {
        let facts = chain::facts(&certificate)?;
        if !facts.is_ca {
            return Err(CaError::NotCa("basic constraints do not say CA"));
        }
        if !facts.signs_certificates {
            return Err(CaError::NotCa("key usage keyCertSign is missing"));
        }
        if facts.spki != key.public().spki() {
            return Err(CaError::KeyMismatch);
        }
        Self::assemble(facts, key)
    }

    /// Makes a self-signed root for a trust domain, valid for ten years.
    ///
    /// # Errors
    /// [`CaError::Sign`] when the library fails.
    pub fn create_root(
        trust_domain: &TrustDomain,
        key: Key,
        serial: Serial,
        now: SystemTime,
    ) -> Result<Self, CaError> {
        let params = root_params(trust_domain, serial, now)?;
        let certificate = params.self_signed(key.pair()).map_err(sign_error)?;
        Self::new(certificate.into(), key)
    }

    /// The same authority by name and dates, but with another key: what it signs passes every
    /// check of form and convinces nobody. For rehearsing a signature.
    ///
    /// # Errors
    /// [`CaError::Sign`] when the certificate cannot be read by the signing library.
    pub fn rehearsal(&self, throwaway: Key) -> Result<Self, CaError> {
        Self::assemble(self.facts.clone(), throwaway)
    }

    fn assemble(facts: CertificateFacts, key: Key) -> Result<Self, CaError> {
        let issuer = rcgen::Issuer::from_ca_cert_der(&facts.der, key.into_pair());
        Ok(Self {
            issuer: issuer.map_err(sign_error)?,
            facts,
        })
    }

    /// What its certificate says.
    #[must_use]
    pub fn facts(&self) -> &CertificateFacts {
        &self.facts
    }

    /// Signs.
    ///
    /// # Errors
    /// [`CaError::Sign`] when the library fails.
    pub fn sign(&self, certificate: &ToBeSigned) -> Result<CertificateDer<'static>, CaError> {
        let key = certificate.key().to_rcgen().map_err(sign_error)?;
        let signed = certificate.params().signed_by(&key, &self.issuer);
        Ok(signed.map_err(sign_error)?.into())
    }
}

impl fmt::Debug for Ca {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ca").field("facts", &self.facts).finish()
    }
}

fn sign_error(error: rcgen::Error) -> CaError {
    CaError::Sign(error.to_string())
}

fn root_params(
    trust_domain: &TrustDomain,
    serial: Serial,
    now: SystemTime,
) -> Result<CertificateParams, CaError> {
    let range = || CaError::Sign("the clock is out of range".into());
    let date = |at: Option<SystemTime>| at.and_then(dates::to_asn1).ok_or_else(range);
    let mut params = CertificateParams::default();
    params.serial_number = Some(serial.to_rcgen());
    params.not_before = date(now.checked_sub(BACKDATE))?.to_datetime();
    params.not_after = date(now.checked_add(ROOT_LIFETIME))?.to_datetime();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::OrganizationName, trust_domain.as_str());
    // X509-SVID: a signing certificate's identity is the trust domain's, without a path.
    let uri = format!("spiffe://{trust_domain}");
    params.subject_alt_names = vec![SanType::URI(uri.try_into().map_err(sign_error)?)];
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

#[cfg(test)]
mod tests;
