//! `Cluster` to [`Cluster`].

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use mesh_proto::envoy::envoy::config::cluster::v3 as pb;
use mesh_proto::envoy::envoy::config::cluster::v3::circuit_breakers::thresholds::RetryBudget;
use mesh_proto::envoy::envoy::config::cluster::v3::cluster::{
    ClusterDiscoveryType, DiscoveryType, TransportSocketMatch,
};
use mesh_proto::envoy::envoy::config::core::v3 as core;
use mesh_proto::envoy::envoy::config::core::v3::socket_address::PortSpecifier;
use mesh_proto::envoy::envoy::extensions::upstreams::http::v3::HttpProtocolOptions;
use mesh_proto::envoy::envoy::extensions::upstreams::http::v3::http_protocol_options::{
    UpstreamProtocolOptions as Options, explicit_http_config::ProtocolConfig,
};
use mesh_proto::envoy::google::protobuf::value::Kind;

use super::common::{ip, limit, metadata_text, number, scalar, scalars, unpack};
use super::{balance, dns, endpoint, health, outlier, tls};
use crate::breaker::Breaker;
use crate::cluster::{
    Cluster, Discovery, Keepalive, Limits, Retries, ServiceNames, Transport, TransportMatch,
    UpstreamProtocol,
};
use crate::reject::{At, Compiled, Fault};

/// Envoy's `connect_timeout`.
const DEFAULT_CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an unused connection is kept. Shorter than Envoy's hour: each one costs memory on both
/// ends, and opening another costs less than a millisecond.
const DEFAULT_IDLE_TIMEOUT: Duration = Duration::from_secs(60);
/// Key of the HTTP options among `typed_extension_protocol_options`.
const HTTP_OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

pub(crate) fn compile(pb: &pb::Cluster) -> Compiled<Cluster> {
    if pb.name.is_empty() {
        return Err(Fault::missing("name"));
    }
    refuse_unsupported(pb)?;
    let http = http_options(pb)?;
    let common = http
        .as_ref()
        .and_then(|http| http.common_http_protocol_options.as_ref());
    let common = common.or(pb.common_http_protocol_options.as_ref());
    let connect = limit("connect_timeout", pb.connect_timeout.as_ref(), None)?;
    let requests = number(common.and_then(|c| c.max_requests_per_connection.as_ref()))
        .or_else(|| number(pb.max_requests_per_connection.as_ref()));
    let (discovery, protocol) = (discovery(pb)?, protocol(pb, http.as_ref())?);
    let of = health::Of {
        discovery: &discovery,
        protocol,
    };
    Ok(Cluster {
        name: pb.name.as_str().into(),
        checker: health::checker(pb, &of)?,
        closes_failed: health::closes_failed(pb)?,
        discovery,
        policy: balance::policy(pb)?,
        panic_threshold: balance::panic_threshold(pb.common_lb_config.as_ref()),
        weighs_localities: balance::weighs_localities(pb.common_lb_config.as_ref())
            .at("common_lb_config")?,
        slow_start: balance::slow_start(pb.lb_config.as_ref())?,
        sources: sources(pb.upstream_bind_config.as_ref()).at("upstream_bind_config")?,
        connect_timeout: connect.unwrap_or(DEFAULT_CONNECT_TIMEOUT),
        protocol,
        transport: transport(pb.transport_socket.as_ref())?,
        transport_matches: transport_matches(&pb.transport_socket_matches)?,
        breaker: Breaker::new(limits(pb.circuit_breakers.as_ref()).at("circuit_breakers")?),
        detector: outlier::detector(pb.outlier_detection.as_ref()).at("outlier_detection")?,
        idle_timeout: limit(
            "common_http_protocol_options.idle_timeout",
            common.and_then(|common| common.idle_timeout.as_ref()),
            Some(DEFAULT_IDLE_TIMEOUT),
        )?,
        max_requests_per_connection: requests.filter(|requests| *requests > 0),
        max_connection_duration: limit(
            "common_http_protocol_options.max_connection_duration",
            common.and_then(|common| common.max_connection_duration.as_ref()),
            None,
        )?,
        max_streams: max_streams(pb, http.as_ref()),
        keepalive: keepalive(pb.upstream_connection_options.as_ref()),
        service: service(pb.metadata.as_ref()),
        subset: metadata_text(pb.metadata.as_ref(), "istio", "subset"),
        config: metadata_text(pb.metadata.as_ref(), "istio", "config"),
    })
}

fn refuse_unsupported(pb: &pb::Cluster) -> Compiled<()> {
    let features = [
        (
            pb.transport_socket_matcher.is_some(),
            "transport_socket_matcher",
        ),
        (pb.lb_subset_config.is_some(), "lb_subset_config"),
        (pb.load_balancing_policy.is_some(), "load_balancing_policy"),
        (!pb.filters.is_empty(), "filters"),
        (pb.upstream_config.is_some(), "upstream_config"),
    ];
    match features.iter().find(|(asked, _)| *asked) {
        Some((_, field)) => Err(Fault::unsupported(*field)),
        None => Ok(()),
    }
}

fn discovery(pb: &pb::Cluster) -> Compiled<Discovery> {
    let kind = match &pb.cluster_discovery_type {
        None => DiscoveryType::Static,
        Some(ClusterDiscoveryType::Type(kind)) => DiscoveryType::try_from(*kind)
            .map_err(|_unknown| Fault::new("type", format!("{kind} is no discovery type")))?,
        Some(ClusterDiscoveryType::ClusterType(custom)) => {
            let config = custom.typed_config.as_ref();
            let config = config.ok_or_else(|| Fault::missing("typed_config"));
            let dns = config.and_then(|config| dns::of_extension(pb, config));
            return Ok(Discovery::Dns(Arc::new(dns.at("cluster_type")?)));
        }
    };
    match kind {
        DiscoveryType::Eds => {
            let service = pb
                .eds_cluster_config
                .as_ref()
                .map(|eds| eds.service_name.as_str());
            let service = service.filter(|name| !name.is_empty()).unwrap_or(&pb.name);
            Ok(Discovery::Eds {
                service: service.into(),
            })
        }
        DiscoveryType::Static => {
            let assignment = pb.load_assignment.as_ref();
            let endpoints = assignment
                .map(endpoint::compile)
                .transpose()
                .at("load_assignment")?;
            Ok(Discovery::Static(Arc::new(endpoints.unwrap_or_default())))
        }
        DiscoveryType::OriginalDst => Ok(Discovery::OriginalDst),
        DiscoveryType::StrictDns => Ok(Discovery::Dns(Arc::new(dns::of_cluster(pb, false)?))),
        DiscoveryType::LogicalDns => Ok(Discovery::Dns(Arc::new(dns::of_cluster(pb, true)?))),
    }
}

/// The addresses that calls come from.
fn sources(pb: Option<&core::BindConfig>) -> Compiled<Vec<IpAddr>> {
    let Some(pb) = pb else {
        return Ok(Vec::new());
    };
    let features = [
        (
            pb.freebind.as_ref().is_some_and(|value| value.value),
            "freebind",
        ),
        (!pb.socket_options.is_empty(), "socket_options"),
        (
            pb.local_address_selector.is_some(),
            "local_address_selector",
        ),
    ];
    if let Some((_, field)) = features.iter().find(|(asked, _)| *asked) {
        return Err(Fault::unsupported(*field));
    }
    let more = pb.extra_source_addresses.iter();
    let all = pb
        .source_address
        .iter()
        .chain(more.filter_map(|more| more.address.as_ref()));
    all.map(source).collect()
}

fn source(pb: &core::SocketAddress) -> Compiled<IpAddr> {
    match pb.port_specifier {
        // A certain port would do for one connection alone.
        Some(PortSpecifier::PortValue(0)) | None => ip(&pb.address),
        Some(_) => Err(Fault::unsupported("port_value")),
    }
}

fn http_options(pb: &pb::Cluster) -> Compiled<Option<HttpProtocolOptions>> {
    let packed = pb.typed_extension_protocol_options.get(HTTP_OPTIONS);
    packed
        .map(unpack)
        .transpose()
        .at("typed_extension_protocol_options")
}

fn protocol(pb: &pb::Cluster, http: Option<&HttpProtocolOptions>) -> Compiled<UpstreamProtocol> {
    const FIELD: &str = "typed_extension_protocol_options";
    match http.and_then(|http| http.upstream_protocol_options.as_ref()) {
        Some(Options::ExplicitHttpConfig(explicit)) => match explicit.protocol_config {
            Some(ProtocolConfig::HttpProtocolOptions(_)) | None => Ok(UpstreamProtocol::Http1),
            Some(ProtocolConfig::Http2ProtocolOptions(_)) => Ok(UpstreamProtocol::Http2),
            Some(ProtocolConfig::Http3ProtocolOptions(_)) => {
                Err(Fault::unsupported("http3_protocol_options")).at(FIELD)
            }
        },
        Some(Options::UseDownstreamProtocolConfig(_)) => Ok(UpstreamProtocol::Downstream),
        Some(Options::AutoConfig(_)) => Ok(UpstreamProtocol::Auto),
        None if pb.protocol_selection == 1 => Ok(UpstreamProtocol::Downstream),
        None if pb.http2_protocol_options.is_some() => Ok(UpstreamProtocol::Http2),
        None => Ok(UpstreamProtocol::Http1),
    }
}

/// How many streams a connection carries; the protocol's own bound is none.
fn max_streams(pb: &pb::Cluster, http: Option<&HttpProtocolOptions>) -> Option<u32> {
    let chosen = http.and_then(|http| http.upstream_protocol_options.as_ref());
    let options = match chosen {
        Some(Options::ExplicitHttpConfig(explicit)) => match &explicit.protocol_config {
            Some(ProtocolConfig::Http2ProtocolOptions(options)) => Some(options),
            Some(_) | None => None,
        },
        Some(Options::UseDownstreamProtocolConfig(config)) => {
            config.http2_protocol_options.as_ref()
        }
        Some(Options::AutoConfig(config)) => config.http2_protocol_options.as_ref(),
        None => pb.http2_protocol_options.as_ref(),
    };
    number(options?.max_concurrent_streams.as_ref()).filter(|streams| *streams > 0)
}

fn keepalive(pb: Option<&pb::UpstreamConnectionOptions>) -> Option<Keepalive> {
    let pb = pb?.tcp_keepalive.as_ref()?;
    let seconds = |value| number(value).map(|seconds| Duration::from_secs(seconds.into()));
    Some(Keepalive {
        time: seconds(pb.keepalive_time.as_ref()),
        interval: seconds(pb.keepalive_interval.as_ref()),
        probes: number(pb.keepalive_probes.as_ref()),
    })
}

fn transport(pb: Option<&core::TransportSocket>) -> Compiled<Transport> {
    let tls = tls::upstream(pb)?;
    Ok(tls.map_or(Transport::Plain, |tls| Transport::Tls(Arc::new(tls))))
}

fn transport_matches(list: &[TransportSocketMatch]) -> Compiled<Vec<TransportMatch>> {
    let compile = |(index, pb): (usize, &TransportSocketMatch)| {
        let one = || -> Compiled<TransportMatch> {
            let labels = pb.r#match.as_ref();
            let wanted = labels.map_or(0, |labels| labels.fields.len());
            let labels = labels.map(scalars).unwrap_or_default();
            if labels.len() != wanted {
                return Err(Fault::new(
                    "match",
                    "only texts, numbers and booleans can be matched",
                ));
            }
            Ok(TransportMatch {
                name: pb.name.as_str().into(),
                labels,
                transport: transport(pb.transport_socket.as_ref())?,
            })
        };
        one().at_index("transport_socket_matches", index)
    };
    list.iter().enumerate().map(compile).collect()
}

fn limits(pb: Option<&pb::CircuitBreakers>) -> Compiled<Limits> {
    let Some(pb) = pb else {
        return Ok(Limits::DEFAULT);
    };
    if !pb.per_host_thresholds.is_empty() {
        return Err(Fault::unsupported("per_host_thresholds"));
    }
    // Priority HIGH is not used by the mesh; the default one is number zero.
    let Some(own) = pb.thresholds.iter().find(|own| own.priority == 0) else {
        return Ok(Limits::DEFAULT);
    };
    let or = |value: Option<_>, default| number(value).unwrap_or(default);
    Ok(Limits {
        connections: or(own.max_connections.as_ref(), Limits::DEFAULT.connections),
        pending: or(own.max_pending_requests.as_ref(), Limits::DEFAULT.pending),
        requests: or(own.max_requests.as_ref(), Limits::DEFAULT.requests),
        retries: match &own.retry_budget {
            Some(budget) => budgeted(budget).at("thresholds.retry_budget")?,
            None => number(own.max_retries.as_ref()).map_or(Limits::DEFAULT.retries, Retries::Most),
        },
    })
}

/// Envoy's budget where it says nothing is a fifth, and three in any case.
fn budgeted(pb: &RetryBudget) -> Compiled<Retries> {
    let percent = pb
        .budget_percent
        .as_ref()
        .map_or(20.0, |percent| percent.value);
    if !(0.0..=100.0).contains(&percent) {
        return Err(Fault::new("budget_percent", "is not between 0 and 100"));
    }
    let reaches = |hundredths: &u16| f64::from(*hundredths) <= percent * 100.0;
    Ok(Retries::Share {
        hundredths: (0..=10_000).rev().find(reaches).unwrap_or_default(),
        least: number(pb.min_retry_concurrency.as_ref()).unwrap_or(3),
    })
}

/// The first entry of `istio.services`.
fn service(metadata: Option<&core::Metadata>) -> Option<ServiceNames> {
    let services = metadata?
        .filter_metadata
        .get("istio")?
        .fields
        .get("services")?;
    let Some(Kind::ListValue(list)) = &services.kind else {
        return None;
    };
    let Some(Kind::StructValue(first)) = &list.values.first()?.kind else {
        return None;
    };
    let text = |key: &str| first.fields.get(key).and_then(scalar).unwrap_or_default();
    Some(ServiceNames {
        host: text("host"),
        name: text("name"),
        namespace: text("namespace"),
    })
}
