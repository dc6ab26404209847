//! Stage limit: whether a request is one too many, as its listener or its route says.
//!
//! Where it stands among the other stages is the listener's word too: it counts what passes there.

use std::sync::Arc;
use std::time::Instant;

use mesh_http::{RequestHead, ResponseHead};
use mesh_traffic::limit::{Known, Verdict, Window, client_address};
use mesh_traffic::{LocalLimit, RouteDecision};

use crate::http::connection::{Connection, Served};
use crate::http::exchange::OwnMetadata;
use crate::http::failure::{Failure, grpc_of_http};
use crate::http::route::Found;
use crate::http::shape::facts;

/// What counting a request depends on.
pub struct LimitWith<'a> {
    /// The connection that it came on.
    pub connection: &'a Connection,
    /// The listener's chain that serves it.
    pub served: &'a Served,
    /// Who we are.
    pub own: &'a OwnMetadata,
    /// When it is counted.
    pub now: Instant,
}

/// A request that was counted.
#[derive(Debug, Clone)]
pub struct Counted {
    limit: Arc<LocalLimit>,
    window: Window,
    /// What becomes of it.
    pub verdict: Verdict,
}

/// Counts a request; `None` where nothing is to be counted. `found` is nothing where it has no route.
pub fn limit(
    with: &LimitWith<'_>,
    head: &RequestHead,
    found: Option<&Found>,
    random: &mut fastrand::Rng,
) -> Option<Counted> {
    let manager = with.served.manager()?;
    let at = manager.limit.as_ref()?;
    let decision = found.and_then(Found::decision);
    let said = decision.as_ref().and_then(RouteDecision::local_limit);
    let limit = said.unwrap_or(at.own.as_ref())?;
    let connection = with.connection;
    let known = Known {
        head,
        client: client_address(head, manager.trusted_hops, connection.client.ip()),
        source: with.own.cluster(),
        destination: found.and_then(Found::cluster).map(|name| &**name),
    };
    let decided = limit.decide(
        &known,
        decision.as_ref(),
        &connection.limits,
        with.now,
        || random.u64(..),
    );
    Some(Counted {
        window: decided.window?,
        verdict: decided.verdict,
        limit: limit.clone(),
    })
}

impl Counted {
    /// What becomes of the request instead, if it may not pass.
    #[must_use]
    pub fn refusal(&self) -> Option<Failure> {
        let (http, grpc) = self.limit.statuses();
        let failure = || Failure::too_many(http, grpc.unwrap_or_else(|| grpc_of_http(http)));
        (self.verdict == Verdict::Refused).then(failure)
    }

    /// Writes into the request that it is one too many, if it is.
    pub fn mark(&self, head: &mut RequestHead, connection: &Connection, cluster: Option<&str>) {
        if self.verdict == Verdict::Marked {
            self.limit.mark(head, &facts(connection, cluster));
        }
    }

    /// Writes into the answer of a request that may not pass what it shall say.
    pub fn tell(&self, head: &mut ResponseHead, request: &RequestHead, connection: &Connection) {
        let facts = facts(connection, None);
        self.limit.tell(head, (request, &facts), self.window);
    }

    /// Writes into any answer how many more may come.
    pub fn show(&self, head: &mut ResponseHead) {
        self.limit.show(head, self.window);
    }
}
