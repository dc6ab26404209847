//! gRPC without a proxy: what a library that resolves `xds:///HOST:PORT` is told (gRFC A27).
//!
//! It asks for a listener of the very name that it resolves, so there is one for each way to write a service's host. It
//! refuses what it does not know; what it passes over by itself is left in.

use mesh_proto::any::pack;
use mesh_proto::envoy::envoy::config::listener::v3 as listener;
use mesh_proto::envoy::envoy::config::route::v3 as proto;
use mesh_proto::envoy::envoy::config::route::v3::route_action::MaxStreamDuration;
use mesh_proto::envoy::google::protobuf::Duration;

use super::{Resources, filter_chain, http_filters, names, route};
use crate::snapshot::view::{Carriage, View};

/// Listeners and route tables of all services' ports that carry requests.
pub(super) fn own(view: &View, resources: &mut Resources) {
    for service in view.services.iter() {
        let ports = service.tcp_ports();
        for port in ports.filter(|port| Carriage::of(port.protocol).may_be_http()) {
            let table = names::host_port(service.service.hostname.as_str(), port.port);
            for name in route::sidecar::called(view, service, port.port) {
                let listener = api_listener(name, &table);
                resources.listeners.insert(listener.name.clone(), listener);
            }
            let mut routes = route::sidecar::of_service(view, service, port.port);
            let hosts = routes.virtual_hosts.iter_mut();
            hosts.flat_map(|host| &mut host.routes).for_each(known);
            resources.routes.insert(table, routes);
        }
    }
}

fn api_listener(name: String, table: &str) -> listener::Listener {
    listener::Listener {
        name,
        api_listener: Some(listener::ApiListener {
            api_listener: Some(pack(&filter_chain::of_library(table))),
        }),
        ..Default::default()
    }
}

/// Leaves out what is for filters that no library has, and says time limits as libraries read them.
///
/// istio: of a route's limits a library reads `max_stream_duration` alone (gRFC A31).
fn known(route: &mut proto::Route) {
    route
        .typed_per_filter_config
        .retain(|filter, _| filter != http_filters::CORS);
    if let Some(proto::route::Action::Route(action)) = &mut route.action {
        let limit = action.timeout.filter(|limit| *limit != Duration::default());
        action.max_stream_duration = limit.map(|limit| MaxStreamDuration {
            max_stream_duration: Some(limit),
            ..Default::default()
        });
    }
}
