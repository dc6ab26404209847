//! What keeps clients and endpoints from overwhelming each other: bounds of connections and requests, and
//! endpoints that fail put out for a while.

use mesh_api::networking::destination_rule::{
    ConnectionPool, HttpPool, OutlierDetection, RetryBudget, TcpKeepalive,
};
use mesh_proto::envoy::envoy::config::cluster::v3 as proto;
use mesh_proto::envoy::envoy::config::cluster::v3::circuit_breakers::Thresholds;
use mesh_proto::envoy::envoy::config::cluster::v3::circuit_breakers::thresholds;
use mesh_proto::envoy::envoy::config::core::v3 as core;
use mesh_proto::envoy::envoy::r#type::v3::Percent;
use mesh_proto::envoy::google::protobuf::UInt32Value;

use crate::snapshot::rules::PolicyBlocks;
use crate::translate::message;

/// A number that says something: nought does not.
fn said(value: u32) -> Option<u32> {
    (value > 0).then_some(value)
}

/// Adds to a cluster what a DestinationRule says of connections and retries.
pub(super) fn bounded(blocks: &PolicyBlocks, told: proto::Cluster) -> proto::Cluster {
    let tcp = blocks.pool.as_ref().and_then(|pool| pool.tcp.as_ref());
    let connect_timeout = tcp.and_then(|tcp| tcp.connect_timeout);
    let keepalive = tcp.and_then(|tcp| tcp.tcp_keepalive.as_ref());
    proto::Cluster {
        circuit_breakers: Some(proto::CircuitBreakers {
            thresholds: vec![thresholds(blocks.pool.as_deref(), blocks.retry_budget)],
            per_host_thresholds: Vec::new(),
        }),
        connect_timeout: connect_timeout
            .map(message::duration)
            .or(told.connect_timeout),
        upstream_connection_options: keepalive.map(kept_alive),
        ..told
    }
}

/// istio: nothing is limited until a DestinationRule limits it.
fn thresholds(pool: Option<&ConnectionPool>, budget: Option<RetryBudget>) -> Thresholds {
    let tcp = pool.and_then(|pool| pool.tcp.as_ref());
    let http = pool.and_then(|pool| pool.http.as_ref());
    let bound = |value: u32| message::number(said(value).unwrap_or(u32::MAX));
    let of_http = |field: fn(&HttpPool) -> u32| bound(http.map_or(0, field));
    Thresholds {
        max_connections: bound(tcp.map_or(0, |tcp| tcp.max_connections)),
        max_pending_requests: of_http(|http| http.http1_max_pending_requests),
        max_requests: of_http(|http| http.http2_max_requests),
        max_retries: of_http(|http| http.max_retries),
        retry_budget: budget.map(retry_budget),
        track_remaining: true,
        ..Default::default()
    }
}

fn retry_budget(written: RetryBudget) -> thresholds::RetryBudget {
    thresholds::RetryBudget {
        budget_percent: written.percent.map(|millionths| Percent {
            value: f64::from(millionths) / 10_000.0,
        }),
        min_retry_concurrency: said(written.min_retry_concurrency).and_then(message::number),
        ..Default::default()
    }
}

fn kept_alive(written: &TcpKeepalive) -> proto::UpstreamConnectionOptions {
    let seconds = |time: Option<std::time::Duration>| {
        let seconds = time.map(|time| u32::try_from(time.as_secs()).unwrap_or(u32::MAX));
        seconds.and_then(said).and_then(message::number)
    };
    proto::UpstreamConnectionOptions {
        tcp_keepalive: Some(core::TcpKeepalive {
            keepalive_probes: said(written.probes).and_then(message::number),
            keepalive_time: seconds(written.time),
            keepalive_interval: seconds(written.interval),
        }),
        ..Default::default()
    }
}

/// How long connections that carry HTTP are kept, and for how many requests.
pub(super) fn of_connections(pool: Option<&ConnectionPool>) -> Option<core::HttpProtocolOptions> {
    let pool = pool?;
    let tcp = pool.tcp.as_ref();
    let http = pool.http.as_ref();
    let requests = http.and_then(|http| said(http.max_requests_per_connection));
    let options = core::HttpProtocolOptions {
        idle_timeout: http
            .and_then(|http| http.idle_timeout)
            .map(message::duration),
        max_connection_duration: tcp
            .and_then(|tcp| tcp.max_connection_duration)
            .map(message::duration),
        max_requests_per_connection: requests.and_then(message::number),
        ..Default::default()
    };
    (options != core::HttpProtocolOptions::default()).then_some(options)
}

/// How many streams a connection of HTTP/2 carries at a time.
pub(super) fn of_streams(pool: Option<&ConnectionPool>) -> core::Http2ProtocolOptions {
    let http = pool.and_then(|pool| pool.http.as_ref());
    let streams = http.and_then(|http| said(http.max_concurrent_streams));
    core::Http2ProtocolOptions {
        max_concurrent_streams: streams.and_then(message::number),
        ..Default::default()
    }
}

/// istio: what is compared among endpoints ejects none of them.
///
/// departs from istio: one endpoint may be out in any case; ten per cent, the default, would be none of fewer than ten.
pub(super) fn outlier_detection(written: &OutlierDetection) -> proto::OutlierDetection {
    let enforced = |length: Option<u32>| {
        let percent = length.map(|length| if length > 0 { 100 } else { 0 });
        (
            length.and_then(message::number),
            percent.and_then(message::number),
        )
    };
    let older = said(written.consecutive_errors);
    let (gateway, enforcing_gateway) = enforced(written.consecutive_gateway_errors.or(older));
    let (errors, enforcing_errors) = enforced(written.consecutive_5xx_errors);
    let (local, enforcing_local) = enforced(written.consecutive_local_origin_failures);
    let never: Option<UInt32Value> = message::number(0);
    proto::OutlierDetection {
        consecutive_5xx: errors,
        enforcing_consecutive_5xx: enforcing_errors,
        consecutive_gateway_failure: gateway,
        enforcing_consecutive_gateway_failure: enforcing_gateway,
        split_external_local_origin_errors: written.split_external_local_origin_errors,
        consecutive_local_origin_failure: local,
        enforcing_consecutive_local_origin_failure: enforcing_local,
        interval: written.interval.map(message::duration),
        base_ejection_time: written.base_ejection_time.map(message::duration),
        max_ejection_percent: said(written.max_ejection_percent).and_then(message::number),
        always_eject_one_host: message::yes(),
        enforcing_success_rate: never,
        enforcing_local_origin_success_rate: written
            .split_external_local_origin_errors
            .then_some(never)
            .flatten(),
        ..Default::default()
    }
}

/// Below how many per cent of healthy endpoints all are used. Unready endpoints are told as unhealthy, so a share of
/// them is no reason to send requests to all unless it is asked for.
pub(super) fn panic_threshold(written: Option<&OutlierDetection>) -> Percent {
    let percent = written.map_or(0, |written| written.min_health_percent);
    Percent {
        value: percent.into(),
    }
}
