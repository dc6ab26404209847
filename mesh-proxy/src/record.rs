//! What is written down of each request: metrics, the access log.
//!
//! The facts of a request come together in one [`Record`] when the last byte of its answer is out.
//! Everything here belongs to one worker; nothing waits and nothing locks on the way, except that
//! a series seen for the first time is entered in the books, and a log line goes into its buffer.

pub mod access_log;
mod labels;
pub mod metrics;
pub mod observer;
pub mod peer;
pub mod response_flags;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mesh_http::{Fields, RequestHead, ResponseHead, Version};
use mesh_model::Str;
use mesh_traffic::listener::Direction;
use mesh_traffic::template::Points;
use mesh_traffic::{Cluster, Flags};

use crate::http::connection::Connection;
use crate::http::failure::FailureKind;
use crate::http::observe::{End, Finish};
use crate::http::serve::Exchange;
use crate::record::response_flags::answer;

pub use observer::Recorder;

/// Everything worth knowing about one request.
#[derive(Debug, Clone)]
pub struct Record<'a> {
    /// The connection that it came on.
    pub connection: &'a Connection,
    /// When its head was there.
    pub start_time: SystemTime,
    /// From then to the last byte of the answer.
    pub duration: Duration,
    /// The request as the client sent it, with its head in order.
    pub request: &'a RequestHead,
    /// Name of the route; empty when none matched or it has none.
    pub route: &'a str,
    /// The cluster that it was sent to.
    pub cluster: Option<&'a Arc<Cluster>>,
    /// The last endpoint that was tried.
    pub upstream: Option<Upstream<'a>>,
    /// What the peer's proxy said of its workload: inbound that of the client, else of the server.
    pub peer_metadata: &'a [u8],
    /// What the client was answered.
    pub response: Response,
    /// How many bytes went where.
    pub bytes: Bytes,
    /// When it came to its points.
    pub points: Points,
    /// Attempts that were made.
    pub attempts: u32,
    /// The head of the answer, where a log needs it.
    pub answer: Option<&'a ResponseHead>,
    /// The trailers of the answer, where a log needs them.
    pub trailers: Option<&'a Fields>,
}

/// The endpoint that a request was sent to.
#[derive(Debug, Clone, Copy)]
pub struct Upstream<'a> {
    /// Its address.
    pub address: SocketAddr,
    /// Its host name, if it has one.
    pub name: Option<&'a Str>,
    /// The version of HTTP that was spoken, if there was a connection.
    pub version: Option<Version>,
    /// Our own address on the connection, if there was one.
    pub local: Option<SocketAddr>,
    /// Whether the connection is mutual TLS.
    pub mutual_tls: bool,
    /// Who it is, by its certificate.
    pub identity: Option<&'a Str>,
    /// The workload behind it, as the control plane named it (metadata `istio.workload`).
    pub workload: Option<&'a Str>,
    /// How long it took to answer (`x-envoy-upstream-service-time`).
    pub service_time: Option<Duration>,
}

/// What a client was answered.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Response {
    /// HTTP status; 0 when there was no answer.
    pub status: u16,
    /// gRPC status of head or trailers.
    pub grpc_status: Option<u32>,
    /// Response flags.
    pub flags: Flags,
    /// Where the answer came from (`%RESPONSE_CODE_DETAILS%`).
    pub details: &'static str,
    /// What went wrong below HTTP; empty when nothing did.
    pub transport_failure: String,
    /// The kind of failure, if it failed.
    pub failure: Option<FailureKind>,
}

/// Bytes of a request and its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Bytes {
    /// Head of the request.
    pub request_head: u64,
    /// Body of the request.
    pub request_body: u64,
    /// Head of the answer.
    pub response_head: u64,
    /// Body of the answer.
    pub response_body: u64,
}

impl<'a> Record<'a> {
    /// Gathers the facts of an exchange that is over, at the wall clock's `now`.
    #[must_use]
    pub fn of(exchange: &'a Exchange, end: &End, now: SystemTime) -> Self {
        let inbound = exchange.connection.direction() == Direction::Inbound;
        let metadata = match inbound {
            true => &exchange.peer_metadata,
            false => &exchange.upstream_metadata,
        };
        let decision = exchange
            .shaped
            .as_ref()
            .and_then(|shaped| shaped.found.decision());
        let route = decision.and_then(|decision| decision.route);
        Self {
            connection: &exchange.connection,
            start_time: now.checked_sub(end.duration).unwrap_or(now),
            duration: end.duration,
            request: &exchange.request,
            route: route.map_or("", |route| &*route.name),
            cluster: exchange.cluster(),
            upstream: Upstream::of(exchange),
            peer_metadata: &metadata.value,
            response: Response::of(exchange, end),
            bytes: Bytes {
                request_head: request_head_bytes(&exchange.request),
                request_body: end.received,
                response_head: end.head_sent,
                response_body: end.sent,
            },
            points: exchange.points,
            attempts: exchange.attempts.made(),
            answer: exchange.kept.head.as_deref(),
            trailers: exchange.kept.trailers.as_deref(),
        }
    }
}

/// Bytes of a request's head, however its connection encodes it.
fn request_head_bytes(head: &RequestHead) -> u64 {
    (head.method.len() + head.path.len() + head.authority.len() + head.fields.size()) as u64
}

impl<'a> Upstream<'a> {
    fn of(exchange: &'a Exchange) -> Option<Self> {
        let picked = exchange.picked.as_ref()?;
        let connected = exchange.connected.as_ref();
        let endpoint = picked.endpoint.as_ref().and_then(|at| at.endpoint());
        Some(Self {
            address: picked.target.address,
            name: endpoint.and_then(|endpoint| endpoint.hostname.as_ref()),
            version: connected.map(|connected| connected.version),
            local: connected.and_then(|connected| connected.local),
            mutual_tls: connected.is_some_and(|connected| connected.mutual_tls),
            identity: connected.and_then(|connected| connected.peer.as_ref()),
            workload: endpoint.and_then(|endpoint| endpoint.workload.as_ref()),
            service_time: exchange.service_time,
        })
    }
}

impl Response {
    fn of(exchange: &Exchange, end: &End) -> Self {
        let mut response = Self {
            status: end.status,
            grpc_status: end.grpc_status,
            details: "via_upstream",
            ..Self::default()
        };
        let failure = match end.finish {
            Finish::Complete => None,
            Finish::Failed(kind) => Some(kind),
            Finish::Gone => Some(FailureKind::DownstreamGone),
        };
        match (failure, &exchange.failure) {
            (None, _) if exchange.is_preflight() => response.details = "cors_response",
            (None, _) if exchange.forwarding().is_none() => response.details = "direct_response",
            (None, _) => {}
            (Some(kind), Some(failure)) if failure.kind == kind => {
                response.failed(kind);
                response.transport_failure = failure.reason();
                if end.status == 0 {
                    // The peer's proxy was told to try elsewhere; this is what it was spared.
                    response.status = failure.statuses().0;
                }
                if exchange.attempts.overflowed() {
                    response.flags = response.flags.with(Flags::OVERFLOW);
                } else if exchange.attempts.made() > 1 {
                    response.flags = response.flags.with(Flags::RETRY_LIMIT);
                }
            }
            (Some(kind), _) => response.broken_off(kind),
        }
        if exchange.was_delayed() {
            response.flags = response.flags.with(Flags::DELAY_INJECTED);
        }
        response
    }

    fn failed(&mut self, kind: FailureKind) {
        let row = answer(kind);
        self.flags = row.flags;
        self.details = row.details;
        self.failure = Some(kind);
    }

    /// The answer had begun when it broke off: its status stays, the flags say what happened.
    fn broken_off(&mut self, kind: FailureKind) {
        let began = self.status != 0;
        self.failed(kind);
        if began && kind != FailureKind::DownstreamGone {
            self.details = "upstream_reset_after_response_started";
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
