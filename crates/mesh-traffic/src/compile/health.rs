//! `HealthCheck` to [`Checker`].

use std::ops::Range;
use std::time::Duration;

use mesh_model::Str;
use mesh_proto::Any;
use mesh_proto::any;
use mesh_proto::envoy::envoy::config::cluster::v3 as cluster;
use mesh_proto::envoy::envoy::config::core::v3 as core;
use mesh_proto::envoy::envoy::config::core::v3::health_check::{
    GrpcHealthCheck, HealthChecker, HttpHealthCheck, Payload, TcpHealthCheck, payload,
};
use mesh_proto::envoy::envoy::extensions::health_check::event_sinks::file::v3::HealthCheckEventFileSink;
use mesh_proto::envoy::envoy::r#type::v3::{CodecClientType, Int64Range};
use mesh_proto::envoy::google::protobuf as wkt;

use super::common::{duration, is_true_or, number, port_number, scalars, text, unpack};
use super::{matcher, ops};
use crate::cluster::{Discovery, UpstreamProtocol};
use crate::health::{
    Check, Checker, Events, GrpcProbe, HttpProbe, Probe, TcpProbe, Times, method_takes_body,
};
use crate::reject::{At, Compiled, Fault};
use crate::shape::HeaderOps;

/// Envoy's `no_traffic_interval`.
const NO_TRAFFIC: Duration = Duration::from_secs(60);
/// Envoy's `response_buffer_size` (`kDefaultMaxBytesInBuffer`).
const LOOKS_AT: usize = 1024;
/// Envoy's `expected_statuses`.
const EXPECTED: Range<u16> = 200..201;

/// What the rest of a cluster means to its check.
pub(super) struct Of<'a> {
    pub(super) discovery: &'a Discovery,
    pub(super) protocol: UpstreamProtocol,
}

pub(super) fn checker(pb: &cluster::Cluster, of: &Of<'_>) -> Compiled<Option<Checker>> {
    let found = match pb.health_checks.as_slice() {
        [] => return Ok(None),
        [found] => found,
        [..] => {
            let why = "there is more than one, and one is supported, as in Envoy";
            return Err(Fault::new("health_checks", why));
        }
    };
    if matches!(of.discovery, Discovery::OriginalDst) {
        let why = "is not supported where clients choose the endpoint (type ORIGINAL_DST)";
        return Err(Fault::new("health_checks", why));
    }
    let check = check(found, pb, of).at_index("health_checks", 0)?;
    Ok(Some(Checker::new(check)))
}

/// Envoy closes connections of endpoints that are ejected too.
pub(super) fn closes_failed(pb: &cluster::Cluster) -> Compiled<bool> {
    let closes = pb.close_connections_on_host_health_failure;
    match closes && pb.health_checks.is_empty() && pb.outlier_detection.is_some() {
        true => Err(Fault::new(
            "close_connections_on_host_health_failure",
            "is supported for health_checks alone, not for outlier_detection",
        )),
        false => Ok(closes && !pb.health_checks.is_empty()),
    }
}

fn check(pb: &core::HealthCheck, cluster: &cluster::Cluster, of: &Of<'_>) -> Compiled<Check> {
    let common = cluster.common_lb_config.as_ref();
    let threshold = |field: &str, value| number(value).ok_or_else(|| Fault::missing(field));
    let labels = pb.transport_socket_match_criteria.as_ref();
    let dynamic = match of.discovery {
        Discovery::Eds { .. } => true,
        Discovery::Dns(dns) => !dns.first_alone,
        Discovery::Static(_) | Discovery::OriginalDst => false,
    };
    Ok(Check {
        probe: probe(pb.health_checker.as_ref(), of)?,
        timeout: required("timeout", pb.timeout.as_ref())?,
        times: times(pb)?,
        unhealthy_threshold: threshold("unhealthy_threshold", pb.unhealthy_threshold.as_ref())?,
        healthy_threshold: threshold("healthy_threshold", pb.healthy_threshold.as_ref())?,
        reuses_connections: is_true_or(pb.reuse_connection.as_ref(), true),
        port: match number(pb.alt_port.as_ref()) {
            None | Some(0) => None,
            Some(port) => Some(port_number("alt_port", port)?),
        },
        alpn: pb
            .tls_options
            .iter()
            .flat_map(|options| &options.alpn_protocols)
            .map(Str::from)
            .collect(),
        transport_labels: labels.map(scalars),
        events: events(pb)?,
        ignores_new: common.is_some_and(|common| common.ignore_new_hosts_until_first_hc),
        keeps_removed: dynamic && !cluster.ignore_health_on_host_removal,
    })
}

/// A duration that must be there and be more than nothing.
fn required(field: &str, value: Option<&wkt::Duration>) -> Compiled<Duration> {
    positive(field, value)?.ok_or_else(|| Fault::missing(field))
}

fn positive(field: &str, value: Option<&wkt::Duration>) -> Compiled<Option<Duration>> {
    match duration(field, value)? {
        Some(given) if given.is_zero() => Err(Fault::new(field, "must be more than nothing")),
        given => Ok(given),
    }
}

fn times(pb: &core::HealthCheck) -> Compiled<Times> {
    let interval = required("interval", pb.interval.as_ref())?;
    let no_traffic = positive("no_traffic_interval", pb.no_traffic_interval.as_ref())?;
    let no_traffic = no_traffic.unwrap_or(NO_TRAFFIC);
    let no_traffic_healthy = positive(
        "no_traffic_healthy_interval",
        pb.no_traffic_healthy_interval.as_ref(),
    )?;
    let unhealthy = positive("unhealthy_interval", pb.unhealthy_interval.as_ref())?;
    let unhealthy = unhealthy.unwrap_or(interval);
    let unhealthy_edge = positive(
        "unhealthy_edge_interval",
        pb.unhealthy_edge_interval.as_ref(),
    )?;
    let healthy_edge = positive("healthy_edge_interval", pb.healthy_edge_interval.as_ref())?;
    Ok(Times {
        interval,
        no_traffic,
        no_traffic_healthy: no_traffic_healthy.unwrap_or(no_traffic),
        unhealthy,
        unhealthy_edge: unhealthy_edge.unwrap_or(unhealthy),
        healthy_edge: healthy_edge.unwrap_or(interval),
        initial_jitter: duration("initial_jitter", pb.initial_jitter.as_ref())?.unwrap_or_default(),
        jitter: duration("interval_jitter", pb.interval_jitter.as_ref())?.unwrap_or_default(),
        jitter_percent: pb.interval_jitter_percent,
    })
}

fn events(pb: &core::HealthCheck) -> Compiled<Events> {
    if pb.event_service.is_some() {
        return Err(Fault::unsupported("event_service"));
    }
    let mut files: Vec<Str> = text(&pb.event_log_path).into_iter().collect();
    for (index, logger) in pb.event_logger.iter().enumerate() {
        let typed = logger.typed_config.as_ref();
        let sink = typed.ok_or_else(|| Fault::missing("typed_config"));
        files.push(sink.and_then(file).at_index("event_logger", index)?);
    }
    Ok(Events {
        files,
        failures: pb.always_log_health_check_failures,
        successes: pb.always_log_health_check_success,
    })
}

fn file(any: &Any) -> Compiled<Str> {
    if !any::is::<HealthCheckEventFileSink>(any) {
        let why = format!("{:?} is not supported", any.type_url);
        return Err(Fault::new("typed_config", why));
    }
    let sink: HealthCheckEventFileSink = unpack(any)?;
    text(&sink.event_log_path).ok_or_else(|| Fault::missing("typed_config.event_log_path"))
}

fn probe(pb: Option<&HealthChecker>, of: &Of<'_>) -> Compiled<Probe> {
    match pb {
        Some(HealthChecker::HttpHealthCheck(pb)) => {
            let probe = http(pb).at("http_health_check")?;
            Ok(Probe::Http(Box::new(probe)))
        }
        Some(HealthChecker::TcpHealthCheck(pb)) => tcp(pb).map(Probe::Tcp).at("tcp_health_check"),
        Some(HealthChecker::GrpcHealthCheck(pb)) => {
            grpc(pb, of).map(Probe::Grpc).at("grpc_health_check")
        }
        Some(HealthChecker::CustomHealthCheck(_)) => Err(Fault::unsupported("custom_health_check")),
        None => Err(Fault::new(
            "",
            "has none of http_health_check, tcp_health_check and grpc_health_check",
        )),
    }
}

fn http(pb: &HttpHealthCheck) -> Compiled<HttpProbe> {
    let lists = ops::Lists {
        request_add: &pb.request_headers_to_add,
        request_remove: &pb.request_headers_to_remove,
        response_add: &[],
        response_remove: &[],
    };
    let HeaderOps { request, .. } = ops::compile(&lists)?;
    let method = method(pb.method)?;
    let send = sent(pb.send.as_ref()).at("send")?;
    if !send.is_empty() && !method_takes_body(method) {
        let why = format!("a request by {method} has no body; POST, PUT, PATCH and OPTIONS may");
        return Err(Fault::new("send", why));
    }
    let receive = received(&pb.receive)?;
    let looks_at = match pb.response_buffer_size.as_ref().map(|size| size.value) {
        None => Some(LOOKS_AT),
        Some(0) => None,
        Some(size) => Some(usize::try_from(size).unwrap_or(usize::MAX)),
    };
    let wanted: usize = receive.iter().map(Vec::len).sum();
    if let Some(most) = looks_at.filter(|most| *most < wanted) {
        let why = format!("has {wanted} bytes, and response_buffer_size lets {most} be looked at");
        return Err(Fault::new("receive", why));
    }
    let mut expected = statuses("expected_statuses", &pb.expected_statuses)?;
    if expected.is_empty() {
        expected.push(EXPECTED);
    }
    let service = pb.service_name_matcher.as_ref().map(matcher::text);
    Ok(HttpProbe {
        host: text(line("host", &pb.host)?),
        path: text(line("path", &pb.path)?).ok_or_else(|| Fault::missing("path"))?,
        method,
        send,
        receive,
        looks_at,
        http2: match CodecClientType::try_from(pb.codec_client_type) {
            Ok(CodecClientType::Http1) => false,
            Ok(CodecClientType::Http2) => true,
            Ok(CodecClientType::Http3) => {
                return Err(Fault::new("codec_client_type", "HTTP3 is not supported"));
            }
            Err(_) => return Err(Fault::new("codec_client_type", "is none that is known")),
        },
        ops: request,
        expected,
        retriable: statuses("retriable_statuses", &pb.retriable_statuses)?,
        service: service.transpose().at("service_name_matcher")?,
    })
}

/// A text that may stand in the first line of a request.
fn line<'a>(field: &str, text: &'a str) -> Compiled<&'a str> {
    match text.bytes().any(|b| b.is_ascii_control() || b == b' ') {
        true => Err(Fault::new(field, "has a space or a control character")),
        false => Ok(text),
    }
}

fn method(method: i32) -> Compiled<&'static str> {
    use core::RequestMethod as Method;
    match Method::try_from(method) {
        Ok(Method::MethodUnspecified) => Ok(Method::Get.as_str_name()),
        Ok(Method::Connect) => Err(Fault::new(
            "method",
            "CONNECT is none that can be probed by",
        )),
        Ok(method) => Ok(method.as_str_name()),
        Err(_) => Err(Fault::new("method", format!("{method} is none"))),
    }
}

fn statuses(field: &str, list: &[Int64Range]) -> Compiled<Vec<Range<u16>>> {
    let one = |(index, pb): (usize, &Int64Range)| {
        let (start, end) = (u16::try_from(pb.start), u16::try_from(pb.end));
        let range = match (start, end) {
            (Ok(start), Ok(end)) if start >= 100 && start < end && end <= 600 => Ok(start..end),
            _ => {
                let (start, end) = (pb.start, pb.end);
                let why = format!("from {start} to {end} is no range from 100 on, below 600");
                Err(Fault::new("", why))
            }
        };
        range.at_index(field, index)
    };
    list.iter().enumerate().map(one).collect()
}

fn tcp(pb: &TcpHealthCheck) -> Compiled<TcpProbe> {
    if pb.proxy_protocol_config.is_some() {
        return Err(Fault::unsupported("proxy_protocol_config"));
    }
    Ok(TcpProbe {
        send: sent(pb.send.as_ref()).at("send")?,
        receive: received(&pb.receive)?,
    })
}

fn grpc(pb: &GrpcHealthCheck, of: &Of<'_>) -> Compiled<GrpcProbe> {
    if of.protocol == UpstreamProtocol::Http1 {
        let why = "needs a cluster that speaks HTTP/2 (http2_protocol_options)";
        return Err(Fault::new("", why));
    }
    let mut initial = Vec::new();
    ops::puts(&mut initial, &pb.initial_metadata, "initial_metadata")?;
    Ok(GrpcProbe {
        service: pb.service_name.as_str().into(),
        authority: text(line("authority", &pb.authority)?),
        ops: initial,
    })
}

fn sent(pb: Option<&Payload>) -> Compiled<Vec<u8>> {
    pb.map(bytes).transpose().map(Option::unwrap_or_default)
}

fn received(list: &[Payload]) -> Compiled<Vec<Vec<u8>>> {
    let one = |(index, pb): (usize, &Payload)| {
        let bytes = bytes(pb).and_then(|bytes| match bytes.is_empty() {
            true => Err(Fault::missing("payload")),
            false => Ok(bytes),
        });
        bytes.at_index("receive", index)
    };
    list.iter().enumerate().map(one).collect()
}

fn bytes(pb: &Payload) -> Compiled<Vec<u8>> {
    match &pb.payload {
        Some(payload::Payload::Text(hex)) => {
            of_hex(hex).ok_or_else(|| Fault::new("text", format!("{hex:?} is not hexadecimal")))
        }
        Some(payload::Payload::Binary(bytes)) => Ok(bytes.clone()),
        None => Err(Fault::missing("payload")),
    }
}

/// Two digits a byte; `None` if these are none.
fn of_hex(text: &str) -> Option<Vec<u8>> {
    let digit = |digit: &u8| char::from(*digit).to_digit(16);
    let mut pairs = text.as_bytes().chunks(2);
    let byte = |pair: &[u8]| match pair {
        [high, low] => u8::try_from(digit(high)? * 16 + digit(low)?).ok(),
        _ => None,
    };
    pairs.by_ref().map(byte).collect()
}

#[cfg(test)]
mod tests;
