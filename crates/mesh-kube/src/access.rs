//! Where the API server is and who we are: a kubeconfig file, or the pod that we run in.

use std::path::{Path, PathBuf};
use std::time::Duration;

use hyper_util::client::legacy;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use kube::client::ConfigExt;
use kube::config::{InClusterError, KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Client, Config};
use mesh_runtime::settings;
use rustls::crypto::CryptoProvider;
use tower::{BoxError, ServiceBuilder};

use crate::server::Server;

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(5);
/// How long a connection is silent before the system asks whether the other end is still there.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// Why a cluster cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// The file is not there or not a kubeconfig.
    #[error("{}: not usable as kubeconfig", path.display())]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        source: Box<KubeconfigError>,
    },
    /// No file says where the cluster is, or the files that do cannot be used.
    #[error("no usable kubeconfig")]
    NotChosen(#[source] Box<KubeconfigError>),
    /// There is no service account in this pod.
    #[error("this pod has no access to the API server")]
    InCluster(#[source] Box<InClusterError>),
    /// What was found cannot be used.
    #[error("no connection to the API server can be set up")]
    Client(#[source] Box<kube::Error>),
}

/// The cluster that a person means, as kubectl's flags say it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Choice {
    /// The file; without it those of `KUBECONFIG`, else `~/.kube/config`, else the pod's own account.
    pub kubeconfig: Option<PathBuf>,
    /// The context in it; without it the current one.
    pub context: Option<String>,
}

/// A cluster: access to its API server.
#[derive(Clone)]
pub struct Cluster {
    pub(crate) server: Server,
    pub(crate) address: String,
    namespace: String,
}

impl Cluster {
    /// As a kubeconfig file says, in its current context. Needs a runtime; nobody is asked yet.
    ///
    /// # Errors
    /// When the file is none.
    pub async fn from_kubeconfig(path: &Path) -> Result<Self, AccessError> {
        Self::from_context(path, None).await
    }

    /// The cluster that a person means. Needs a runtime; nobody is asked yet.
    ///
    /// # Errors
    /// When no file names one, or not this context.
    pub async fn chosen(choice: &Choice) -> Result<Self, AccessError> {
        let context = choice.context.as_deref();
        if let Some(path) = &choice.kubeconfig {
            return Self::from_context(path, context).await;
        }
        let wrong = |source| AccessError::NotChosen(Box::new(source));
        match Kubeconfig::read() {
            Ok(file) => {
                let config = Config::from_custom_kubeconfig(file, &options(context)).await;
                Self::with(config.map_err(wrong)?)
            }
            Err(_) if context.is_none() && Self::is_around_us() => Self::of_this_pod(),
            Err(error) => Err(wrong(error)),
        }
    }

    /// Whether a person who names no cluster has one all the same.
    #[must_use]
    pub fn is_configured() -> bool {
        let home = settings::environment("HOME").map(PathBuf::from);
        settings::environment("KUBECONFIG").is_some_and(|paths| !paths.is_empty())
            || home.is_some_and(|home| home.join(".kube/config").is_file())
            || Self::is_around_us()
    }

    async fn from_context(path: &Path, context: Option<&str>) -> Result<Self, AccessError> {
        let wrong = |source| AccessError::Kubeconfig {
            path: path.to_owned(),
            source: Box::new(source),
        };
        let file = Kubeconfig::read_from(path).map_err(wrong)?;
        let config = Config::from_custom_kubeconfig(file, &options(context)).await;
        Self::with(config.map_err(wrong)?)
    }

    /// The namespace of the context: where objects are that name none.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.namespace
    }

    /// The API server's address.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// As the service account of the pod that we run in. Needs a runtime; nobody is asked yet.
    ///
    /// # Errors
    /// When we do not run in a pod, or without its token.
    pub fn of_this_pod() -> Result<Self, AccessError> {
        let config =
            Config::incluster().map_err(|error| AccessError::InCluster(Box::new(error)))?;
        Self::with(config)
    }

    /// Whether we run in a pod of a cluster.
    #[must_use]
    pub fn is_around_us() -> bool {
        settings::environment("KUBERNETES_SERVICE_HOST").is_some()
    }

    pub(crate) fn with(config: Config) -> Result<Self, AccessError> {
        let address = config.cluster_url.to_string();
        let namespace = config.default_namespace.clone();
        let client = client(config).map_err(|error| AccessError::Client(Box::new(error)))?;
        Ok(Self {
            server: Server::new(client),
            address,
            namespace,
        })
    }
}

fn options(context: Option<&str>) -> KubeConfigOptions {
    KubeConfigOptions {
        context: context.map(ToOwned::to_owned),
        ..KubeConfigOptions::default()
    }
}

/// kube's own client writes an error to the log for each try that fails, and tries again by itself:
/// here it is put together without either.
fn client(config: Config) -> kube::Result<Client> {
    if CryptoProvider::get_default().is_none() {
        let installed = rustls::crypto::aws_lc_rs::default_provider().install_default();
        if installed.is_err() {
            tracing::debug!("a provider of cryptography came in between");
        }
    }
    let mut connector = HttpConnector::new();
    connector.enforce_http(false);
    connector.set_nodelay(true);
    connector.set_keepalive(Some(KEEPALIVE));
    connector.set_connect_timeout(Some(CONNECT));
    let connector = config.rustls_https_connector_with_connector(connector)?;
    let connections = legacy::Client::builder(TokioExecutor::new()).build(connector);
    let service = ServiceBuilder::new()
        .layer(config.base_uri_layer())
        .option_layer(config.auth_layer()?)
        .layer(config.extra_headers_layer()?)
        .map_err(BoxError::from)
        .service(connections);
    Ok(Client::new(service, config.default_namespace))
}
