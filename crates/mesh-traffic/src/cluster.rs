//! Clusters: groups of endpoints with one way to reach them.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use mesh_model::Str;
use mesh_proto::envoy::envoy::config::cluster::v3 as pb;

use crate::breaker::Breaker;
use crate::compile;
use crate::dns::Dns;
use crate::endpoint::{Endpoint, Endpoints};
use crate::health::Checker;
use crate::outlier::Detector;
use crate::reject::Reject;
use crate::slow_start::SlowStart;
use crate::tls::UpstreamTls;

/// A compiled cluster.
#[derive(Debug)]
pub struct Cluster {
    /// Name of the resource.
    pub name: Str,
    /// Where its endpoints come from.
    pub discovery: Discovery,
    /// How an endpoint is chosen.
    pub policy: LbPolicy,
    /// Below this share (percent) of healthy endpoints in a priority all of it are used; 0 is never.
    pub panic_threshold: u8,
    /// Whether localities get shares by their weights.
    pub weighs_localities: bool,
    /// How endpoints that are new come to their share; at once if nothing is said.
    pub slow_start: Option<SlowStart>,
    /// Our own addresses from which endpoints are called, by version of IP; where there is none
    /// the kernel chooses.
    pub sources: Vec<IpAddr>,
    /// How long connecting may take, TLS included.
    pub connect_timeout: Duration,
    /// Which version of HTTP the endpoints are spoken to in.
    pub protocol: UpstreamProtocol,
    /// How endpoints are reached that no entry of `transport_matches` matches.
    pub transport: Transport,
    /// How endpoints with certain metadata are reached; the first match counts.
    pub transport_matches: Vec<TransportMatch>,
    /// Circuit breakers; `None` where nothing is bounded.
    pub breaker: Option<Breaker>,
    /// Who watches for endpoints that fail, if anybody does.
    pub detector: Option<Detector>,
    /// Who knows which endpoints pass the health check, if there is one.
    pub checker: Option<Checker>,
    /// Whether connections to an endpoint are closed when it ceases to pass.
    pub closes_failed: bool,
    /// How long an unused connection is kept; `None` for ever.
    pub idle_timeout: Option<Duration>,
    /// After how many requests a connection is closed.
    pub max_requests_per_connection: Option<u32>,
    /// How long a connection that carries HTTP is used.
    pub max_connection_duration: Option<Duration>,
    /// How many streams a connection of HTTP/2 carries at a time.
    pub max_streams: Option<u32>,
    /// How the kernel asks whether endpoints are still there, if it does.
    pub keepalive: Option<Keepalive>,
    /// The service behind the cluster, for telemetry (metadata `istio.services`).
    pub service: Option<ServiceNames>,
    /// The subset (metadata `istio.subset`).
    pub subset: Option<Str>,
    /// The object that the cluster was made from (metadata `istio.config`).
    pub config: Option<Str>,
}

/// Where a cluster's endpoints come from.
#[derive(Debug)]
pub enum Discovery {
    /// From the control plane, under this name.
    Eds {
        /// Name of the `ClusterLoadAssignment`.
        service: Str,
    },
    /// Written in the cluster.
    Static(Arc<Endpoints>),
    /// Where names lead to.
    Dns(Arc<Dns>),
    /// The address that the client wanted before capture.
    OriginalDst,
}

/// How an endpoint is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LbPolicy {
    /// In turn.
    RoundRobin,
    /// The least loaded of some drawn at random.
    LeastRequest {
        /// How many are drawn, at least 2.
        choices: u32,
    },
    /// At random.
    Random,
    /// By the request's hash, so that like requests go to the same endpoint.
    Hash(Hashing),
}

/// How hashes are shared out among endpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Hashing {
    /// On a ring (ketama), on which each endpoint has many points.
    Ring {
        /// Points at least.
        least: u64,
        /// Points at most.
        most: u64,
        /// Whether endpoints are told apart by their host names, not by their addresses.
        by_hostname: bool,
    },
    /// In a table of as many slots, a prime number (Maglev).
    Maglev {
        /// How many.
        size: u32,
        /// Whether endpoints are told apart by their host names, not by their addresses.
        by_hostname: bool,
    },
}

impl Hashing {
    /// Whether endpoints are told apart by their host names.
    #[must_use]
    pub const fn by_hostname(self) -> bool {
        match self {
            Self::Ring { by_hostname, .. } | Self::Maglev { by_hostname, .. } => by_hostname,
        }
    }
}

/// Which version of HTTP endpoints are spoken to in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum UpstreamProtocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2, by prior knowledge where there is no TLS.
    Http2,
    /// As the client speaks.
    Downstream,
    /// As ALPN says; HTTP/1.1 where there is no TLS.
    Auto,
}

/// How endpoints are reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transport {
    /// Without TLS.
    Plain,
    /// With TLS.
    Tls(Arc<UpstreamTls>),
}

/// How endpoints with certain metadata are reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransportMatch {
    /// Name of the entry, for example `tlsMode-istio`.
    pub name: Str,
    /// Pairs that an endpoint's `envoy.transport_socket_match` must all have.
    pub labels: Vec<(Str, Str)>,
    /// How such endpoints are reached.
    pub transport: Transport,
}

/// Bounds of one cluster in one proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Limits {
    /// Most connections.
    pub connections: u32,
    /// Most requests that wait for a connection.
    pub pending: u32,
    /// Most requests under way.
    pub requests: u32,
    /// Most retries under way.
    pub retries: Retries,
}

/// How many retries may be under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Retries {
    /// So many.
    Most(u32),
    /// A share of the requests that are under way or wait (`retry_budget`).
    Share {
        /// The share, in hundredths of a per cent.
        hundredths: u16,
        /// So many in any case.
        least: u32,
    },
}

impl Limits {
    /// Envoy's, where the resource says nothing.
    pub const DEFAULT: Self = Self {
        connections: 1024,
        pending: 1024,
        requests: 1024,
        retries: Retries::Most(3),
    };

    /// No bounds: Istio's, where a DestinationRule says nothing.
    pub const NONE: Self = Self {
        connections: u32::MAX,
        pending: u32::MAX,
        requests: u32::MAX,
        retries: Retries::Most(u32::MAX),
    };
}

/// How the kernel asks whether the other side is still there; what is not said is the kernel's choice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Keepalive {
    /// How long nothing must have passed.
    pub time: Option<Duration>,
    /// How long it waits for an answer.
    pub interval: Option<Duration>,
    /// How often it asks in vain.
    pub probes: Option<u32>,
}

/// Names of a service, for telemetry.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct ServiceNames {
    /// Fully qualified host.
    pub host: Str,
    /// Short name.
    pub name: Str,
    /// Namespace.
    pub namespace: Str,
}

impl Cluster {
    /// Compiles a resource.
    ///
    /// # Errors
    /// [`Reject`] names the first field that cannot be brought into force.
    pub fn compile(pb: &pb::Cluster) -> Result<Self, Reject> {
        compile::cluster::compile(pb).map_err(|fault| fault.of("cluster", &pb.name))
    }

    /// Takes the place of an older version, and goes on with what that one has counted.
    #[must_use]
    pub fn following(self, before: &Self) -> Self {
        let breaker = match (self.breaker, &before.breaker) {
            (Some(breaker), Some(before)) => Some(breaker.following(before)),
            (breaker, _) => breaker,
        };
        let detector = match (self.detector, &before.detector) {
            (Some(detector), Some(before)) => Some(detector.following(before)),
            (detector, _) => detector,
        };
        let checker = match (self.checker, &before.checker) {
            (Some(checker), Some(before)) => Some(checker.following(before)),
            (checker, _) => checker,
        };
        let slow_start = match (self.slow_start, &before.slow_start) {
            (Some(start), Some(before)) => Some(start.following(before)),
            (start, _) => start,
        };
        Self {
            breaker,
            detector,
            checker,
            slow_start,
            ..self
        }
    }

    /// Whether anybody wants to know what becomes of its requests.
    #[must_use]
    pub const fn is_watched(&self) -> bool {
        self.detector.is_some() | self.checker.is_some()
    }

    /// Our own address for calls of this one.
    #[must_use]
    pub fn source_for(&self, endpoint: IpAddr) -> Option<IpAddr> {
        let mut sources = self.sources.iter().copied();
        sources.find(|source| source.is_ipv4() == endpoint.is_ipv4())
    }

    /// How this endpoint is reached.
    #[must_use]
    pub fn transport_to(&self, endpoint: &Endpoint) -> &Transport {
        self.transport_for(&endpoint.transport_match)
    }

    /// How an endpoint with this metadata `envoy.transport_socket_match` is reached.
    #[must_use]
    pub fn transport_for(&self, labels: &[(Str, Str)]) -> &Transport {
        let has = |pair: &(Str, Str)| labels.contains(pair);
        let found = self
            .transport_matches
            .iter()
            .find(|m| m.labels.iter().all(has));
        found.map_or(&self.transport, |entry| &entry.transport)
    }
}
