//! `Listener` to [`Listener`].

use std::net::SocketAddr;
use std::time::Duration;

use mesh_proto::envoy::envoy::config::core::v3::TrafficDirection;
use mesh_proto::envoy::envoy::config::listener::v3 as pb;
use mesh_proto::envoy::envoy::config::listener::v3::filter_chain_match::ConnectionSourceType;
use mesh_proto::envoy::envoy::config::listener::v3::listener_filter::ConfigType;
use mesh_proto::envoy::envoy::config::listener::v3::listener_filter_chain_match_predicate::Rule;

use super::common::{
    address, is_true, is_true_or, limit, metadata_text, network, number, port_number,
};
use super::{filter, tls};
use crate::listener::{
    Direction, FilterChain, Inspector, Listener, OriginalDestination, Transport,
};
use crate::matching::chain::{ChainMatch, SourceType};
use crate::reject::{At, Compiled, Fault};

/// Envoy's `listener_filters_timeout`.
const DEFAULT_INSPECTION_TIMEOUT: Duration = Duration::from_secs(15);
/// The listener filter that tells TLS from other bytes.
const TLS_INSPECTOR: &str = "envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector";
/// The one that tells HTTP.
const HTTP_INSPECTOR: &str = "envoy.extensions.filters.listener.http_inspector.v3.HttpInspector";
/// The one that gives connections the address back that they had before they were redirected.
const ORIGINAL_DESTINATION: &str = "envoy.extensions.filters.listener.original_dst.v3.OriginalDst";

pub(crate) fn compile(pb: &pb::Listener) -> Compiled<Listener> {
    refuse_unsupported(pb)?;
    let mut chains = Vec::with_capacity(pb.filter_chains.len() + 1);
    let mut matches = Vec::with_capacity(pb.filter_chains.len());
    for (index, chain) in pb.filter_chains.iter().enumerate() {
        matches.push(chain_match(chain).at_index("filter_chains", index)?);
        chains.push(filter_chain(chain).at_index("filter_chains", index)?);
    }
    let default_chain = match &pb.default_filter_chain {
        None => None,
        Some(chain) => {
            chains.push(filter_chain(chain).at("default_filter_chain")?);
            chains.len().checked_sub(1)
        }
    };
    if chains.is_empty() {
        return Err(Fault::new("filter_chains", "is empty"));
    }
    let filters = listener_filters(&pb.listener_filters)?;
    Ok(Listener {
        name: pb.name.as_str().into(),
        address: address(pb.address.as_ref())?,
        more_addresses: more_addresses(&pb.additional_addresses)?,
        original: match is_true(pb.use_original_dst.as_ref()) {
            true => OriginalDestination::HandedOver,
            false if filters.original_destination => OriginalDestination::Restored,
            false => OriginalDestination::Ignored,
        },
        bind_to_port: is_true_or(pb.bind_to_port.as_ref(), true),
        direction: direction(pb.traffic_direction),
        authority: metadata_text(pb.metadata.as_ref(), "mesh", "authority"),
        inspection_timeout: limit(
            "listener_filters_timeout",
            pb.listener_filters_timeout.as_ref(),
            Some(DEFAULT_INSPECTION_TIMEOUT),
        )?,
        continue_after_inspection: pb.continue_on_listener_filters_timeout,
        chains,
        matches,
        default_chain,
        inspector: filters.tls_inspector,
    })
}

fn refuse_unsupported(pb: &pb::Listener) -> Compiled<()> {
    let features = [
        (pb.fcds_config.is_some(), "fcds_config"),
        (pb.filter_chain_matcher.is_some(), "filter_chain_matcher"),
        (pb.udp_listener_config.is_some(), "udp_listener_config"),
        (pb.api_listener.is_some(), "api_listener"),
        (pb.listener_specifier.is_some(), "internal_listener"),
    ];
    match features.iter().find(|(asked, _)| *asked) {
        Some((_, field)) => Err(Fault::unsupported(*field)),
        None => Ok(()),
    }
}

fn direction(direction: i32) -> Direction {
    match TrafficDirection::try_from(direction) {
        Ok(TrafficDirection::Inbound) => Direction::Inbound,
        Ok(TrafficDirection::Outbound) => Direction::Outbound,
        Ok(TrafficDirection::Unspecified) | Err(_) => Direction::Unspecified,
    }
}

fn more_addresses(list: &[pb::AdditionalAddress]) -> Compiled<Vec<SocketAddr>> {
    let compile = |(index, pb): (usize, &pb::AdditionalAddress)| {
        address(pb.address.as_ref()).at_index("additional_addresses", index)
    };
    list.iter().enumerate().map(compile).collect()
}

/// What the listener filters bring.
#[derive(Default)]
struct Filters {
    tls_inspector: Inspector,
    original_destination: bool,
}

/// Unknown filters are refused.
fn listener_filters(filters: &[pb::ListenerFilter]) -> Compiled<Filters> {
    let mut found = Filters::default();
    for (index, filter) in filters.iter().enumerate() {
        let name = match &filter.config_type {
            Some(ConfigType::TypedConfig(any)) => any.type_url.rsplit('/').next(),
            Some(ConfigType::ConfigDiscovery(_)) | None => None,
        };
        let disabled = disabled(filter).at_index("listener_filters", index)?;
        match name.unwrap_or(&filter.name) {
            TLS_INSPECTOR => {
                found.tls_inspector = Inspector {
                    present: true,
                    disabled,
                };
            }
            ORIGINAL_DESTINATION => found.original_destination = true,
            // Plain bytes are looked at where a chain asks, and nowhere else.
            HTTP_INSPECTOR => {}
            other => {
                let fault = Fault::new("typed_config", format!("{other:?} is not supported"));
                return Err(fault).at_index("listener_filters", index);
            }
        }
    }
    Ok(found)
}

/// The ports, first and last, at which a filter is left out.
fn disabled(filter: &pb::ListenerFilter) -> Compiled<Vec<(u16, u16)>> {
    let Some(predicate) = &filter.filter_disabled else {
        return Ok(Vec::new());
    };
    let mut ports = Vec::new();
    match &predicate.rule {
        Some(Rule::OrMatch(set)) => {
            for one in &set.rules {
                ports.push(port_range(one.rule.as_ref()).at("filter_disabled")?);
            }
        }
        one => ports.push(port_range(one.as_ref()).at("filter_disabled")?),
    }
    Ok(ports)
}

fn port_range(rule: Option<&Rule>) -> Compiled<(u16, u16)> {
    let Some(Rule::DestinationPortRange(range)) = rule else {
        let why = "only ranges of destination ports are supported";
        return Err(Fault::new("rule", why));
    };
    // The end is none of them.
    let last = range.end.checked_sub(1);
    let both = u16::try_from(range.start).ok().zip(
        last.and_then(|last| u16::try_from(last).ok())
            .filter(|last| i32::from(*last) >= range.start),
    );
    both.ok_or_else(|| Fault::new("destination_port_range", "is no range of ports"))
}

fn filter_chain(pb: &pb::FilterChain) -> Compiled<FilterChain> {
    if pb.use_proxy_proto.as_ref().is_some_and(|value| value.value) {
        return Err(Fault::unsupported("use_proxy_proto"));
    }
    let (limits, network) = filter::network(&pb.filters)?;
    Ok(FilterChain {
        name: pb.name.as_str().into(),
        tls: tls::downstream(pb.transport_socket.as_ref())?,
        limits,
        network,
    })
}

fn chain_match(pb: &pb::FilterChain) -> Compiled<ChainMatch> {
    let Some(pb) = &pb.filter_chain_match else {
        return Ok(ChainMatch::default());
    };
    one_match(pb).at("filter_chain_match")
}

fn one_match(pb: &pb::FilterChainMatch) -> Compiled<ChainMatch> {
    let features = [
        (!pb.address_suffix.is_empty(), "address_suffix"),
        (pb.suffix_len.is_some(), "suffix_len"),
        (
            !pb.direct_source_prefix_ranges.is_empty(),
            "direct_source_prefix_ranges",
        ),
    ];
    if let Some((_, field)) = features.iter().find(|(asked, _)| *asked) {
        return Err(Fault::unsupported(*field));
    }
    let port = number(pb.destination_port.as_ref());
    let networks = |list: &[_]| list.iter().map(network).collect::<Compiled<Vec<_>>>();
    let ports = pb.source_ports.iter();
    Ok(ChainMatch {
        destination_port: port
            .map(|port| port_number("destination_port", port))
            .transpose()?,
        destinations: networks(&pb.prefix_ranges).at("prefix_ranges")?,
        server_names: pb
            .server_names
            .iter()
            .map(|n| n.to_ascii_lowercase().into())
            .collect(),
        transport: transport(&pb.transport_protocol)?,
        alpn: pb.application_protocols.iter().map(|p| p.into()).collect(),
        source_type: match ConnectionSourceType::try_from(pb.source_type) {
            Ok(ConnectionSourceType::Any) => SourceType::Any,
            Ok(ConnectionSourceType::SameIpOrLoopback) => SourceType::SameIpOrLoopback,
            Ok(ConnectionSourceType::External) => SourceType::External,
            Err(_) => return Err(Fault::new("source_type", "is not known")),
        },
        sources: networks(&pb.source_prefix_ranges).at("source_prefix_ranges")?,
        source_ports: ports
            .map(|p| port_number("source_ports", *p))
            .collect::<Compiled<_>>()?,
    })
}

fn transport(name: &str) -> Compiled<Option<Transport>> {
    match name {
        "" => Ok(None),
        "tls" => Ok(Some(Transport::Tls)),
        "raw_buffer" => Ok(Some(Transport::Raw)),
        other => Err(Fault::new(
            "transport_protocol",
            format!("{other:?} is not tls or raw_buffer"),
        )),
    }
}
