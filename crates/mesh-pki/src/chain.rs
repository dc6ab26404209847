//! Certificates in PEM and DER, and what one certificate says.
//!
//! Reads and writes; whether a chain is to be believed is [`crate::svid`]'s business.

use std::time::SystemTime;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use x509_parser::certificate::X509Certificate;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::FromDer;

use crate::dates;

/// Why certificates cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// There is none.
    #[error("no certificate in PEM form found")]
    Empty,
    /// A PEM block is damaged.
    #[error("a PEM block is damaged: {0}")]
    Pem(String),
    /// The content of a block is no certificate.
    #[error("certificate {index} is damaged: {why}")]
    Damaged {
        /// Which one, counted from 0.
        index: usize,
        /// What is wrong with it.
        why: String,
    },
}

/// What a certificate says about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFacts {
    /// The certificate.
    pub der: CertificateDer<'static>,
    /// The subjectPublicKeyInfo in DER.
    pub spki: Vec<u8>,
    /// The serial number's bytes.
    pub serial: Vec<u8>,
    /// The URI names, in order.
    pub uris: Vec<String>,
    /// Whether it says that it is a CA.
    pub is_ca: bool,
    /// Whether its key usage allows signing certificates.
    pub signs_certificates: bool,
    /// Start of validity.
    pub not_before: SystemTime,
    /// Last second of validity.
    pub not_after: SystemTime,
}

impl CertificateFacts {
    /// The serial number in hexadecimal, without the zero byte that DER may put before it.
    #[must_use]
    pub fn serial_hex(&self) -> String {
        match self.serial.as_slice() {
            [0, number @ ..] if !number.is_empty() => hex(number),
            number => hex(number),
        }
    }

    /// Whether `now` lies within the validity.
    #[must_use]
    pub fn is_current(&self, now: SystemTime) -> bool {
        let now = dates::seconds(now);
        dates::seconds(self.not_before) <= now && now <= dates::seconds(self.not_after)
    }
}

/// Reads all certificates of a PEM text; other blocks and text between them are skipped.
///
/// # Errors
/// When there is none, or one is damaged.
pub fn from_pem(text: &str) -> Result<Vec<CertificateDer<'static>>, ChainError> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(text.as_bytes())
        .collect::<Result<_, _>>()
        .map_err(|error| ChainError::Pem(error.to_string()))?;
    if certificates.is_empty() {
        return Err(ChainError::Empty);
    }
    for (index, certificate) in certificates.iter().enumerate() {
        parse(certificate).map_err(|why| ChainError::Damaged { index, why })?;
    }
    Ok(certificates)
}

/// Writes a certificate as PEM.
#[must_use]
pub fn to_pem(certificate: &CertificateDer<'_>) -> String {
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new("CERTIFICATE", certificate.to_vec()), config)
}

/// Says what a certificate says.
///
/// # Errors
/// [`ChainError::Damaged`].
pub fn facts(certificate: &CertificateDer<'_>) -> Result<CertificateFacts, ChainError> {
    let damaged = |why: String| ChainError::Damaged { index: 0, why };
    let parsed = parse(certificate).map_err(damaged)?;
    let unreadable = |error: x509_parser::error::X509Error| damaged(error.to_string());
    let key_usage = parsed.key_usage().map_err(unreadable)?;
    let basic = parsed.basic_constraints().map_err(unreadable)?;
    let uris = uri_names(&parsed).map_err(damaged)?;
    Ok(CertificateFacts {
        der: certificate.clone().into_owned(),
        spki: parsed.public_key().raw.to_owned(),
        serial: parsed.raw_serial().to_owned(),
        uris: uris.into_iter().map(str::to_owned).collect(),
        is_ca: basic.is_some_and(|basic| basic.value.ca),
        signs_certificates: key_usage.is_some_and(|usage| usage.value.key_cert_sign()),
        not_before: dates::from_asn1(parsed.validity().not_before),
        not_after: dates::from_asn1(parsed.validity().not_after),
    })
}

/// Parses one certificate with nothing behind it.
pub(crate) fn parse<'a>(
    certificate: &'a CertificateDer<'_>,
) -> Result<X509Certificate<'a>, String> {
    match X509Certificate::from_der(certificate) {
        Ok(([], parsed)) => Ok(parsed),
        Ok(_) => Err("bytes follow it".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// The URI names of a certificate; a name that cannot be read counts as a damaged certificate.
pub(crate) fn uri_names<'a>(certificate: &'a X509Certificate<'_>) -> Result<Vec<&'a str>, String> {
    let names = certificate
        .subject_alternative_name()
        .map_err(|error| error.to_string())?;
    let mut uris = Vec::new();
    for name in names.iter().flat_map(|names| &names.value.general_names) {
        match name {
            GeneralName::URI(uri) => uris.push(*uri),
            GeneralName::Invalid(..) => return Err("a subject alternative name is damaged".into()),
            _ => {}
        }
    }
    Ok(uris)
}

/// Bytes in hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
