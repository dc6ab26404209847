//! The roots for every pod: the ConfigMap `istio-ca-root-cert` in each namespace of a cluster.
//!
//! A pod mounts it to know whom to believe before it has a certificate. Replicas of citadel write
//! the same by server-side apply, so none of them needs to be the leader.

mod plan;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mesh_kube::{Cluster, ConfigMap, Objects, RequestError, Sighting};
use mesh_model::time::Clock;
use mesh_runtime::Tasks;
use serde_json::Value;
use tokio::sync::mpsc;

use crate::metrics::PublishMetrics;
use plan::{Next, Plan};

/// Its name, under which every injected pod mounts it.
// istio: CACertNamespaceConfigMap
const NAME: &str = "istio-ca-root-cert";
/// The entry with the roots.
// istio: RootCertID
const ENTRY: &str = "root-cert.pem";
/// The label that says who takes care of it.
// istio: configMapLabel
const LABEL: (&str, &str) = ("istio.io/config", "true");
/// Who writes, as the API server remembers it.
const MANAGER: &str = "mesh-citadel";
/// Those of this name, for lists and watches.
const SELECTOR: &str = "metadata.name=istio-ca-root-cert";
/// Namespaces of Kubernetes itself in which nobody mounts it.
// istio: inject.IgnoredNamespaces without kube-system
const LEFT_OUT: [&str; 3] = ["kube-public", "kube-node-lease", "local-path-storage"];
/// Sightings that may wait; who sees more waits itself.
const WAITING: usize = 64;
/// How long a write may take.
const DEADLINE: Duration = Duration::from_secs(10);

/// Keeps `roots` in every namespace of `cluster` until `tasks` stop.
pub(crate) fn start(
    cluster: &Cluster,
    roots: String,
    clock: Arc<dyn Clock>,
    metrics: PublishMetrics,
    tasks: &Tasks,
) {
    let (send, sightings) = mpsc::channel(WAITING);
    let config_maps = Objects::ConfigMaps { selector: SELECTOR };
    for objects in [Objects::Namespaces, config_maps] {
        cluster.follow(objects, send.clone(), tasks);
    }
    let publisher = Publisher {
        cluster: cluster.clone(),
        wanted: wanted(roots),
        plan: Plan::default(),
        sightings,
        clock,
        metrics,
    };
    let stopping = tasks.stopping().clone();
    tasks.spawn("publish roots", async move {
        stopping.run_until_cancelled(publisher.run()).await;
    });
}

fn wanted(roots: String) -> ConfigMap {
    let (label, value) = LABEL;
    ConfigMap {
        name: NAME,
        labels: BTreeMap::from([(label.to_owned(), value.to_owned())]),
        data: BTreeMap::from([(ENTRY.to_owned(), roots)]),
    }
}

/// Whether an object says everything that is wanted; what else it says is others' business.
fn is_right(object: &Value, wanted: &ConfigMap) -> bool {
    let says = |pointer: &str, entries: &BTreeMap<String, String>| {
        let there = object.pointer(pointer);
        entries.iter().all(|(name, value)| {
            let said = there.and_then(|there| there.get(name));
            said.and_then(Value::as_str) == Some(value)
        })
    };
    says("/metadata/labels", &wanted.labels) && says("/data", &wanted.data)
}

struct Publisher {
    cluster: Cluster,
    wanted: ConfigMap,
    plan: Plan,
    sightings: mpsc::Receiver<(Objects, Sighting)>,
    clock: Arc<dyn Clock>,
    metrics: PublishMetrics,
}

impl Publisher {
    async fn run(mut self) {
        loop {
            // What is known decides whom to write to, so it comes first.
            while let Ok((objects, sighting)) = self.sightings.try_recv() {
                self.see(objects, sighting);
            }
            self.metrics.missing(self.plan.missing());
            let seen = match self.plan.next(self.clock.now()) {
                Next::Write(namespace) => {
                    self.write(namespace).await;
                    continue;
                }
                Next::Wait(time) => tokio::time::timeout(time, self.sightings.recv()).await,
                Next::Nothing => Ok(self.sightings.recv().await),
            };
            match seen {
                Ok(Some((objects, sighting))) => self.see(objects, sighting),
                // The followers end with the tasks.
                Ok(None) => return,
                // Something is due.
                Err(_) => {}
            }
        }
    }

    fn see(&mut self, objects: Objects, sighting: Sighting) {
        let now = self.clock.now();
        match (objects, sighting) {
            (Objects::Namespaces, Sighting::Here { name, object, .. }) => {
                if stays(&name, &object) {
                    self.plan.namespace(name, now);
                } else {
                    self.plan.no_namespace(&name);
                }
            }
            (Objects::Namespaces, Sighting::Gone { name, .. }) => self.plan.no_namespace(&name),
            (
                Objects::ConfigMaps { .. },
                Sighting::Here {
                    namespace, object, ..
                },
            ) => {
                let right = is_right(&object, &self.wanted);
                self.plan.config_map(namespace, right, now);
            }
            (Objects::ConfigMaps { .. }, Sighting::Gone { namespace, .. }) => {
                self.plan.config_map(namespace, false, now);
            }
            (objects, Sighting::Settled) => self.plan.settled(objects),
            (_, Sighting::Trouble(Some(error))) => {
                tracing::warn!(error, "roots are published by what was known before");
            }
            (_, Sighting::Trouble(None)) => {
                tracing::info!("namespaces and what is in them are seen again");
            }
        }
    }

    async fn write(&mut self, namespace: String) {
        // What a client holds of a request is large.
        let apply = self
            .cluster
            .apply_config_map(&namespace, &self.wanted, MANAGER);
        let applied = tokio::time::timeout(DEADLINE, Box::pin(apply)).await;
        let late = || RequestError::Unreachable(format!("no answer within {DEADLINE:?}"));
        let applied = applied.unwrap_or_else(|_| Err(late()));
        self.metrics.wrote(applied.is_ok());
        match &applied {
            Ok(()) => tracing::debug!(namespace, "roots written"),
            Err(error) => tracing::warn!(namespace, %error, "roots not written"),
        }
        let chance = fastrand::f64();
        self.plan
            .wrote(&namespace, &applied, self.clock.now(), chance);
    }
}

/// Whether a namespace is to have the roots, and is not about to go.
fn stays(name: &str, namespace: &Value) -> bool {
    let ends = namespace.pointer("/metadata/deletionTimestamp").is_some()
        || namespace.pointer("/status/phase").and_then(Value::as_str) == Some("Terminating");
    !ends && !LEFT_OUT.contains(&name)
}

#[cfg(test)]
mod tests;
