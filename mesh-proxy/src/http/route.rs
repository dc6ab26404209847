//! Stage route: which route takes the request, and what it says is to be done.

use std::sync::Arc;

use bytes::Bytes;
use mesh_http::RequestHead;
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
    table: Option<Arc<RouteTable>>,
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

/// A routed request without its head, which stays where it is while something is waited for.
#[derive(Debug)]
pub struct Parted {
    upgrade: Option<String>,
    found: Found,
    action: Planned,
}

impl Routed<'_> {
    /// Leaves the head where it is.
    #[must_use]
    pub fn part(self) -> Parted {
        Parted {
            upgrade: self.headed.upgrade,
            found: self.found,
            action: self.action,
        }
    }
}

impl Parted {
    /// A request that is to be done with anew, on the same route.
    #[must_use]
    pub fn new(upgrade: Option<String>, found: Found, action: Planned) -> Self {
        Self {
            upgrade,
            found,
            action,
        }
    }

    /// The request with its head.
    #[must_use]
    pub fn join(self, head: &RequestHead) -> Routed<'_> {
        let upgrade = self.upgrade;
        Routed {
            headed: Headed { head, upgrade },
            found: self.found,
            action: self.action,
        }
    }

    /// Where its route stands.
    #[must_use]
    pub fn found(&self) -> &Found {
        &self.found
    }

    /// Whether the connection shall change to another protocol.
    #[must_use]
    pub fn upgrades(&self) -> bool {
        self.upgrade.is_some()
    }

    /// The protocol that it shall change to.
    #[must_use]
    pub fn into_upgrade(self) -> Option<String> {
        self.upgrade
    }
}

impl Found {
    /// The decision; `None` where none was made in the table.
    #[must_use]
    pub fn decision(&self) -> Option<RouteDecision<'_>> {
        self.table.as_ref()?.at(self.at?)
    }

    /// In no table: no route says anything of the request.
    #[must_use]
    pub const fn nowhere() -> Self {
        Self {
            table: None,
            at: None,
        }
    }

    /// What is to be done with a request that is another one now than when its route was found.
    #[must_use]
    pub fn planned(&self, head: &RequestHead) -> Option<Planned> {
        planned(&self.decision()?.action, head)
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

fn planned(action: &Action<'_>, head: &RequestHead) -> Option<Planned> {
    Some(match action {
        Action::Forward(forward) => Planned::Forward(forward.cluster.clone()),
        Action::Redirect(redirect) => Planned::Redirect(redirect.status, redirect.location(head)),
        Action::Respond(respond) => {
            Planned::Respond(respond.status, Bytes::copy_from_slice(&respond.body))
        }
        Action::NotFound => return None,
    })
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
    let Some(action) = planned(&decision.action, headed.head) else {
        return Stage::Fail(FailureKind::NoRoute.into());
    };
    let at = decision.at();
    Stage::Ready(Routed {
        headed,
        found: Found {
            table: Some(table.clone()),
            at,
        },
        action,
    })
}
