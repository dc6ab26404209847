//! A workload's identity as a value, and the place where the current one is found.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use arc_swap::ArcSwap;
use mesh_model::ident::SpiffeId;
use mesh_model::time::Clock;
use rustls::sign::CertifiedKey;
use rustls_pki_types::{CertificateDer, UnixTime};

use crate::bundle::TrustBundle;
use crate::chain::{self, CertificateFacts, ChainError};
use crate::dates;
use crate::judge::Judge;
use crate::key::Key;
use crate::svid::{self, SvidError, Usage};
use crate::tls;

/// Why certificate, key and bundle are no identity.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The chain is not one that peers with this bundle would accept.
    #[error(transparent)]
    Chain(#[from] SvidError),
    /// The leaf cannot be read.
    #[error(transparent)]
    Leaf(#[from] ChainError),
    /// The key is not the leaf's.
    #[error("the private key does not belong to the certificate")]
    KeyMismatch,
    /// The TLS library refuses the key.
    #[error("the private key cannot be used for TLS: {0}")]
    Key(#[source] rustls::Error),
}

/// A certificate chain with its key, and the roots by which others are judged.
///
/// Key and leaf belong together, and the chain was valid under the bundle when this was made.
#[derive(Clone)]
pub struct Identity {
    leaf: CertificateFacts,
    spiffe_id: SpiffeId,
    judge: Arc<Judge>,
    certified: Arc<CertifiedKey>,
}

impl Identity {
    /// Joins a chain (leaf first, without the root), its key and a bundle.
    ///
    /// # Errors
    /// When they do not belong together, or peers would refuse the chain at `now`.
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: &Key,
        bundle: Arc<TrustBundle>,
        now: SystemTime,
    ) -> Result<Self, IdentityError> {
        let spiffe_id = svid::validate_x509_svid(&chain, &bundle, Usage::Server, now)?;
        let leaf = chain::facts(chain.first().ok_or(SvidError::NoCertificate)?)?;
        if leaf.spki != key.public().spki() {
            return Err(IdentityError::KeyMismatch);
        }
        let signing = tls::provider()
            .key_provider
            .load_private_key(key.to_der())
            .map_err(IdentityError::Key)?;
        Ok(Self {
            leaf,
            spiffe_id,
            judge: Arc::new(Judge::new(bundle)),
            certified: Arc::new(CertifiedKey::new(chain, signing)),
        })
    }

    /// The same certificate and key with other roots.
    #[must_use]
    pub fn with_bundle(&self, bundle: Arc<TrustBundle>) -> Self {
        Self {
            judge: Arc::new(Judge::new(bundle)),
            ..self.clone()
        }
    }

    /// Whose identity it is.
    #[must_use]
    pub fn spiffe_id(&self) -> &SpiffeId {
        &self.spiffe_id
    }

    /// The certificates, leaf first.
    #[must_use]
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.certified.cert
    }

    /// What the leaf says.
    #[must_use]
    pub fn leaf(&self) -> &CertificateFacts {
        &self.leaf
    }

    /// Last second of the leaf's validity.
    #[must_use]
    pub fn not_after(&self) -> SystemTime {
        self.leaf.not_after
    }

    /// The roots by which peers are judged.
    #[must_use]
    pub fn bundle(&self) -> &Arc<TrustBundle> {
        self.judge.bundle()
    }

    pub(crate) fn judge(&self) -> &Arc<Judge> {
        &self.judge
    }

    pub(crate) fn certified(&self) -> &Arc<CertifiedKey> {
        &self.certified
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("spiffe_id", &self.spiffe_id)
            .field("serial", &self.leaf.serial_hex())
            .field("not_after", &self.leaf.not_after)
            .field("bundle", &self.judge)
            .finish_non_exhaustive()
    }
}

/// Where the current identity is found. Clones share it.
///
/// TLS configurations made from it look it up at each handshake, so that a renewal reaches the next
/// handshake and touches no connection.
#[derive(Clone)]
pub struct LiveIdentity(Arc<Live>);

struct Live {
    current: ArcSwap<Identity>,
    clock: Arc<dyn Clock>,
}

impl LiveIdentity {
    /// Starts with a first identity; `clock` says when peers are judged.
    #[must_use]
    pub fn new(identity: Identity, clock: Arc<dyn Clock>) -> Self {
        let current = ArcSwap::from_pointee(identity);
        Self(Arc::new(Live { current, clock }))
    }

    /// The identity in force.
    #[must_use]
    pub fn current(&self) -> Arc<Identity> {
        self.0.current.load_full()
    }

    /// Puts another identity in force for handshakes from now on.
    pub fn replace(&self, identity: Identity) {
        self.0.current.store(Arc::new(identity));
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.0.clock
    }
}

impl fmt::Debug for LiveIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LiveIdentity")
            .field(&self.current())
            .finish()
    }
}

/// A clock for the TLS library.
pub(crate) struct TlsClock(pub(crate) Arc<dyn Clock>);

impl rustls::time_provider::TimeProvider for TlsClock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(dates::to_webpki(self.0.wall()))
    }
}

impl fmt::Debug for TlsClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsClock")
    }
}

#[cfg(test)]
mod tests;
