//! Route tables: what a request's host and head lead to.

mod cors;
mod fault;
pub(super) mod gateway;
mod headers;
pub(super) mod inbound;
mod matching;
pub(super) mod rule;
pub(super) mod sidecar;

use mesh_proto::any::pack;
use mesh_proto::envoy::envoy::config::route::v3 as proto;
use mesh_proto::envoy::envoy::config::route::v3::route_action::ClusterSpecifier;
use mesh_proto::envoy::envoy::extensions::retry::host::previous_hosts::v3::PreviousHostsPredicate;
use mesh_proto::envoy::envoy::r#type::v3::FractionalPercent;
use mesh_proto::envoy::envoy::r#type::v3::fractional_percent::DenominatorType;

use super::message;

/// Tries after the first one.
///
/// istio: `pilot/pkg/networking/core/route/retry`.
const RETRIES: u32 = 2;
/// How often another host is drawn when the drawn one was tried already.
const HOST_SELECTION_ATTEMPTS: i64 = 5;
/// Only what cannot have reached an application.
///
/// departs from istio: gRPC codes are left out, `reset-before-request` is added (ADR 0007).
const SAFE_RETRY_ON: &str = "connect-failure,refused-stream,reset-before-request";
/// Largest body of a direct response in bytes.
const DIRECT_RESPONSE_BYTES: u32 = 1 << 20;

fn table(name: String, virtual_hosts: Vec<proto::VirtualHost>) -> proto::RouteConfiguration {
    proto::RouteConfiguration {
        name,
        virtual_hosts,
        // A cluster that is missing fails its requests, not the whole table.
        validate_clusters: message::no(),
        max_direct_response_body_size_bytes: message::number(DIRECT_RESPONSE_BYTES),
        ignore_port_in_host_matching: true,
        ..Default::default()
    }
}

fn virtual_host(
    name: String,
    domains: Vec<String>,
    routes: Vec<proto::Route>,
) -> proto::VirtualHost {
    proto::VirtualHost {
        name,
        domains,
        routes,
        ..Default::default()
    }
}

/// A match of every path.
fn everything() -> proto::RouteMatch {
    proto::RouteMatch {
        path_specifier: Some(proto::route_match::PathSpecifier::Prefix("/".into())),
        ..Default::default()
    }
}

/// Sends to a cluster with a time limit (none is unlimited) and safe retries.
fn forward(to: ClusterSpecifier, timeout: Option<std::time::Duration>) -> proto::RouteAction {
    let limit = message::duration(timeout.unwrap_or_default());
    proto::RouteAction {
        cluster_specifier: Some(to),
        timeout: Some(limit),
        retry_policy: Some(safe_retries()),
        // istio: the client's own limit must not exceed the route's; Envoy's default is 15 s.
        #[expect(deprecated, reason = "istio sends this form, which every Envoy reads")]
        max_grpc_timeout: Some(limit),
        ..Default::default()
    }
}

fn safe_retries() -> proto::RetryPolicy {
    use proto::retry_policy::{RetryHostPredicate, retry_host_predicate::ConfigType};
    proto::RetryPolicy {
        retry_on: SAFE_RETRY_ON.into(),
        num_retries: message::number(RETRIES),
        retry_host_predicate: vec![RetryHostPredicate {
            name: "envoy.retry_host_predicates.previous_hosts".into(),
            config_type: Some(ConfigType::TypedConfig(pack(&PreviousHostsPredicate {}))),
        }],
        host_selection_retry_max_attempts: HOST_SELECTION_ATTEMPTS,
        ..Default::default()
    }
}

/// istio: shares are told in millionths.
fn millionths(numerator: u32) -> FractionalPercent {
    FractionalPercent {
        numerator,
        denominator: DenominatorType::Million.into(),
    }
}

fn decorated(operation: String) -> Option<proto::Decorator> {
    Some(proto::Decorator {
        operation,
        propagate: None,
    })
}
