//! What a gateway's proxy serves: the Gateways that select it, and the VirtualServices bound to them.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use mesh_model::Str;
use mesh_model::labels::Labels;
use mesh_model::name::{Hostname, NamespacedName};
use mesh_model::service::Workload;

use super::rules::{GatewayRef, Routing};
use super::view::{Behind, GatewayHost, GatewayListener, SecureServer, ServerTls};
use super::virtual_service;
use crate::registry::Registry;
use crate::translate::names;

/// Where gateways listen whose server and workload name no address.
const ANY: IpAddr = IpAddr::V4(Ipv4Addr::UNSPECIFIED);

/// A Gateway with its servers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    /// Name and namespace of the object.
    pub name: NamespacedName,
    /// Labels of the proxies that serve it; empty for all gateways' proxies.
    pub selector: Labels,
    /// Its servers.
    pub servers: Vec<Server>,
}

/// One server of a Gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// The port as clients of the gateway's Service call it.
    pub port: u16,
    /// The port's name.
    pub port_name: Str,
    /// What is said on it.
    pub serves: Serves,
    /// An address to bind instead of the default.
    pub bind: Option<IpAddr>,
    /// Hosts that it serves.
    pub hosts: Vec<ServedHost>,
}

/// What is said on a server's port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Serves {
    /// Plain requests.
    Plain {
        /// Whether they are sent to HTTPS.
        https_redirect: bool,
    },
    /// Requests by TLS that ends here.
    Secure(ServerTls),
    /// TLS that is passed on as it is.
    Passed,
}

/// A host of a server, and whose VirtualServices may route it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServedHost {
    /// The only namespace whose VirtualServices count; none for all.
    pub namespace: Option<Str>,
    /// The host.
    pub host: Hostname,
}

impl ServedHost {
    fn takes(&self, routing: &Routing) -> bool {
        let only = self.namespace.as_ref();
        only.is_none_or(|only| *only == routing.name.namespace)
    }
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
                    plain: false,
                    hosts: Vec::new(),
                    secure: Vec::new(),
                });
            let bound =
                virtual_service::for_gateway(routings, &gateway.name, &workload.name.namespace);
            let bound: Vec<_> = bound.collect();
            add_server(listener, gateway, server, &bound);
        }
    }
    let mut listeners: Vec<_> = by_address.into_values().collect();
    for listener in &mut listeners {
        by_host_and_age(&mut listener.hosts, routings);
        for server in &mut listener.secure {
            if let Behind::Requests { hosts, .. } = &mut server.behind {
                by_host_and_age(hosts, routings);
            }
        }
    }
    listeners
}

/// Several Gateways may have brought them; age counts across all.
fn by_host_and_age(hosts: &mut [GatewayHost], routings: &[Arc<Routing>]) {
    hosts.sort_by(|a, b| a.host.cmp(&b.host));
    for host in hosts {
        let age = |routing: &Arc<Routing>| routings.iter().position(|r| Arc::ptr_eq(r, routing));
        host.routings.sort_by_key(|(_, routing)| age(routing));
    }
}

/// istio: the first server of an address says whether TLS is spoken there, and a server name stays
/// with the first server that claims it.
fn add_server(
    listener: &mut GatewayListener,
    gateway: &Gateway,
    server: &Server,
    bound: &[&Arc<Routing>],
) {
    match &server.serves {
        Serves::Plain { https_redirect } if listener.secure.is_empty() => {
            listener.plain = true;
            add_hosts(&mut listener.hosts, gateway, server, bound);
            if *https_redirect {
                for served in &server.hosts {
                    host_of(&mut listener.hosts, served.host.clone());
                }
                redirect(&mut listener.hosts, &server.hosts);
            }
        }
        Serves::Secure(tls) if !listener.plain => {
            let names = server.hosts.iter().map(|served| served.host.clone());
            let names = unclaimed(&listener.secure, names);
            if names.is_empty() {
                return;
            }
            let mut hosts = Vec::new();
            add_hosts(&mut hosts, gateway, server, bound);
            let explicit = listener.explicit_bind.then_some(listener.bind);
            let (port, name) = (server.port, &server.port_name);
            listener.secure.push(SecureServer {
                names,
                behind: Behind::Requests {
                    table: names::secure_gateway_routes(port, name, &gateway.name, explicit),
                    tls: Box::new(tls.clone()),
                    hosts,
                },
            });
        }
        Serves::Passed if !listener.plain => pass_on(listener, gateway, server, bound),
        Serves::Plain { .. } | Serves::Secure(_) | Serves::Passed => {}
    }
}

/// The server names that no earlier server has, each once.
fn unclaimed(before: &[SecureServer], names: impl Iterator<Item = Hostname>) -> Vec<Hostname> {
    let mut out = Vec::new();
    for name in names {
        let claimed = before.iter().any(|server| server.names.contains(&name));
        if !claimed && !out.contains(&name) {
            out.push(name);
        }
    }
    out
}

/// Adds what becomes of connections that are passed on: one entry for each match of each rule.
fn pass_on(
    listener: &mut GatewayListener,
    gateway: &Gateway,
    server: &Server,
    bound: &[&Arc<Routing>],
) {
    let here = GatewayRef::Named(gateway.name.clone());
    for routing in bound {
        let served: Vec<&ServedHost> = server.hosts.iter().filter(|s| s.takes(routing)).collect();
        for rule in &routing.tls {
            for matched in &rule.matches {
                let port = matched.port.is_none_or(|port| port == server.port);
                let gateways = matched.gateways.is_empty() || matched.gateways.contains(&here);
                if !(port && gateways) {
                    continue;
                }
                let names = served
                    .iter()
                    .flat_map(|served| virtual_service::intersection(&served.host, &matched.names));
                let names = unclaimed(&listener.secure, names);
                if !names.is_empty() {
                    let behind = Behind::Bytes(rule.route.clone());
                    listener.secure.push(SecureServer { names, behind });
                }
            }
        }
    }
}

fn add_hosts(
    hosts: &mut Vec<GatewayHost>,
    gateway: &Gateway,
    server: &Server,
    bound: &[&Arc<Routing>],
) {
    for routing in bound.iter().filter(|routing| !routing.http.is_empty()) {
        for served in server.hosts.iter().filter(|served| served.takes(routing)) {
            for host in virtual_service::intersection(&served.host, &routing.hosts) {
                let known = &mut host_of(hosts, host).routings;
                if !known.iter().any(|(_, other)| Arc::ptr_eq(other, routing)) {
                    known.push((gateway.name.clone(), (*routing).clone()));
                }
            }
        }
    }
}

/// Clients of these hosts are sent to HTTPS, those of narrower ones too.
fn redirect(hosts: &mut [GatewayHost], served: &[ServedHost]) {
    for host in hosts {
        host.https_redirect |= served.iter().any(|served| served.host.covers(&host.host));
    }
}

fn host_of(hosts: &mut Vec<GatewayHost>, host: Hostname) -> &mut GatewayHost {
    let at = match hosts.iter().position(|known| known.host == host) {
        Some(at) => at,
        None => {
            hosts.push(GatewayHost {
                host,
                routings: Vec::new(),
                https_redirect: false,
            });
            hosts.len() - 1
        }
    };
    #[expect(clippy::indexing_slicing, reason = "found or pushed just above")]
    &mut hosts[at]
}
