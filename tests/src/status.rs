//! The JSON of `meshctl status`, as scripts read it (docs/cli.md).

use std::net::SocketAddr;

use serde::Deserialize;

/// What runs, and where.
#[derive(Debug, Clone, Deserialize)]
pub struct Status {
    /// The way in.
    pub ingress: Ingress,
    /// Processes of the mesh itself.
    pub components: Vec<Component>,
    /// Applications with their sidecars.
    pub workloads: Vec<Workload>,
}

/// Where requests enter.
#[derive(Debug, Clone, Deserialize)]
pub struct Ingress {
    /// URL of the HTTP port.
    pub http: String,
}

/// A process of the mesh itself.
#[derive(Debug, Clone, Deserialize)]
pub struct Component {
    /// Its name.
    pub name: String,
    /// Its process; none while it is held down or between two lives.
    pub pid: Option<i32>,
    /// URL of its admin port.
    pub admin: String,
    /// Whether it does its work.
    pub ready: bool,
    /// How often it was started again.
    pub restarts: u64,
}

/// An application with its sidecar.
#[derive(Debug, Clone, Deserialize)]
pub struct Workload {
    /// Name of the pod.
    pub name: String,
    /// Its namespace.
    pub namespace: String,
    /// Its label `version`.
    pub version: Option<String>,
    /// The application's process.
    pub pid: Option<i32>,
    /// The sidecar's process.
    pub sidecar_pid: Option<i32>,
    /// The application itself, without its sidecar.
    pub app_url: Option<String>,
    /// The way in through the sidecar.
    pub inbound: Option<String>,
    /// The sidecar as an explicit HTTP proxy.
    pub outbound: Option<String>,
    /// URL of the sidecar's admin port.
    pub admin: String,
    /// Whether application and sidecar do their work.
    pub ready: bool,
    /// How often the application or its sidecar was started again.
    pub restarts: u64,
}

impl Status {
    /// The component of that name.
    #[track_caller]
    #[must_use]
    pub fn component(&self, name: &str) -> &Component {
        let found = self
            .components
            .iter()
            .find(|component| component.name == name);
        found.expect("the component is part of the mesh")
    }

    /// The first workload whose name starts so.
    #[track_caller]
    #[must_use]
    pub fn workload(&self, prefix: &str) -> &Workload {
        let found = self
            .workloads
            .iter()
            .find(|workload| workload.name.starts_with(prefix));
        found.expect("the workload is part of the mesh")
    }
}

/// The socket address of a URL such as `http://127.9.1.1:9080` or `tcp://127.9.1.1:7000`.
#[track_caller]
#[must_use]
pub fn address(url: &str) -> SocketAddr {
    let rest = url
        .trim_start_matches("http://")
        .trim_start_matches("tcp://");
    let host = rest.split('/').next().unwrap_or_default();
    host.parse().expect("the URL has an address and a port")
}
