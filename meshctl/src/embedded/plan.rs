//! What a local mesh consists of: processes, addresses, ports, tokens. Pure.
//!
//! Manifests and settings go in, a [`Plan`] comes out; the supervisor carries it out and
//! `cluster` prints it as Kubernetes' objects. Nothing is looked up on the machine here.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use mesh_model::ident::SpiffeId;
use mesh_model::labels::Labels;
use mesh_model::net::Protocol;
use serde_json::Value;

use super::addresses::{LowPorts, Network, WorkloadNumber};
use super::images::Rule;
use super::manifests::{Manifests, ServiceManifest};
use crate::error::CommandError;

mod components;
mod environment;
pub(crate) mod ingress;
pub(crate) mod sets;
mod workloads;

pub(crate) use components::MIXER_HTTP_PORT;
use sets::Sets;
pub(crate) use workloads::{selects, target};

/// The trust domain of local meshes: Istio's default.
pub(crate) const TRUST_DOMAIN: &str = "cluster.local";
/// The domain of services' names: Kubernetes' default.
pub(crate) const DOMAIN: &str = "cluster.local";
/// Where the mesh itself lives, and its root configuration.
pub(crate) const ROOT_NAMESPACE: &str = "istio-system";
/// The ingress gateway's Deployment, Service and component name.
pub(crate) const INGRESS: &str = "istio-ingressgateway";

/// Other names by which people know a component.
pub(crate) fn aliases(component: &str) -> Vec<String> {
    let mut names = vec![format!("istio-{component}"), format!("mesh-{component}")];
    if component == INGRESS {
        names.extend(["ingress", "ingressgateway"].map(ToOwned::to_owned));
    }
    names
}

/// How processes of the mesh find one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum Layout {
    /// Everything on loopback, each at an address of its own; sidecars are explicit proxies
    #[default]
    Loopback,
    /// Each workload in a network namespace, its connections captured, services by their names
    Namespaces,
}

/// The network namespace of a process, and its part in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Room {
    /// That of the control plane and the gateway.
    Node,
    /// A workload's, as its sidecar.
    Sidecar(WorkloadNumber),
    /// A workload's, as its application.
    Application(WorkloadNumber),
}

/// What the machine and the command line decide.
#[derive(Debug, Clone)]
pub(crate) struct Settings {
    /// How processes find one another.
    pub(crate) layout: Layout,
    /// The leased network.
    pub(crate) network: Network,
    /// Whether ports below 1024 are as they are.
    pub(crate) low_ports: LowPorts,
    /// Port of the ingress gateway on 127.0.0.1.
    pub(crate) ingress_port: u16,
    /// The state folder, absolute.
    pub(crate) state: PathBuf,
    /// The file with the roots of the mesh.
    pub(crate) ca_root: PathBuf,
    /// Flags of components that the user sets.
    pub(crate) sets: Sets,
}

/// A whole local mesh.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Plan {
    /// How processes find one another.
    pub(crate) layout: Layout,
    /// The leased network.
    pub(crate) network: Network,
    /// Port of the ingress gateway on 127.0.0.1.
    pub(crate) ingress_port: u16,
    /// Citadel, pilot, mixer, the ingress gateway, in the order of their start.
    pub(crate) components: Vec<Component>,
    /// The replicas of every Deployment.
    pub(crate) workloads: Vec<Workload>,
    /// Services as they were written.
    pub(crate) services: Vec<ServiceManifest>,
    /// Declared namespaces and accounts, as they were written.
    pub(crate) declared: Vec<Value>,
    /// How ports are placed on the mesh's addresses.
    pub(crate) low_ports: LowPorts,
}

/// A part of the control plane, or the gateway.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Component {
    /// Its name in `status`.
    pub(crate) name: &'static str,
    /// Where its admin pages are.
    pub(crate) admin: SocketAddr,
    /// What is started.
    pub(crate) process: Process,
    /// Its proof of identity; citadel has none.
    pub(crate) token: Option<Token>,
}

/// One replica: an application with its sidecar.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Workload {
    /// Name of the pod.
    pub(crate) pod: String,
    /// Its namespace.
    pub(crate) namespace: String,
    /// Name of its Deployment.
    pub(crate) deployment: String,
    /// Its service account.
    pub(crate) account: String,
    /// Its labels.
    pub(crate) labels: Labels,
    /// Its annotations.
    pub(crate) annotations: BTreeMap<String, String>,
    /// Its number.
    pub(crate) number: WorkloadNumber,
    /// Its address.
    pub(crate) ip: Ipv4Addr,
    /// The address on this machine by which it is reached.
    pub(crate) door: Ipv4Addr,
    /// Its container ports.
    pub(crate) ports: Vec<PortPlan>,
    /// `host:port` of each service to where the sidecar listens on its behalf.
    pub(crate) outbound: Vec<(String, SocketAddr)>,
    /// Names and images of the containers.
    pub(crate) containers: Vec<(String, String)>,
    /// The sidecar.
    pub(crate) sidecar: Process,
    /// The containers' processes.
    pub(crate) apps: Vec<Process>,
    /// Its proof of identity.
    pub(crate) token: Token,
}

impl Settings {
    /// A namespace, if this mesh has them.
    fn room(&self, room: Room) -> Option<Room> {
        match self.layout {
            Layout::Loopback => None,
            Layout::Namespaces => Some(room),
        }
    }
}

impl Workload {
    /// The label `version`, or nothing.
    pub(crate) fn version(&self) -> &str {
        self.labels
            .value("version")
            .map_or("", |version| version.as_str())
    }
}

/// A container port and its two ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PortPlan {
    /// Its name; may be empty.
    pub(crate) name: String,
    /// The number in the manifest.
    pub(crate) container_port: u16,
    /// Where the sidecar listens for it.
    pub(crate) bind: SocketAddr,
    /// Where the application listens.
    pub(crate) app: SocketAddr,
    /// Index of the container.
    pub(crate) container: usize,
    /// What is spoken there, as the first service that leads to it says.
    pub(crate) protocol: Protocol,
}

impl PortPlan {
    /// How one of its ends is written: whoever opens it must know what to speak.
    pub(crate) fn url(&self, end: SocketAddr) -> String {
        let http = self.protocol.is_http() || self.protocol == Protocol::Auto;
        let scheme = if http { "http" } else { "tcp" };
        format!("{scheme}://{end}")
    }
}

/// The proof of identity of one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Token {
    /// Name of its files.
    pub(crate) name: String,
    /// What it stands for.
    pub(crate) identity: SpiffeId,
}

/// An OS process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    /// What is executed.
    pub(crate) program: Program,
    /// Its arguments.
    pub(crate) args: Vec<String>,
    /// Environment beside what it inherits.
    pub(crate) env: BTreeMap<String, String>,
    /// Name of its log file without the folder.
    pub(crate) log: String,
    /// How it is known to be ready.
    pub(crate) ready: Ready,
    /// Its network namespace; that of this machine when there is none.
    pub(crate) room: Option<Room>,
}

/// Where a program is found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Program {
    /// One of mesh's own, beside meshctl.
    Sibling(&'static str),
    /// An application's, by the image map.
    Mapped {
        /// As written.
        command: String,
        /// The folder of the image map: for relative paths, and where the process runs.
        folder: PathBuf,
        /// The place in the image map, for messages.
        place: String,
    },
}

/// How a process shows that it is ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ready {
    /// A page answers 200.
    Page(SocketAddr, &'static str),
    /// All of these accept a connection.
    Accepts(Vec<SocketAddr>),
}

/// Plans a mesh; `ports` yields ports of 127.0.0.1 that are free.
///
/// # Errors
/// What in the manifests, the image map or the settings cannot be carried out.
pub(crate) fn make(
    manifests: &Manifests,
    rules: &[Rule],
    settings: &Settings,
    ports: &mut dyn Iterator<Item = u16>,
) -> Result<Plan, CommandError> {
    let components = components::plan(settings)?;
    let workloads = workloads::plan(manifests, rules, settings, ports)?;
    let declared = manifests.namespaces.iter().chain(&manifests.accounts);
    Ok(Plan {
        layout: settings.layout,
        network: settings.network,
        ingress_port: settings.ingress_port,
        components,
        workloads,
        services: manifests.services.clone(),
        declared: declared.map(|object| object.value.clone()).collect(),
        low_ports: settings.low_ports,
    })
}

#[cfg(test)]
pub(crate) mod tests;
