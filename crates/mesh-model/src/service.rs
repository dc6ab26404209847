//! Services, their endpoints and the workloads behind them, whichever registry told of them.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crate::Str;
use crate::ident::ServiceAccount;
use crate::labels::Labels;
use crate::name::{Hostname, NamespacedName};
use crate::net::Protocol;

/// A host with ports that workloads may call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Service {
    /// Fully qualified host, for example `reviews.default.svc.cluster.local`.
    pub hostname: Hostname,
    /// Name and namespace of the object that declares it.
    pub name: NamespacedName,
    /// Ports in the order of the object.
    pub ports: Vec<ServicePort>,
    /// Virtual addresses; empty for headless services.
    pub addresses: Vec<std::net::IpAddr>,
    /// Labels that select the service's workloads; empty selects none.
    pub selector: Labels,
}

/// A port of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServicePort {
    /// Name; empty when the service has one unnamed port.
    pub name: Str,
    /// The port that clients call.
    pub port: u16,
    /// How its bytes are understood.
    pub protocol: Protocol,
}

/// One address that answers for a service's port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Where to connect.
    pub address: SocketAddr,
    /// The service port's name that it stands for.
    pub port_name: Str,
    /// Labels of the workload, by which subsets select.
    pub labels: Labels,
    /// The account the workload runs as: whom the client must find behind the address.
    pub service_account: Option<ServiceAccount>,
    /// Whether the workload has a sidecar that accepts mutual TLS.
    pub mutual_tls: bool,
    /// Whether it takes requests.
    pub health: Health,
    /// Where it runs.
    pub locality: Locality,
    /// The workload behind it.
    pub workload: Option<NamespacedName>,
    /// Canonical service and revision, for telemetry.
    pub canonical: (Str, Str),
}

/// Whether an endpoint takes requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Health {
    /// Takes requests.
    Healthy,
    /// Takes requests that the healthy ones are too few for.
    Degraded,
    /// Is there but not ready.
    Unhealthy,
    /// Finishes what it has and takes nothing new.
    Draining,
}

/// Region, zone and sub-zone.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Locality {
    /// Region, for example `eu-west-1`.
    pub region: Str,
    /// Zone within the region.
    pub zone: Str,
    /// Sub-zone within the zone.
    pub sub_zone: Str,
}

/// A running instance that has a proxy: what listeners are built for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Workload {
    /// Name and namespace of the pod.
    pub name: NamespacedName,
    /// Name of the Deployment or other owner.
    pub owner: Str,
    /// The account that it runs as.
    pub service_account: ServiceAccount,
    /// Its labels.
    pub labels: Labels,
    /// Where it runs.
    pub locality: Locality,
    /// Its address.
    pub address: Option<std::net::IpAddr>,
    /// Its addresses of both IP versions, the one above first.
    pub addresses: Vec<std::net::IpAddr>,
    /// Ports that its containers declare.
    pub container_ports: Vec<u16>,
    /// Those that have a name, to which a service may refer.
    pub port_names: BTreeMap<Str, u16>,
    /// Where its listeners bind when traffic is not captured (Istio's INTERCEPTION_MODE NONE).
    pub binds: Option<ListenerBinds>,
}

/// Addresses of a workload's listeners where traffic is not captured.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ListenerBinds {
    /// Container port to where the proxy listens for it and where the application listens.
    pub inbound: BTreeMap<u16, InboundBind>,
    /// `host:port` of a service to where the proxy listens on its behalf.
    pub outbound: BTreeMap<Str, SocketAddr>,
    /// Where the proxy listens as an explicit HTTP proxy.
    pub http_proxy: Option<SocketAddr>,
    /// The address on which a gateway binds its servers' ports.
    pub gateway: Option<std::net::IpAddr>,
}

/// One inbound port of a workload whose traffic is not captured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InboundBind {
    /// Where the proxy listens.
    pub bind: SocketAddr,
    /// Where the application listens.
    pub app: SocketAddr,
}
