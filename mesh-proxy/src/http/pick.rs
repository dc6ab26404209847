//! Stage pick: which endpoint takes this attempt, and how it is reached.

use std::sync::Arc;
use std::time::Instant;

use mesh_http::Version;
use mesh_traffic::cluster::{Discovery, Transport, UpstreamProtocol};
use mesh_traffic::config::Config;
use mesh_traffic::endpoint::{Endpoint, Endpoints};
use mesh_traffic::tls::Identity;

use crate::http::attempt::Attempts;
use crate::http::connection::Connection;
use crate::http::failure::{Failure, FailureKind};
use crate::http::shape::Forwarding;
use crate::http::stage::Stage;
use crate::upstream::balance::{Balancers, LoadGuard, Watched, Wish};
use crate::upstream::target::{Speak, Target};

/// An endpoint for one attempt.
#[derive(Debug)]
pub struct Picked {
    /// Whom to connect to, and how.
    pub target: Target,
    /// The endpoint; `None` where the client's own choice is followed.
    pub endpoint: Option<EndpointAt>,
    /// Counts the request as load of the endpoint.
    pub load: Option<LoadGuard>,
    /// Whom to tell what becomes of it, if anybody wants to know.
    pub watched: Option<Watched>,
}

/// An endpoint of a set that one configuration holds.
#[derive(Debug, Clone)]
pub struct EndpointAt {
    endpoints: Arc<Endpoints>,
    index: usize,
}

impl EndpointAt {
    /// The endpoint.
    #[must_use]
    pub fn endpoint(&self) -> Option<&Endpoint> {
        self.endpoints.all.get(self.index)
    }
}

/// What a choice depends on besides the configuration.
pub struct PickFrom<'a> {
    /// Load and turns of this worker.
    pub balancers: &'a Balancers,
    /// The connection that the request came on.
    pub connection: &'a Connection,
    /// Version of HTTP that the client speaks.
    pub version: Version,
    /// The endpoint of the attempt before this one.
    pub before: Option<&'a EndpointAt>,
    /// The moment.
    pub now: Instant,
}

/// Picks an endpoint.
pub fn pick(
    config: &Config,
    from: &PickFrom<'_>,
    forwarding: &Forwarding,
    attempts: &mut Attempts,
    random: &mut fastrand::Rng,
) -> Stage<Picked> {
    let cluster = &*forwarding.cluster;
    if matches!(cluster.discovery, Discovery::OriginalDst) {
        return original_destination(from, forwarding, attempts);
    }
    let nobody = || {
        let why = format!(
            "cluster {} has no endpoint that takes requests",
            cluster.name
        );
        Failure::new(FailureKind::NoHealthyUpstream).caused_by(why)
    };
    let known = match from.before {
        None => Some(cluster),
        // The configuration may be another one by now.
        Some(_) => config.cluster(&cluster.name).map(|cluster| &**cluster),
    };
    let Some(endpoints) = known.and_then(|cluster| config.endpoints_for_use(cluster)) else {
        return nobody().into();
    };
    if let Some(before) = from.before
        && !Arc::ptr_eq(&before.endpoints, endpoints)
    {
        attempts.follow(&before.endpoints, endpoints);
    }
    let wish = wish(forwarding, attempts, from.now);
    let Some(choice) = from.balancers.pick(cluster, endpoints, wish, random) else {
        return nobody().into();
    };
    let index = choice.index;
    let at = EndpointAt {
        endpoints: endpoints.clone(),
        index,
    };
    let Some(endpoint) = at.endpoint() else {
        return nobody().into();
    };
    attempts.tried(index);
    let transport = cluster.transport_to(endpoint);
    let target = target(endpoint.address, transport, forwarding, from.version);
    Stage::Ready(Picked {
        target,
        endpoint: Some(at),
        load: Some(choice.load),
        watched: choice.watched,
    })
}

/// Another attempt looks for another endpoint, whatever the policy says: the last one has failed.
fn wish<'a>(forwarding: &Forwarding, attempts: &'a Attempts, now: Instant) -> Wish<'a> {
    /// How often Istio's default policy repeats the choice (`host_selection_retry_max_attempts`).
    const HOST_ATTEMPTS: u32 = 5;
    Wish {
        hash: forwarding.hash,
        tried: attempts.avoided(),
        attempts: forwarding.retry.host_attempts.max(HOST_ATTEMPTS),
        now,
    }
}

/// Where the client wanted to go, unless that is this proxy itself.
fn original_destination(
    from: &PickFrom<'_>,
    forwarding: &Forwarding,
    attempts: &mut Attempts,
) -> Stage<Picked> {
    let wanted = from.connection.local;
    if wanted == from.connection.listener.address {
        let why = "the connection was not captured, so there is no original destination";
        return Failure::new(FailureKind::NoHealthyUpstream)
            .caused_by(why)
            .into();
    }
    // There is no other endpoint, but tries are counted.
    attempts.tried(0);
    let transport = &forwarding.cluster.transport;
    let target = target(wanted, transport, forwarding, from.version);
    Stage::Ready(Picked {
        target,
        endpoint: None,
        load: None,
        watched: None,
    })
}

fn target(
    address: std::net::SocketAddr,
    transport: &Transport,
    forwarding: &Forwarding,
    version: Version,
) -> Target {
    let cluster = &*forwarding.cluster;
    let tls = match transport {
        Transport::Plain => None,
        Transport::Tls(tls) => Some(tls.clone()),
    };
    let as_client = if version == Version::Http2 {
        Speak::Http2
    } else {
        Speak::Http1
    };
    let speak = match (cluster.protocol, &tls) {
        // Only HTTP/1 carries an upgrade.
        _ if forwarding.upgrade.is_some() => Speak::Http1,
        (UpstreamProtocol::Http2, _) => Speak::Http2,
        (UpstreamProtocol::Downstream, _) => as_client,
        // Between sidecars ALPN decides: many requests then share a connection and its records.
        (_, Some(tls)) if tls.identity == Some(Identity::Workload) => Speak::Either,
        (UpstreamProtocol::Auto, Some(_)) => Speak::Either,
        (UpstreamProtocol::Http1 | UpstreamProtocol::Auto, _) => Speak::Http1,
    };
    Target {
        address,
        source: cluster.source_for(address.ip()),
        tls,
        speak,
        connect_timeout: cluster.connect_timeout,
        idle_timeout: cluster.idle_timeout,
        max_requests: cluster.max_requests_per_connection,
        max_duration: cluster.max_connection_duration,
        max_streams: cluster.max_streams,
        keepalive: cluster.keepalive,
        breaker: cluster.breaker.clone(),
    }
}
