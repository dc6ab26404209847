//! Route tables of sidecars: one for each service's port with a listener of its own, and those that
//! hold many hosts: of the explicit HTTP proxy, and of the ports of calls that are redirected.

mod hosts;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mesh_proto::envoy::envoy::config::route::v3 as proto;
use mesh_proto::envoy::envoy::config::route::v3::route_action::ClusterSpecifier;

use self::hosts::{HTTP_PORT, Hosts, domains, with_ports};
use super::matching::Place;
use super::rule;
use crate::snapshot::rules::Routing;
use crate::snapshot::view::{
    CapturedView, Carriage, OutboundPolicy, SidecarView, View, VisibleService,
};
use crate::translate::{hash, listener, names};

/// What hosts outside the mesh get where traffic cannot be passed through.
const BLOCKED: u32 = 502;

/// The tables that the sidecar's listeners refer to.
pub(in crate::translate) fn tables(
    view: &View,
    sidecar: &SidecarView,
) -> Vec<proto::RouteConfiguration> {
    let services = sidecar
        .outbound
        .iter()
        .filter(|port| listener::carriage(view, port).may_be_http())
        .filter_map(|port| view.service(&port.host).map(|s| (s, port.port)))
        .map(|(service, port)| single(view, service, port));
    let proxy = sidecar.http_proxy.map(|_| http_proxy(view, sidecar));
    services.chain(proxy).collect()
}

/// istio: the table of a listener that only one service has; any Host will do.
fn single(view: &View, service: &VisibleService, port: u16) -> proto::RouteConfiguration {
    let name = names::host_port(service.service.hostname.as_str(), port);
    let routes = service_routes(view, service, port);
    let host = super::virtual_host(name.clone(), vec!["*".into()], routes);
    super::table(name, vec![host])
}

/// The table of a service's port, for a gRPC library.
pub(in crate::translate) fn of_service(
    view: &View,
    service: &VisibleService,
    port: u16,
) -> proto::RouteConfiguration {
    single(view, service, port)
}

/// The names by which a client calls a service's port.
pub(in crate::translate) fn called(
    view: &View,
    service: &VisibleService,
    port: u16,
) -> Vec<String> {
    let names = domains(view, service).into_iter();
    names.map(|name| names::host_port(&name, port)).collect()
}

/// The tables that the listeners of redirected calls refer to, without those of these names.
pub(in crate::translate) fn captured(
    view: &View,
    own: &CapturedView,
    kept: &BTreeSet<String>,
) -> Vec<proto::RouteConfiguration> {
    let sniffed = view.services.iter().flat_map(|service| {
        let ports = service.tcp_ports();
        let ports = ports.filter(|port| Carriage::of(port.protocol) == Carriage::Sniffed);
        ports.map(|port| single(view, service, port.port))
    });
    let shared = listener::captured::http_ports(view);
    let shared = shared
        .into_iter()
        .filter(|port| !kept.contains(&names::sidecar_routes(*port)))
        .map(|port| of_port(view, own, port));
    shared.chain(sniffed).collect()
}

/// The tables of whole ports that are the same for both views: those of the same services, none of which
/// has rules, since these may look at other services too.
pub(in crate::translate) fn kept(before: &View, now: &View) -> BTreeSet<String> {
    let (Some(old), Some(own)) = (before.captured(), now.captured()) else {
        return BTreeSet::new();
    };
    if before.mesh != now.mesh || before.namespace != now.namespace {
        return BTreeSet::new();
    }
    let (were, are) = (unruled(before), unruled(now));
    let same = |port: &u16| {
        let ruled =
            *port == HTTP_PORT && !(old.unregistered.is_empty() && own.unregistered.is_empty());
        !ruled && are.contains_key(port) && were.get(port) == are.get(port)
    };
    let ports = listener::captured::http_ports(now).into_iter();
    ports.filter(same).map(names::sidecar_routes).collect()
}

/// The services that are called by each port, by where they are in memory; of ports none of whose
/// services has rules.
fn unruled(view: &View) -> BTreeMap<u16, Vec<usize>> {
    let mut by_port: BTreeMap<u16, Option<Vec<usize>>> = BTreeMap::new();
    for service in view.services.iter() {
        for port in service.tcp_ports() {
            if !Carriage::of(port.protocol).may_be_http() {
                continue;
            }
            let services = by_port.entry(port.port).or_insert_with(|| Some(Vec::new()));
            match services {
                Some(list) if !service.is_ruled() => list.push(Arc::as_ptr(service).addr()),
                Some(_) | None => *services = None,
            }
        }
    }
    let unruled = |(port, services): (u16, Option<Vec<usize>>)| Some((port, services?));
    by_port.into_iter().filter_map(unruled).collect()
}

/// The table of all services that are called by a port.
fn of_port(view: &View, own: &CapturedView, port: u16) -> proto::RouteConfiguration {
    let mut hosts = Hosts::default();
    let here = |service: &VisibleService| {
        let mut ports = service.tcp_ports();
        ports.any(|p| p.port == port && Carriage::of(p.protocol).may_be_http())
    };
    for service in view.services.iter() {
        if here(service) {
            let name = names::host_port(service.service.hostname.as_str(), port);
            let mut domains = domains(view, service);
            if service.service.addresses.is_empty() {
                // Pods of a headless service are called by names of their own.
                let pods: Vec<_> = domains.iter().map(|name| format!("*.{name}")).collect();
                domains.extend(pods);
            }
            hosts.add(name, domains, service_routes(view, service, port));
        }
    }
    if port == HTTP_PORT {
        for (host, routing) in &own.unregistered {
            let routes = rule::routes(place(view, port), routing);
            let name = names::host_port(host.as_str(), port);
            hosts.add(name, vec![host.to_string()], routes);
        }
    }
    let aliased = view.services.iter().filter(|it| !it.aliases.is_empty());
    for service in aliased.filter(|it| here(it)) {
        add_aliases(&mut hosts, (view, port), service, |names| names);
    }
    hosts.list.push(match view.mesh.outbound_policy {
        OutboundPolicy::AllowAny => allow_any(),
        OutboundPolicy::RegistryOnly => block_all(),
    });
    hosts.list.sort_by(|a, b| a.name.cmp(&b.name));
    super::table(names::sidecar_routes(port), hosts.list)
}

fn allow_any() -> proto::VirtualHost {
    let to = ClusterSpecifier::Cluster(names::PASSTHROUGH.into());
    let route = proto::Route {
        name: names::ALLOW_ANY.into(),
        r#match: Some(super::everything()),
        action: Some(proto::route::Action::Route(super::forward(to, None))),
        ..Default::default()
    };
    super::virtual_host(names::ALLOW_ANY.into(), vec!["*".into()], vec![route])
}

fn http_proxy(view: &View, sidecar: &SidecarView) -> proto::RouteConfiguration {
    let mut hosts = Hosts::default();
    for service in view.services.iter() {
        let ports = service.service.ports.iter();
        for port in ports.filter(|port| Carriage::of(port.protocol).may_be_http()) {
            let name = names::host_port(service.service.hostname.as_str(), port.port);
            let domains = with_ports(domains(view, service), port.port);
            hosts.add(name, domains, service_routes(view, service, port.port));
        }
    }
    for (host, routing) in &sidecar.unregistered {
        let routes = rule::routes(place(view, HTTP_PORT), routing);
        let domains = with_ports(vec![host.to_string()], HTTP_PORT);
        hosts.add(names::host_port(host.as_str(), HTTP_PORT), domains, routes);
    }
    for service in view.services.iter().filter(|it| !it.aliases.is_empty()) {
        let ports = service.service.ports.iter();
        for port in ports.filter(|port| Carriage::of(port.protocol).may_be_http()) {
            let spelled = |names| with_ports(names, port.port);
            add_aliases(&mut hosts, (view, port.port), service, spelled);
        }
    }
    hosts.list.push(block_all());
    hosts.list.sort_by(|a, b| a.name.cmp(&b.name));
    proto::RouteConfiguration {
        // Ports tell services of one name apart here.
        ignore_port_in_host_matching: false,
        ..super::table(names::HTTP_PROXY.into(), hosts.list)
    }
}

/// The names by which each of a service's aliases is called, among the other hosts of a port.
///
/// They come last, so that names that are somebody's own stay with them. istio: an alias shares the
/// virtual host of its service, unless a VirtualService names it.
fn add_aliases(
    hosts: &mut Hosts,
    (view, port): (&View, u16),
    service: &VisibleService,
    spelled: impl Fn(Vec<String>) -> Vec<String>,
) {
    for alias in &service.aliases {
        let host = &alias.hostname;
        let domains = spelled(hosts::spellings(view, host, &alias.name));
        let Some(routing) = &alias.routing else {
            let of = spelled(vec![service.service.hostname.to_string()]);
            hosts.join(&of, domains);
            continue;
        };
        let own = spelled(vec![host.to_string()]);
        if hosts.has(&own) {
            hosts.join(&own, domains);
            continue;
        }
        let mut routes = rule::routes(place(view, port), routing);
        if routes.is_empty() {
            routes = service_routes(view, service, port);
        }
        hosts.add(names::host_port(host.as_str(), port), domains, routes);
    }
}

/// The rules that apply to the service, or its default route where none is left for this port.
fn service_routes(view: &View, service: &VisibleService, port: u16) -> Vec<proto::Route> {
    let ruled = |routing: &Arc<Routing>| rule::routes(place(view, port), routing);
    let routes = service.routing.as_ref().map(ruled).unwrap_or_default();
    if routes.is_empty() {
        return vec![default_route(service, port)];
    }
    routes
}

fn place(view: &View, port: u16) -> Place<'_> {
    Place {
        view,
        port,
        gateway: None,
    }
}

fn default_route(service: &VisibleService, port: u16) -> proto::Route {
    let host = &service.service.hostname;
    let cluster = names::outbound_cluster(port, "", host.as_str());
    let mut action = super::forward(ClusterSpecifier::Cluster(cluster), None);
    let hash = hash::of_service(service, "", port);
    action.hash_policy = hash.iter().map(|hash| hash::route_policy(hash)).collect();
    proto::Route {
        name: names::DEFAULT_ROUTE.into(),
        r#match: Some(super::everything()),
        decorator: super::decorated(format!("{host}:{port}/*")),
        action: Some(proto::route::Action::Route(action)),
        ..Default::default()
    }
}

fn block_all() -> proto::VirtualHost {
    let response = proto::DirectResponseAction {
        status: BLOCKED,
        ..Default::default()
    };
    let route = proto::Route {
        name: names::BLOCK_ALL.into(),
        r#match: Some(super::everything()),
        action: Some(proto::route::Action::DirectResponse(response)),
        ..Default::default()
    };
    super::virtual_host(names::BLOCK_ALL.into(), vec!["*".into()], vec![route])
}

#[cfg(test)]
mod tests;
