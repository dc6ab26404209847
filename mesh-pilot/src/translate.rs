//! From a [`View`] to Envoy's resources: a pure function, the same for the server, tools and tests.
//!
//! It takes the view and nothing else: no settings, no clock, no lookups. Equal views give equal
//! resources.

mod access_log;
mod cluster;
mod endpoint;
mod filter_chain;
mod hash;
mod http_filters;
mod listener;
pub mod locality;
mod message;
pub mod names;
mod proxyless;
mod route;
mod secret;
mod tcp_proxy;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use mesh_proto::envoy::envoy::config::cluster::v3::Cluster;
use mesh_proto::envoy::envoy::config::endpoint::v3::ClusterLoadAssignment;
use mesh_proto::envoy::envoy::config::listener::v3::Listener;
use mesh_proto::envoy::envoy::config::route::v3::RouteConfiguration;
use mesh_proto::envoy::envoy::extensions::transport_sockets::tls::v3::Secret;

use crate::snapshot::view::{CapturedView, Role, Sent, View, VisibleService};

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
    /// Secrets that listeners refer to.
    pub secrets: BTreeMap<String, SecretResource>,
}

/// A secret as it is sent; printing it shows nothing secret.
#[derive(Clone, PartialEq)]
pub struct SecretResource {
    /// The message.
    pub message: Secret,
    /// What of it everybody may know; the rest depends on it.
    pub public: String,
}

impl SecretResource {
    fn of(name: &str, secret: &Sent) -> Self {
        let public = match secret {
            Sent::Certificate(credential) => credential.chain(),
            Sent::Roots(roots) => roots.pem(),
        };
        Self {
            message: secret::resource(name, secret),
            public: public.to_owned(),
        }
    }
}

impl fmt::Debug for SecretResource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SecretResource({})", self.message.name)
    }
}

/// Compiles a proxy's configuration.
#[must_use]
pub fn translate(view: &View) -> Resources {
    let mut resources = own(view, &BTreeSet::new());
    for service in view.services.iter() {
        let told = of_service(view, service);
        resources.clusters.extend(told.clusters);
        resources.endpoints.extend(told.endpoints);
    }
    resources
}

/// What a proxy is told of a service that it may call: clusters and their endpoints.
///
/// Of the view it depends on nothing but the mesh, its software, [`View::is_proxyless`], [`View::is_chosen_by_client`] and
/// [`locality::standpoint`].
#[must_use]
pub fn of_service(view: &View, service: &VisibleService) -> Resources {
    let mut resources = Resources::default();
    cluster::outbound(view, service, &mut resources.clusters);
    if !view.is_chosen_by_client(&service.service) {
        endpoint::assignments(view, service, &mut resources.endpoints);
    }
    resources
}

/// The names of route tables that are the same for both views of a proxy, found without making them.
///
/// Not all: only tables that many services share, and in which no VirtualService has a say.
#[must_use]
pub fn kept_tables(before: &View, now: &View) -> BTreeSet<String> {
    route::sidecar::kept(before, now)
}

/// All but what services are told by, and without the route tables of these names.
#[must_use]
pub fn own(view: &View, kept: &BTreeSet<String>) -> Resources {
    let mut resources = Resources::default();
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
        Role::Captured(own) => captured(view, own, kept, &mut resources),
        Role::Router(router) => {
            for server in &router.listeners {
                // Without chains it would take nothing: nobody has bound a route to it yet.
                if !server.plain && server.secure.is_empty() {
                    continue;
                }
                let listener = listener::gateway(view, server);
                resources.listeners.insert(listener.name.clone(), listener);
                let tables = route::gateway::tables(view, server);
                let tables = tables.into_iter().map(|table| (table.name.clone(), table));
                resources.routes.extend(tables);
            }
            let secrets = router.secrets.iter();
            resources.secrets = secrets
                .map(|(name, secret)| (name.clone(), SecretResource::of(name, secret)))
                .collect();
        }
        Role::Proxyless => proxyless::own(view, &mut resources),
    }
    if let Some(logging) = &view.mesh.access_log {
        access_log::put(logging, resources.listeners.values_mut());
    }
    resources
}

fn captured(view: &View, own: &CapturedView, kept: &BTreeSet<String>, resources: &mut Resources) {
    let inbound = own.inbound.iter().map(|port| cluster::inbound(view, port));
    let clusters = cluster::captured::of_everybody(view).into_iter();
    resources
        .clusters
        .extend(clusters.chain(inbound).map(|c| (c.name.clone(), c)));
    resources.listeners = listener::captured::listeners(view, own);
    let routes = route::sidecar::captured(view, own, kept).into_iter();
    resources.routes = routes.map(|r| (r.name.clone(), r)).collect();
}

#[cfg(test)]
mod tests;
