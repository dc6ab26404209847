//! Certificates that were not issued by the mesh: what a gateway shows to clients from outside, and
//! the roots by which it judges theirs. Nothing here is about identities of workloads.

use std::fmt;
use std::sync::Arc;

use rustls::RootCertStore;
use rustls::sign::CertifiedKey;
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;

use crate::chain::{self, CertificateFacts, ChainError};
use crate::tls;

/// Why certificates and keys cannot be used. No content is repeated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CredentialError {
    /// The text is none.
    #[error("it is no text in PEM form")]
    NoText,
    /// The certificates cannot be read.
    #[error("the certificate: {0}")]
    Certificate(ChainError),
    /// There is no private key.
    #[error("no private key in PEM form found")]
    NoKey,
    /// The key is of a kind that is not used.
    #[error("the private key is of no kind that TLS uses here")]
    KeyUnusable,
    /// They do not belong together.
    #[error("the private key does not belong to the certificate")]
    KeyMismatch,
    /// The roots cannot be read.
    #[error("the CA certificates: {0}")]
    Roots(ChainError),
    /// A root is none that chains can be judged by.
    #[error("the CA certificates: one of them cannot be used as a root")]
    NoRoot,
}

/// A certificate chain with its key.
///
/// They belong together. Two with the same chain are equal, as a certificate has one key.
#[derive(Clone)]
pub struct Credential(Arc<Content>);

struct Content {
    chain: Box<str>,
    key: Box<str>,
    leaf: CertificateFacts,
    certified: Arc<CertifiedKey>,
}

impl Credential {
    /// Reads a chain (leaf first) and its key in PEM.
    ///
    /// # Errors
    /// [`CredentialError`] when they cannot be used, or not together.
    pub fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, CredentialError> {
        let (chain, key) = (text(chain)?, text(key)?);
        let certificates = chain::from_pem(chain).map_err(CredentialError::Certificate)?;
        let first = certificates.first();
        let first = first.ok_or(CredentialError::Certificate(ChainError::Empty))?;
        let leaf = chain::facts(first).map_err(CredentialError::Certificate)?;
        let private =
            PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_| CredentialError::NoKey)?;
        let signing = tls::provider()
            .key_provider
            .load_private_key(private)
            .map_err(|_| CredentialError::KeyUnusable)?;
        let certified = CertifiedKey::new(certificates, signing);
        certified
            .keys_match()
            .map_err(|_| CredentialError::KeyMismatch)?;
        Ok(Self(Arc::new(Content {
            chain: chain.into(),
            key: key.into(),
            leaf,
            certified: Arc::new(certified),
        })))
    }

    /// The chain in PEM, leaf first.
    #[must_use]
    pub fn chain(&self) -> &str {
        &self.0.chain
    }

    /// The private key in PEM. The text is secret.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.0.key
    }

    /// What the leaf says.
    #[must_use]
    pub fn leaf(&self) -> &CertificateFacts {
        &self.0.leaf
    }

    pub(crate) fn certified(&self) -> &Arc<CertifiedKey> {
        &self.0.certified
    }
}

impl PartialEq for Credential {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.chain == other.0.chain
    }
}

impl Eq for Credential {}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credential")
            .field("serial", &self.0.leaf.serial_hex())
            .field("not_after", &self.0.leaf.not_after)
            .finish_non_exhaustive()
    }
}

/// Roots by which clients from outside are judged.
#[derive(Clone)]
pub struct ClientRoots {
    pem: Arc<str>,
    store: Arc<RootCertStore>,
}

impl ClientRoots {
    /// Reads roots in PEM.
    ///
    /// # Errors
    /// [`CredentialError`] when there is none, or one cannot be used.
    pub fn from_pem(pem: &[u8]) -> Result<Self, CredentialError> {
        let pem = text(pem)?;
        let mut store = RootCertStore::empty();
        for root in chain::from_pem(pem).map_err(CredentialError::Roots)? {
            store.add(root).map_err(|_| CredentialError::NoRoot)?;
        }
        Ok(Self {
            pem: pem.into(),
            store: Arc::new(store),
        })
    }

    /// The roots in PEM.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    pub(crate) fn store(&self) -> &Arc<RootCertStore> {
        &self.store
    }
}

impl PartialEq for ClientRoots {
    fn eq(&self, other: &Self) -> bool {
        self.pem == other.pem
    }
}

impl Eq for ClientRoots {}

impl fmt::Debug for ClientRoots {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClientRoots({})", self.store.len())
    }
}

fn text(bytes: &[u8]) -> Result<&str, CredentialError> {
    std::str::from_utf8(bytes).map_err(|_| CredentialError::NoText)
}

#[cfg(test)]
mod tests;
