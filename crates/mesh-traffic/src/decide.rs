//! What happens to a request.

use std::sync::Arc;

use mesh_http::{RequestHead, Scheme};
use mesh_model::Str;

use crate::authz;
use crate::limit::descriptor::Recipe;
use crate::limit::service::OfPlace;
use crate::limit::{LocalLimit, OfHost, Said};
use crate::route::{
    ForwardPolicy, ForwardRoute, HostRewrite, Redirect, Respond, Route, RouteAction, RouteTable,
    VirtualHost, WeightedCluster,
};
use crate::shape::HeaderOps;

/// What happens to a request; borrows from the table.
#[derive(Debug, Clone, Copy)]
pub struct RouteDecision<'t> {
    /// The table that decided.
    pub table: &'t RouteTable,
    /// The virtual host that the authority belongs to.
    pub virtual_host: Option<&'t VirtualHost>,
    /// The route that matched.
    pub route: Option<&'t Route>,
    /// What to do.
    pub action: Action<'t>,
    at: Option<RouteAt>,
}

/// What to do with a request.
#[derive(Debug, Clone, Copy)]
pub enum Action<'t> {
    /// Send it to a cluster.
    Forward(Forward<'t>),
    /// Send the client elsewhere.
    Redirect(&'t Redirect),
    /// Answer it.
    Respond(&'t Respond),
    /// Nobody wants it: 404 with the flag NR.
    NotFound,
}

/// How a request is sent to a cluster.
#[derive(Debug, Clone, Copy)]
pub struct Forward<'t> {
    /// The cluster.
    pub cluster: &'t Str,
    /// What its route says besides.
    pub policy: &'t ForwardPolicy,
    pub(crate) choice: &'t WeightedCluster,
}

impl<'t> Forward<'t> {
    /// What becomes the authority: the chosen cluster's own word counts before the route's.
    #[must_use]
    pub fn host_rewrite(&self) -> Option<HostRewrite> {
        let own = self.choice.host_rewrite.clone().map(HostRewrite::Literal);
        own.or_else(|| self.policy.host_rewrite.clone())
    }

    pub(crate) fn ops(&self) -> &'t HeaderOps {
        &self.choice.ops
    }
}

/// Where in its table a decision stands: small, without a borrow, good for that table only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RouteAt {
    host: u32,
    route: u32,
    choice: u32,
}

/// Decides about a request. `draw` is asked only where weights leave a choice.
pub fn decide_route<'t>(
    table: &'t RouteTable,
    head: &RequestHead,
    draw: impl FnOnce() -> u64,
) -> RouteDecision<'t> {
    let nowhere = RouteDecision {
        table,
        virtual_host: None,
        route: None,
        action: Action::NotFound,
        at: None,
    };
    let found = table.hosts.find(&head.authority);
    let Some((host, virtual_host)) = found.and_then(|i| Some((i, table.virtual_hosts.get(i)?)))
    else {
        return nowhere;
    };
    let on_host = RouteDecision {
        virtual_host: Some(virtual_host),
        ..nowhere
    };
    if let (Some(redirect), Scheme::Http) = (&virtual_host.require_tls, head.scheme) {
        return RouteDecision {
            action: Action::Redirect(redirect),
            ..on_host
        };
    }
    let path = head.path_only();
    let mut routes = virtual_host.routes.iter().enumerate();
    let Some((route, found)) = routes.find(|(_, route)| route.matches.matches(head, path)) else {
        return on_host;
    };
    let choice = found.choose(draw);
    table.decision(host, route, choice).unwrap_or(on_host)
}

impl<'t> RouteDecision<'t> {
    /// Where this decision stands, to find it again with [`RouteTable::at`].
    #[must_use]
    pub fn at(&self) -> Option<RouteAt> {
        self.at
    }

    /// How many requests may pass, where the route says other than its listener; the inner one is empty where there
    /// is no limit.
    #[must_use]
    pub fn local_limit(&self) -> Option<Option<&'t Arc<LocalLimit>>> {
        match self.route?.local_limit.as_ref()? {
            Said::Limit(limit) => Some(Some(limit)),
            Said::Off => Some(None),
        }
    }

    /// What the route says of the limit that a service counts.
    pub(crate) fn global_limit(&self) -> Option<&'t OfPlace> {
        self.route?.global_limit.as_deref()
    }

    /// What the route says of the service that is asked whether requests pass.
    pub(crate) fn authorization(&self) -> Option<&'t Arc<authz::OfPlace>> {
        self.route?.authorization.as_ref()
    }

    /// How a rate limit that heeds the virtual host so describes requests. Only those that are sent on are described.
    pub(crate) fn recipes(&self, host: OfHost) -> impl Iterator<Item = &'t Recipe> {
        let forward = self.route.and_then(|route| match &route.action {
            RouteAction::Forward(forward) => Some(forward),
            RouteAction::Redirect(_) | RouteAction::Respond(_) => None,
        });
        let own = forward.map_or(&[][..], |forward| &forward.rate_limits);
        let heeds_host = match host {
            OfHost::Include => forward.is_some(),
            _ if forward.is_some_and(|it| it.includes_host_limits) => true,
            OfHost::Unless => forward.is_some() && own.is_empty(),
            OfHost::Ignore => false,
        };
        let host = self.virtual_host.filter(|_| heeds_host);
        own.iter()
            .chain(host.map_or(&[][..], |host| &host.rate_limits))
    }
}

impl RouteTable {
    /// The decision that stood there in this very table.
    #[must_use]
    pub fn at(&self, at: RouteAt) -> Option<RouteDecision<'_>> {
        self.decision(at.host as usize, at.route as usize, at.choice as usize)
    }

    fn decision(&self, host: usize, route: usize, choice: usize) -> Option<RouteDecision<'_>> {
        let virtual_host = self.virtual_hosts.get(host)?;
        let found = virtual_host.routes.get(route)?;
        let small = |index: usize| u32::try_from(index).ok();
        Some(RouteDecision {
            table: self,
            virtual_host: Some(virtual_host),
            route: Some(found),
            action: found.action(choice)?,
            at: Some(RouteAt {
                host: small(host)?,
                route: small(route)?,
                choice: small(choice)?,
            }),
        })
    }
}

impl Route {
    fn choose(&self, draw: impl FnOnce() -> u64) -> usize {
        match &self.action {
            RouteAction::Forward(forward) => forward.choose(draw),
            RouteAction::Redirect(_) | RouteAction::Respond(_) => 0,
        }
    }

    fn action(&self, choice: usize) -> Option<Action<'_>> {
        Some(match &self.action {
            RouteAction::Forward(forward) => {
                let choice = forward.clusters.get(choice)?;
                Action::Forward(Forward {
                    cluster: &choice.cluster,
                    policy: &forward.policy,
                    choice,
                })
            }
            RouteAction::Redirect(redirect) => Action::Redirect(redirect),
            RouteAction::Respond(respond) => Action::Respond(respond),
        })
    }
}

impl ForwardRoute {
    fn choose(&self, draw: impl FnOnce() -> u64) -> usize {
        if self.clusters.len() < 2 {
            return 0;
        }
        weighted(self.clusters.iter().map(|c| c.weight), draw).unwrap_or_default()
    }
}

/// The index that a draw falls on; `None` when all weights are zero.
pub(crate) fn weighted(
    weights: impl Iterator<Item = u32> + Clone,
    draw: impl FnOnce() -> u64,
) -> Option<usize> {
    let total: u64 = weights.clone().map(u64::from).sum();
    let mut point = draw().checked_rem(total)?;
    for (index, weight) in weights.enumerate() {
        let weight = u64::from(weight);
        if point < weight {
            return Some(index);
        }
        point -= weight;
    }
    None
}

#[cfg(test)]
mod tests;
