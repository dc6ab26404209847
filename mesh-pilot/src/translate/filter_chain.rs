//! Filter chains, and the HTTP connection managers inside them.

mod inbound;

use std::net::SocketAddr;

use mesh_model::name::Hostname;
use mesh_proto::any::pack;
use mesh_proto::envoy::envoy::config::core::v3 as core;
use mesh_proto::envoy::envoy::config::core::v3::HttpProtocolOptions;
use mesh_proto::envoy::envoy::config::core::v3::http_protocol_options::HeadersWithUnderscoresAction as Underscores;
use mesh_proto::envoy::envoy::config::listener::v3 as proto;
use mesh_proto::envoy::envoy::extensions::filters::network::http_connection_manager::v3 as hcm;
use mesh_proto::envoy::envoy::extensions::filters::network::http_connection_manager::v3::http_connection_manager as part;

use super::message::{self, WAIT_FOR_RESOURCE};
use super::route::rule;
use super::tcp_proxy::Manner;
use super::{http_filters, names, tcp_proxy};
use crate::snapshot::rules::Destination;
use crate::snapshot::view::{View, VisibleService};
pub(super) use inbound::{inbound, undeclared};

/// How the HTTP inspector calls what it finds in plain bytes.
const HTTP_WORDS: [&str; 2] = ["http/1.1", "h2c"];
/// istio: what servers call themselves.
const SERVER_NAME: &str = "istio-envoy";

/// The one chain of an outbound listener for requests; its routes come by RDS.
pub(super) fn outbound(bind: SocketAddr, route_table: &str) -> proto::FilterChain {
    let manager = hcm::HttpConnectionManager {
        server_header_transformation: part::ServerHeaderTransformation::PassThrough.into(),
        use_remote_address: message::no(),
        route_specifier: Some(rds(route_table)),
        ..manager(names::stat_prefix("outbound", bind))
    };
    proto::FilterChain {
        filters: vec![http(&manager)],
        ..Default::default()
    }
}

/// The same for connections that turn out to be HTTP; others get another chain.
pub(super) fn outbound_sniffed(bind: SocketAddr, route_table: &str) -> proto::FilterChain {
    proto::FilterChain {
        filter_chain_match: Some(proto::FilterChainMatch {
            transport_protocol: "raw_buffer".into(),
            application_protocols: HTTP_WORDS.map(str::to_owned).into(),
            ..Default::default()
        }),
        ..outbound(bind, route_table)
    }
}

/// The outbound chain of a service's port whose bytes are passed on.
pub(super) fn outbound_service(service: &VisibleService, port: u16) -> proto::FilterChain {
    let host = service.service.hostname.as_str();
    let cluster = names::outbound_cluster(port, "", host);
    let manner = Manner::of(&service.blocks("", port));
    proto::FilterChain {
        filters: vec![tcp_proxy::to_by(cluster, manner)],
        ..Default::default()
    }
}

/// A chain that takes what is for this port alone, whatever is said on it.
pub(super) fn for_port(port: u16, name: &str, cluster: &str) -> proto::FilterChain {
    on_port(port, named(name, cluster))
}

/// A chain that passes bytes on, with a name.
pub(super) fn named(name: &str, cluster: &str) -> proto::FilterChain {
    proto::FilterChain {
        name: name.to_owned(),
        filters: vec![tcp_proxy::to(cluster.to_owned())],
        ..Default::default()
    }
}

/// The same chain for connections to this port alone.
pub(super) fn on_port(port: u16, chain: proto::FilterChain) -> proto::FilterChain {
    let wanted = chain.filter_chain_match.unwrap_or_default();
    proto::FilterChain {
        filter_chain_match: Some(proto::FilterChainMatch {
            destination_port: message::number(port.into()),
            ..wanted
        }),
        ..chain
    }
}

/// The one chain of a gateway's plain HTTP port.
pub(super) fn gateway(bind: SocketAddr, route_table: &str) -> proto::FilterChain {
    let manager = hcm::HttpConnectionManager {
        server_name: SERVER_NAME.into(),
        use_remote_address: message::yes(),
        forward_client_cert_details: part::ForwardClientCertDetails::SanitizeSet.into(),
        set_current_client_cert_details: Some(part::SetCurrentClientCertDetails {
            subject: message::yes(),
            cert: true,
            dns: true,
            uri: true,
            ..Default::default()
        }),
        // istio: the profile for the edge; what some applications take for a hyphen goes no further.
        common_http_protocol_options: Some(HttpProtocolOptions {
            headers_with_underscores_action: Underscores::RejectRequest.into(),
            ..Default::default()
        }),
        route_specifier: Some(rds(route_table)),
        ..manager(names::stat_prefix("outbound", bind))
    };
    proto::FilterChain {
        filters: vec![http(&manager)],
        ..Default::default()
    }
}

/// The chain of a gateway's server that ends TLS.
pub(super) fn secure_gateway(
    bind: SocketAddr,
    route_table: &str,
    server_names: &[Hostname],
    socket: core::TransportSocket,
) -> proto::FilterChain {
    proto::FilterChain {
        filter_chain_match: Some(of_names(server_names)),
        transport_socket: Some(socket),
        ..gateway(bind, route_table)
    }
}

/// The chain of a gateway's server that passes TLS on as it is.
pub(super) fn passed(
    view: &View,
    port: u16,
    server_names: &[Hostname],
    to: &[Destination],
) -> proto::FilterChain {
    let taken = || to.iter().filter(|one| to.len() == 1 || one.weight > 0);
    let clusters = taken().map(|one| (rule::passed(view, port, one), one.weight));
    let mut manners = taken().filter_map(|one| rule::passed_by(view, port, one));
    let manner = manners.next().unwrap_or_default();
    proto::FilterChain {
        filter_chain_match: Some(of_names(server_names)),
        filters: vec![tcp_proxy::to_any(clusters.collect(), manner)],
        ..Default::default()
    }
}

/// istio: `*` is no condition.
fn of_names(server_names: &[Hostname]) -> proto::FilterChainMatch {
    let any = server_names.iter().any(|name| name.as_str() == "*");
    let names = server_names.iter().filter(|_| !any);
    proto::FilterChainMatch {
        server_names: names.map(Hostname::to_string).collect(),
        ..Default::default()
    }
}

/// What a gRPC library is told of a service's port in place of a listener's chains.
pub(super) fn of_library(route_table: &str) -> hcm::HttpConnectionManager {
    hcm::HttpConnectionManager {
        stat_prefix: route_table.to_owned(),
        http_filters: http_filters::of_library(),
        route_specifier: Some(rds(route_table)),
        ..Default::default()
    }
}

/// What all connection managers have in common.
fn manager(stat_prefix: String) -> hcm::HttpConnectionManager {
    hcm::HttpConnectionManager {
        codec_type: part::CodecType::Auto.into(),
        stat_prefix,
        http_filters: http_filters::filters(),
        generate_request_id: message::yes(),
        // istio: pathNormalization BASE.
        normalize_path: message::yes(),
        // Zero is "never": how long a stream may be idle is the application's business.
        stream_idle_timeout: Some(WAIT_FOR_RESOURCE),
        upgrade_configs: vec![part::UpgradeConfig {
            upgrade_type: "websocket".into(),
            ..Default::default()
        }],
        proxy_100_continue: true,
        ..Default::default()
    }
}

fn rds(route_table: &str) -> part::RouteSpecifier {
    part::RouteSpecifier::Rds(hcm::Rds {
        config_source: Some(message::ads()),
        route_config_name: route_table.to_owned(),
    })
}

fn http(manager: &hcm::HttpConnectionManager) -> proto::Filter {
    proto::Filter {
        name: "envoy.filters.network.http_connection_manager".into(),
        config_type: Some(proto::filter::ConfigType::TypedConfig(pack(manager))),
    }
}
