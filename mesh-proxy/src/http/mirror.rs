//! Copies of a request for the clusters that its route names beside its own.
//!
//! A copy is the request as it goes out, with a host of its own. It is tried once, within the route's time, and
//! says nothing to anybody: no metric of requests and no line of the log, as with Envoy.

use std::sync::Arc;
use std::time::Duration;

use mesh_http::RequestHead;
use mesh_traffic::cluster::Cluster;
use mesh_traffic::config::Config;
use mesh_traffic::{Action, RetryPolicy};

use crate::http::exchange::ATTEMPT_COUNT;
use crate::http::head::put;
use crate::http::shape::{Forwarding, Plan, Shaped};

/// A copy that is to be sent.
#[derive(Debug)]
pub struct Mirrored {
    /// How it is sent.
    pub shaped: Shaped,
    /// As it goes out.
    pub head: Box<RequestHead>,
}

/// The copies of a request.
#[derive(Debug, Default)]
pub struct Copies {
    /// Those that are to be sent.
    pub ready: Vec<Mirrored>,
    /// How many there are for clusters that are not there.
    pub lost: usize,
}

/// How a copy ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CopyEnd {
    /// It was answered.
    Answered,
    /// It could not be sent, or there was no answer.
    Failed,
    /// It did not keep up with the request, or there were too many, or the request itself broke off.
    GivenUp,
}

impl CopyEnd {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Answered, Self::Failed, Self::GivenUp];

    /// As metrics call it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Answered => "answered",
            Self::Failed => "failed",
            Self::GivenUp => "given_up",
        }
    }
}

/// The copies that the route of a request wants of it; `out` is the request as it goes out.
pub fn copies(
    config: &Config,
    shaped: &Shaped,
    out: &RequestHead,
    random: &mut fastrand::Rng,
) -> Copies {
    let mut copies = Copies::default();
    let (Some(decision), Plan::Forward(original)) = (shaped.found.decision(), &shaped.plan) else {
        return copies;
    };
    let Action::Forward(forward) = decision.action else {
        return copies;
    };
    let host = decision.virtual_host;
    let counts = host.is_some_and(|host| host.attempt_count_in_request);
    // Envoy: one draw for all mirrors, so that equal shares are the same requests.
    let draw = random.u64(..);
    let drawn = forward.policy.mirrors.iter();
    for mirror in drawn.filter(|mirror| mirror.takes(draw)) {
        let Some(name) = mirror.cluster(out) else {
            continue;
        };
        let Some(cluster) = config.cluster(&name) else {
            tracing::debug!(cluster = %name, "no such cluster for a copy");
            copies.lost += 1;
            continue;
        };
        let mut head = Box::new(out.clone());
        mirror.rename(&mut head);
        if counts {
            put(&mut head.fields, ATTEMPT_COUNT, "1");
        }
        let plan = Plan::Forward(once(cluster.clone(), original.timeout));
        // What its route says was done to the request already.
        let found = shaped.found.without_place();
        let shaped = Shaped { found, plan };
        copies.ready.push(Mirrored { shaped, head });
    }
    copies
}

/// To that cluster, in that time, and never again.
pub(crate) fn once(cluster: Arc<Cluster>, timeout: Option<Duration>) -> Forwarding {
    Forwarding {
        cluster,
        retry: Arc::new(RetryPolicy::NEVER),
        timeout,
        upgrade: None,
        is_mirrored: false,
        endpoint_names_host: false,
        hash: None,
        cookies: Vec::new(),
    }
}
