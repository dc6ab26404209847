//! The mesh that a command looks at: the local one, or one in a cluster, with the same pages behind
//! both.

use mesh_kube::{Choice, Cluster};

use crate::cli::Global;
use crate::error::CommandError;
use crate::target::Mesh;

pub(crate) mod kube;
pub(crate) mod local;
pub(crate) mod name;
pub(crate) mod pages;

use kube::{COMPONENT_ADMIN, Installed, MIXER_PAGES};
use name::ProxyName;
use pages::Pages;

/// Where Istio is installed unless it is said.
pub(crate) const ISTIO_NAMESPACE: &str = "istio-system";

/// Which mesh is meant; without a word the local one if it runs, else that of the cluster.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Where {
    /// The cluster's kubeconfig file [default: as kubectl finds it]
    #[arg(short = 'c', long, value_name = "FILE")]
    pub(crate) kubeconfig: Option<std::path::PathBuf>,
    /// The context in it [default: the current one]
    #[arg(long, value_name = "NAME")]
    pub(crate) context: Option<String>,
    /// The namespace in which the mesh is installed [default: istio-system]
    #[arg(
        short = 'i',
        long = "istioNamespace",
        alias = "istio-namespace",
        value_name = "NAMESPACE"
    )]
    pub(crate) istio_namespace: Option<String>,
}

impl Where {
    /// Whether a cluster is meant and nothing else.
    pub(crate) fn names_cluster(&self) -> bool {
        self.kubeconfig.is_some() || self.context.is_some() || self.istio_namespace.is_some()
    }

    /// The namespace in which the mesh is installed.
    pub(crate) fn root(&self) -> &str {
        self.istio_namespace.as_deref().unwrap_or(ISTIO_NAMESPACE)
    }

    /// The cluster that is meant.
    ///
    /// # Errors
    /// When nothing says which it is.
    pub(crate) async fn cluster(&self) -> Result<Cluster, CommandError> {
        let choice = Choice {
            kubeconfig: self.kubeconfig.clone(),
            context: self.context.clone(),
        };
        Cluster::chosen(&choice)
            .await
            .map_err(|error| kube::access(&error))
    }
}

/// A mesh that can be asked.
pub(crate) enum Plane {
    /// On this machine.
    Local(Mesh),
    /// In a cluster.
    Cluster(Installed),
}

/// A proxy and the way to its admin pages.
#[derive(Debug)]
pub(crate) struct Proxy {
    /// The pod's namespace.
    pub(crate) namespace: String,
    /// The pod's name.
    pub(crate) name: String,
    /// Its pages.
    pub(crate) pages: Pages,
}

impl Proxy {
    /// `NAME.NAMESPACE`, as pilot calls it.
    pub(crate) fn id(&self) -> String {
        format!("{}.{}", self.name, self.namespace)
    }
}

impl Plane {
    /// Finds the mesh that the flags mean.
    ///
    /// # Errors
    /// When they contradict one another, or there is none.
    pub(crate) async fn find(global: &Global, at: &Where) -> Result<Self, CommandError> {
        if at.names_cluster() {
            if global.state.is_some() {
                let error = "--state names a local mesh, the other flags one in a cluster";
                return Err(CommandError::usage(error).hint("say only one of them"));
            }
            return Self::in_cluster(at).await;
        }
        match Mesh::find(global).await {
            Ok(mesh) => Ok(Self::Local(mesh)),
            Err(_) if global.state.is_none() && Cluster::is_configured() => {
                Self::in_cluster(at).await
            }
            Err(error) => {
                Err(error
                    .hint("a mesh in a cluster is found by --kubeconfig FILE and --context NAME"))
            }
        }
    }

    async fn in_cluster(at: &Where) -> Result<Self, CommandError> {
        let cluster = at.cluster().await?;
        Ok(Self::Cluster(Installed::new(cluster, at.root())))
    }

    /// The proxy of that name.
    ///
    /// # Errors
    /// When there is none, or it does not run.
    pub(crate) async fn proxy(&self, name: &ProxyName) -> Result<Proxy, CommandError> {
        match self {
            Self::Local(mesh) => local::proxy(mesh, name),
            Self::Cluster(installed) => installed.proxy(name).await,
        }
    }

    /// The pages of every pilot that runs, with their names.
    ///
    /// # Errors
    /// When none does.
    pub(crate) async fn pilots(&self) -> Result<Vec<(String, Pages)>, CommandError> {
        match self {
            Self::Local(mesh) => local::pilot(mesh),
            Self::Cluster(installed) => installed.components("istio=pilot", COMPONENT_ADMIN).await,
        }
    }

    /// The pages of a component of the control plane; mixer's are those of the whole mesh.
    ///
    /// # Errors
    /// When it does not run.
    pub(crate) async fn component(&self, name: &str) -> Result<Pages, CommandError> {
        let found = match self {
            Self::Local(mesh) => local::component(mesh, name),
            Self::Cluster(installed) => {
                let port = if name == "mixer" {
                    MIXER_PAGES
                } else {
                    COMPONENT_ADMIN
                };
                let found = installed.components(&format!("istio={name}"), port).await?;
                found.into_iter().next().map(|(_, pages)| pages)
            }
        };
        found.ok_or_else(|| CommandError::unreachable(format!("{name} does not run")))
    }
}
