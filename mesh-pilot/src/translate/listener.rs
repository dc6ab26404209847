//! Listeners. Traffic is not captured: each binds a port of its own.

use std::net::SocketAddr;

use mesh_proto::any::pack;
use mesh_proto::envoy::envoy::config::core::v3::TrafficDirection;
use mesh_proto::envoy::envoy::config::listener::v3 as proto;
use mesh_proto::envoy::envoy::extensions::filters::listener::tls_inspector::v3::TlsInspector;

use super::{filter_chain, message, names};
use crate::snapshot::view::{
    GatewayListener, InboundPort, OutboundPort, SidecarView, View, is_carried,
};

/// The listener of a workload's port.
pub(super) fn inbound(view: &View, port: &InboundPort) -> proto::Listener {
    proto::Listener {
        filter_chains: filter_chain::inbound(view, port),
        listener_filters: vec![tls_inspector()],
        ..listener(port.bind, TrafficDirection::Inbound)
    }
}

/// The listeners by which a workload calls others: one per service's port, and the HTTP proxy.
pub(super) fn outbound(
    view: &View,
    sidecar: &SidecarView,
) -> impl Iterator<Item = proto::Listener> {
    let services = sidecar
        .outbound
        .iter()
        .filter(|port| is_http(view, port))
        .map(|port| for_service(view, port));
    let proxy = sidecar.http_proxy.map(|bind| proto::Listener {
        filter_chains: vec![filter_chain::outbound(bind, names::HTTP_PROXY)],
        ..listener(bind, TrafficDirection::Outbound)
    });
    services.chain(proxy)
}

/// The listener of a gateway's port.
pub(super) fn gateway(server: &GatewayListener) -> proto::Listener {
    let bind = SocketAddr::new(server.bind, server.port);
    let explicit = server.explicit_bind.then_some(server.bind);
    let table = names::gateway_routes(server.port, explicit);
    proto::Listener {
        filter_chains: vec![filter_chain::gateway(bind, &table)],
        ..listener(bind, TrafficDirection::Outbound)
    }
}

/// Whether the service's port is known and carried as HTTP; others are reported with the snapshot.
pub(super) fn is_http(view: &View, port: &OutboundPort) -> bool {
    view.service(&port.host)
        .and_then(|s| s.service.ports.iter().find(|p| p.port == port.port))
        .is_some_and(|p| is_carried(p.protocol))
}

fn for_service(view: &View, port: &OutboundPort) -> proto::Listener {
    let table = names::host_port(port.host.as_str(), port.port);
    let authority = names::host_port(&authority(view, port), port.port);
    let own = message::structure([("authority", message::text(authority))]);
    proto::Listener {
        filter_chains: vec![filter_chain::outbound(port.bind, &table)],
        // The proxy puts this in place of a Host that is the listener's own address.
        metadata: Some(message::metadata([("mesh", own)])),
        ..listener(port.bind, TrafficDirection::Outbound)
    }
}

/// The name by which applications of this namespace would call the service.
fn authority(view: &View, port: &OutboundPort) -> String {
    let Some(service) = view.service(&port.host) else {
        return port.host.to_string();
    };
    let name = &service.service.name;
    if name.namespace == view.namespace {
        name.name.to_string()
    } else {
        format!("{}.{}", name.name, name.namespace)
    }
}

fn listener(bind: SocketAddr, direction: TrafficDirection) -> proto::Listener {
    proto::Listener {
        name: names::listener(bind),
        address: Some(message::address(bind)),
        bind_to_port: message::yes(),
        traffic_direction: direction.into(),
        ..Default::default()
    }
}

fn tls_inspector() -> proto::ListenerFilter {
    proto::ListenerFilter {
        name: "envoy.filters.listener.tls_inspector".into(),
        config_type: Some(proto::listener_filter::ConfigType::TypedConfig(pack(
            &TlsInspector::default(),
        ))),
        ..Default::default()
    }
}
