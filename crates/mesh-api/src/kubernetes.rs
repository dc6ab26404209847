//! The parts of Kubernetes' objects that the mesh reads.
//!
//! Fields that mean nothing to the mesh are accepted and not kept; fields that Kubernetes does not
//! know either are a warning, so that a slip of the pen shows and a newer cluster is no trouble.

use std::collections::BTreeMap;
use std::net::IpAddr;

use mesh_model::labels::Labels;
use serde::Deserialize;

use crate::wire;

pub mod alias;
pub mod ingress;
pub(crate) mod schema;
pub mod secret;

/// A namespace; its labels are in the metadata.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct Namespace {}

/// A service account; its name is in the metadata.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct ServiceAccount {}

/// A node; where it stands is in its labels.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(default)]
pub struct Node {}

/// `spec` of a Service.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Service {
    /// Ports in order.
    pub ports: Vec<ServicePort>,
    /// Labels of the pods behind it; none means that its endpoints are kept by hand.
    #[serde(deserialize_with = "wire::labels")]
    pub selector: Labels,
    /// Virtual address, `None` for headless services, absent before one is assigned.
    #[serde(rename = "clusterIP")]
    pub cluster_ip: Option<String>,
    /// All virtual addresses, of both families.
    #[serde(rename = "clusterIPs")]
    pub cluster_ips: Vec<String>,
    /// How it is reached.
    #[serde(rename = "type")]
    pub service_type: ServiceType,
    /// The name that an ExternalName service stands for.
    pub external_name: Option<String>,
    /// Whether endpoints count before they are ready.
    pub publish_not_ready_addresses: bool,
}

impl Service {
    /// Whether it has no virtual address on purpose.
    #[must_use]
    pub fn is_headless(&self) -> bool {
        self.cluster_ip.as_deref() == Some("None")
    }

    /// Its virtual addresses, each once.
    #[must_use]
    pub fn addresses(&self) -> Vec<IpAddr> {
        let mut found: Vec<IpAddr> = Vec::new();
        for text in self.cluster_ip.iter().chain(&self.cluster_ips) {
            match text.parse() {
                Ok(address) if !found.contains(&address) => found.push(address),
                // `None`, the empty string, and what is listed twice.
                Ok(_) | Err(_) => {}
            }
        }
        found
    }
}

/// How a Service is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum ServiceType {
    /// By a virtual address within the cluster.
    #[default]
    ClusterIP,
    /// By a port of every node as well.
    NodePort,
    /// By a balancer outside as well.
    LoadBalancer,
    /// It is an alias of a DNS name.
    ExternalName,
}

/// A port of a Service.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ServicePort {
    /// Name; may be empty when it is the only port.
    pub name: String,
    /// The port that clients call.
    pub port: u16,
    /// The pods' port; absent means the same number.
    pub target_port: Option<PortOrName>,
    /// Transport; absent means TCP.
    pub protocol: Transport,
    /// What is spoken, if the name does not say it.
    pub app_protocol: Option<String>,
}

/// A container port by number or by name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(untagged)]
pub enum PortOrName {
    /// By number.
    Number(u16),
    /// By the name of a container's port.
    Name(String),
}

/// Transport protocols.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Transport {
    /// TCP, Kubernetes' default.
    #[default]
    Tcp,
    /// UDP, which mesh does not carry.
    Udp,
    /// SCTP, which mesh does not carry.
    Sctp,
}

/// A Deployment, or another owner of a pod template.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Deployment {
    /// How many pods; see [`Deployment::replicas`] for the default.
    #[serde(rename = "replicas")]
    pub wanted_replicas: Option<u32>,
    /// Which pods are its own.
    pub selector: LabelSelector,
    /// What its pods look like.
    pub template: PodTemplate,
}

impl Deployment {
    /// How many pods it wants: 1 unless it says otherwise, as in Kubernetes.
    #[must_use]
    pub fn replicas(&self) -> u32 {
        self.wanted_replicas.unwrap_or(1)
    }
}

/// Pods by their labels.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct LabelSelector {
    /// Labels that a pod must have.
    #[serde(deserialize_with = "wire::labels")]
    pub match_labels: Labels,
}

/// What a pod looks like.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodTemplate {
    /// Labels and annotations of its pods.
    pub metadata: TemplateMeta,
    /// What runs in them.
    pub spec: PodSpec,
}

/// Metadata of a pod template.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct TemplateMeta {
    /// Labels of the pods.
    #[serde(deserialize_with = "wire::labels")]
    pub labels: Labels,
    /// Annotations of the pods.
    pub annotations: BTreeMap<String, String>,
}

/// A Pod: what shall run, and what does.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Pod {
    /// What shall run.
    pub spec: PodSpec,
    /// What does.
    pub status: PodStatus,
}

impl Pod {
    /// Whether its condition `Ready` is true.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.status
            .conditions
            .iter()
            .any(|condition| condition.condition_type == "Ready" && condition.status == "True")
    }
}

/// `spec` of a Pod.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodSpec {
    /// As written; see [`PodSpec::service_account`] for the account in force.
    pub service_account_name: Option<String>,
    /// The older spelling of `serviceAccountName`.
    #[serde(rename = "serviceAccount")]
    pub deprecated_service_account: Option<String>,
    /// What runs.
    pub containers: Vec<Container>,
    /// What runs before.
    pub init_containers: Vec<Container>,
    /// Whether it shares the node's addresses.
    pub host_network: bool,
    /// The node it runs on.
    pub node_name: Option<String>,
    /// Seconds between the request to end and the end by force; Kubernetes' default is 30.
    pub termination_grace_period_seconds: Option<u64>,
}

impl PodSpec {
    /// The name of the account it runs as: `default` unless it says otherwise, as in Kubernetes.
    #[must_use]
    pub fn service_account(&self) -> &str {
        self.service_account_name
            .as_deref()
            .or(self.deprecated_service_account.as_deref())
            .filter(|name| !name.is_empty())
            .unwrap_or("default")
    }

    /// The TCP ports that its containers declare, in order.
    pub fn tcp_ports(&self) -> impl Iterator<Item = &ContainerPort> {
        self.containers
            .iter()
            .flat_map(|container| &container.ports)
            .filter(|port| port.protocol == Transport::Tcp)
    }
}

/// A container.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Container {
    /// Name within the pod.
    pub name: String,
    /// Image.
    pub image: String,
    /// What is run instead of the image's own command.
    pub command: Vec<String>,
    /// Arguments.
    pub args: Vec<String>,
    /// Folder it is run in.
    pub working_dir: Option<String>,
    /// Environment.
    pub env: Vec<EnvVar>,
    /// Ports.
    pub ports: Vec<ContainerPort>,
}

/// A variable of a container's environment.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EnvVar {
    /// Name.
    pub name: String,
    /// Value as written.
    pub value: Option<String>,
    /// Where the value comes from instead.
    pub value_from: Option<EnvVarSource>,
}

/// Where a variable's value comes from.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EnvVarSource {
    /// A field of the pod.
    pub field_ref: Option<FieldRef>,
}

/// A field of the pod itself.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct FieldRef {
    /// For example `metadata.name` or `status.podIP`.
    pub field_path: String,
}

/// A port of a container.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContainerPort {
    /// Name, to which a Service's target port may refer; may be empty.
    pub name: String,
    /// The number.
    pub container_port: u16,
    /// Transport; absent means TCP.
    pub protocol: Transport,
}

/// `status` of a Pod.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodStatus {
    /// For example `Running`.
    pub phase: String,
    /// Its address.
    #[serde(rename = "podIP")]
    pub pod_ip: Option<IpAddr>,
    /// Its addresses of both IP versions, the one above first; empty where that one is all.
    #[serde(rename = "podIPs")]
    pub pod_ips: Vec<PodIp>,
    /// What holds of it.
    pub conditions: Vec<Condition>,
}

impl PodStatus {
    /// All addresses, the first one first.
    pub fn addresses(&self) -> impl Iterator<Item = IpAddr> {
        let more = self.pod_ips.iter().filter_map(|told| told.ip);
        let first = self.pod_ip;
        first
            .into_iter()
            .chain(more.filter(move |ip| Some(*ip) != first))
    }
}

/// An address of a Pod.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct PodIp {
    /// The address.
    pub ip: Option<IpAddr>,
}

/// One thing that holds, or does not.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Condition {
    /// What, for example `Ready`.
    #[serde(rename = "type")]
    pub condition_type: String,
    /// `True`, `False` or `Unknown`.
    pub status: String,
}

/// An EndpointSlice: addresses behind a Service, which the label [`SERVICE_NAME_LABEL`] names.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EndpointSlice {
    /// What the addresses are.
    pub address_type: AddressType,
    /// The addresses.
    pub endpoints: Vec<SliceEndpoint>,
    /// The ports of every endpoint.
    pub ports: Vec<SlicePort>,
}

/// The label of an EndpointSlice that names its Service.
pub const SERVICE_NAME_LABEL: &str = "kubernetes.io/service-name";

/// What the addresses of an EndpointSlice are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
pub enum AddressType {
    /// IPv4 addresses.
    #[default]
    IPv4,
    /// IPv6 addresses.
    IPv6,
    /// DNS names, which the mesh skips.
    #[serde(rename = "FQDN")]
    Fqdn,
}

/// One endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SliceEndpoint {
    /// Its addresses; Kubernetes means them to be interchangeable.
    pub addresses: Vec<String>,
    /// Whether it takes requests.
    pub conditions: EndpointConditions,
    /// The pod behind it.
    pub target_ref: Option<ObjectReference>,
    /// The node it runs on.
    pub node_name: Option<String>,
    /// The zone it runs in.
    pub zone: Option<String>,
    /// Its name within a headless service.
    pub hostname: Option<String>,
}

/// Whether an endpoint takes requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct EndpointConditions {
    /// Takes requests and is not about to end; unknown counts as yes.
    pub ready: Option<bool>,
    /// Takes requests, even if about to end; unknown counts as `ready`.
    pub serving: Option<bool>,
    /// Is about to end; unknown counts as no.
    pub terminating: Option<bool>,
}

/// A pointer to an object.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ObjectReference {
    /// Kind, for example `Pod`.
    pub kind: String,
    /// Name.
    pub name: String,
    /// Namespace; empty means the slice's own.
    pub namespace: String,
}

/// A port of an EndpointSlice.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct SlicePort {
    /// Name of the service's port; may be empty.
    pub name: String,
    /// The number; absent means every port.
    pub port: Option<u16>,
    /// Transport; absent means TCP.
    pub protocol: Transport,
    /// What is spoken.
    pub app_protocol: Option<String>,
}
