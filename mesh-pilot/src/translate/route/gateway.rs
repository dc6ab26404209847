//! Route tables of gateways: the VirtualServices bound to the servers of one port.

use mesh_proto::envoy::envoy::config::route::v3 as proto;
use mesh_proto::envoy::envoy::config::route::v3::virtual_host::TlsRequirementType;

use super::matching::Place;
use super::rule;
use crate::snapshot::view::{Behind, GatewayHost, GatewayListener, View};
use crate::translate::names;

/// The tables that a gateway's listener refers to.
pub(in crate::translate) fn tables(
    view: &View,
    server: &GatewayListener,
) -> Vec<proto::RouteConfiguration> {
    let explicit = server.explicit_bind.then_some(server.bind);
    let plain = server.plain.then(|| {
        let name = names::gateway_routes(server.port, explicit);
        table(view, name, server.declared_port, &server.hosts)
    });
    let secure = server.secure.iter().filter_map(|one| match &one.behind {
        Behind::Requests {
            table: name, hosts, ..
        } => Some(table(view, name.clone(), server.declared_port, hosts)),
        Behind::Bytes(_) => None,
    });
    plain.into_iter().chain(secure).collect()
}

fn table(view: &View, name: String, port: u16, hosts: &[GatewayHost]) -> proto::RouteConfiguration {
    let mut hosts: Vec<_> = hosts
        .iter()
        .filter_map(|host| virtual_host(view, port, host))
        .collect();
    if hosts.is_empty() {
        let nobody = names::blackhole(port);
        hosts.push(super::virtual_host(nobody, vec!["*".into()], Vec::new()));
    }
    super::table(name, hosts)
}

fn virtual_host(view: &View, port: u16, host: &GatewayHost) -> Option<proto::VirtualHost> {
    let mut routes: Vec<_> = host
        .routings
        .iter()
        .flat_map(|(gateway, routing)| {
            let place = Place {
                view,
                port,
                gateway: Some(gateway),
            };
            rule::routes(place, routing)
        })
        .collect();
    // istio: several VirtualServices of one host are merged, and what catches everything goes
    // behind what does not, in the order of age otherwise.
    routes.sort_by_key(rule::is_catch_all);
    if routes.is_empty() && !host.https_redirect {
        return None;
    }
    let name = names::host_port(host.host.as_str(), port);
    let mut made = super::virtual_host(name, vec![host.host.to_string()], routes);
    if host.https_redirect {
        made.require_tls = TlsRequirementType::All.into();
    }
    Some(made)
}
