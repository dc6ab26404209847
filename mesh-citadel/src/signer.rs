//! Who signs: the CA's key, the roots that are handed out, and a double for rehearsals.

pub mod file;

use std::sync::Arc;

use mesh_pki::CertificateDer;
use mesh_pki::bundle::TrustBundle;
use mesh_pki::ca::{Ca, CaError};
use mesh_pki::chain::CertificateFacts;
use mesh_pki::key::Key;
use mesh_pki::template::ToBeSigned;

/// A CA that is one of the roots it hands out.
#[derive(Debug)]
pub struct Signer {
    ca: Ca,
    rehearsal: Ca,
    bundle: Arc<TrustBundle>,
}

impl Signer {
    /// Joins a CA and the roots; `throwaway` is the key of rehearsals.
    ///
    /// # Errors
    /// [`CaError::Sign`] when the rehearsal cannot be set up.
    pub fn new(ca: Ca, throwaway: Key, bundle: Arc<TrustBundle>) -> Result<Self, CaError> {
        Ok(Self {
            rehearsal: ca.rehearsal(throwaway)?,
            ca,
            bundle,
        })
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
