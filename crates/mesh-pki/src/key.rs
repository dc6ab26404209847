//! Key pairs and public keys.
//!
//! We make ECDSA P-256 keys; public keys of others may also be P-384 or RSA of 2048 bits and more.
//! A private key is never printed: its `Debug` says only that there is one.

use std::fmt;

use rcgen::PublicKeyData;
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use x509_parser::oid_registry::{
    OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_PKCS1_RSAENCRYPTION,
};
use x509_parser::prelude::FromDer;
use x509_parser::public_key::PublicKey as ParsedKey;
use x509_parser::x509::SubjectPublicKeyInfo;

/// RSA keys shorter than this are refused.
const MIN_RSA_BITS: usize = 2048;
/// RSA keys longer than this are refused, because checking with them costs too much.
const MAX_RSA_BITS: usize = 8192;

/// Why a key cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The text holds no private key that can be read.
    #[error("no private key in PEM form found (encrypted keys are not supported)")]
    NoKey,
    /// The key is damaged or of a kind that cannot sign certificates.
    #[error("the private key cannot be used: {0}")]
    Unusable(String),
    /// The cryptographic library failed to make a key.
    #[error("no key could be made: {0}")]
    Generate(String),
    /// The public key is not one that mesh certifies.
    #[error("{0}; accepted are EC P-256, EC P-384 and RSA from 2048 to 8192 bits")]
    Refused(String),
}

/// A private key with its public half.
pub struct Key(rcgen::KeyPair);

impl Key {
    /// Makes a new ECDSA P-256 key.
    ///
    /// # Errors
    /// [`KeyError::Generate`] when the system gives no randomness.
    pub fn generate() -> Result<Self, KeyError> {
        rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)
            .map(Self)
            .map_err(|error| KeyError::Generate(error.to_string()))
    }

    /// Reads the first private key (PKCS#8, SEC1 or PKCS#1) of a PEM text.
    ///
    /// # Errors
    /// [`KeyError::NoKey`] or [`KeyError::Unusable`].
    pub fn from_pem(text: &str) -> Result<Self, KeyError> {
        let der = PrivateKeyDer::from_pem_slice(text.as_bytes()).map_err(|_| KeyError::NoKey)?;
        rcgen::KeyPair::try_from(&der)
            .map(Self)
            .map_err(|error| KeyError::Unusable(error.to_string()))
    }

    /// The private key as PKCS#8 in PEM. The text is secret.
    #[must_use]
    pub fn to_pem(&self) -> String {
        self.0.serialize_pem()
    }

    /// The private key as PKCS#8 in DER.
    #[must_use]
    pub fn to_der(&self) -> PrivateKeyDer<'static> {
        PrivatePkcs8KeyDer::from(self.0.serialize_der()).into()
    }

    /// The public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey {
            spki: self.0.subject_public_key_info(),
        }
    }

    pub(crate) fn pair(&self) -> &rcgen::KeyPair {
        &self.0
    }

    pub(crate) fn into_pair(self) -> rcgen::KeyPair {
        self.0
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(secret)")
    }
}

/// A public key of a kind that mesh certifies.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// DER of the SubjectPublicKeyInfo.
    spki: Vec<u8>,
}

impl PublicKey {
    /// Reads a SubjectPublicKeyInfo and checks kind and strength.
    ///
    /// # Errors
    /// [`KeyError::Refused`] with the reason.
    pub fn from_spki(der: &[u8]) -> Result<Self, KeyError> {
        let refused = |why: &str| KeyError::Refused(why.to_owned());
        let (rest, spki) =
            SubjectPublicKeyInfo::from_der(der).map_err(|_| refused("no public key"))?;
        if !rest.is_empty() {
            return Err(refused("bytes follow the public key"));
        }
        check_strength(&spki)?;
        rcgen::SubjectPublicKeyInfo::from_der(der)
            .map_err(|_| refused("the public key's algorithm is written in an unknown way"))?;
        Ok(Self {
            spki: der.to_owned(),
        })
    }

    /// The DER of the SubjectPublicKeyInfo.
    #[must_use]
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    pub(crate) fn to_rcgen(&self) -> Result<rcgen::SubjectPublicKeyInfo, rcgen::Error> {
        rcgen::SubjectPublicKeyInfo::from_der(&self.spki)
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({} bytes)", self.spki.len())
    }
}

fn check_strength(spki: &SubjectPublicKeyInfo<'_>) -> Result<(), KeyError> {
    let kind = &spki.algorithm.algorithm;
    if *kind == OID_KEY_TYPE_EC_PUBLIC_KEY {
        return check_curve(spki);
    }
    if *kind == OID_PKCS1_RSAENCRYPTION {
        return check_rsa(spki);
    }
    Err(KeyError::Refused(format!("key algorithm {kind}")))
}

fn check_curve(spki: &SubjectPublicKeyInfo<'_>) -> Result<(), KeyError> {
    let parameters = spki.algorithm.parameters.as_ref();
    let curve = parameters.and_then(|parameters| parameters.as_oid().ok());
    match curve {
        Some(curve) if curve == OID_EC_P256 || curve == OID_NIST_EC_P384 => Ok(()),
        Some(curve) => Err(KeyError::Refused(format!("elliptic curve {curve}"))),
        None => Err(KeyError::Refused("an elliptic curve without a name".into())),
    }
}

fn check_rsa(spki: &SubjectPublicKeyInfo<'_>) -> Result<(), KeyError> {
    let Ok(ParsedKey::RSA(key)) = spki.parsed() else {
        return Err(KeyError::Refused("a damaged RSA key".into()));
    };
    // Counted here: the parser's own size assumes that a leading zero byte is always there.
    let bits = match key.modulus.iter().position(|byte| *byte != 0) {
        Some(at) => {
            let head = key.modulus.get(at).map_or(0, |byte| byte.leading_zeros());
            (key.modulus.len() - at) * 8 - head as usize
        }
        None => 0,
    };
    if !(MIN_RSA_BITS..=MAX_RSA_BITS).contains(&bits) {
        return Err(KeyError::Refused(format!("an RSA key of {bits} bits")));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
