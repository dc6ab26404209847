//! The flags by which a process is told whose identity to obtain; docs/local-mesh.md lists them.

use std::path::PathBuf;

use mesh_model::ident::{IdentError, ServiceAccount, TrustDomain};

use crate::settings::{CITADEL_ACCOUNT, IdentitySettings, SYSTEM_NAMESPACE};

/// Flags that every process with an identity shares.
///
/// Defaults for namespace and account are the program's to give, with `mut_arg`.
#[derive(Debug, Clone, clap::Args)]
pub struct IdentityFlags {
    /// Trust domain of the mesh's identities
    #[arg(long, value_name = "NAME", default_value = "cluster.local")]
    pub trust_domain: String,
    /// Namespace of the identity to obtain
    #[arg(long, value_name = "NS")]
    pub namespace: String,
    /// Service account of the identity to obtain
    #[arg(long, value_name = "SA")]
    pub service_account: String,
    /// Namespace of the mesh's own components: where it was installed
    #[arg(long, value_name = "NS", default_value = SYSTEM_NAMESPACE)]
    pub mesh_namespace: String,
    /// Where citadel signs certificates
    #[arg(long, value_name = "HOST:PORT")]
    pub ca_address: String,
    /// PEM file of the mesh's roots
    #[arg(long, value_name = "FILE")]
    pub ca_root: PathBuf,
    /// File of the token that proves the identity to citadel
    #[arg(long, value_name = "FILE")]
    pub token_file: PathBuf,
}

/// A flag that no identity can be made of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{flag}: {error}")]
pub struct BadIdentity {
    /// The flag.
    pub flag: &'static str,
    /// What is wrong with its value.
    pub error: IdentError,
}

impl TryFrom<IdentityFlags> for IdentitySettings {
    type Error = BadIdentity;

    fn try_from(flags: IdentityFlags) -> Result<Self, BadIdentity> {
        let named = |flag| move |error| BadIdentity { flag, error };
        let account = ServiceAccount::new(&flags.namespace, &flags.service_account);
        // Held against the rules here, so that later it can be used without another look.
        ServiceAccount::new(&flags.mesh_namespace, CITADEL_ACCOUNT)
            .map_err(named("--mesh-namespace"))?;
        Ok(Self {
            trust_domain: TrustDomain::parse(&flags.trust_domain)
                .map_err(named("--trust-domain"))?,
            account: account.map_err(named("--namespace, --service-account"))?,
            mesh_namespace: flags.mesh_namespace,
            ca_address: flags.ca_address,
            ca_root: flags.ca_root,
            token_file: flags.token_file,
        })
    }
}

#[cfg(test)]
mod tests;
