//! Route tables of gateways: the VirtualServices bound to the servers of one port.

use mesh_proto::envoy::envoy::config::route::v3 as proto;

use super::matching::Place;
use super::rule;
use crate::snapshot::view::{GatewayHost, GatewayListener, View};
use crate::translate::names;

pub(in crate::translate) fn table(
    view: &View,
    server: &GatewayListener,
) -> proto::RouteConfiguration {
    let explicit = server.explicit_bind.then_some(server.bind);
    let name = names::gateway_routes(server.port, explicit);
    let mut hosts: Vec<_> = server
        .hosts
        .iter()
        .filter_map(|host| virtual_host(view, server, host))
        .collect();
    if hosts.is_empty() {
        let nobody = names::blackhole(server.declared_port);
        hosts.push(super::virtual_host(nobody, vec!["*".into()], Vec::new()));
    }
    super::table(name, hosts)
}

fn virtual_host(
    view: &View,
    server: &GatewayListener,
    host: &GatewayHost,
) -> Option<proto::VirtualHost> {
    let mut routes: Vec<_> = host
        .routings
        .iter()
        .flat_map(|(gateway, routing)| {
            let place = Place {
                view,
                port: server.declared_port,
                gateway: Some(gateway),
            };
            rule::routes(place, routing)
        })
        .collect();
    // istio: several VirtualServices of one host are merged, and what catches everything goes
    // behind what does not, in the order of age otherwise.
    routes.sort_by_key(rule::is_catch_all);
    if routes.is_empty() {
        return None;
    }
    let name = names::host_port(host.host.as_str(), server.declared_port);
    Some(super::virtual_host(
        name,
        vec![host.host.to_string()],
        routes,
    ))
}
