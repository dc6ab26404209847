//! What a health check asks for, and how often.

use std::net::SocketAddr;
use std::time::Duration;

use mesh_model::Str;

use super::grpc::GrpcProbe;
use super::http::HttpProbe;
use super::state::Step;
use crate::endpoint::Endpoint;

/// Envoy never waits less for the next probe.
const LEAST_PAUSE: Duration = Duration::from_millis(1);

/// What a cluster's health check asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What is asked.
    pub probe: Probe,
    /// How long the answer may take, connecting included.
    pub timeout: Duration,
    /// How often it is asked.
    pub times: Times,
    /// So many failures of the network in a row make a healthy endpoint unhealthy.
    pub unhealthy_threshold: u32,
    /// So many answers in a row make an unhealthy one healthy; the very first alone does.
    pub healthy_threshold: u32,
    /// Whether connections are kept for the next probe.
    pub reuses_connections: bool,
    /// The port that is asked, where the endpoint says nothing else.
    pub port: Option<u16>,
    /// Protocols offered by ALPN instead of those of the cluster, if any.
    pub alpn: Vec<Str>,
    /// By what the way to reach endpoints is chosen instead of by their metadata.
    pub transport_labels: Option<Vec<(Str, Str)>>,
    /// What is written down.
    pub events: Events,
    /// Whether endpoints do not count before their first probe.
    pub ignores_new: bool,
    /// Whether endpoints that pass stay though discovery has forgotten them.
    pub keeps_removed: bool,
}

/// What is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Probe {
    /// A request by HTTP.
    Http(Box<HttpProbe>),
    /// A connection, and perhaps bytes.
    Tcp(TcpProbe),
    /// `grpc.health.v1.Health/Check`
    Grpc(GrpcProbe),
}

/// A connection, and perhaps bytes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TcpProbe {
    /// What is sent.
    pub send: Vec<u8>,
    /// What must come, in this order; where it is empty a connection suffices.
    pub receive: Vec<Vec<u8>>,
}

/// What is written down, and where.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Events {
    /// The files.
    pub files: Vec<Str>,
    /// Whether each failure is, not only the first.
    pub failures: bool,
    /// Whether each success is that changes nothing.
    pub successes: bool,
}

/// How often endpoints are probed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// The pause after an endpoint has passed that is healthy.
    pub interval: Duration,
    /// The pause in a cluster that nobody has used.
    pub no_traffic: Duration,
    /// The same, after an endpoint has passed that is healthy.
    pub no_traffic_healthy: Duration,
    /// The pause after an unhealthy endpoint has failed.
    pub unhealthy: Duration,
    /// The pause after a healthy one has failed that stays healthy.
    pub unhealthy_edge: Duration,
    /// The pause after an unhealthy one has passed that stays unhealthy.
    pub healthy_edge: Duration,
    /// The first probe waits for a random part of this.
    pub initial_jitter: Duration,
    /// A pause is longer by a random part of this.
    pub jitter: Duration,
    /// And by a random part of so many per cent of itself.
    pub jitter_percent: u32,
}

impl Check {
    /// Where an endpoint is probed.
    #[must_use]
    pub fn address_of(&self, endpoint: &Endpoint) -> SocketAddr {
        let terms = endpoint.probing.terms.as_deref();
        let mut address = terms
            .and_then(|terms| terms.address)
            .unwrap_or(endpoint.address);
        let port = terms.and_then(|terms| terms.port).or(self.port);
        if let Some(port) = port {
            address.set_port(port);
        }
        address
    }
}

impl Times {
    /// How long the first probe waits.
    pub(super) fn first(&self, random: &mut impl FnMut() -> u64) -> Duration {
        match self.initial_jitter.is_zero() {
            true => Duration::ZERO,
            false => self.lengthened(Duration::ZERO, self.initial_jitter, random),
        }
    }

    /// How long the next one waits. `used`: whether the cluster was ever used.
    pub(super) fn pause(
        &self,
        step: &Step,
        used: bool,
        random: &mut impl FnMut() -> u64,
    ) -> Duration {
        let pause = match (used, step.passed, step.pending) {
            (false, true, false) => self.no_traffic_healthy,
            (false, _, _) => self.no_traffic,
            (true, true, false) => self.interval,
            (true, true, true) => self.healthy_edge,
            (true, false, false) => self.unhealthy,
            (true, false, true) => self.unhealthy_edge,
        };
        self.lengthened(pause, self.jitter, random)
    }

    fn lengthened(
        &self,
        pause: Duration,
        jitter: Duration,
        random: &mut impl FnMut() -> u64,
    ) -> Duration {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let share = millis(pause).saturating_mul(self.jitter_percent.into()) / 100;
        let mut more = 0u64;
        for most in [share, millis(jitter)] {
            if most > 0 {
                more = more.saturating_add(random() % most);
            }
        }
        pause
            .saturating_add(Duration::from_millis(more))
            .max(LEAST_PAUSE)
    }
}

/// Whether bytes hold all of these, in this order.
#[must_use]
pub fn found_in_order(bytes: &[u8], wanted: &[Vec<u8>]) -> bool {
    let mut rest = bytes;
    wanted.iter().all(|one| {
        let at = rest
            .windows(one.len().max(1))
            .position(|part| part == one.as_slice());
        let Some(at) = at else {
            return one.is_empty();
        };
        rest = rest.get(at + one.len()..).unwrap_or_default();
        true
    })
}
