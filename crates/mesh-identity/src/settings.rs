//! What an agent must be told; `flags` says how a process is told it.

use std::path::PathBuf;

use mesh_model::ident::{IdentError, ServiceAccount, SpiffeId, TrustDomain};

/// Namespace of the mesh's own components where nothing else is said.
pub const SYSTEM_NAMESPACE: &str = "istio-system";
/// Service account of the certificate authority.
pub const CITADEL_ACCOUNT: &str = "istio-citadel-service-account";

/// Whose identity to obtain, from where, and by which proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentitySettings {
    /// Trust domain of the mesh.
    pub trust_domain: TrustDomain,
    /// The service account to be.
    pub account: ServiceAccount,
    /// Namespace of the mesh's own components, among them citadel.
    pub mesh_namespace: String,
    /// Where citadel listens, `HOST:PORT`.
    pub ca_address: String,
    /// PEM file with the roots of the mesh; it is read again when it changes.
    pub ca_root: PathBuf,
    /// File with the token that proves the account to citadel; it is read for each request.
    pub token_file: PathBuf,
}

impl IdentitySettings {
    /// The identity to obtain.
    #[must_use]
    pub fn identity(&self) -> SpiffeId {
        SpiffeId::of_workload(&self.trust_domain, &self.account)
    }

    /// The identity that citadel must show.
    ///
    /// # Errors
    /// When the mesh's namespace is none.
    pub fn citadel(&self) -> Result<SpiffeId, IdentError> {
        citadel(&self.trust_domain, &self.mesh_namespace)
    }
}

/// Citadel's identity in a trust domain, for a mesh of this namespace.
///
/// # Errors
/// When the namespace is none.
pub fn citadel(trust_domain: &TrustDomain, namespace: &str) -> Result<SpiffeId, IdentError> {
    let account = ServiceAccount::new(namespace, CITADEL_ACCOUNT)?;
    Ok(SpiffeId::of_workload(trust_domain, &account))
}
