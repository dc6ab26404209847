//! What a leaf certificate says, from an identity, a public key and a signer.
//!
//! Everything is set here: the signing library's own defaults (a validity of two thousand years, a
//! serial number derived from the key, a common name) must not show through. `lint` looks again.

use std::time::{Duration, SystemTime};

use mesh_model::ident::SpiffeId;
use mesh_model::name::{BadHostname, Hostname};
use rcgen::{
    CertificateParams, DistinguishedName, ExtendedKeyUsagePurpose, IsCa, KeyUsagePurpose, SanType,
    SerialNumber,
};

use crate::chain::{self, CertificateFacts};
use crate::dates;
use crate::key::PublicKey;

/// How far the start of validity lies in the past, for peers whose clock is behind.
// istio: newest istiod's CA backdates by two minutes as well.
pub const BACKDATE: Duration = Duration::from_secs(120);

/// Why no certificate can be drawn up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// The signer's own certificate is not valid now.
    #[error("the signing certificate is not valid now; its validity ended at {not_after:?}")]
    SignerNotCurrent {
        /// When it expired, or will expire if it is not yet valid.
        not_after: SystemTime,
    },
    /// The identity has no path, so it is the trust domain's and no workload's.
    #[error("{0} is the identity of a trust domain; a leaf needs a path")]
    NoPath(SpiffeId),
    /// The library or the clock refuses a value.
    #[error("the certificate cannot be drawn up: {0}")]
    Value(String),
    /// No randomness.
    #[error("the system gives no random numbers")]
    Random,
}

/// A certificate's serial number: 128 random bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Serial([u8; 16]);

impl Serial {
    /// Draws a number.
    ///
    /// # Errors
    /// [`TemplateError::Random`].
    pub fn random() -> Result<Self, TemplateError> {
        let mut bytes = [0; 16];
        aws_lc_rs::rand::fill(&mut bytes).map_err(|_| TemplateError::Random)?;
        Ok(Self(bytes))
    }

    /// A number with the given bytes, for tests.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    pub(crate) fn to_rcgen(&self) -> SerialNumber {
        SerialNumber::from_slice(&self.0)
    }
}

/// A name in the DNS of a server whose clients know it by that alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsName(String);

impl DnsName {
    /// Parses a whole name: no wildcard, no address.
    ///
    /// # Errors
    /// [`BadHostname`].
    pub fn parse(text: &str) -> Result<Self, BadHostname> {
        let name = Hostname::parse(text)?;
        let is_address = text.parse::<std::net::IpAddr>().is_ok();
        if name.is_wildcard() || is_address {
            return Err(BadHostname(text.to_owned()));
        }
        Ok(Self(name.as_str().to_owned()))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What a leaf is to stand for.
#[derive(Debug, Clone)]
pub struct Profile {
    /// Its one name in the mesh.
    pub identity: SpiffeId,
    /// What else it is called by clients outside of the mesh, such as Kubernetes' API server.
    pub dns_names: Vec<DnsName>,
    /// Whose key it certifies.
    pub key: PublicKey,
    /// How long it is valid from now, at most.
    pub lifetime: Duration,
    /// Its serial number.
    pub serial: Serial,
}

/// A leaf that is complete but for its signature.
#[derive(Debug, Clone)]
pub struct ToBeSigned {
    identity: SpiffeId,
    dns_names: Vec<DnsName>,
    key: PublicKey,
    not_before: SystemTime,
    not_after: SystemTime,
    params: CertificateParams,
}

impl ToBeSigned {
    /// Its name.
    #[must_use]
    pub fn identity(&self) -> &SpiffeId {
        &self.identity
    }

    /// What else it is called.
    #[must_use]
    pub fn dns_names(&self) -> &[DnsName] {
        &self.dns_names
    }

    /// The key it certifies.
    #[must_use]
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// Start of validity, in whole seconds.
    #[must_use]
    pub fn not_before(&self) -> SystemTime {
        self.not_before
    }

    /// Last second of validity.
    #[must_use]
    pub fn not_after(&self) -> SystemTime {
        self.not_after
    }

    /// Its serial number in hexadecimal.
    #[must_use]
    pub fn serial_hex(&self) -> String {
        let serial = self.params.serial_number.as_ref();
        serial.map_or_else(String::new, |serial| chain::hex(serial.as_ref()))
    }

    pub(crate) fn params(&self) -> &CertificateParams {
        &self.params
    }
}

/// Draws up a leaf for `profile` under `signer` at `now`.
///
/// The end of validity is never later than the signer's.
///
/// # Errors
/// [`TemplateError::SignerNotCurrent`] when nothing that the signer signs would be believed.
pub fn leaf(
    profile: &Profile,
    signer: &CertificateFacts,
    now: SystemTime,
) -> Result<ToBeSigned, TemplateError> {
    if profile.identity.path().is_empty() {
        return Err(TemplateError::NoPath(profile.identity.clone()));
    }
    if !signer.is_current(now) {
        let not_after = signer.not_after;
        return Err(TemplateError::SignerNotCurrent { not_after });
    }
    let (not_before, not_after) = validity(profile.lifetime, signer, now);
    Ok(ToBeSigned {
        identity: profile.identity.clone(),
        dns_names: profile.dns_names.clone(),
        key: profile.key.clone(),
        not_before,
        not_after,
        params: params(profile, not_before, not_after)?,
    })
}

fn validity(
    lifetime: Duration,
    signer: &CertificateFacts,
    now: SystemTime,
) -> (SystemTime, SystemTime) {
    let start = now.checked_sub(BACKDATE).unwrap_or(now);
    let end = now.checked_add(lifetime).unwrap_or(signer.not_after);
    let (start, end) = (start.max(signer.not_before), end.min(signer.not_after));
    (dates::whole_seconds(start), dates::whole_seconds(end))
}

fn params(
    profile: &Profile,
    not_before: SystemTime,
    not_after: SystemTime,
) -> Result<CertificateParams, TemplateError> {
    let date = |moment| {
        dates::to_asn1(moment).ok_or_else(|| TemplateError::Value("a date is out of range".into()))
    };
    let ascii = |text: &str| {
        let made = text.to_owned().try_into();
        made.map_err(|error: rcgen::Error| TemplateError::Value(error.to_string()))
    };
    let mut names = vec![SanType::URI(ascii(&profile.identity.to_string())?)];
    for name in &profile.dns_names {
        names.push(SanType::DnsName(ascii(name.as_str())?));
    }
    let mut params = CertificateParams::default();
    params.serial_number = Some(profile.serial.to_rcgen());
    params.not_before = date(not_before)?.to_datetime();
    params.not_after = date(not_after)?.to_datetime();
    // Empty, which makes the library mark the subject alternative name critical (RFC 5280 4.2.1.6).
    params.distinguished_name = DistinguishedName::new();
    params.subject_alt_names = names;
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::ClientAuth,
    ];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

#[cfg(test)]
mod tests;
