//! Where configuration comes from: folders, a cluster, or both; and where statuses go.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::bail;
use mesh_api::validate::references::Mesh;
use mesh_kube::{Cluster, KubeSource, Leadership, LeaseName, Scope};
use mesh_model::name::NamespacedName;
use mesh_runtime::{SystemClock, Tasks, settings};
use mesh_source::file::FileSource;
use mesh_source::{Snapshot, Source, follow_in};
use tokio::sync::watch;

use crate::Settings;

/// The lease of the pilot that writes statuses; the chart's role names it.
const LEASE: &str = "istio-pilot";

/// The Service of the gateway that serves Ingresses (istio: meshConfig.ingressService).
const INGRESS_SERVICE: &str = "istio-ingressgateway";

/// The cluster that is followed, if one is.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Access {
    /// None.
    None,
    /// The one that a kubeconfig file names.
    Kubeconfig(PathBuf),
    /// The one that this pod is in.
    ThisPod,
}

impl Access {
    fn of(settings: &Settings, in_a_pod: bool) -> Self {
        match (&settings.kubeconfig, &settings.cluster_dir) {
            (Some(file), _) => Self::Kubeconfig(file.clone()),
            // A mesh of one machine may itself be started in a pod, whose cluster is not its own.
            (None, None) if in_a_pod => Self::ThisPod,
            (None, _) => Self::None,
        }
    }
}

/// Access to the cluster that the settings name, or that we run in.
///
/// # Errors
/// When it cannot be used.
pub(crate) async fn cluster(settings: &Settings) -> anyhow::Result<Option<Cluster>> {
    Ok(match Access::of(settings, Cluster::is_around_us()) {
        Access::None => None,
        Access::Kubeconfig(file) => Some(Cluster::from_kubeconfig(&file).await?),
        Access::ThisPod => Some(Cluster::of_this_pod()?),
    })
}

/// Follows all that there is; a folder counts before the cluster.
///
/// # Errors
/// When a folder cannot be followed, or there is nothing.
pub(crate) fn start(
    settings: &Settings,
    cluster: Option<&Cluster>,
    tasks: &Tasks,
) -> anyhow::Result<watch::Receiver<Arc<Snapshot>>> {
    let mut sources: Vec<Box<dyn Source>> = Vec::new();
    let dirs: Vec<PathBuf> = [&settings.config_dir, &settings.cluster_dir]
        .into_iter()
        .filter_map(Clone::clone)
        .collect();
    if !dirs.is_empty() {
        sources.push(Box::new(FileSource::open(dirs)?));
    }
    if let Some(cluster) = cluster {
        sources.push(Box::new(KubeSource::start(
            cluster,
            &Scope::default(),
            tasks,
        )));
    }
    if sources.is_empty() {
        bail!("nothing to follow: give --cluster-dir and --config-dir, or --kubeconfig");
    }
    let mesh = Mesh {
        domain: settings.domain.clone(),
        root_namespace: settings.root_namespace.clone(),
    };
    Ok(follow_in(mesh, sources, tasks))
}

/// Writes statuses into the cluster while this is the pilot that does.
pub(crate) fn write_statuses(
    settings: &Settings,
    cluster: &Cluster,
    snapshots: watch::Receiver<Arc<Snapshot>>,
    tasks: &Tasks,
) {
    let clock = Arc::new(SystemClock);
    let machine = settings::environment("HOSTNAME").unwrap_or_default();
    let name = LeaseName {
        namespace: settings.root_namespace.clone(),
        name: LEASE.to_owned(),
        holder: format!("{machine}_{}", std::process::id()),
    };
    let leadership = Leadership::start(cluster, name, clock.clone(), tasks);
    let gateway = NamespacedName {
        namespace: settings.root_namespace.as_str().into(),
        name: INGRESS_SERVICE.into(),
    };
    let ingresses = (leadership.clone(), snapshots.clone());
    mesh_kube::status::ingress::start(cluster, ingresses.0, gateway, ingresses.1, tasks);
    mesh_kube::status::start(cluster, leadership, snapshots, clock, tasks);
}

#[cfg(test)]
mod tests;
