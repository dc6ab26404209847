//! What one proxy's configuration is made from, and nothing else.
//!
//! Two proxies with equal views get equal resources. Whatever translate needs is in here, so that
//! it can be called from tests and tools as it is from the server.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use mesh_api::networking::locality::LocalityLb;
use mesh_model::Str;
use mesh_model::ident::{SpiffeId, TrustDomain};
use mesh_model::labels::Labels;
use mesh_model::name::{Hostname, NamespacedName};
use mesh_model::net::Protocol;
use mesh_model::service::{Endpoint, Locality, Service, ServicePort};

use mesh_pki::credential::{ClientRoots, Credential};

use super::logging::AccessLogging;
use super::rules::{Destination, DestinationPolicy, PolicyBlocks, Routing};

/// Everything that the configuration of one proxy depends on.
#[derive(Debug, Clone)]
pub struct View {
    /// What holds for the whole mesh.
    pub mesh: Arc<MeshConstants>,
    /// Namespace of the proxy.
    pub namespace: Str,
    /// Labels of the proxy's workload.
    pub labels: Labels,
    /// Where it runs.
    pub locality: Locality,
    /// Services that it may call, sorted by host.
    pub services: Arc<[Arc<VisibleService>]>,
    /// What it listens to.
    pub role: Role,
    /// Who made it.
    pub software: Software,
}

/// Who made a proxy: what one takes another may refuse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Software {
    /// We did.
    #[default]
    Mesh,
    /// It is an Envoy.
    Envoy,
}

/// Services that are in one place are not compared.
impl PartialEq for View {
    fn eq(&self, other: &Self) -> bool {
        let Self {
            mesh,
            namespace,
            labels,
            locality,
            services,
            role,
            software,
        } = self;
        *mesh == other.mesh
            && *namespace == other.namespace
            && *labels == other.labels
            && *locality == other.locality
            && *role == other.role
            && *software == other.software
            && (Arc::ptr_eq(services, &other.services) || same_services(services, &other.services))
    }
}

/// Whether two lists are of the same services; those in one place are not compared.
pub(super) fn same_services(one: &[Arc<VisibleService>], other: &[Arc<VisibleService>]) -> bool {
    let mut both = one.iter().zip(other);
    one.len() == other.len() && both.all(|(a, b)| Arc::ptr_eq(a, b) || a == b)
}

/// What holds for the whole mesh.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MeshConstants {
    /// DNS suffix of services, for example `cluster.local`.
    pub domain: Str,
    /// The trust domain of the mesh's identities.
    pub trust_domain: TrustDomain,
    /// Namespace of mesh-wide configuration.
    pub root_namespace: Str,
    /// Name of the cluster in endpoints' metadata.
    pub cluster_id: Str,
    /// What becomes of calls to hosts that the mesh does not know, where it could let them pass.
    pub outbound_policy: OutboundPolicy,
    /// Where every proxy logs; nowhere but where it was told itself if this is none.
    pub access_log: Option<AccessLogging>,
    /// What localities have to do with the choice of endpoints where no DestinationRule says it.
    pub locality: LocalityLb,
}

/// What becomes of calls to hosts that the mesh does not know.
///
/// istio: meshConfig.outboundTrafficPolicy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OutboundPolicy {
    /// They pass as they are.
    #[default]
    AllowAny,
    /// They are refused.
    RegistryOnly,
}

/// A service as clients of one namespace see it.
#[derive(Debug, Clone, PartialEq)]
pub struct VisibleService {
    /// The service.
    pub service: Arc<Service>,
    /// Its endpoints; `mutual_tls` says what the server accepts, not only what it could.
    pub endpoints: Arc<[Endpoint]>,
    /// Identities behind the endpoints, sorted.
    pub accounts: Vec<SpiffeId>,
    /// The DestinationRules that apply.
    pub policy: Option<Arc<DestinationPolicy>>,
    /// The VirtualService that sidecars apply.
    pub routing: Option<Arc<Routing>>,
    /// Its other names, sorted by host.
    pub aliases: Vec<VisibleAlias>,
}

/// Another name of a service as clients of one namespace see it.
#[derive(Debug, Clone, PartialEq)]
pub struct VisibleAlias {
    /// Fully qualified host.
    pub hostname: Hostname,
    /// Name and namespace of the object that declares it.
    pub name: NamespacedName,
    /// The VirtualService that has rules for this very name, by which it is more than a name.
    pub routing: Option<Arc<Routing>>,
}

impl VisibleService {
    /// Whether VirtualServices have a say in where requests for it go.
    #[must_use]
    pub fn is_ruled(&self) -> bool {
        self.routing.is_some() || self.aliases.iter().any(|alias| alias.routing.is_some())
    }

    /// What DestinationRules say of a subset (empty for the whole) and a port.
    #[must_use]
    pub fn blocks(&self, subset: &str, port: u16) -> PolicyBlocks {
        let Some(policy) = &self.policy else {
            return PolicyBlocks::default();
        };
        let subset = policy.subsets.iter().find(|one| *one.name == *subset);
        policy.blocks_for(subset, port)
    }

    /// The ports that connections can be made to.
    pub fn tcp_ports(&self) -> impl Iterator<Item = &ServicePort> {
        let ports = self.service.ports.iter();
        ports.filter(|port| Carriage::of(port.protocol) != Carriage::Nothing)
    }
}

/// What kind of proxy it is, with what that kind listens to.
#[derive(Debug, Clone, PartialEq)]
pub enum Role {
    /// Beside one workload.
    Sidecar(SidecarView),
    /// The same, and the workload's connections are redirected to it.
    Captured(CapturedView),
    /// At an edge.
    Router(RouterView),
    /// In the workload itself: its gRPC library, which calls services and listens to nothing of ours.
    Proxyless,
}

/// What a sidecar listens to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct SidecarView {
    /// Ports of the workload.
    pub inbound: Vec<InboundPort>,
    /// Services that it calls.
    pub outbound: Vec<OutboundPort>,
    /// Where it serves as an explicit HTTP proxy.
    pub http_proxy: Option<SocketAddr>,
    /// VirtualServices for hosts that no service has.
    pub unregistered: Vec<(Hostname, Arc<Routing>)>,
}

/// What a sidecar has to do with whose workload's connections are redirected to it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct CapturedView {
    /// The versions of IP that the workload has addresses of.
    pub families: Families,
    /// Ports of the workload that are known.
    pub inbound: Vec<InboundPort>,
    /// Which connections its other ports accept.
    pub others: MtlsMode,
    /// VirtualServices for hosts that no service has.
    pub unregistered: Vec<(Hostname, Arc<Routing>)>,
}

/// The versions of IP that a workload has addresses of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Families {
    /// IPv4 alone.
    #[default]
    V4,
    /// IPv6 alone.
    V6,
    /// Both.
    Dual,
}

impl Families {
    /// Those of these addresses; IPv4 where there are none yet.
    #[must_use]
    pub fn of(addresses: &[IpAddr]) -> Self {
        let has = |is: fn(&IpAddr) -> bool| addresses.iter().any(is);
        match (has(IpAddr::is_ipv4), has(IpAddr::is_ipv6)) {
            (true, true) => Self::Dual,
            (false, true) => Self::V6,
            (true, false) | (false, false) => Self::V4,
        }
    }

    /// One of two things, or both, the one of IPv4 first.
    pub fn each<T>(self, v4: T, v6: T) -> (T, Option<T>) {
        match self {
            Self::V4 => (v4, None),
            Self::V6 => (v6, None),
            Self::Dual => (v4, Some(v6)),
        }
    }

    /// Every address, by which a listener takes all of a workload's.
    #[must_use]
    pub fn every(self) -> (IpAddr, Option<IpAddr>) {
        self.each(Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into())
    }

    /// Whether the workload can reach this address.
    #[must_use]
    pub fn reach(self, address: IpAddr) -> bool {
        match self {
            Self::V4 => address.is_ipv4(),
            Self::V6 => address.is_ipv6(),
            Self::Dual => true,
        }
    }
}

/// One port of a workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboundPort {
    /// The container's port.
    pub port: u16,
    /// Where the proxy listens.
    pub bind: SocketAddr,
    /// Where the application listens.
    pub app: Application,
    /// How its bytes are understood.
    pub protocol: Protocol,
    /// Which connections are accepted.
    pub mode: MtlsMode,
    /// The services that lead to this port, sorted by host.
    pub services: Vec<InboundService>,
}

/// Where the application behind a port listens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Application {
    /// There.
    At(SocketAddr),
    /// Where its client called it.
    WhereCalled,
}

/// A service that leads to a workload's port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InboundService {
    /// The service.
    pub service: Arc<Service>,
    /// The port that its clients call.
    pub port: u16,
}

/// Which connections a port accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum MtlsMode {
    /// Plaintext alone.
    Disable,
    /// Both.
    #[default]
    Permissive,
    /// Mutual TLS alone.
    Strict,
}

/// A service's port with an address of its own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboundPort {
    /// Host of the service.
    pub host: Hostname,
    /// Port of the service.
    pub port: u16,
    /// Where the proxy listens on its behalf.
    pub bind: SocketAddr,
}

/// What a gateway listens to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct RouterView {
    /// Servers that share an address, in order of address.
    pub listeners: Vec<GatewayListener>,
    /// The secrets that its servers need and that it may have, by the names of the resources.
    pub secrets: BTreeMap<String, Sent>,
}

/// A secret that a gateway may have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sent {
    /// A certificate with its key.
    Certificate(Credential),
    /// Roots by which clients are judged.
    Roots(ClientRoots),
}

/// Servers of Gateways that share an address.
#[derive(Debug, Clone, PartialEq)]
pub struct GatewayListener {
    /// The address.
    pub bind: IpAddr,
    /// Whether a Gateway named the address itself, which then is part of the route table's name.
    pub explicit_bind: bool,
    /// The port in the container.
    pub port: u16,
    /// The port that the Gateway declares.
    pub declared_port: u16,
    /// Whether plain requests are served.
    pub plain: bool,
    /// Virtual hosts of plain requests, sorted by host.
    pub hosts: Vec<GatewayHost>,
    /// What is served by TLS, the oldest first; no name is served twice.
    pub secure: Vec<SecureServer>,
}

/// What a gateway serves by TLS under some server names.
#[derive(Debug, Clone, PartialEq)]
pub struct SecureServer {
    /// The server names; `*` is every one.
    pub names: Vec<Hostname>,
    /// What becomes of the connections.
    pub behind: Behind,
}

/// What becomes of connections of TLS.
#[derive(Debug, Clone, PartialEq)]
pub enum Behind {
    /// They end here.
    Requests {
        /// Name of the route table.
        table: String,
        /// How.
        tls: Box<ServerTls>,
        /// Virtual hosts, sorted by host.
        hosts: Vec<GatewayHost>,
    },
    /// They are passed on as they are, by weight.
    Bytes(Vec<Destination>),
}

/// TLS that a gateway ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerTls {
    /// What clients must show.
    pub clients: Clients,
    /// What is shown to clients.
    pub certificate: Certificate,
    /// Where the roots are by which clients are judged.
    pub roots: Option<Stored>,
    /// The least version, if one is named.
    pub least: Option<TlsVersion>,
    /// The greatest version, if one is named.
    pub most: Option<TlsVersion>,
}

/// What clients of a gateway must show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clients {
    /// Nothing.
    Anybody,
    /// A good certificate, or none.
    Known,
    /// A good certificate.
    Certified,
}

/// What a gateway shows its clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Certificate {
    /// Its own identity, and it takes clients of the mesh.
    Workload,
    /// Files of the proxy.
    Files {
        /// PEM file of the chain.
        chain: Str,
        /// PEM file of the key.
        key: Str,
    },
    /// Secrets, by the names of the resources, the preferred one first.
    Sent(Vec<String>),
}

/// Where roots are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stored {
    /// In a file of the proxy.
    File(Str),
    /// In a secret, by the name of the resource.
    Sent(String),
}

/// A version of TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsVersion {
    /// 1.2.
    V12,
    /// 1.3.
    V13,
}

/// A virtual host of a gateway.
#[derive(Debug, Clone, PartialEq)]
pub struct GatewayHost {
    /// What clients ask for.
    pub host: Hostname,
    /// VirtualServices for it with the Gateway each is bound by, oldest first.
    pub routings: Vec<(NamespacedName, Arc<Routing>)>,
    /// Whether its clients are sent to HTTPS.
    pub https_redirect: bool,
}

impl View {
    /// What the proxy has to do, if connections are redirected to it.
    #[must_use]
    pub fn captured(&self) -> Option<&CapturedView> {
        match &self.role {
            Role::Captured(captured) => Some(captured),
            Role::Sidecar(_) | Role::Router(_) | Role::Proxyless => None,
        }
    }

    /// Whether it is a gRPC library instead of a proxy, which knows less.
    #[must_use]
    pub fn is_proxyless(&self) -> bool {
        self.role == Role::Proxyless
    }

    /// Whether a call of `service` goes to the very address that the client chose.
    ///
    /// istio: a headless service; its clients balance themselves, or want one certain pod.
    #[must_use]
    pub fn is_chosen_by_client(&self, service: &Service) -> bool {
        self.captured().is_some() && service.addresses.is_empty()
    }

    /// The service of this host, if the proxy may call it.
    #[must_use]
    pub fn service(&self, host: &Hostname) -> Option<&VisibleService> {
        let at = self
            .services
            .binary_search_by(|service| service.service.hostname.cmp(host))
            .ok()?;
        self.services.get(at).map(|service| &**service)
    }
}

/// How proxies carry what is said on a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carriage {
    /// Request by request.
    Http,
    /// As bytes, whatever they are: TLS of the application among them.
    Tcp,
    /// Each connection by its first bytes: request by request if they are HTTP, else as bytes.
    Sniffed,
    /// Not at all.
    Nothing,
}

impl Carriage {
    /// How a port of this protocol is carried.
    ///
    /// istio: the classes of protocols; what is undeclared is sniffed since 1.5.
    #[must_use]
    pub fn of(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Http | Protocol::Http2 | Protocol::Grpc | Protocol::GrpcWeb => Self::Http,
            Protocol::Https
            | Protocol::Tls
            | Protocol::Tcp
            | Protocol::Mongo
            | Protocol::Redis
            | Protocol::Mysql => Self::Tcp,
            Protocol::Auto => Self::Sniffed,
            Protocol::Udp => Self::Nothing,
        }
    }

    /// Whether requests may come, so that routes are needed.
    #[must_use]
    pub fn may_be_http(self) -> bool {
        matches!(self, Self::Http | Self::Sniffed)
    }
}
