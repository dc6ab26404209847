//! Filter chains, and the HTTP connection manager inside each.

use std::net::SocketAddr;

use mesh_proto::any::pack;
use mesh_proto::envoy::envoy::config::listener::v3 as proto;
use mesh_proto::envoy::envoy::extensions::filters::network::http_connection_manager::v3 as hcm;
use mesh_proto::envoy::envoy::extensions::filters::network::http_connection_manager::v3::http_connection_manager as part;

use super::message::{self, WAIT_FOR_RESOURCE};
use super::{http_filters, names, route, secret};
use crate::snapshot::view::{InboundPort, MtlsMode, View};

/// What clients of the mesh say in ALPN; no other client does.
///
/// istio: `pilot/pkg/networking/util`, the HTTP and TCP words together.
const ISTIO_ALPN: [&str; 5] = [
    "istio-http/1.0",
    "istio-http/1.1",
    "istio-h2",
    "istio-peer-exchange",
    "istio",
];
/// istio: what servers call themselves.
const SERVER_NAME: &str = "istio-envoy";

/// The one chain of an outbound listener; its routes come by RDS.
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
        route_specifier: Some(rds(route_table)),
        ..manager(names::stat_prefix("outbound", bind))
    };
    proto::FilterChain {
        filters: vec![http(&manager)],
        ..Default::default()
    }
}

/// The chains of a workload's port, by which connections its mode accepts.
pub(super) fn inbound(view: &View, port: &InboundPort) -> Vec<proto::FilterChain> {
    let mutual = |alpn: &[&str]| proto::FilterChain {
        filter_chain_match: Some(proto::FilterChainMatch {
            transport_protocol: "tls".into(),
            application_protocols: alpn.iter().map(|&p| p.to_owned()).collect(),
            ..Default::default()
        }),
        transport_socket: Some(secret::downstream(&view.mesh.trust_domain)),
        ..inbound_chain(port)
    };
    let plain = || proto::FilterChain {
        filter_chain_match: Some(proto::FilterChainMatch {
            transport_protocol: "raw_buffer".into(),
            ..Default::default()
        }),
        ..inbound_chain(port)
    };
    match port.mode {
        MtlsMode::Strict => vec![mutual(&[])],
        // TLS that is not the mesh's own is the application's business on ports that speak it;
        // on an HTTP port nothing could answer it, so no chain takes it.
        MtlsMode::Permissive => vec![mutual(&ISTIO_ALPN), plain()],
        MtlsMode::Disable => vec![plain()],
    }
}

fn inbound_chain(port: &InboundPort) -> proto::FilterChain {
    let manager = hcm::HttpConnectionManager {
        server_name: SERVER_NAME.into(),
        use_remote_address: message::no(),
        forward_client_cert_details: part::ForwardClientCertDetails::AppendForward.into(),
        set_current_client_cert_details: Some(part::SetCurrentClientCertDetails {
            subject: message::yes(),
            dns: true,
            uri: true,
            ..Default::default()
        }),
        route_specifier: Some(part_route(port)),
        ..manager(names::stat_prefix("inbound", port.bind))
    };
    proto::FilterChain {
        name: names::listener(port.bind),
        filters: vec![http(&manager)],
        ..Default::default()
    }
}

fn part_route(port: &InboundPort) -> part::RouteSpecifier {
    part::RouteSpecifier::RouteConfig(route::inbound::table(port))
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
