//! What pilot is told by its flags.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use mesh_api::networking::locality::LocalityLb;
use mesh_identity::settings::SYSTEM_NAMESPACE;
use mesh_identity::{BadIdentity, IdentityFlags, IdentitySettings};
use mesh_kube::Registration;
use mesh_model::ident::{IdentError, TrustDomain};
use mesh_runtime::log::LogFlags;

use crate::mesh_config::{self, BadMeshConfig, MeshConfig};
use crate::snapshot::view::{MeshConstants, OutboundPolicy};
use crate::webhook::InjectorFiles;

/// istio: the service account of its pilot.
const ACCOUNT: &str = "istio-pilot-service-account";

/// The control plane of mesh: reads Istio configuration, serves Envoy's xDS to proxies.
#[derive(Debug, Clone, Parser)]
#[command(name = "mesh-pilot", version)]
#[command(mut_arg("namespace", |flag| flag.required(false).default_value(SYSTEM_NAMESPACE)))]
#[command(mut_arg("service_account", |flag| flag.required(false).default_value(ACCOUNT)))]
pub struct Settings {
    /// Where proxies connect (gRPC over mutual TLS).
    #[arg(long, value_name = "HOST:PORT")]
    pub address: SocketAddr,
    /// Where the admin pages are served; off loopback health and metrics alone.
    #[arg(long, value_name = "HOST:PORT")]
    pub admin: SocketAddr,
    /// Folder with the configuration that users applied; it counts before a cluster's.
    #[arg(long, value_name = "DIR")]
    pub config_dir: Option<PathBuf>,
    /// Folder with Services, Pods and EndpointSlices.
    #[arg(long, value_name = "DIR")]
    pub cluster_dir: Option<PathBuf>,
    /// Kubeconfig file of the cluster to follow. In a pod without this and without --cluster-dir it
    /// is the pod's own cluster.
    #[arg(long, value_name = "FILE")]
    pub kubeconfig: Option<PathBuf>,
    /// Do not write into the cluster what became of each object.
    #[arg(long)]
    pub no_statuses: bool,
    /// Where the API server asks about pods and configuration (HTTPS: /inject, /validate); nowhere
    /// without it.
    // istio: --httpsAddr
    #[arg(long, value_name = "HOST:PORT")]
    pub webhooks: Option<SocketAddr>,
    /// The injector's settings; defaults without it. Read again when it changes.
    // istio: --injectConfigFile
    #[arg(long, value_name = "FILE", requires = "webhooks")]
    pub inject_config_file: Option<PathBuf>,
    /// Istio's mesh configuration, of which a part is followed: by sidecars, for which it is read
    /// again when it changes, and by all proxies' access logs and localities as it is when pilot starts.
    // istio: --meshConfig
    #[arg(long, value_name = "FILE")]
    pub mesh_config_file: Option<PathBuf>,
    /// The cluster's MutatingWebhookConfiguration whose trust is kept in step; none when empty.
    // istio: INJECTION_WEBHOOK_CONFIG_NAME
    #[arg(long, value_name = "NAME", requires = "webhooks")]
    pub injection_webhook_config_name: Option<String>,
    /// The ValidatingWebhookConfiguration likewise; it becomes binding once pilot is reached.
    // istio: VALIDATION_WEBHOOK_CONFIG_NAME
    #[arg(long, value_name = "NAME", requires = "webhooks")]
    pub validation_webhook_config_name: Option<String>,
    /// DNS suffix of services.
    #[arg(long, default_value = "cluster.local")]
    pub domain: String,
    /// Namespace of mesh-wide configuration.
    #[arg(long, default_value = "istio-system")]
    pub root_namespace: String,
    /// What becomes of calls to hosts that the mesh does not know: they pass, or are refused.
    #[arg(long, value_enum, value_name = "POLICY", default_value_t)]
    pub(crate) outbound_traffic_policy: OutboundTrafficPolicy,
    /// Whose certificate pilot shows, and how it gets it.
    #[command(flatten)]
    pub identity: IdentityFlags,
    /// Level and form of the log.
    #[command(flatten)]
    pub log: LogFlags,
}

/// What becomes of calls to unknown hosts, in Istio's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum OutboundTrafficPolicy {
    /// They pass as they are.
    #[default]
    #[value(name = "ALLOW_ANY")]
    AllowAny,
    /// They are refused.
    #[value(name = "REGISTRY_ONLY")]
    RegistryOnly,
}

impl Settings {
    /// What holds for the whole mesh.
    ///
    /// # Errors
    /// When the trust domain is none.
    pub fn mesh(&self) -> Result<MeshConstants, IdentError> {
        Ok(MeshConstants {
            domain: self.domain.as_str().into(),
            trust_domain: TrustDomain::parse(&self.identity.trust_domain)?,
            root_namespace: self.root_namespace.as_str().into(),
            cluster_id: CLUSTER_ID.into(),
            outbound_policy: match self.outbound_traffic_policy {
                OutboundTrafficPolicy::AllowAny => OutboundPolicy::AllowAny,
                OutboundTrafficPolicy::RegistryOnly => OutboundPolicy::RegistryOnly,
            },
            access_log: None,
            locality: LocalityLb::default(),
        })
    }

    /// What the mesh's configuration says of proxies.
    ///
    /// # Errors
    /// When its file cannot be read or used.
    pub fn mesh_config(&self) -> Result<MeshConfig, BadMeshConfig> {
        let file = self.mesh_config_file.as_deref();
        file.map_or_else(|| Ok(MeshConfig::default()), mesh_config::read)
    }

    /// Where the injector's settings are.
    #[must_use]
    pub fn injector_files(&self) -> InjectorFiles {
        InjectorFiles {
            settings: self.inject_config_file.clone(),
            mesh: self.mesh_config_file.clone(),
            root_namespace: self.root_namespace.clone(),
        }
    }

    /// What the API server is to know of the webhooks.
    #[must_use]
    pub fn registration(&self) -> Registration {
        let named = |name: &Option<String>| {
            let name = name.clone().filter(|name| !name.is_empty());
            name.into_iter().collect()
        };
        Registration {
            mutating: named(&self.injection_webhook_config_name),
            validating: named(&self.validation_webhook_config_name),
            namespace: self.root_namespace.clone(),
        }
    }

    /// Whose certificate pilot shows, and how it gets it.
    ///
    /// # Errors
    /// When trust domain, namespace or account are none.
    pub fn identity(&self) -> Result<IdentitySettings, BadIdentity> {
        self.identity.clone().try_into()
    }
}

/// istio: the name of the only cluster, as endpoints' metadata have it.
const CLUSTER_ID: &str = "Kubernetes";
