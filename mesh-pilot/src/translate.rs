//! From a [`View`] to Envoy's resources: a pure function, the same for the server, tools and tests.
//!
//! It takes the view and nothing else: no settings, no clock, no lookups. Equal views give equal
//! resources.

mod cluster;
mod endpoint;
mod filter_chain;
mod http_filters;
mod listener;
mod message;
pub mod names;
mod route;
mod secret;
mod tcp_proxy;

use std::collections::BTreeMap;

use mesh_proto::envoy::envoy::config::cluster::v3::Cluster;
use mesh_proto::envoy::envoy::config::endpoint::v3::ClusterLoadAssignment;
use mesh_proto::envoy::envoy::config::listener::v3::Listener;
use mesh_proto::envoy::envoy::config::route::v3::RouteConfiguration;

use crate::snapshot::view::{CapturedView, Role, View};

/// The configuration of one proxy, by type and name.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Resources {
    /// Listeners.
    pub listeners: BTreeMap<String, Listener>,
    /// Route tables that listeners refer to.
    pub routes: BTreeMap<String, RouteConfiguration>,
    /// Clusters.
    pub clusters: BTreeMap<String, Cluster>,
    /// Endpoints of the clusters that are told separately.
    pub endpoints: BTreeMap<String, ClusterLoadAssignment>,
}

/// Compiles a proxy's configuration.
#[must_use]
pub fn translate(view: &View) -> Resources {
    let mut resources = Resources::default();
    for service in view.services.iter() {
        cluster::outbound(view, service, &mut resources.clusters);
        if !view.is_chosen_by_client(&service.service) {
            endpoint::assignments(view, service, &mut resources.endpoints);
        }
    }
    match &view.role {
        Role::Sidecar(sidecar) => {
            for port in &sidecar.inbound {
                let listener = listener::inbound(view, port);
                resources.listeners.insert(listener.name.clone(), listener);
                let cluster = cluster::inbound(view, port);
                resources.clusters.insert(cluster.name.clone(), cluster);
            }
            let listeners = listener::outbound(view, sidecar);
            resources
                .listeners
                .extend(listeners.map(|l| (l.name.clone(), l)));
            let routes = route::sidecar::tables(view, sidecar);
            resources
                .routes
                .extend(routes.into_iter().map(|r| (r.name.clone(), r)));
        }
        Role::Captured(own) => captured(view, own, &mut resources),
        Role::Router(router) => {
            for server in &router.listeners {
                let listener = listener::gateway(server);
                resources.listeners.insert(listener.name.clone(), listener);
                let table = route::gateway::table(view, server);
                resources.routes.insert(table.name.clone(), table);
            }
        }
    }
    resources
}

fn captured(view: &View, own: &CapturedView, resources: &mut Resources) {
    let inbound = own.inbound.iter().map(|port| cluster::inbound(view, port));
    let clusters = cluster::captured::of_everybody(view).into_iter();
    resources
        .clusters
        .extend(clusters.chain(inbound).map(|c| (c.name.clone(), c)));
    resources.listeners = listener::captured::listeners(view, own);
    let routes = route::sidecar::captured(view, own).into_iter();
    resources.routes = routes.map(|r| (r.name.clone(), r)).collect();
}

#[cfg(test)]
mod tests;
