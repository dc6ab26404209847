//! Stage shape: what the route changes in the request, and the bounds within which it is sent.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use mesh_http::RequestHead;
use mesh_model::Str;
use mesh_traffic::cluster::{Cluster, LbPolicy};
use mesh_traffic::config::Config;
use mesh_traffic::fault::Fault;
use mesh_traffic::hash::{self, Hashed};
use mesh_traffic::route::HostRewrite;
use mesh_traffic::tls::Identity;
use mesh_traffic::{Action, Facts, RetryPolicy};

use crate::http::connection::{Connection, Served};
use crate::http::cors::Looked;
use crate::http::failure::{Failure, FailureKind};
use crate::http::head::Headed;
use crate::http::route::{Found, Planned};
use crate::http::stage::Stage;

/// A request that is ready to be sent, or answered here.
#[derive(Debug)]
pub struct Shaped {
    /// Where the route stands.
    pub found: Found,
    /// What is to be done.
    pub plan: Plan,
}

/// What is to be done with a shaped request.
#[derive(Debug)]
pub enum Plan {
    /// It is sent to a cluster.
    Forward(Forwarding),
    /// It is answered here.
    Answer(OwnAnswer),
    /// It asks whether a page may send another, and is answered here.
    Preflight,
}

/// How a request is sent.
#[derive(Debug)]
pub struct Forwarding {
    /// The cluster.
    pub cluster: Arc<Cluster>,
    /// When a failed attempt is repeated.
    pub retry: Arc<RetryPolicy>,
    /// How long all attempts may take together.
    pub timeout: Option<Duration>,
    /// The protocol that the connection shall change to.
    pub upgrade: Option<String>,
    /// Whether copies of it go elsewhere too.
    pub is_mirrored: bool,
    /// Whether the endpoint's host name becomes the authority.
    pub endpoint_names_host: bool,
    /// By what the endpoint is known that like requests went to.
    pub hash: Option<u64>,
    /// Values of `set-cookie` by which the client's next request has that hash too.
    pub cookies: Vec<String>,
}

/// An answer that the route itself gives.
#[derive(Debug, Clone)]
pub struct OwnAnswer {
    /// Status.
    pub status: u16,
    /// Value of `location`.
    pub location: Option<String>,
    /// Body.
    pub body: Bytes,
}

/// What shaping a request depends on.
pub struct ShapeWith<'a> {
    /// The configuration.
    pub config: &'a Config,
    /// The connection that the request came on.
    pub connection: &'a Connection,
    /// The listener's chain that serves it.
    pub served: &'a Served,
}

/// Shapes a request; as it goes out it is written into `out`, whose buffers are used.
pub fn shape(with: &ShapeWith<'_>, looked: Looked<'_>, out: &mut RequestHead) -> Stage<Shaped> {
    let (headed, found, action) = looked.into_parts();
    let plan = match action {
        Planned::Forward(name) => match with.forward(&found, headed, &name, out) {
            Ok(forwarding) => Plan::Forward(forwarding),
            Err(failure) => return failure.into(),
        },
        Planned::Redirect(status, location) => Plan::Answer(OwnAnswer {
            status,
            location: Some(location),
            body: Bytes::new(),
        }),
        Planned::Respond(status, body) => Plan::Answer(OwnAnswer {
            status,
            location: None,
            body,
        }),
        Planned::Preflight => Plan::Preflight,
    };
    Stage::Ready(Shaped { found, plan })
}

impl Shaped {
    /// What the client is to bring back, so that it comes to the same endpoint.
    #[must_use]
    pub fn cookies(&self) -> &[String] {
        match &self.plan {
            Plan::Forward(forwarding) => &forwarding.cookies,
            Plan::Answer(_) | Plan::Preflight => &[],
        }
    }

    /// What the route makes to go wrong.
    #[must_use]
    pub fn fault(&self) -> Option<Arc<Fault>> {
        match self.found.decision()?.action {
            Action::Forward(forward) => forward.policy.fault.clone(),
            Action::Redirect(_) | Action::Respond(_) | Action::NotFound => None,
        }
    }

    /// Writes the request once more as it goes out, for another attempt.
    pub fn write(&self, request: &RequestHead, connection: &Connection, out: &mut RequestHead) {
        out.clone_from(request);
        if let (Some(decision), Plan::Forward(forwarding)) = (self.found.decision(), &self.plan) {
            let cluster = Some(&*forwarding.cluster.name);
            decision.shape_request(out, &facts(connection, cluster));
        }
    }
}

impl ShapeWith<'_> {
    fn forward(
        &self,
        found: &Found,
        headed: Headed<'_>,
        name: &Str,
        out: &mut RequestHead,
    ) -> Result<Forwarding, Failure> {
        let Headed { head, upgrade } = headed;
        let decision = found.decision().ok_or(FailureKind::RouteUnusable)?;
        let Action::Forward(forward) = decision.action else {
            return Err(FailureKind::RouteUnusable.into());
        };
        let cluster = self.config.cluster(name).ok_or_else(|| {
            Failure::new(FailureKind::NoCluster).caused_by(format!("there is no cluster {name}"))
        })?;
        let policy = forward.policy;
        if upgrade.is_some() && !policy.websocket.unwrap_or_else(|| self.listener_upgrades()) {
            let why = "neither route nor listener allows websockets";
            return Err(Failure::new(FailureKind::UpgradeUnsupported).caused_by(why));
        }
        out.clone_from(head);
        let facts = facts(self.connection, Some(name));
        decision.shape_request(out, &facts);
        let Hashed { hash, cookies } = match cluster.policy {
            LbPolicy::Hash(_) => hash::of_request(&policy.hash, out, &facts),
            LbPolicy::RoundRobin | LbPolicy::LeastRequest { .. } | LbPolicy::Random => {
                Hashed::default()
            }
        };
        // Nobody could answer for the other protocol's bytes.
        let is_mirrored = !policy.mirrors.is_empty() && upgrade.is_none();
        Ok(Forwarding {
            cluster: cluster.clone(),
            retry: policy.retry.clone(),
            timeout: request_timeout(out, policy.timeout, policy.max_grpc_timeout),
            upgrade,
            is_mirrored,
            endpoint_names_host: matches!(forward.host_rewrite(), Some(HostRewrite::Endpoint)),
            hash,
            cookies,
        })
    }

    fn listener_upgrades(&self) -> bool {
        self.served
            .manager()
            .is_some_and(|manager| manager.websocket)
    }
}

/// The route's timeout, or the client's own `grpc-timeout` where the route lets it count.
fn request_timeout(
    head: &RequestHead,
    route: Option<Duration>,
    max_grpc: Option<Duration>,
) -> Option<Duration> {
    let Some(bound) = max_grpc else {
        return route;
    };
    match head.fields.get_str("grpc-timeout").and_then(grpc_timeout) {
        None => route,
        Some(asked) if bound.is_zero() => Some(asked),
        Some(asked) => Some(asked.min(bound)),
    }
}

/// `8 digits at most and a unit`, as gRPC over HTTP/2 writes it.
fn grpc_timeout(text: &str) -> Option<Duration> {
    let (digits, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let number: u64 = digits.parse().ok().filter(|_| digits.len() <= 8)?;
    Some(match unit {
        "H" => Duration::from_secs(number * 3600),
        "M" => Duration::from_secs(number * 60),
        "S" => Duration::from_secs(number),
        "m" => Duration::from_millis(number),
        "u" => Duration::from_micros(number),
        "n" => Duration::from_nanos(number),
        _ => return None,
    })
}

/// What operators of formats may refer to from the start.
#[must_use]
pub fn facts<'a>(connection: &'a Connection, cluster: Option<&'a str>) -> Facts<'a> {
    let chain = connection.listener.chains.get(connection.chain);
    let tls = chain.and_then(|chain| chain.tls.as_ref());
    // Another certificate has no identity of the mesh.
    let shows_own = tls.is_some_and(|tls| tls.identity == Identity::Workload);
    let peer = connection.peer.as_ref();
    Facts {
        remote: connection.client,
        local: connection.local,
        peer: peer.map(|peer| peer.text.as_str()),
        peer_fingerprint: peer.map(|peer| peer.certificate_hash.as_str()),
        own: connection.own_identity.as_deref().filter(|_| shows_own),
        tls: connection.agreed,
        sni: connection.sni.as_deref(),
        chain: chain.map_or("", |chain| &*chain.name),
        cluster,
    }
}
