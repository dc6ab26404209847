//! Listeners: where to bind, and which filter chain a connection gets.

mod inspection;
mod same;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mesh_model::Str;
use mesh_proto::envoy::envoy::config::listener::v3 as pb;

use crate::access_log::AccessLogs;
use crate::authz::{Authorization, AuthorizationAt};
use crate::compile;
use crate::health::HealthFilter;
use crate::limit::service::GlobalLimit;
use crate::limit::{ConnectionLimit, LocalLimit, follow};
use crate::matching::chain::ChainMatch;
use crate::reject::Reject;
use crate::route::RouteTable;
use crate::tls::DownstreamTls;

pub use self::inspection::Inspection;
pub(crate) use self::inspection::Inspector;

/// A compiled listener.
#[derive(Debug)]
pub struct Listener {
    /// Name of the resource.
    pub name: Str,
    /// Where connections arrive.
    pub address: SocketAddr,
    /// Where they arrive as well: the other version of IP.
    pub more_addresses: Vec<SocketAddr>,
    /// What the address counts for that a redirected connection had before.
    pub original: OriginalDestination,
    /// False when connections are handed over by another listener after capture.
    pub bind_to_port: bool,
    /// Whose connections these are.
    pub direction: Direction,
    /// The authority that stands for this listener's own address (metadata `mesh.authority`).
    pub authority: Option<Str>,
    /// How long the first bytes may take; `None` for as long as they like.
    pub inspection_timeout: Option<Duration>,
    /// Whether a connection whose time for first bytes is over is taken for plain bytes of unknown
    /// kind; else it is closed.
    pub continue_after_inspection: bool,
    /// Filter chains in the order of the resource, the default one last.
    pub chains: Vec<FilterChain>,
    pub(crate) matches: Vec<ChainMatch>,
    pub(crate) default_chain: Option<usize>,
    pub(crate) inspector: Inspector,
}

/// What the address counts for that a connection had before it was redirected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OriginalDestination {
    /// Nothing: connections come as their clients made them.
    #[default]
    Ignored,
    /// It is the connection's address: filter chains are chosen by it.
    Restored,
    /// And the listener of that address takes the connection, if there is one.
    HandedOver,
}

/// Whose connections a listener takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Direction {
    /// Not said: a gateway's.
    #[default]
    Unspecified,
    /// Towards the workload.
    Inbound,
    /// From the workload.
    Outbound,
}

/// What is known of a connection when its filter chain is chosen.
#[derive(Debug, Clone, Copy)]
pub struct ConnFacts<'a> {
    /// Address that the client connected to.
    pub local: SocketAddr,
    /// Address of the client.
    pub remote: SocketAddr,
    /// Whether the first bytes are TLS.
    pub transport: Transport,
    /// Protocols that the client offers in its ALPN extension.
    pub alpn: &'a [&'a str],
    /// Server name that the client asks for.
    pub sni: Option<&'a str>,
}

/// What the first bytes of a connection are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Anything but TLS.
    Raw,
    /// A TLS handshake.
    Tls,
}

/// What happens to the connections that a chain takes.
#[derive(Debug)]
pub struct FilterChain {
    /// Name of the chain; may be empty.
    pub name: Str,
    /// TLS to be ended here.
    pub tls: Option<DownstreamTls>,
    /// How many connections pass, as each of several filters says.
    pub limits: Vec<Arc<ConnectionLimit>>,
    /// What reads the bytes.
    pub network: Network,
}

/// What reads a connection's bytes.
#[derive(Debug)]
pub enum Network {
    /// Requests, routed one by one.
    Http(Box<HttpManager>),
    /// Bytes, passed on as they are.
    Tcp(TcpProxy),
}

/// How HTTP connections are served.
#[derive(Debug)]
pub struct HttpManager {
    /// Prefix of statistics.
    pub stat_prefix: Str,
    /// Which version of HTTP clients speak.
    pub codec: Codec,
    /// Where the route table comes from.
    pub routes: RouteSource,
    /// Whether the peer's address is the client's (edge) or x-forwarded-for tells (inside).
    pub use_remote_address: bool,
    /// How many proxies in front of this one are trusted in x-forwarded-for.
    pub trusted_hops: u32,
    /// What happens to x-forwarded-client-cert.
    pub client_cert: ClientCertMode,
    /// What of the client's certificate is written there.
    pub client_cert_details: ClientCertDetails,
    /// Where requests are logged.
    pub access_log: AccessLogs,
    /// Value of the `server` header of responses.
    pub server_name: Str,
    /// Whether the application's own `server` header is kept.
    pub server_header: ServerHeader,
    /// Names of the HTTP filters in their order.
    pub filters: Vec<Str>,
    /// Where pages of other origins are looked after, as routes say it.
    pub cors: CorsAt,
    /// Which requests are health checks of this proxy.
    pub health: Option<Arc<HealthFilter>>,
    /// A service that says which requests pass, and when it is asked.
    pub authorization: Option<AuthorizationAt>,
    /// Where requests are counted that may be too many.
    pub limit: Option<LimitAt>,
    /// A service that is asked before requests are sent on.
    pub service_limit: Option<Arc<GlobalLimit>>,
    /// Whether connections may become websockets.
    pub websocket: bool,
    /// Whether x-request-id is made where it is missing.
    pub generate_request_id: bool,
    /// Whether dot segments of paths are resolved before matching (RFC 3986).
    pub normalize_path: bool,
    /// Whether repeated slashes in paths become one.
    pub merge_slashes: bool,
    /// What happens to header names with an underscore.
    pub underscores: Underscores,
    /// How long a stream may be silent; `None` for ever.
    pub stream_idle_timeout: Option<Duration>,
    /// How long a connection without streams is kept; `None` for ever.
    pub idle_timeout: Option<Duration>,
    /// How long request heads may take; `None` for as long as they like.
    pub request_headers_timeout: Option<Duration>,
    /// Largest request head in bytes.
    pub max_request_head: u32,
}

/// Where among the filters requests are counted that may be too many.
#[derive(Debug, Clone, PartialEq)]
pub struct LimitAt {
    /// How many pass where routes say nothing else.
    pub own: Option<Arc<LocalLimit>>,
    /// Whether that comes before pages of other origins are looked after.
    pub before_cors: bool,
    /// Whether that comes before requests are made to fail.
    pub before_fault: bool,
}

/// Where among the filters pages of other origins are looked after.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum CorsAt {
    /// Nowhere, whatever routes say.
    #[default]
    Absent,
    /// Before requests are made to fail: a preflight never is.
    BeforeFault,
    /// After that.
    AfterFault,
}

/// What happens to header names with an underscore, which some applications take for a hyphen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Underscores {
    /// They are passed on.
    Pass,
    /// The request is refused.
    Refuse,
    /// The fields are left out.
    Drop,
}

/// Which version of HTTP is expected of clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Codec {
    /// Told by ALPN or by the first bytes.
    Auto,
    /// HTTP/1.
    Http1,
    /// HTTP/2 with prior knowledge.
    Http2,
}

/// Where an HTTP connection's route table comes from.
#[derive(Debug, Clone)]
pub enum RouteSource {
    /// By name, from [`Config::routes`](crate::Config::routes).
    Rds(Str),
    /// Written in the listener.
    Inline(Arc<RouteTable>),
}

/// What happens to x-forwarded-client-cert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClientCertMode {
    /// Removed.
    Sanitize,
    /// Passed on if the connection is mutual TLS.
    ForwardOnly,
    /// Own element appended if the connection is mutual TLS, removed otherwise.
    AppendForward,
    /// Replaced by the own element if the connection is mutual TLS, removed otherwise.
    SanitizeSet,
    /// Passed on always.
    AlwaysForwardOnly,
}

/// What x-forwarded-client-cert says of the client's certificate, besides its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ClientCertDetails {
    /// Its subject.
    pub subject: bool,
    /// The whole certificate in PEM.
    pub cert: bool,
    /// Its DNS names.
    pub dns: bool,
    /// Its URI names.
    pub uri: bool,
}

/// What happens to the `server` header of responses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ServerHeader {
    /// Replaced.
    Overwrite,
    /// Written where it is missing.
    AppendIfAbsent,
    /// Left as it is.
    PassThrough,
}

/// Where bytes are passed on to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TcpProxy {
    /// Prefix of statistics.
    pub stat_prefix: Str,
    /// Clusters with their weights; one or more, weights above zero.
    pub clusters: Vec<(Str, u32)>,
    /// How long both directions may be silent; `None` for ever.
    pub idle_timeout: Option<Duration>,
    /// Where connections are logged.
    pub access_log: AccessLogs,
    /// Whether a client's connections go to the same endpoint, where the cluster goes by hashes.
    pub by_source: bool,
}

impl FilterChain {
    /// Whether a service is to see the certificates of its clients.
    #[must_use]
    pub fn shows_certificate(&self) -> bool {
        match &self.network {
            Network::Http(manager) => {
                let at = manager.authorization.as_ref();
                at.is_some_and(|at| at.filter.shows_certificate())
            }
            Network::Tcp(_) => false,
        }
    }
}

impl TcpProxy {
    /// The cluster that takes this connection; `draw` is asked only where there is a choice.
    pub fn cluster(&self, draw: impl FnOnce() -> u64) -> Option<&Str> {
        if let [(only, _)] = self.clusters.as_slice() {
            return Some(only);
        }
        let weights = self.clusters.iter().map(|(_, weight)| *weight);
        let index = crate::decide::weighted(weights, draw)?;
        self.clusters.get(index).map(|(name, _)| name)
    }
}

impl Listener {
    /// Compiles a resource.
    ///
    /// # Errors
    /// [`Reject`] names the first field that cannot be brought into force.
    pub fn compile(pb: &pb::Listener) -> Result<Self, Reject> {
        compile::listener::compile(pb).map_err(|fault| fault.of("listener", &pb.name))
    }

    /// Takes the place of an older version, and goes on with what that one has counted.
    #[must_use]
    pub fn following(self, before: &Self) -> Self {
        follow(&self.local_limits(), &before.local_limits());
        follow(&self.connection_limits(), &before.connection_limits());
        follow(&self.service_limits(), &before.service_limits());
        follow(&self.authorizations(), &before.authorizations());
        self
    }

    /// The limits of requests that stand in it.
    #[must_use]
    pub fn local_limits(&self) -> Vec<&Arc<LocalLimit>> {
        let mut limits = Vec::new();
        for chain in &self.chains {
            let Network::Http(manager) = &chain.network else {
                continue;
            };
            limits.extend(manager.limit.as_ref().and_then(|at| at.own.as_ref()));
            if let RouteSource::Inline(table) = &manager.routes {
                limits.extend(table.local_limits());
            }
        }
        limits
    }

    /// The filters that ask services whether requests pass.
    #[must_use]
    pub fn authorizations(&self) -> Vec<&Arc<Authorization>> {
        let found = self.managers().filter_map(|it| it.authorization.as_ref());
        found.map(|at| &at.filter).collect()
    }

    fn managers(&self) -> impl Iterator<Item = &HttpManager> {
        let networks = self.chains.iter().map(|chain| &chain.network);
        networks.filter_map(|network| match network {
            Network::Http(manager) => Some(&**manager),
            Network::Tcp(_) => None,
        })
    }

    /// The limits that services count, of those that stand in it.
    #[must_use]
    pub fn service_limits(&self) -> Vec<&Arc<GlobalLimit>> {
        let limits = self
            .managers()
            .map(|manager| manager.service_limit.as_ref());
        limits.flatten().collect()
    }

    /// The limits of connections that stand in it.
    #[must_use]
    pub fn connection_limits(&self) -> Vec<&Arc<ConnectionLimit>> {
        self.chains.iter().flat_map(|chain| &chain.limits).collect()
    }

    /// Every address at which connections arrive.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        let more = self.more_addresses.iter().copied();
        std::iter::once(self.address).chain(more)
    }

    /// The chain that takes a connection; `None` means that it is to be closed.
    #[must_use]
    pub fn chain(&self, facts: &ConnFacts<'_>) -> Option<&FilterChain> {
        let index = crate::matching::chain::best(&self.matches, facts).or(self.default_chain)?;
        self.chains.get(index)
    }
}
