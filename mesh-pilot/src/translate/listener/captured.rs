//! Listeners of sidecars to which connections are redirected: one for what the workload calls, one
//! for what calls it, and those that the first hands connections to, which bind nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, SocketAddr};

use mesh_model::service::ServicePort;
use mesh_proto::any::pack;
use mesh_proto::envoy::envoy::config::core::v3::TrafficDirection;
use mesh_proto::envoy::envoy::config::listener::v3 as proto;
use mesh_proto::envoy::envoy::config::listener::v3::listener_filter_chain_match_predicate as predicate;
use mesh_proto::envoy::envoy::extensions::filters::listener::original_dst::v3::OriginalDst;
use mesh_proto::envoy::envoy::r#type::v3::Int32Range;

use super::{FIRST_BYTES, NO_LIMIT, http_inspector, inspector, listener, tls_inspector};
use crate::snapshot::view::{
    CapturedView, Carriage, InboundPort, MtlsMode, OutboundPolicy, View, VisibleService,
};
use crate::translate::{filter_chain, message, names};

/// The port that what a workload calls is redirected to.
const OUTBOUND_PORT: u16 = 15001;
/// The port that what calls a workload is redirected to.
const INBOUND_PORT: u16 = 15006;

/// All listeners, by name.
pub(in crate::translate) fn listeners(
    view: &View,
    own: &CapturedView,
) -> BTreeMap<String, proto::Listener> {
    let own_ports = [outbound(view, own), inbound(view, own)];
    let mut listeners: BTreeMap<_, _> = own_ports.map(by_name).into();
    listeners.extend(
        http_ports(view)
            .into_iter()
            .map(|port| by_name(shared(view, own, port))),
    );
    for service in view.services.iter() {
        for port in service.tcp_ports() {
            let made = alone(own, service, port);
            listeners.extend(made.into_iter().map(by_name));
        }
    }
    listeners
}

/// The ports by which HTTP services are called: all services of one port share a listener, since
/// requests say which one they are for.
pub(in crate::translate) fn http_ports(view: &View) -> BTreeSet<u16> {
    let ports = view.services.iter().flat_map(|service| service.tcp_ports());
    ports
        .filter(|port| Carriage::of(port.protocol) == Carriage::Http)
        .map(|port| port.port)
        .filter(|port| ![OUTBOUND_PORT, INBOUND_PORT].contains(port))
        .collect()
}

/// Where calls go that no service takes.
pub(in crate::translate) fn elsewhere(view: &View) -> &'static str {
    match view.mesh.outbound_policy {
        OutboundPolicy::AllowAny => names::PASSTHROUGH,
        OutboundPolicy::RegistryOnly => names::BLACK_HOLE,
    }
}

fn by_name(listener: proto::Listener) -> (String, proto::Listener) {
    (listener.name.clone(), listener)
}

fn outbound(view: &View, own: &CapturedView) -> proto::Listener {
    let blackhole = names::OUTBOUND_BLACKHOLE;
    proto::Listener {
        name: names::VIRTUAL_OUTBOUND.into(),
        // It hands connections to the listener of their destination.
        use_original_dst: message::yes(),
        filter_chains: vec![
            filter_chain::for_port(OUTBOUND_PORT, blackhole, names::BLACK_HOLE),
            filter_chain::named(names::OUTBOUND_CATCHALL, elsewhere(view)),
        ],
        bind_to_port: None,
        ..every(own, OUTBOUND_PORT, TrafficDirection::Outbound)
    }
}

fn inbound(view: &View, own: &CapturedView) -> proto::Listener {
    let blackhole = names::INBOUND_BLACKHOLE;
    let mut chains = vec![filter_chain::for_port(
        INBOUND_PORT,
        blackhole,
        names::BLACK_HOLE,
    )];
    for port in &own.inbound {
        let made = filter_chain::inbound(view, port).into_iter();
        chains.extend(made.map(|chain| filter_chain::on_port(port.port, chain)));
    }
    chains.extend(filter_chain::undeclared(view, own.others));
    proto::Listener {
        name: names::VIRTUAL_INBOUND.into(),
        filter_chains: chains,
        listener_filters: vec![
            original_destination(),
            disabled_at(tls_inspector(), ports_where(own, needs_no_transport)),
            disabled_at(http_inspector(), ports_where(own, needs_no_protocol)),
        ],
        listener_filters_timeout: Some(FIRST_BYTES),
        continue_on_listener_filters_timeout: true,
        bind_to_port: None,
        ..every(own, INBOUND_PORT, TrafficDirection::Inbound)
    }
}

/// Nothing is asked of the bytes: an application that speaks first is heard at once.
fn needs_no_transport(port: &InboundPort) -> bool {
    Carriage::of(port.protocol) == Carriage::Tcp && port.mode == MtlsMode::Disable
}

fn needs_no_protocol(port: &InboundPort) -> bool {
    Carriage::of(port.protocol) != Carriage::Sniffed
}

fn ports_where(own: &CapturedView, holds: fn(&InboundPort) -> bool) -> Vec<u16> {
    let ports = own.inbound.iter().filter(|port| holds(port));
    ports.map(|port| port.port).collect()
}

/// The listener that the HTTP services of a port share.
fn shared(view: &View, own: &CapturedView, port: u16) -> proto::Listener {
    let (address, _) = own.families.every();
    let bind = SocketAddr::new(address, port);
    let table = names::sidecar_routes(port);
    proto::Listener {
        filter_chains: vec![filter_chain::outbound_sniffed(bind, &table)],
        // istio: issue 26079: what is not HTTP must not be dropped for want of a chain.
        default_filter_chain: Some(filter_chain::named(
            names::PASSTHROUGH_CHAIN,
            elsewhere(view),
        )),
        ..looked_into(every(own, port, TrafficDirection::Outbound))
    }
}

/// The listeners of a service's port that has addresses of its own. Requests to a service without
/// any are told apart by their Host, as those to all others are.
fn alone(own: &CapturedView, service: &VisibleService, port: &ServicePort) -> Vec<proto::Listener> {
    let carriage = Carriage::of(port.protocol);
    if matches!(carriage, Carriage::Http | Carriage::Nothing) {
        return Vec::new();
    }
    addresses(service, port)
        .into_iter()
        .filter(|ip| own.families.reach(*ip))
        .map(|ip| at(SocketAddr::new(ip, port.port), service, port))
        .collect()
}

/// Of a headless service the addresses of its pods.
fn addresses(service: &VisibleService, port: &ServicePort) -> BTreeSet<IpAddr> {
    let own = service.service.addresses.iter().copied();
    let pods = service
        .endpoints
        .iter()
        .filter(|endpoint| service.service.addresses.is_empty() && endpoint.port_name == port.name)
        .map(|endpoint| endpoint.address.ip());
    own.chain(pods).collect()
}

fn at(bind: SocketAddr, service: &VisibleService, port: &ServicePort) -> proto::Listener {
    let host = service.service.hostname.as_str();
    let bytes = filter_chain::outbound_service(service, port.port);
    let base = proto::Listener {
        bind_to_port: message::no(),
        ..listener(bind, TrafficDirection::Outbound)
    };
    if Carriage::of(port.protocol) == Carriage::Tcp {
        return proto::Listener {
            filter_chains: vec![bytes],
            ..base
        };
    }
    let table = names::host_port(host, port.port);
    proto::Listener {
        filter_chains: vec![filter_chain::outbound_sniffed(bind, &table)],
        default_filter_chain: Some(bytes),
        ..looked_into(base)
    }
}

fn looked_into(base: proto::Listener) -> proto::Listener {
    proto::Listener {
        listener_filters: vec![tls_inspector(), http_inspector()],
        listener_filters_timeout: Some(NO_LIMIT),
        ..base
    }
}

/// A listener of all addresses of the workload, which binds none of them.
fn every(own: &CapturedView, port: u16, direction: TrafficDirection) -> proto::Listener {
    let (first, second) = own.families.every();
    let more = second.map(|ip| proto::AdditionalAddress {
        address: Some(message::address(SocketAddr::new(ip, port))),
        ..Default::default()
    });
    proto::Listener {
        bind_to_port: message::no(),
        additional_addresses: more.into_iter().collect(),
        ..listener(SocketAddr::new(first, port), direction)
    }
}

fn original_destination() -> proto::ListenerFilter {
    inspector("envoy.filters.listener.original_dst", pack(&OriginalDst {}))
}

/// A listener filter that does not look at connections to these ports.
fn disabled_at(filter: proto::ListenerFilter, ports: Vec<u16>) -> proto::ListenerFilter {
    let rule = |port: u16| proto::ListenerFilterChainMatchPredicate {
        rule: Some(predicate::Rule::DestinationPortRange(Int32Range {
            start: i32::from(port),
            end: i32::from(port) + 1,
        })),
    };
    let mut rules: Vec<_> = ports.into_iter().map(rule).collect();
    // A set has two members at least.
    let disabled = match rules.len() {
        0 | 1 => rules.pop(),
        _ => Some(proto::ListenerFilterChainMatchPredicate {
            rule: Some(predicate::Rule::OrMatch(predicate::MatchSet { rules })),
        }),
    };
    proto::ListenerFilter {
        filter_disabled: disabled,
        ..filter
    }
}
