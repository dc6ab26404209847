//! Stage route: which route takes the request, and what it says is to be done.

use std::sync::Arc;

use bytes::Bytes;
use mesh_model::Str;
use mesh_traffic::{Action, RouteAt, RouteDecision, RouteTable, decide_route};

use crate::http::connection::Served;
use crate::http::failure::FailureKind;
use crate::http::head::Headed;
use crate::http::stage::Stage;

/// A request with its route.
#[derive(Debug)]
pub struct Routed<'a> {
    /// What the head stage made.
    pub headed: Headed<'a>,
    /// The table that decided; for requests that are answered outright there may be no place in it.
    pub found: Found,
    /// What is to be done.
    pub action: Planned,
}

/// Where in which table a decision stands.
#[derive(Debug, Clone)]
pub struct Found {
    table: Arc<RouteTable>,
    at: Option<RouteAt>,
}

/// What is to be done with a request.
#[derive(Debug, Clone)]
pub enum Planned {
    /// Send it to this cluster.
    Forward(Str),
    /// Answer with this status, and where the client is sent to.
    Redirect(u16, String),
    /// Answer with this status and body.
    Respond(u16, Bytes),
    /// Answer a browser that asks whether a page may send a request.
    Preflight,
}

impl Found {
    /// The decision; `None` where none was made in the table.
    #[must_use]
    pub fn decision(&self) -> Option<RouteDecision<'_>> {
        self.table.at(self.at?)
    }

    /// The same table without a place in it, for what its route has been done to already.
    #[must_use]
    pub fn without_place(&self) -> Self {
        Self {
            table: self.table.clone(),
            at: None,
        }
    }

    /// The name of the cluster, where requests are sent to one.
    #[must_use]
    pub fn cluster(&self) -> Option<&Str> {
        match self.decision()?.action {
            Action::Forward(forward) => Some(forward.cluster),
            Action::Redirect(_) | Action::Respond(_) | Action::NotFound => None,
        }
    }
}

/// Finds the route of a request.
pub fn route<'a>(
    served: &Served,
    headed: Headed<'a>,
    random: &mut fastrand::Rng,
) -> Stage<Routed<'a>> {
    let Some(table) = &served.table else {
        return Stage::Fail(FailureKind::NoRoute.into());
    };
    let decision = decide_route(table, headed.head, || random.u64(..));
    let action = match decision.action {
        Action::Forward(forward) => Planned::Forward(forward.cluster.clone()),
        Action::Redirect(redirect) => {
            Planned::Redirect(redirect.status, redirect.location(headed.head))
        }
        Action::Respond(respond) => {
            Planned::Respond(respond.status, Bytes::copy_from_slice(&respond.body))
        }
        Action::NotFound => return Stage::Fail(FailureKind::NoRoute.into()),
    };
    let at = decision.at();
    Stage::Ready(Routed {
        headed,
        found: Found {
            table: table.clone(),
            at,
        },
        action,
    })
}
