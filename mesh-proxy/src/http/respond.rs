//! Stage respond: the head that the client gets, for an answer, a refusal or a failure.

use std::time::{Duration, Instant};

use bytes::Bytes;
use mesh_http::{ErrorCode, Fields, Name, RequestHead, ResponseHead, Version};
use mesh_traffic::cors::Asked;
use mesh_traffic::health::{DEGRADED, Stands};
use mesh_traffic::listener::{Direction, HttpManager, ServerHeader};

use crate::http::attempt::is_idempotent;
use crate::http::connection::Connection;
use crate::http::cors::OfPage;
use crate::http::exchange::{ATTEMPT_COUNT, OwnMetadata};
use crate::http::failure::{Failure, FailureKind, Retry, grpc_of_http};
use crate::http::head::{OF_PROXIES, put, put_named, strip_hop_by_hop};
use crate::http::health;
use crate::http::remark::Remarks;
use crate::http::shape::{OwnAnswer, Shaped, facts};

const SERVER: Name = Name::new("server");
/// Envoy tells clients by it that a circuit breaker has answered.
const OVERLOADED: Name = Name::new("x-envoy-overloaded");
const SERVICE_TIME: Name = Name::new("x-envoy-upstream-service-time");

/// What goes back to the client.
#[derive(Debug)]
pub struct Reply {
    /// The head.
    pub head: ResponseHead,
    /// Where the body comes from.
    pub body: ReplyBody,
}

/// Where the body of a reply comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplyBody {
    /// From the upstream, part by part.
    Upstream,
    /// From here.
    Own(Bytes),
    /// There is none: the stream is reset, and by the code a client that is a proxy knows whether it
    /// may try somebody else.
    Reset(ErrorCode),
}

/// What answering needs to know besides the answer.
pub struct Answering<'a> {
    /// The connection that the request came on.
    pub connection: &'a Connection,
    /// The request as it came.
    pub request: &'a RequestHead,
    /// How HTTP is served on it.
    pub manager: Option<&'a HttpManager>,
    /// Whether the peer's proxy exchanges metadata with us.
    pub metadata_asked: bool,
    /// How many attempts were made.
    pub attempts: u32,
    /// Whether one of them may have reached the application.
    pub may_have_run: bool,
    /// What the route says of the page that sent the request, if one did.
    pub of_page: Option<&'a OfPage>,
    /// What stages say of the request that may not have let it pass.
    pub remarks: &'a Remarks,
    /// Our own metadata.
    pub own: &'a OwnMetadata,
    /// Whether an operator has said that this proxy is to fail health checks.
    pub fails: bool,
    /// The moment.
    pub now: Instant,
}

/// An answer of the upstream.
#[must_use]
pub fn answer(
    with: &Answering<'_>,
    shaped: &Shaped,
    mut head: ResponseHead,
    cluster: &str,
    took: Duration,
) -> Reply {
    let switching = head.status == 101;
    let upgrade = head
        .fields
        .get_str("upgrade")
        .filter(|_| switching)
        .map(str::to_owned);
    strip_hop_by_hop(&mut head.fields, upgrade.as_deref());
    head.fields.remove_all(&OF_PROXIES);
    put_named(
        &mut head.fields,
        SERVICE_TIME,
        decimal(took.as_millis(), &mut [0; 20]),
    );
    for cookie in shaped.cookies() {
        if let Err(error) = head.fields.append("set-cookie", cookie) {
            tracing::debug!(%error, "set-cookie not written");
        }
    }
    if let Some(decision) = shaped.found.decision() {
        if decision
            .virtual_host
            .is_some_and(|host| host.attempt_count_in_response)
        {
            put(&mut head.fields, ATTEMPT_COUNT, with.attempts.to_string());
        }
        let facts = facts(with.connection, Some(cluster));
        decision.shape_response(&mut head, with.request, &facts);
    }
    finish(with, &mut head);
    Reply {
        head,
        body: ReplyBody::Upstream,
    }
}

/// An answer that the route itself gives.
#[must_use]
pub fn own_answer(with: &Answering<'_>, shaped: &Shaped, own: OwnAnswer) -> Reply {
    let mut head = local_head(with.request.version, own.status);
    if let Some(location) = &own.location {
        put(&mut head.fields, "location", location);
    }
    describe_body(&mut head.fields, &own.body);
    if let Some(decision) = shaped.found.decision() {
        decision.shape_response(&mut head, with.request, &facts(with.connection, None));
    }
    let mut body = own.body;
    if with.request.is_grpc() {
        // As Envoy answers calls: by the status that their clients read.
        head.status = 200;
        put(&mut head.fields, "content-type", "application/grpc");
        put(&mut head.fields, "content-length", "0");
        put(
            &mut head.fields,
            "grpc-status",
            grpc_of_http(own.status).to_string(),
        );
        if !body.is_empty() {
            put(&mut head.fields, "grpc-message", percent_encoded(&body));
        }
        body = Bytes::new();
    }
    finish(with, &mut head);
    Reply {
        head,
        body: ReplyBody::Own(body),
    }
}

/// The answer to a browser that asks whether a page may send a request.
#[must_use]
pub fn preflight(with: &Answering<'_>) -> Reply {
    let (request, body) = (with.request, Bytes::new());
    let mut head = local_head(request.version, 200);
    if request.version != Version::Http2 {
        describe_body(&mut head.fields, &body);
    }
    if let Some(OfPage {
        cors,
        asked: Asked::Preflight { allowed },
    }) = with.of_page
    {
        cors.answer_preflight(request, *allowed, &mut head.fields);
    }
    finish(with, &mut head);
    Reply {
        head,
        body: ReplyBody::Own(body),
    }
}

/// The answer to a health check of this proxy that passes.
#[must_use]
pub fn healthy(with: &Answering<'_>, stands: Stands) -> Reply {
    let mut head = local_head(with.request.version, stands.status);
    let body = Bytes::new();
    describe_body(&mut head.fields, &body);
    if stands.degraded {
        put(&mut head.fields, DEGRADED, "");
    }
    finish(with, &mut head);
    Reply {
        head,
        body: ReplyBody::Own(body),
    }
}

/// The answer to a request that failed.
#[must_use]
pub fn failed(with: &Answering<'_>, failure: &Failure) -> Reply {
    let request = with.request;
    let (status, _) = failure.statuses();
    if let Some(code) = reset_for_proxy(with, failure) {
        return Reply {
            head: local_head(request.version, status),
            body: ReplyBody::Reset(code),
        };
    }
    let mut head = local_head(request.version, status);
    if failure.kind == FailureKind::Overflow {
        put_named(&mut head.fields, OVERLOADED, "true");
    }
    let said = with.remarks.body(failure.kind);
    let body = if request.is_grpc() {
        head.status = 200;
        put(&mut head.fields, "content-type", "application/grpc");
        put_grpc_status(&mut head.fields, failure);
        if !said.is_empty() {
            put(&mut head.fields, "grpc-message", percent_encoded(said));
        }
        Bytes::new()
    } else {
        let body = match said {
            [] => Bytes::from(explain(failure)),
            said => Bytes::copy_from_slice(said),
        };
        describe_body(&mut head.fields, &body);
        body
    };
    let remarks = with.remarks;
    remarks.tell(failure.kind, &mut head, request, with.connection);
    finish(with, &mut head);
    Reply {
        head,
        body: ReplyBody::Own(body),
    }
}

/// The code by which the failure is told to the peer's proxy, where that may send the request to
/// another endpoint.
fn reset_for_proxy(with: &Answering<'_>, failure: &Failure) -> Option<ErrorCode> {
    let is_to_proxy = with.connection.direction() == Direction::Inbound
        && with.connection.peer.is_some()
        && with.request.version == Version::Http2;
    let is_unseen = failure.kind.never_reached_upstream();
    if !is_to_proxy || !(is_unseen || failure.kind == FailureKind::UpstreamClosed) {
        return None;
    }
    if is_unseen && failure.retry == Retry::Safe && !with.may_have_run {
        // It has not reached the application, so it may be repeated whatever it asks for.
        return Some(ErrorCode::REFUSED_STREAM);
    }
    // The application's connection died under it, before any byte of its answer: no application
    // resets a stream by this code, so the peer can tell.
    let may_repeat = failure.retry != Retry::Never && is_idempotent(&with.request.method);
    may_repeat.then_some(ErrorCode::CONNECT_ERROR)
}

/// A number in decimal digits, without a heap.
fn decimal(number: u128, buffer: &mut [u8; 20]) -> &[u8] {
    let mut left = u64::try_from(number).unwrap_or(u64::MAX);
    let mut at = buffer.len();
    for place in buffer.iter_mut().rev() {
        *place = b'0' + u8::try_from(left % 10).unwrap_or_default();
        left /= 10;
        at -= 1;
        if left == 0 {
            break;
        }
    }
    buffer.get(at..).unwrap_or_default()
}

fn local_head(version: Version, status: u16) -> ResponseHead {
    ResponseHead {
        version,
        status,
        fields: Fields::new(),
    }
}

fn describe_body(fields: &mut Fields, body: &Bytes) {
    if !body.is_empty() {
        put(fields, "content-type", "text/plain");
    }
    put(fields, "content-length", body.len().to_string());
}

/// A gRPC client reads the status of its call, not that of HTTP.
pub(crate) fn put_grpc_status(fields: &mut Fields, failure: &Failure) {
    let (_, code) = failure.statuses();
    put(fields, "grpc-status", code.to_string());
    let text = explain(failure);
    if !text.is_empty() {
        put(fields, "grpc-message", percent_encoded(text.as_bytes()));
    }
}

/// As gRPC over HTTP/2 encodes messages: everything but printable ASCII, and the per cent sign.
fn percent_encoded(text: &[u8]) -> String {
    let encode = |byte: u8| match byte {
        b' '..=b'~' if byte != b'%' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.iter().copied().map(encode).collect()
}

/// What Envoy writes into the body; users search for these words.
fn explain(failure: &Failure) -> String {
    const RESET: &str = "upstream connect error or disconnect/reset before headers. reset reason: ";
    let reset = |reason: &str| match failure.reason() {
        why if why.is_empty() => format!("{RESET}{reason}"),
        why => format!("{RESET}{reason}, transport failure reason: {why}"),
    };
    match failure.kind {
        FailureKind::NoHealthyUpstream => "no healthy upstream".to_owned(),
        FailureKind::ConnectFailed | FailureKind::TlsFailed | FailureKind::WrongIdentity => {
            reset("connection failure")
        }
        FailureKind::ConnectTimeout => reset("connection timeout"),
        FailureKind::UpstreamClosed => reset("connection termination"),
        FailureKind::UpstreamReset => reset("remote reset"),
        FailureKind::UpstreamRefusedStream => reset("remote refused stream reset"),
        FailureKind::UpstreamProtocol => reset("protocol error"),
        FailureKind::Overflow => reset("overflow"),
        FailureKind::RouteTimeout | FailureKind::TryTimeout => {
            "upstream request timeout".to_owned()
        }
        FailureKind::BadRequest
        | FailureKind::UpgradeUnsupported
        | FailureKind::HeadTooLarge
        | FailureKind::TargetTooLong
        | FailureKind::CodingUnsupported
        | FailureKind::VersionUnsupported
        | FailureKind::DownstreamBody => failure.reason(),
        FailureKind::FaultInjected => "fault filter abort".to_owned(),
        FailureKind::RateLimited => "local_rate_limited".to_owned(),
        FailureKind::BodyTooLarge => "Payload Too Large".to_owned(),
        FailureKind::BodyTimeout => "request body timeout".to_owned(),
        FailureKind::HeadTimeout => "request header timeout".to_owned(),
        FailureKind::StreamIdle => "stream timeout".to_owned(),
        FailureKind::Overloaded => "overloaded".to_owned(),
        FailureKind::Http10
        | FailureKind::FailedHealthCheck
        | FailureKind::NoRoute
        | FailureKind::OverLimit
        | FailureKind::LimitUnknown
        | FailureKind::Unauthorized
        | FailureKind::AuthorizationUnknown
        | FailureKind::AuthorizationInvalid
        | FailureKind::NoCluster
        | FailureKind::RouteUnusable
        | FailureKind::Denied
        | FailureKind::DownstreamGone
        | FailureKind::Draining => String::new(),
    }
}

/// What every response has in common.
fn finish(with: &Answering<'_>, head: &mut ResponseHead) {
    if let Some(manager) = with.manager {
        match manager.server_header {
            ServerHeader::Overwrite => {
                put_named(&mut head.fields, SERVER, &*manager.server_name);
            }
            ServerHeader::AppendIfAbsent if !head.fields.contains("server") => {
                put_named(&mut head.fields, SERVER, &*manager.server_name);
            }
            ServerHeader::AppendIfAbsent | ServerHeader::PassThrough => {}
        }
    }
    if let Some(OfPage {
        cors,
        asked: Asked::ByPage,
    }) = with.of_page
    {
        cors.allow(with.request, &mut head.fields);
    }
    with.remarks.show(head);
    health::tell(with, head);
    if with.metadata_asked {
        with.own.put(&mut head.fields);
    }
}
