//! What pilot is told by its flags.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use mesh_identity::IdentitySettings;
use mesh_model::ident::{IdentError, ServiceAccount, TrustDomain};

use crate::snapshot::view::MeshConstants;

/// The control plane of mesh: reads Istio configuration, serves Envoy's xDS to proxies.
#[derive(Debug, Clone, Parser)]
#[command(name = "mesh-pilot", version)]
pub struct Settings {
    /// Where proxies connect (gRPC over mutual TLS).
    #[arg(long, value_name = "HOST:PORT")]
    pub address: SocketAddr,
    /// Where the admin pages are served; keep it on loopback.
    #[arg(long, value_name = "HOST:PORT")]
    pub admin: SocketAddr,
    /// Folder with the configuration that users applied.
    #[arg(long, value_name = "DIR")]
    pub config_dir: PathBuf,
    /// Folder with Services, Pods and EndpointSlices.
    #[arg(long, value_name = "DIR")]
    pub cluster_dir: PathBuf,
    /// DNS suffix of services.
    #[arg(long, default_value = "cluster.local")]
    pub domain: String,
    /// Namespace of mesh-wide configuration.
    #[arg(long, default_value = "istio-system")]
    pub root_namespace: String,
    /// Trust domain of the mesh's identities.
    #[arg(long, default_value = "cluster.local")]
    pub trust_domain: String,
    /// Namespace that pilot runs in.
    #[arg(long, default_value = "istio-system")]
    pub namespace: String,
    /// Service account that pilot runs as.
    #[arg(long, default_value = "istio-pilot-service-account")]
    pub service_account: String,
    /// Where citadel signs certificates.
    #[arg(long, value_name = "HOST:PORT")]
    pub ca_address: String,
    /// PEM file of the mesh's roots.
    #[arg(long, value_name = "FILE")]
    pub ca_root: PathBuf,
    /// File of the token that proves pilot's identity to citadel.
    #[arg(long, value_name = "FILE")]
    pub token_file: PathBuf,
    /// What is logged: error, warn, info, debug, trace, or a list of target=level.
    #[arg(long, default_value = "info")]
    pub log_level: String,
    /// How log lines look.
    #[arg(long, value_enum, default_value_t)]
    pub log_format: LogFormat,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For machines.
    Json,
}

impl From<LogFormat> for mesh_runtime::log::Format {
    fn from(format: LogFormat) -> Self {
        match format {
            LogFormat::Text => Self::Text,
            LogFormat::Json => Self::Json,
        }
    }
}

impl Settings {
    /// What holds for the whole mesh.
    ///
    /// # Errors
    /// When the trust domain is none.
    pub fn mesh(&self) -> Result<MeshConstants, IdentError> {
        Ok(MeshConstants {
            domain: self.domain.as_str().into(),
            trust_domain: TrustDomain::parse(&self.trust_domain)?,
            root_namespace: self.root_namespace.as_str().into(),
            cluster_id: CLUSTER_ID.into(),
        })
    }

    /// Whose certificate pilot shows, and how it gets it.
    ///
    /// # Errors
    /// When trust domain, namespace or account are none.
    pub fn identity(&self) -> Result<IdentitySettings, IdentError> {
        Ok(IdentitySettings {
            trust_domain: TrustDomain::parse(&self.trust_domain)?,
            account: ServiceAccount::new(&self.namespace, &self.service_account)?,
            ca_address: self.ca_address.clone(),
            ca_root: self.ca_root.clone(),
            token_file: self.token_file.clone(),
        })
    }
}

/// istio: the name of the only cluster, as endpoints' metadata have it.
const CLUSTER_ID: &str = "Kubernetes";
