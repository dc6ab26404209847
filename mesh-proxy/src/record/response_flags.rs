//! The one table from what failed to what the client and the books are told.
//!
//! The words of the details are Envoy's, by which users search.

use mesh_traffic::Flags;

use crate::http::failure::FailureKind;

/// What a failure is told as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status; 0 where nobody is there to be told.
    pub status: u16,
    /// gRPC status.
    pub grpc: u16,
    /// Flags.
    pub flags: Flags,
    /// `%RESPONSE_CODE_DETAILS%`.
    pub details: &'static str,
    /// Value of the label `reason` of `mesh_proxy_failures_total`.
    pub counter: &'static str,
}

/// gRPC's own word for a deadline (`DEADLINE_EXCEEDED`).
const DEADLINE: u16 = 4;
/// `PERMISSION_DENIED`
const DENIED: u16 = 7;
/// `UNIMPLEMENTED`: what Envoy makes of a 404.
const UNIMPLEMENTED: u16 = 12;
/// `INTERNAL`: what Envoy makes of a 400.
const INTERNAL: u16 = 13;
/// `UNAVAILABLE`: what Envoy makes of 502 and 503.
const UNAVAILABLE: u16 = 14;
/// `CANCELLED`
const CANCELLED: u16 = 1;
/// `UNKNOWN`: what Envoy makes of anything else.
const UNKNOWN: u16 = 2;

/// The row of a kind of failure.
#[must_use]
pub fn answer(kind: FailureKind) -> Answer {
    use FailureKind as Kind;
    let row = |status, grpc, flags, details, counter| Answer {
        status,
        grpc,
        flags,
        details,
        counter,
    };
    let protocol = Flags::DOWNSTREAM_PROTOCOL;
    let connect = Flags::CONNECT_FAILURE;
    let timeout = Flags::UPSTREAM_TIMEOUT;
    let reset = Flags::UPSTREAM_RESET;
    match kind {
        Kind::BadRequest => row(400, INTERNAL, protocol, "http.codec_error", "bad_request"),
        Kind::Http10 => row(426, UNKNOWN, Flags::NONE, "low_version", "http10"),
        Kind::HeadTooLarge => row(
            431,
            UNKNOWN,
            protocol,
            "request_headers_too_large",
            "head_too_large",
        ),
        Kind::TargetTooLong => row(414, UNKNOWN, protocol, "target_too_long", "target_too_long"),
        Kind::CodingUnsupported => row(
            501,
            UNKNOWN,
            protocol,
            "transfer_coding_unsupported",
            "transfer_coding",
        ),
        Kind::VersionUnsupported => row(505, UNKNOWN, protocol, "version_unsupported", "version"),
        Kind::HeadTimeout => row(
            408,
            UNKNOWN,
            Flags::NONE,
            "request_header_timeout",
            "head_timeout",
        ),
        Kind::UpgradeUnsupported => row(
            501,
            UNKNOWN,
            Flags::NONE,
            "upgrade_failed",
            "upgrade_unsupported",
        ),
        Kind::NoRoute => row(
            404,
            UNIMPLEMENTED,
            Flags::NO_ROUTE,
            "route_not_found",
            "no_route",
        ),
        Kind::FaultInjected => row(
            503,
            UNAVAILABLE,
            Flags::FAULT_INJECTED,
            "fault_filter_abort",
            "fault_injected",
        ),
        Kind::RateLimited => row(
            429,
            UNAVAILABLE,
            Flags::RATE_LIMITED,
            "local_rate_limited",
            "rate_limited",
        ),
        Kind::FailedHealthCheck => row(
            503,
            UNAVAILABLE,
            Flags::FAILED_HEALTH_CHECK,
            "health_check_failed",
            "failed_health_check",
        ),
        Kind::OverLimit => row(
            429,
            UNAVAILABLE,
            Flags::RATE_LIMITED,
            "request_rate_limited",
            "over_limit",
        ),
        Kind::LimitUnknown => row(
            500,
            UNKNOWN,
            Flags::LIMIT_UNKNOWN,
            "rate_limiter_error",
            "limit_unknown",
        ),
        Kind::Unauthorized => row(
            403,
            DENIED,
            Flags::UNAUTHORIZED,
            "ext_authz_denied",
            "unauthorized",
        ),
        Kind::AuthorizationUnknown => row(
            403,
            DENIED,
            Flags::UNAUTHORIZED,
            "ext_authz_error",
            "authorization_unknown",
        ),
        Kind::AuthorizationInvalid => row(
            500,
            UNKNOWN,
            Flags::NONE,
            "ext_authz_invalid",
            "authorization_invalid",
        ),
        Kind::BodyTooLarge => row(
            413,
            UNKNOWN,
            Flags::NONE,
            "request_payload_too_large",
            "body_too_large",
        ),
        Kind::NoCluster => row(
            503,
            UNAVAILABLE,
            Flags::NO_CLUSTER,
            "cluster_not_found",
            "no_cluster",
        ),
        Kind::RouteUnusable => row(
            500,
            UNKNOWN,
            Flags::NONE,
            "route_configuration_rejected",
            "route_unusable",
        ),
        Kind::Denied => row(403, DENIED, Flags::NONE, "rbac_access_denied", "denied"),
        Kind::NoHealthyUpstream => row(
            503,
            UNAVAILABLE,
            Flags::NO_HEALTHY_UPSTREAM,
            "no_healthy_upstream",
            "no_healthy_upstream",
        ),
        Kind::Overflow => row(503, UNAVAILABLE, Flags::OVERFLOW, "overflow", "overflow"),
        Kind::ConnectFailed => row(
            503,
            UNAVAILABLE,
            connect,
            "upstream_reset_before_response_started{remote_connection_failure}",
            "connect_failed",
        ),
        Kind::ConnectTimeout => row(
            503,
            UNAVAILABLE,
            connect,
            "upstream_reset_before_response_started{connection_timeout}",
            "connect_timeout",
        ),
        Kind::TlsFailed => row(
            503,
            UNAVAILABLE,
            connect,
            "upstream_reset_before_response_started{tls_failure}",
            "tls_failed",
        ),
        Kind::WrongIdentity => row(
            503,
            UNAVAILABLE,
            connect,
            "upstream_reset_before_response_started{wrong_identity}",
            "wrong_identity",
        ),
        Kind::UpstreamClosed => row(
            503,
            UNAVAILABLE,
            Flags::UPSTREAM_CLOSED,
            "upstream_reset_before_response_started{connection_termination}",
            "upstream_closed",
        ),
        Kind::UpstreamReset => row(
            503,
            UNAVAILABLE,
            reset,
            "upstream_reset_before_response_started{remote_reset}",
            "upstream_reset",
        ),
        Kind::UpstreamRefusedStream => row(
            503,
            UNAVAILABLE,
            reset,
            "upstream_reset_before_response_started{remote_refused_stream_reset}",
            "upstream_refused_stream",
        ),
        Kind::UpstreamProtocol => row(
            502,
            UNAVAILABLE,
            Flags::UPSTREAM_PROTOCOL,
            "upstream_reset_before_response_started{protocol_error}",
            "upstream_protocol",
        ),
        Kind::RouteTimeout => row(504, DEADLINE, timeout, "response_timeout", "route_timeout"),
        Kind::TryTimeout => row(
            504,
            DEADLINE,
            timeout,
            "upstream_per_try_timeout",
            "try_timeout",
        ),
        Kind::StreamIdle => row(
            504,
            DEADLINE,
            Flags::STREAM_IDLE,
            "stream_idle_timeout",
            "stream_idle",
        ),
        Kind::DownstreamGone => row(
            0,
            CANCELLED,
            Flags::DOWNSTREAM_GONE,
            "downstream_remote_disconnect",
            "downstream_gone",
        ),
        Kind::DownstreamBody => row(
            400,
            INTERNAL,
            protocol,
            "http.body_error",
            "downstream_body",
        ),
        Kind::BodyTimeout => row(
            408,
            UNKNOWN,
            Flags::NONE,
            "request_body_timeout",
            "body_timeout",
        ),
        Kind::Overloaded => row(503, UNAVAILABLE, Flags::OVERLOADED, "overload", "overload"),
        Kind::Draining => row(503, UNAVAILABLE, Flags::NONE, "draining", "draining"),
    }
}

#[cfg(test)]
mod tests;
