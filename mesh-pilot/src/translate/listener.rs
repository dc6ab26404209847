//! Listeners. Where traffic is not captured, each binds a port of its own.

pub(super) mod captured;

use std::net::SocketAddr;

use mesh_proto::Any;
use mesh_proto::any::pack;
use mesh_proto::envoy::envoy::config::core::v3::{self as core, TrafficDirection};
use mesh_proto::envoy::envoy::config::listener::v3 as proto;
use mesh_proto::envoy::envoy::extensions::filters::listener::http_inspector::v3::HttpInspector;
use mesh_proto::envoy::envoy::extensions::filters::listener::tls_inspector::v3::TlsInspector;
use mesh_proto::envoy::google::protobuf::Duration;

use super::{filter_chain, message, names, secret};
use crate::snapshot::view::{
    Behind, Carriage, GatewayListener, InboundPort, MtlsMode, OutboundPort, SidecarView, View,
};

/// How long a port for bytes waits for the ClientHello of a client of the mesh before it takes
/// the connection for plain text, and the application may speak first.
///
/// departs from istio: whose default waits for ever, so that such applications hang where mutual
/// TLS is PERMISSIVE. A sidecar sends its ClientHello with the connection (ADR 0008).
const FIRST_BYTES: Duration = Duration {
    seconds: 1,
    nanos: 0,
};
/// istio: meshConfig.protocolDetectionTimeout: nothing is decided before something was said.
const NO_LIMIT: Duration = Duration {
    seconds: 0,
    nanos: 0,
};

/// The listener of a workload's port.
pub(super) fn inbound(view: &View, port: &InboundPort) -> proto::Listener {
    let base = proto::Listener {
        filter_chains: filter_chain::inbound(view, port),
        ..listener(port.bind, TrafficDirection::Inbound)
    };
    match (Carriage::of(port.protocol), port.mode) {
        (Carriage::Tcp, MtlsMode::Disable) => base,
        (Carriage::Tcp, MtlsMode::Permissive) => proto::Listener {
            listener_filters: vec![tls_inspector()],
            listener_filters_timeout: Some(FIRST_BYTES),
            continue_on_listener_filters_timeout: true,
            ..base
        },
        (Carriage::Sniffed, _) => proto::Listener {
            listener_filters: vec![tls_inspector(), http_inspector()],
            ..base
        },
        (Carriage::Http | Carriage::Tcp | Carriage::Nothing, _) => proto::Listener {
            listener_filters: vec![tls_inspector()],
            ..base
        },
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
        .filter_map(|port| for_service(view, port));
    let proxy = sidecar.http_proxy.map(|bind| proto::Listener {
        filter_chains: vec![filter_chain::outbound(bind, names::HTTP_PROXY)],
        ..listener(bind, TrafficDirection::Outbound)
    });
    services.chain(proxy)
}

/// The listener of a gateway's port.
pub(super) fn gateway(view: &View, server: &GatewayListener) -> proto::Listener {
    let bind = SocketAddr::new(server.bind, server.port);
    let base = listener(bind, TrafficDirection::Outbound);
    if server.plain {
        let explicit = server.explicit_bind.then_some(server.bind);
        let table = names::gateway_routes(server.port, explicit);
        return proto::Listener {
            filter_chains: vec![filter_chain::gateway(bind, &table)],
            ..base
        };
    }
    let chains = server.secure.iter().map(|one| match &one.behind {
        Behind::Requests { table, tls, .. } => {
            let socket = secret::edge(tls, &view.mesh.trust_domain);
            filter_chain::secure_gateway(bind, table, &one.names, socket)
        }
        Behind::Bytes(to) => filter_chain::passed(view, server.declared_port, &one.names, to),
    });
    proto::Listener {
        filter_chains: chains.collect(),
        listener_filters: vec![tls_inspector()],
        ..base
    }
}

/// How the service's port is carried; not at all if it is not known.
pub(super) fn carriage(view: &View, port: &OutboundPort) -> Carriage {
    view.service(&port.host)
        .and_then(|s| s.service.ports.iter().find(|p| p.port == port.port))
        .map_or(Carriage::Nothing, |p| Carriage::of(p.protocol))
}

/// The address is this service's alone, so neither Host nor SNI is asked where a connection goes.
fn for_service(view: &View, port: &OutboundPort) -> Option<proto::Listener> {
    let table = names::host_port(port.host.as_str(), port.port);
    let service = view.service(&port.host)?;
    let bytes = || filter_chain::outbound_service(service, port.port);
    let base = listener(port.bind, TrafficDirection::Outbound);
    match carriage(view, port) {
        Carriage::Http => Some(proto::Listener {
            filter_chains: vec![filter_chain::outbound(port.bind, &table)],
            metadata: Some(own_authority(view, port)),
            ..base
        }),
        Carriage::Tcp => Some(proto::Listener {
            filter_chains: vec![bytes()],
            ..base
        }),
        Carriage::Sniffed => Some(proto::Listener {
            filter_chains: vec![filter_chain::outbound_sniffed(port.bind, &table)],
            // What is not HTTP must not be dropped for want of a chain.
            default_filter_chain: Some(bytes()),
            listener_filters: vec![tls_inspector(), http_inspector()],
            listener_filters_timeout: Some(NO_LIMIT),
            metadata: Some(own_authority(view, port)),
            ..base
        }),
        Carriage::Nothing => None,
    }
}

/// What the proxy puts in place of a Host that is the listener's own address.
fn own_authority(view: &View, port: &OutboundPort) -> core::Metadata {
    let authority = names::host_port(&authority(view, port), port.port);
    let own = message::structure([("authority", message::text(authority))]);
    message::metadata([("mesh", own)])
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
    let config = pack(&TlsInspector::default());
    inspector("envoy.filters.listener.tls_inspector", config)
}

fn http_inspector() -> proto::ListenerFilter {
    let config = pack(&HttpInspector {});
    inspector("envoy.filters.listener.http_inspector", config)
}

fn inspector(name: &str, config: Any) -> proto::ListenerFilter {
    proto::ListenerFilter {
        name: name.into(),
        config_type: Some(proto::listener_filter::ConfigType::TypedConfig(config)),
        ..Default::default()
    }
}
