//! Who signs: the CA's key, the roots that are handed out, and a double for rehearsals.

pub mod file;
mod parts;
pub mod secret;

use std::sync::Arc;

use mesh_pki::CertificateDer;
use mesh_pki::bundle::TrustBundle;
use mesh_pki::ca::{Ca, CaError};
use mesh_pki::chain::CertificateFacts;
use mesh_pki::key::Key;
use mesh_pki::template::ToBeSigned;

/// A CA with the roots that it hands out: it is one of them, or signed by one, or by others below it.
#[derive(Debug)]
pub struct Signer {
    ca: Ca,
    rehearsal: Ca,
    /// What peers need besides a leaf: ours if we are no root, and those between us and a root.
    above: Vec<CertificateDer<'static>>,
    bundle: Arc<TrustBundle>,
}

impl Signer {
    /// Joins a CA and the roots; `throwaway` is the key of rehearsals.
    ///
    /// # Errors
    /// [`CaError::Sign`] when the rehearsal cannot be set up.
    pub fn new(ca: Ca, throwaway: Key, bundle: Arc<TrustBundle>) -> Result<Self, CaError> {
        let above = match bundle.roots().contains(ca.facts()) {
            true => Vec::new(),
            false => vec![ca.facts().der.clone()],
        };
        Ok(Self {
            rehearsal: ca.rehearsal(throwaway)?,
            ca,
            above,
            bundle,
        })
    }

    /// The same, below `issuers`, which lead to a root.
    #[must_use]
    pub fn below(mut self, issuers: Vec<CertificateDer<'static>>) -> Self {
        self.above.extend(issuers);
        self
    }

    /// The certificates that lead from a leaf to a root, without both.
    #[must_use]
    pub fn above(&self) -> &[CertificateDer<'static>] {
        &self.above
    }

    /// A leaf's chain as servers and clients show it.
    #[must_use]
    pub fn chain_of(&self, leaf: &CertificateDer<'static>) -> Vec<CertificateDer<'static>> {
        let leaf = std::iter::once(leaf);
        leaf.chain(&self.above).cloned().collect()
    }

    /// What the signing certificate says.
    #[must_use]
    pub fn certificate(&self) -> &CertificateFacts {
        self.ca.facts()
    }

    /// The roots of the mesh.
    #[must_use]
    pub fn bundle(&self) -> &Arc<TrustBundle> {
        &self.bundle
    }

    pub(crate) fn rehearse(&self, leaf: &ToBeSigned) -> Result<CertificateDer<'static>, CaError> {
        self.rehearsal.sign(leaf)
    }

    /// Reachable only by who holds an issue token: see `issue::issue`.
    pub(crate) fn sign(&self, leaf: &ToBeSigned) -> Result<CertificateDer<'static>, CaError> {
        self.ca.sign(leaf)
    }
}
