//! Routing and destination rules with everything resolved that does not depend on the proxy.
//!
//! Hosts are complete names, durations are durations, defaults of the API are filled in. What does
//! depend on the proxy (ports, source labels, gateways) is kept for translate, which knows it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use mesh_api::networking::destination_rule::{ConnectionPool, OutlierDetection, RetryBudget};
use mesh_api::networking::locality::{LocalityLb, Warmup};
use mesh_model::Str;
use mesh_model::labels::Labels;
use mesh_model::name::{Hostname, NamespacedName};

use crate::registry::Alias;

/// A VirtualService, ready to be compiled for a proxy.
#[derive(Debug, Clone, PartialEq)]
pub struct Routing {
    /// Name and namespace of the VirtualService.
    pub name: NamespacedName,
    /// The path of the object by which tools find it from generated configuration.
    pub config: Str,
    /// Hosts it routes for, complete.
    pub hosts: Vec<Hostname>,
    /// The proxies that apply it.
    pub gateways: Vec<GatewayRef>,
    /// Who sees it.
    pub export: Export,
    /// Rules in order; the first that matches decides.
    pub http: Vec<HttpRule>,
    /// Rules for TLS that is passed on as it is.
    pub tls: Vec<TlsRule>,
}

impl Routing {
    /// Sends to services what its rules send to names of theirs.
    pub(super) fn follow(&mut self, aliases: &BTreeMap<Hostname, Alias>) {
        let http = self.http.iter_mut().flat_map(|rule| {
            let copies = rule.mirrors.iter_mut().map(|(to, _)| to);
            rule.route.iter_mut().chain(copies)
        });
        let tls = self.tls.iter_mut().flat_map(|rule| &mut rule.route);
        for destination in http.chain(tls) {
            if let Some(alias) = aliases.get(&destination.host) {
                destination.host = alias.of.clone();
            }
        }
    }
}

/// One `tls[]` entry.
#[derive(Debug, Clone, PartialEq)]
pub struct TlsRule {
    /// Alternatives.
    pub matches: Vec<TlsMatch>,
    /// Where connections go.
    pub route: Vec<Destination>,
}

/// Conditions on a connection that must all hold.
#[derive(Debug, Clone, PartialEq)]
pub struct TlsMatch {
    /// Server names.
    pub names: Vec<Hostname>,
    /// The port that the match is for.
    pub port: Option<u16>,
    /// Replaces the rule's gateways where not empty.
    pub gateways: Vec<GatewayRef>,
}

/// Which proxies a VirtualService, or one match of it, is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GatewayRef {
    /// Every sidecar.
    Mesh,
    /// The proxies that a Gateway selects.
    Named(NamespacedName),
}

/// Namespaces that see an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Export {
    /// All.
    Everyone,
    /// These.
    Namespaces(Vec<Str>),
}

impl Export {
    /// Whether clients in `namespace` see the object.
    #[must_use]
    pub fn reaches(&self, namespace: &str) -> bool {
        match self {
            Self::Everyone => true,
            Self::Namespaces(list) => list.iter().any(|n| *n == namespace),
        }
    }
}

/// One `http[]` entry.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpRule {
    /// Its name, or empty.
    pub name: Str,
    /// Alternatives; none means that it matches everything.
    pub matches: Vec<HttpMatch>,
    /// Where requests go.
    pub route: Vec<Destination>,
    /// Time for the whole request; none is unlimited.
    pub timeout: Option<Duration>,
    /// Header operations of the rule.
    pub headers: HeaderOperations,
    /// What is made to go wrong on purpose.
    pub fault: Option<Fault>,
    /// What pages of other origins may do.
    pub cors: Option<Cors>,
    /// Where copies of requests go, each with its share in millionths, which is not nought.
    pub mirrors: Vec<(Destination, u32)>,
}

/// What pages of other origins may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cors {
    /// Origins that are let in.
    pub origins: Vec<TextMatch>,
    /// Methods that they may use.
    pub methods: Vec<String>,
    /// Headers that they may send.
    pub headers: Vec<String>,
    /// Headers of answers that they may see.
    pub exposed: Vec<String>,
    /// How long the answer to a preflight may be remembered.
    pub max_age: Option<Duration>,
    /// Whether requests may carry cookies and the like.
    pub credentials: Option<bool>,
    /// Whether the application answers preflights of origins that are not let in.
    pub forward_unmatched: bool,
}

/// What is made to go wrong on purpose, each with its share in millionths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// A pause.
    pub delay: Option<(u32, Duration)>,
    /// An answer.
    pub abort: Option<(u32, Abort)>,
}

/// With what a request is answered on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Abort {
    /// A status of HTTP.
    Http(u32),
    /// A status of gRPC by its number.
    Grpc(u16),
}

/// One weighted destination.
#[derive(Debug, Clone, PartialEq)]
pub struct Destination {
    /// Complete host.
    pub host: Hostname,
    /// Port, where the rule names one.
    pub port: Option<u16>,
    /// Subset, or empty.
    pub subset: Str,
    /// Share among the rule's destinations.
    pub weight: u32,
    /// Header operations for this destination alone.
    pub headers: HeaderOperations,
}

/// Changes to the headers of requests and responses.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HeaderOperations {
    /// On the way to the destination.
    pub request: HeaderChanges,
    /// On the way back.
    pub response: HeaderChanges,
}

/// Changes to one set of headers.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HeaderChanges {
    /// Overwritten.
    pub set: BTreeMap<String, String>,
    /// Appended.
    pub add: BTreeMap<String, String>,
    /// Deleted.
    pub remove: Vec<String>,
}

/// Conditions that must all hold.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct HttpMatch {
    /// Its name, or empty.
    pub name: Str,
    /// The path without the query.
    pub uri: Option<TextMatch>,
    /// Whether a prefix of the path ends where a segment does.
    pub whole_segments: bool,
    /// Whether letters of the path count the same in both cases.
    pub ignore_uri_case: bool,
    /// Scheme.
    pub scheme: Option<TextMatch>,
    /// Method.
    pub method: Option<TextMatch>,
    /// Host, with the port if the client sent one.
    pub authority: Option<TextMatch>,
    /// Headers; no condition means presence.
    pub headers: BTreeMap<String, Option<TextMatch>>,
    /// Headers that must not match; a missing one counts as empty.
    pub without_headers: BTreeMap<String, Option<TextMatch>>,
    /// Query parameters; no condition means presence.
    pub query_params: BTreeMap<String, Option<TextMatch>>,
    /// The port of the service or listener that the match is for.
    pub port: Option<u16>,
    /// Labels that the calling workload must have.
    pub source_labels: Labels,
    /// Namespace of the calling workload, or empty.
    pub source_namespace: Str,
    /// Replaces the rule's gateways where not empty.
    pub gateways: Vec<GatewayRef>,
}

/// A condition on a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TextMatch {
    /// The whole text.
    Exact(String),
    /// Its beginning.
    Prefix(String),
    /// An RE2 expression for the whole text.
    Regex(String),
}

/// The DestinationRules of one host, merged.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DestinationPolicy {
    /// The path of the (first) object.
    pub config: Str,
    /// For the whole host.
    pub traffic: TrafficPolicy,
    /// Named selections of endpoints.
    pub subsets: Vec<SubsetPolicy>,
}

/// A named selection of a host's endpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubsetPolicy {
    /// Becomes part of the cluster's name.
    pub name: Str,
    /// What endpoints must carry.
    pub labels: Labels,
    /// What differs from the host's policy.
    pub traffic: TrafficPolicy,
}

/// How to talk to endpoints, with the exceptions per port.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TrafficPolicy {
    /// For all ports.
    pub blocks: PolicyBlocks,
    /// Replaces the blocks wholesale for a port.
    pub ports: BTreeMap<u16, PolicyBlocks>,
}

/// The parts of a policy that are inherited one by one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PolicyBlocks {
    /// Choice of endpoint.
    pub balancing: Option<Arc<Balancing>>,
    /// Bounds of connections and requests, as they are written.
    pub pool: Option<Arc<ConnectionPool>>,
    /// When endpoints that fail get nothing for a while, as it is written.
    pub outliers: Option<Arc<OutlierDetection>>,
    /// How many retries there may be, as it is written.
    pub retry_budget: Option<RetryBudget>,
    /// TLS towards endpoints; none lets mesh decide per endpoint.
    pub tls: Option<ClientTls>,
}

/// How endpoints are chosen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Balancing {
    /// The way to choose one.
    pub balancer: Balancer,
    /// What localities have to do with it, as it is written; the mesh's configuration if nothing is.
    pub locality: Option<LocalityLb>,
    /// How endpoints that are new come to their share, as it is written.
    pub warmup: Option<Warmup>,
}

/// Ways to choose an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Balancer {
    /// One after the other.
    RoundRobin,
    /// The less busy of two drawn.
    LeastRequest,
    /// Drawn.
    Random,
    /// The same one for like requests.
    Hash(Arc<ConsistentHash>),
}

/// How like requests are known, and shared out among endpoints.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsistentHash {
    /// How they are known.
    pub key: HashKey,
    /// How they are shared out.
    pub table: HashTable,
}

/// By what like requests are known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HashKey {
    /// The value of a header.
    Header(String),
    /// A cookie, which is given where there is none and `ttl` says for how long.
    Cookie(Cookie),
    /// The client's address.
    SourceIp,
    /// The value of a query parameter.
    Query(String),
}

/// A cookie that names an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cookie {
    /// Its name.
    pub name: String,
    /// The path for which a new one is given.
    pub path: String,
    /// How long a new one lasts; none gives none.
    pub ttl: Option<Duration>,
    /// What a new one has besides, by name.
    pub attributes: Vec<(String, String)>,
}

/// How hashes are shared out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HashTable {
    /// On a ring of so many points at least.
    Ring(u64),
    /// In a table of so many slots.
    Maglev(u64),
}

/// TLS that a user asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ClientTls {
    /// None.
    Disable,
    /// The mesh's own, whatever is known of the endpoint.
    IstioMutual,
}

/// istio: the default since 1.14.
const DEFAULT_BALANCER: Balancer = Balancer::LeastRequest;

impl PolicyBlocks {
    /// The way to choose an endpoint.
    #[must_use]
    pub fn balancer(&self) -> &Balancer {
        let chosen = self.balancing.as_ref();
        chosen.map_or(&DEFAULT_BALANCER, |chosen| &chosen.balancer)
    }
}

impl DestinationPolicy {
    /// What holds for `port` of `subset` (or of the whole host): subset and port before subset,
    /// before port, before the host's.
    #[must_use]
    pub fn blocks_for(&self, subset: Option<&SubsetPolicy>, port: u16) -> PolicyBlocks {
        let whole = self
            .traffic
            .ports
            .get(&port)
            .unwrap_or(&self.traffic.blocks);
        let Some(subset) = subset else {
            return whole.clone();
        };
        if let Some(exact) = subset.traffic.ports.get(&port) {
            return exact.clone();
        }
        let own = &subset.traffic.blocks;
        PolicyBlocks {
            balancing: own.balancing.clone().or_else(|| whole.balancing.clone()),
            pool: own.pool.clone().or_else(|| whole.pool.clone()),
            outliers: own.outliers.clone().or_else(|| whole.outliers.clone()),
            retry_budget: own.retry_budget.or(whole.retry_budget),
            tls: own.tls.or(whole.tls),
        }
    }
}
