//! What runs: the contract of `meshctl status -o json` and `mesh.json`.

use std::net::SocketAddr;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What runs, and where.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Status {
    /// How the mesh is reached from outside.
    pub(crate) ingress: Ingress,
    /// The control plane and the gateway.
    pub(crate) components: Vec<ComponentStatus>,
    /// The replicas.
    pub(crate) workloads: Vec<WorkloadStatus>,
}

/// How the mesh is reached from outside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Ingress {
    /// Base URL.
    pub(crate) http: String,
}

/// A component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ComponentStatus {
    /// Its name.
    pub(crate) name: String,
    /// Its process, while there is one.
    pub(crate) pid: Option<u32>,
    /// Base URL of its admin pages.
    pub(crate) admin: String,
    /// Whether it does its work.
    pub(crate) ready: bool,
    /// How often it died and was started again.
    pub(crate) restarts: u32,
    /// What it is doing, for people; not part of the contract.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) state: Option<State>,
}

/// A replica.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WorkloadStatus {
    /// Name of the pod.
    pub(crate) name: String,
    /// Its namespace.
    pub(crate) namespace: String,
    /// Its label `version`; may be empty.
    pub(crate) version: String,
    /// The application's process, while there is one.
    pub(crate) pid: Option<u32>,
    /// The sidecar's process, while there is one.
    pub(crate) sidecar_pid: Option<u32>,
    /// Base URL of the application beside its sidecar, if it has a port.
    pub(crate) app_url: Option<String>,
    /// Base URL of the application through its sidecar, if it has a port.
    pub(crate) inbound: Option<String>,
    /// The explicit HTTP proxy for calls of the application, where they are not captured.
    pub(crate) outbound: Option<String>,
    /// Base URL of the sidecar's admin pages.
    pub(crate) admin: String,
    /// Whether it takes requests.
    pub(crate) ready: bool,
    /// How often the application or the sidecar died and was started again.
    pub(crate) restarts: u32,
    /// What it is doing, for people; not part of the contract.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub(crate) state: Option<State>,
}

/// What a process, or a pair of them, is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum State {
    /// Waits for another one to be ready first.
    Waiting,
    /// Was started and is not ready yet.
    Starting,
    /// Does its work.
    Ready,
    /// Was ready, and does not answer any more.
    Unready,
    /// Died, and will be started again.
    Restarting,
    /// Was asked to end.
    Stopping,
    /// Is held down by `stop`.
    Stopped,
}

impl State {
    /// The word for people.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Starting => "starting",
            Self::Ready => "ready",
            Self::Unready => "unready",
            Self::Restarting => "restarting",
            Self::Stopping => "stopping",
            Self::Stopped => "stopped",
        }
    }
}

impl Status {
    /// Pilot's admin address, while pilot runs.
    pub(crate) fn pilot(&self) -> Option<SocketAddr> {
        let pilot = self.components.iter().find(|one| one.name == "pilot")?;
        pilot.pid?;
        pilot.admin.strip_prefix("http://")?.parse().ok()
    }

    /// Exactly the members of the contract.
    pub(crate) fn contract(&self) -> Value {
        let mut plain = self.clone();
        plain
            .components
            .iter_mut()
            .for_each(|component| component.state = None);
        plain
            .workloads
            .iter_mut()
            .for_each(|workload| workload.state = None);
        serde_json::to_value(&plain).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
