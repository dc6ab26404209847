//! Copies of a request for the clusters that its route names beside its own.
//!
//! A copy is the request as it goes out, with a host of its own. It is tried once, within the route's time.

use mesh_http::RequestHead;
use mesh_traffic::Action;
use mesh_traffic::config::Config;

use crate::http::exchange::ATTEMPT_COUNT;
use crate::http::head::put;
use crate::http::own::OwnRequest;
use crate::http::shape::{Plan, Shaped};

/// The copies of a request.
#[derive(Debug, Default)]
pub struct Copies {
    /// Those that are to be sent.
    pub ready: Vec<OwnRequest>,
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
        let copy = OwnRequest::once(head, cluster.clone(), original.timeout);
        copies.ready.push(copy);
    }
    copies
}
