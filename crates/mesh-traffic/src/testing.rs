//! What the tests of this crate build their resources from.

use std::sync::Arc;
use std::time::Instant;

use mesh_http::{RequestHead, Scheme, Version};
use mesh_model::service::Health;
use mesh_model::time::Clock;
use mesh_proto::any::pack;
use mesh_proto::envoy::envoy::config::cluster::v3 as cluster;
use mesh_proto::envoy::envoy::config::core::v3 as core;
use mesh_proto::envoy::envoy::config::endpoint::v3 as endpoint;
use mesh_proto::envoy::envoy::config::listener::v3 as listener;
use mesh_proto::envoy::envoy::config::route::v3 as route;
use mesh_proto::envoy::envoy::extensions::filters::http::router::v3::Router;
use mesh_proto::envoy::envoy::extensions::filters::network::http_connection_manager::v3 as hcm;
use mesh_proto::envoy::envoy::extensions::transport_sockets::tls::v3 as tls;
use mesh_proto::envoy::envoy::r#type::matcher::v3 as matcher;
use mesh_proto::envoy::google::protobuf as wkt;
use mesh_test::clock::fixed;

use crate::{Endpoint, Facts};

/// A request written as `GET http://host/path`, and header lines after it.
pub(crate) fn call(text: &str) -> RequestHead {
    let mut lines = text.lines();
    let (method, target) = lines.next().unwrap().split_once(' ').unwrap();
    let (scheme, rest) = target.split_once("://").unwrap();
    let (authority, path) = rest.split_at(rest.find('/').unwrap());
    let mut head = RequestHead {
        version: Version::Http11,
        method: method.into(),
        scheme: if scheme == "https" {
            Scheme::Https
        } else {
            Scheme::Http
        },
        authority: authority.into(),
        path: path.into(),
        ..RequestHead::default()
    };
    for line in lines {
        let (name, value) = line.trim().split_once(':').unwrap();
        head.fields.append(name, value).unwrap();
    }
    head
}

/// The moment that it is.
pub(crate) fn now() -> Instant {
    fixed().now()
}

pub(crate) fn facts() -> Facts<'static> {
    Facts {
        remote: "10.0.0.7:4711".parse().unwrap(),
        local: "10.0.0.9:80".parse().unwrap(),
        peer: None,
        peer_fingerprint: None,
        own: None,
        tls: None,
        sni: None,
        chain: "",
        cluster: None,
    }
}

pub(crate) fn table(virtual_hosts: Vec<route::VirtualHost>) -> route::RouteConfiguration {
    route::RouteConfiguration {
        name: "9080".into(),
        virtual_hosts,
        ..Default::default()
    }
}

pub(crate) fn host(domains: &[&str], routes: Vec<route::Route>) -> route::VirtualHost {
    route::VirtualHost {
        name: domains.join(","),
        domains: domains.iter().map(ToString::to_string).collect(),
        routes,
        ..Default::default()
    }
}

pub(crate) fn path(specifier: route::route_match::PathSpecifier) -> route::RouteMatch {
    route::RouteMatch {
        path_specifier: Some(specifier),
        ..Default::default()
    }
}

pub(crate) fn prefix(prefix: &str) -> route::RouteMatch {
    path(route::route_match::PathSpecifier::Prefix(prefix.into()))
}

pub(crate) fn with_header(
    name: &str,
    specifier: Option<route::header_matcher::HeaderMatchSpecifier>,
) -> route::HeaderMatcher {
    route::HeaderMatcher {
        name: name.into(),
        header_match_specifier: specifier,
        ..Default::default()
    }
}

pub(crate) fn string(pattern: matcher::string_matcher::MatchPattern) -> matcher::StringMatcher {
    matcher::StringMatcher {
        ignore_case: false,
        match_pattern: Some(pattern),
    }
}

pub(crate) fn regex(pattern: &str) -> matcher::RegexMatcher {
    matcher::RegexMatcher {
        regex: pattern.into(),
        ..Default::default()
    }
}

pub(crate) fn to(matched: route::RouteMatch, action: route::RouteAction) -> route::Route {
    route::Route {
        r#match: Some(matched),
        action: Some(route::route::Action::Route(action)),
        ..Default::default()
    }
}

pub(crate) fn cluster_action(name: &str) -> route::RouteAction {
    route::RouteAction {
        cluster_specifier: Some(route::route_action::ClusterSpecifier::Cluster(name.into())),
        ..Default::default()
    }
}

pub(crate) fn weighted_action(clusters: &[(&str, u32)]) -> route::RouteAction {
    let weight = |(name, weight): &(&str, u32)| route::weighted_cluster::ClusterWeight {
        name: (*name).into(),
        weight: Some(wkt::UInt32Value { value: *weight }),
        ..Default::default()
    };
    let list = route::WeightedCluster {
        clusters: clusters.iter().map(weight).collect(),
        ..Default::default()
    };
    route::RouteAction {
        cluster_specifier: Some(route::route_action::ClusterSpecifier::WeightedClusters(
            list,
        )),
        ..Default::default()
    }
}

pub(crate) fn put(name: &str, value: &str, action: i32) -> core::HeaderValueOption {
    core::HeaderValueOption {
        header: Some(core::HeaderValue {
            key: name.into(),
            value: value.into(),
            ..Default::default()
        }),
        append_action: action,
        ..Default::default()
    }
}

pub(crate) fn address(text: &str) -> Option<core::Address> {
    let (host, port) = text.rsplit_once(':').unwrap();
    let socket = core::SocketAddress {
        address: host.into(),
        port_specifier: Some(core::socket_address::PortSpecifier::PortValue(
            port.parse().unwrap(),
        )),
        ..Default::default()
    };
    Some(core::Address {
        address: Some(core::address::Address::SocketAddress(socket)),
    })
}

pub(crate) fn structure(pairs: &[(&str, wkt::value::Kind)]) -> wkt::Struct {
    let pair = |(key, kind): &(&str, wkt::value::Kind)| {
        let value = wkt::Value {
            kind: Some(kind.clone()),
        };
        ((*key).to_owned(), value)
    };
    wkt::Struct {
        fields: pairs.iter().map(pair).collect(),
    }
}

pub(crate) fn text(text: &str) -> wkt::value::Kind {
    wkt::value::Kind::StringValue(text.into())
}

pub(crate) fn metadata(filter: &str, values: wkt::Struct) -> core::Metadata {
    core::Metadata {
        filter_metadata: [(filter.to_owned(), values)].into(),
        ..Default::default()
    }
}

/// A healthy endpoint with a port of its own.
pub(crate) fn mk_endpoint(number: u16) -> Endpoint {
    Endpoint {
        address: ([10, 0, 0, 1], 1000 + number).into(),
        weight: 1,
        health: Health::Healthy,
        priority: 0,
        locality: Arc::default(),
        hostname: None,
        transport_match: Vec::new(),
        workload: None,
        probing: Default::default(),
    }
}

/// Endpoints given as address, health status and weight.
pub(crate) fn assignment(list: &[(&str, i32, u32)]) -> endpoint::ClusterLoadAssignment {
    let one = |(at, health, weight): &(&str, i32, u32)| endpoint::LbEndpoint {
        health_status: *health,
        load_balancing_weight: Some(wkt::UInt32Value { value: *weight }),
        metadata: Some(metadata(
            "envoy.transport_socket_match",
            structure(&[("tlsMode", text("istio"))]),
        )),
        host_identifier: Some(endpoint::lb_endpoint::HostIdentifier::Endpoint(
            endpoint::Endpoint {
                address: address(at),
                ..Default::default()
            },
        )),
    };
    endpoint::ClusterLoadAssignment {
        cluster_name: "outbound|9080||reviews".into(),
        endpoints: vec![endpoint::LocalityLbEndpoints {
            lb_endpoints: list.iter().map(one).collect(),
            ..Default::default()
        }],
        ..Default::default()
    }
}

pub(crate) fn tls_context(sans: &[&str]) -> tls::CommonTlsContext {
    let secret = |name: &str| tls::SdsSecretConfig {
        name: name.into(),
        ..Default::default()
    };
    let san = |id: &&str| tls::SubjectAltNameMatcher {
        san_type: tls::subject_alt_name_matcher::SanType::Uri.into(),
        matcher: Some(string(matcher::string_matcher::MatchPattern::Exact(
            (*id).into(),
        ))),
        ..Default::default()
    };
    let both = tls::common_tls_context::CombinedCertificateValidationContext {
        default_validation_context: Some(tls::CertificateValidationContext {
            match_typed_subject_alt_names: sans.iter().map(san).collect(),
            ..Default::default()
        }),
        validation_context_sds_secret_config: Some(secret("ROOTCA")),
        ..Default::default()
    };
    tls::CommonTlsContext {
        tls_certificate_sds_secret_configs: vec![secret("default")],
        alpn_protocols: vec!["istio".into(), "h2".into()],
        validation_context_type: Some(
            tls::common_tls_context::ValidationContextType::CombinedValidationContext(both),
        ),
        ..Default::default()
    }
}

pub(crate) fn socket(context: mesh_proto::Any) -> core::TransportSocket {
    core::TransportSocket {
        name: "envoy.transport_sockets.tls".into(),
        config_type: Some(core::transport_socket::ConfigType::TypedConfig(context)),
    }
}

/// A cluster that reaches endpoints with a sidecar by mutual TLS, and the others in the clear.
pub(crate) fn eds_cluster() -> cluster::Cluster {
    let context = tls::UpstreamTlsContext {
        common_tls_context: Some(tls_context(&["spiffe://td/ns/default/sa/reviews"])),
        sni: "outbound_.9080_._.reviews".into(),
        ..Default::default()
    };
    cluster::Cluster {
        name: "outbound|9080||reviews".into(),
        cluster_discovery_type: Some(cluster::cluster::ClusterDiscoveryType::Type(
            cluster::cluster::DiscoveryType::Eds.into(),
        )),
        lb_policy: cluster::cluster::LbPolicy::LeastRequest.into(),
        transport_socket_matches: vec![cluster::cluster::TransportSocketMatch {
            name: "tlsMode-istio".into(),
            r#match: Some(structure(&[("tlsMode", text("istio"))])),
            transport_socket: Some(socket(pack(&context))),
        }],
        metadata: Some(metadata("istio", structure(&[("subset", text("v1"))]))),
        ..Default::default()
    }
}

pub(crate) fn http_filter<M: prost::Message + prost::Name>(message: &M) -> hcm::HttpFilter {
    hcm::HttpFilter {
        name: M::full_name(),
        config_type: Some(hcm::http_filter::ConfigType::TypedConfig(pack(message))),
        ..Default::default()
    }
}

pub(crate) fn manager(table: route::RouteConfiguration) -> hcm::HttpConnectionManager {
    hcm::HttpConnectionManager {
        stat_prefix: "inbound".into(),
        http_filters: vec![http_filter(&Router::default())],
        route_specifier: Some(hcm::http_connection_manager::RouteSpecifier::RouteConfig(
            table,
        )),
        ..Default::default()
    }
}

pub(crate) fn chain(
    name: &str,
    matched: listener::FilterChainMatch,
    manager: &hcm::HttpConnectionManager,
) -> listener::FilterChain {
    listener::FilterChain {
        name: name.into(),
        filter_chain_match: Some(matched),
        filters: vec![listener::Filter {
            name: "http".into(),
            config_type: Some(listener::filter::ConfigType::TypedConfig(pack(manager))),
        }],
        ..Default::default()
    }
}

pub(crate) fn listener(chains: Vec<listener::FilterChain>) -> listener::Listener {
    listener::Listener {
        name: "0.0.0.0_80".into(),
        address: address("0.0.0.0:80"),
        filter_chains: chains,
        ..Default::default()
    }
}
