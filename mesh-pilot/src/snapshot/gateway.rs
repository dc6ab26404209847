//! What a gateway's proxy serves: the Gateways that select it, and the VirtualServices bound to them.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use mesh_model::Str;
use mesh_model::labels::Labels;
use mesh_model::name::{Hostname, NamespacedName};
use mesh_model::service::Workload;

use super::rules::Routing;
use super::view::{GatewayHost, GatewayListener};
use super::virtual_service;
use crate::registry::Registry;

/// Where gateways listen whose server and workload name no address.
const ANY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// A Gateway with its plain HTTP servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    /// Name and namespace of the object.
    pub name: NamespacedName,
    /// Labels of the proxies that serve it; empty for all gateways' proxies.
    pub selector: Labels,
    /// Its servers.
    pub servers: Vec<Server>,
}

/// One plain HTTP server of a Gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// The port as clients of the gateway's Service call it.
    pub port: u16,
    /// An address to bind instead of the default.
    pub bind: Option<IpAddr>,
    /// Hosts that it serves.
    pub hosts: Vec<ServedHost>,
}

/// A host of a server, and whose VirtualServices may route it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServedHost {
    /// The only namespace whose VirtualServices count; none for all.
    pub namespace: Option<Str>,
    /// The host.
    pub host: Hostname,
}

/// The listeners of a gateway's workload, by address.
pub(super) fn listeners(
    gateways: &[Gateway],
    routings: &[Arc<Routing>],
    registry: &Registry,
    workload: &Workload,
) -> Vec<GatewayListener> {
    let default_bind = workload.binds.as_ref().and_then(|binds| binds.gateway);
    let mut by_address: BTreeMap<(IpAddr, u16), GatewayListener> = BTreeMap::new();
    let mine = gateways
        .iter()
        .filter(|gateway| workload.labels.contain(&gateway.selector));
    for gateway in mine {
        for server in &gateway.servers {
            let bind = server.bind.or(default_bind).unwrap_or(ANY);
            let port = registry.target_port(workload, server.port);
            let listener = by_address
                .entry((bind, port))
                .or_insert_with(|| GatewayListener {
                    bind,
                    explicit_bind: server.bind.is_some(),
                    port,
                    declared_port: server.port,
                    hosts: Vec::new(),
                });
            let bound =
                virtual_service::for_gateway(routings, &gateway.name, &workload.name.namespace);
            add_hosts(listener, gateway, server, bound);
        }
    }
    let mut listeners: Vec<_> = by_address.into_values().collect();
    for listener in &mut listeners {
        listener.hosts.sort_by(|a, b| a.host.cmp(&b.host));
        for host in &mut listener.hosts {
            // Several Gateways may have brought them; age counts across all.
            let age =
                |routing: &Arc<Routing>| routings.iter().position(|r| Arc::ptr_eq(r, routing));
            host.routings.sort_by_key(|(_, routing)| age(routing));
        }
    }
    listeners
}

fn add_hosts<'a>(
    listener: &mut GatewayListener,
    gateway: &Gateway,
    server: &Server,
    bound: impl Iterator<Item = &'a Arc<Routing>>,
) {
    for routing in bound {
        for served in &server.hosts {
            let foreign = |only: &Str| *only != routing.name.namespace;
            if served.namespace.as_ref().is_some_and(foreign) {
                continue;
            }
            for host in virtual_service::intersection(&served.host, &routing.hosts) {
                add_routing(listener, host, &gateway.name, routing);
            }
        }
    }
}

fn add_routing(
    listener: &mut GatewayListener,
    host: Hostname,
    gateway: &NamespacedName,
    routing: &Arc<Routing>,
) {
    let entry = (gateway.clone(), routing.clone());
    match listener.hosts.iter_mut().find(|h| h.host == host) {
        None => listener.hosts.push(GatewayHost {
            host,
            routings: vec![entry],
        }),
        Some(known) if known.routings.iter().any(|(_, r)| Arc::ptr_eq(r, routing)) => {}
        Some(known) => known.routings.push(entry),
    }
}
