//! What an agent must be told; `flags` says how a process is told it.

use std::path::PathBuf;

use mesh_model::ident::{IdentError, ServiceAccount, SpiffeId, TrustDomain};

/// Namespace of the mesh's own components.
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
    /// None that a caller can cause.
    pub fn citadel(&self) -> Result<SpiffeId, IdentError> {
        citadel(&self.trust_domain)
    }
}

/// Citadel's identity in a trust domain.
///
/// # Errors
/// None that a caller can cause.
pub fn citadel(trust_domain: &TrustDomain) -> Result<SpiffeId, IdentError> {
    let account = ServiceAccount::new(SYSTEM_NAMESPACE, CITADEL_ACCOUNT)?;
    Ok(SpiffeId::of_workload(trust_domain, &account))
}
