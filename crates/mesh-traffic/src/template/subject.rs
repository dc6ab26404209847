//! What operators may refer to: a request or a connection, as far as it has come.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::{Duration, SystemTime};

use mesh_http::{Fields, RequestHead, ResponseHead, Version};
use mesh_model::header_format::{Fact, Grpc, Point, Port, Span, Unit};

use super::value::Value;
use crate::flags::Flags;
use crate::matching::header::HeaderName;

/// Facts of a connection, and of a request on it, that are there from the start.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The client.
    pub remote: SocketAddr,
    /// The address that the client connected to.
    pub local: SocketAddr,
    /// The client's identity as its certificate says.
    pub peer: Option<&'a str>,
    /// SHA-256 of its certificate in hexadecimal.
    pub peer_fingerprint: Option<&'a str>,
    /// Our own identity, where the connection is TLS.
    pub own: Option<&'a str>,
    /// What was agreed on in the TLS handshake.
    pub tls: Option<Tls>,
    /// The server name that the client asked for in TLS.
    pub sni: Option<&'a str>,
    /// The name of the filter chain.
    pub chain: &'a str,
    /// The cluster that was chosen.
    pub cluster: Option<&'a str>,
}

/// What was agreed on in a TLS handshake, in Envoy's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tls {
    /// `TLSv1.3`
    pub version: &'static str,
    /// `TLS_AES_128_GCM_SHA256`; by the name that OpenSSL gives it.
    pub cipher: &'static str,
}

/// A request or connection, as far as it has come.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// What there is from the start.
    pub facts: Facts<'a>,
    /// The request; none where bytes are passed on as they are.
    pub request: Option<&'a RequestHead>,
    /// The head of the answer, once there is one.
    pub response: Option<&'a ResponseHead>,
    /// The trailers of the answer.
    pub trailers: Option<&'a Fields>,
    /// How it ended, once it has.
    pub ended: Option<&'a Ended<'a>>,
}

/// How a request or connection ended.
#[derive(Debug, Clone, Copy)]
pub struct Ended<'a> {
    /// When it began, by the wall clock.
    pub start: SystemTime,
    /// When it came to its points, counted from its beginning.
    pub points: Points,
    /// The name of the route; empty where it has none.
    pub route: &'a str,
    /// The name of our machine.
    pub host_name: &'a str,
    /// HTTP status; 0 when there was none.
    pub status: u16,
    /// gRPC status of head or trailers.
    pub grpc_status: Option<u32>,
    /// Whether it was a health check of this proxy.
    pub health_check: bool,
    /// Response flags.
    pub flags: Flags,
    /// Where the answer came from; empty where there was none.
    pub details: &'a str,
    /// What went wrong below HTTP; empty when nothing did.
    pub failure: &'a str,
    /// The last endpoint that was tried.
    pub upstream: Option<UpstreamFacts<'a>>,
    /// Attempts that were made.
    pub attempts: u32,
    /// Bytes from the client, without heads.
    pub received: u64,
    /// Bytes to the client, without heads.
    pub sent: u64,
    /// Bytes of the request's head.
    pub request_head: u64,
    /// Bytes of the answer's head.
    pub response_head: u64,
}

/// An endpoint, and the connection to it.
#[derive(Debug, Clone, Copy)]
pub struct UpstreamFacts<'a> {
    /// Its address.
    pub address: SocketAddr,
    /// Its host name.
    pub name: Option<&'a str>,
    /// Our own address.
    pub local: Option<SocketAddr>,
    /// The version of HTTP that is spoken, if it is HTTP.
    pub version: Option<Version>,
    /// Who it is, by its certificate.
    pub peer: Option<&'a str>,
    /// How long it took to answer.
    pub service_time: Option<Duration>,
}

/// When a request came to each of its points, counted from its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Points {
    /// Its last byte was there.
    pub request_ends: Option<Duration>,
    /// Its head was sent to the endpoint.
    pub upstream_request_begins: Option<Duration>,
    /// Its last byte was sent to the endpoint.
    pub upstream_request_ends: Option<Duration>,
    /// The endpoint's answer began.
    pub upstream_response_begins: Option<Duration>,
    /// The endpoint's answer was there.
    pub upstream_response_ends: Option<Duration>,
    /// The answer's head was given to the client.
    pub response_begins: Option<Duration>,
    /// The answer's last byte was given to the client.
    pub response_ends: Option<Duration>,
}

/// The header by which Envoy tells how long the endpoint took.
pub(crate) const SERVICE_TIME: &str = "x-envoy-upstream-service-time";
/// What lines are written for: they are written at the end, and only there.
const REQUEST_ENDED: &str = "DownstreamEnd";
const CONNECTION_ENDED: &str = "TcpConnectionEnd";

impl Points {
    fn at(&self, point: Point) -> Option<Duration> {
        match point {
            Point::RequestBegins => Some(Duration::ZERO),
            Point::RequestEnds => self.request_ends,
            Point::UpstreamRequestBegins => self.upstream_request_begins,
            Point::UpstreamRequestEnds => self.upstream_request_ends,
            Point::UpstreamResponseBegins => self.upstream_response_begins,
            Point::UpstreamResponseEnds => self.upstream_response_ends,
            Point::ResponseBegins => self.response_begins,
            Point::ResponseEnds => self.response_ends,
        }
    }
}

impl<'a> Subject<'a> {
    /// The value of a fact.
    pub(super) fn fact(&self, fact: Fact) -> Value<'a> {
        let facts = &self.facts;
        let ended = self.ended;
        let upstream = ended.and_then(|ended| ended.upstream.as_ref());
        match fact {
            Fact::RemoteAddress(port) => address(Some(facts.remote), port),
            Fact::LocalAddress(port) => address(Some(facts.local), port),
            Fact::ServerName => Value::text(facts.sni),
            Fact::PeerUriSan => Value::text(facts.peer),
            Fact::LocalUriSan => Value::text(facts.own),
            Fact::PeerFingerprint => Value::text(facts.peer_fingerprint),
            Fact::TlsVersion => Value::text(facts.tls.map(|tls| tls.version)),
            Fact::TlsCipher => Value::text(facts.tls.map(|tls| tls.cipher)),
            Fact::FilterChain => Value::named(facts.chain),
            Fact::Cluster => Value::text(facts.cluster),
            Fact::Protocol => Value::text(self.request.map(|head| head.version.as_str())),
            Fact::QueryParams => Value::text(self.request.and_then(RequestHead::query)),
            Fact::ResponseCode => Value::Number(u64::from(self.status())),
            Fact::Flags => Value::Flags(self.flags()),
            Fact::FlagNames => Value::FlagNames(self.flags()),
            Fact::LogType => Value::text(ended.map(|_| match self.request {
                Some(_) => REQUEST_ENDED,
                None => CONNECTION_ENDED,
            })),
            // istio: no connection is ended here for a reason that has a name of its own.
            Fact::Termination => Value::Absent,
            Fact::Route => Value::named(ended.map_or("", |ended| ended.route)),
            Fact::HostName => Value::named(ended.map_or("", |ended| ended.host_name)),
            Fact::ResponseDetails => Value::named(ended.map_or("", |ended| ended.details)),
            Fact::UpstreamFailure => Value::named(ended.map_or("", |ended| ended.failure)),
            Fact::Attempts => Value::number(ended.map(|ended| u64::from(ended.attempts))),
            Fact::Received => Value::number(ended.map(|ended| ended.received)),
            Fact::Sent => Value::number(ended.map(|ended| ended.sent)),
            Fact::RequestHead => Value::number(ended.map(|ended| ended.request_head)),
            Fact::ResponseHead => Value::number(ended.map(|ended| ended.response_head)),
            Fact::UpstreamAddress(port) => address(upstream.map(|at| at.address), port),
            Fact::UpstreamLocal(port) => address(upstream.and_then(|at| at.local), port),
            Fact::UpstreamName => match upstream.and_then(|at| at.name) {
                Some(name) => Value::Text(name),
                None => address(upstream.map(|at| at.address), Port::With),
            },
            Fact::UpstreamProtocol => {
                let version = upstream.and_then(|at| at.version);
                Value::text(version.map(Version::as_str))
            }
            Fact::UpstreamPeerUriSan => Value::text(upstream.and_then(|at| at.peer)),
        }
    }

    /// The time between two points, where the request came to both and in this order.
    pub(super) fn span(&self, span: Span) -> Value<'a> {
        let points = self.ended.map(|ended| ended.points).unwrap_or_default();
        let (from, to) = (points.at(span.from), points.at(span.to));
        let took = from.zip(to).and_then(|(from, to)| to.checked_sub(from));
        let count = took
            .filter(|_| self.ended.is_some())
            .map(|took| match span.unit {
                Unit::Millis => took.as_millis(),
                Unit::Micros => took.as_micros(),
                Unit::Nanos => took.as_nanos(),
            });
        Value::number(count.map(|count| u64::try_from(count).unwrap_or(u64::MAX)))
    }

    /// A header of the request; the first of several, as Envoy has it.
    pub(super) fn request_header(&self, name: &HeaderName) -> Option<Cow<'a, [u8]>> {
        let head = self.request?;
        match name {
            HeaderName::Field(name) => head.fields.get(name).map(Cow::Borrowed),
            // A request that could not be read has no method, and so on.
            HeaderName::Method | HeaderName::Authority | HeaderName::Scheme | HeaderName::Path => {
                name.value(head).filter(|value| !value.is_empty())
            }
        }
    }

    /// A header of the answer.
    pub(super) fn response_header(&self, name: &HeaderName) -> Value<'a> {
        let HeaderName::Field(name) = name else {
            return Value::Absent;
        };
        if &**name == ":status" && self.status() != 0 {
            return Value::Digits(u64::from(self.status()));
        }
        match self.response {
            Some(head) => Value::bytes(head.fields.get(name)),
            None if &**name == SERVICE_TIME => self.service_time(),
            None => Value::Absent,
        }
    }

    /// A trailer of the answer.
    pub(super) fn trailer(&self, name: &HeaderName) -> Value<'a> {
        match name {
            HeaderName::Field(name) => {
                Value::bytes(self.trailers.and_then(|fields| fields.get(name)))
            }
            HeaderName::Method | HeaderName::Authority | HeaderName::Scheme | HeaderName::Path => {
                Value::Absent
            }
        }
    }

    /// A parameter of the path.
    pub(super) fn query_param(&self, name: &str) -> Value<'a> {
        let query = self.request.and_then(RequestHead::query);
        let pairs = query.unwrap_or_default().split('&');
        let mut pairs = pairs.filter_map(|pair| pair.split_once('='));
        Value::text(pairs.find(|(key, _)| *key == name).map(|(_, value)| value))
    }

    /// The status of a call of gRPC.
    pub(super) fn grpc(&self, form: Grpc) -> Value<'a> {
        if !self.request.is_some_and(RequestHead::is_grpc) {
            return Value::Absent;
        }
        let Some(status) = self.grpc_status() else {
            return Value::Absent;
        };
        let names = usize::try_from(status).ok().and_then(|at| GRPC.get(at));
        match (form, names) {
            (Grpc::Camel, Some((camel, _))) => Value::Text(camel),
            (Grpc::Snake, Some((_, snake))) => Value::Text(snake),
            (Grpc::Number, _) | (_, None) => Value::Number(u64::from(status)),
        }
    }

    /// The status of gRPC that a client reads out of the answer: its own, or that of HTTP.
    pub(crate) fn grpc_status(&self) -> Option<u32> {
        let told = self.ended.and_then(|ended| ended.grpc_status);
        let of_http = || match self.status() {
            0 => None,
            status => Some(grpc_of_http(status)),
        };
        told.or_else(of_http)
    }

    /// HTTP status; 0 when there is none.
    pub(crate) fn status(&self) -> u16 {
        match (self.ended, self.response) {
            (Some(ended), _) => ended.status,
            (None, Some(head)) => head.status,
            (None, None) => 0,
        }
    }

    /// Response flags.
    pub(crate) fn flags(&self) -> Flags {
        self.ended.map(|ended| ended.flags).unwrap_or_default()
    }

    fn service_time(&self) -> Value<'a> {
        let upstream = self.ended.and_then(|ended| ended.upstream.as_ref());
        let took = upstream.and_then(|at| at.service_time);
        let millis = took.map(|took| u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
        millis.map_or(Value::Absent, Value::Digits)
    }
}

fn address<'a>(address: Option<SocketAddr>, port: Port) -> Value<'a> {
    match (address, port) {
        (None, _) => Value::Absent,
        (Some(address), Port::With) => Value::Address(address),
        (Some(address), Port::Without) => Value::Ip(address.ip()),
        (Some(address), Port::Alone) => Value::Number(u64::from(address.port())),
    }
}

/// What a status of HTTP is to a client of gRPC (gRPC's `http-grpc-status-mapping`).
fn grpc_of_http(status: u16) -> u32 {
    match status {
        200 => 0,
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502..=504 => 14,
        _ => 2,
    }
}

/// Names of gRPC's statuses by number.
const GRPC: [(&str, &str); 17] = [
    ("OK", "OK"),
    ("Canceled", "CANCELLED"),
    ("Unknown", "UNKNOWN"),
    ("InvalidArgument", "INVALID_ARGUMENT"),
    ("DeadlineExceeded", "DEADLINE_EXCEEDED"),
    ("NotFound", "NOT_FOUND"),
    ("AlreadyExists", "ALREADY_EXISTS"),
    ("PermissionDenied", "PERMISSION_DENIED"),
    ("ResourceExhausted", "RESOURCE_EXHAUSTED"),
    ("FailedPrecondition", "FAILED_PRECONDITION"),
    ("Aborted", "ABORTED"),
    ("OutOfRange", "OUT_OF_RANGE"),
    ("Unimplemented", "UNIMPLEMENTED"),
    ("Internal", "INTERNAL"),
    ("Unavailable", "UNAVAILABLE"),
    ("DataLoss", "DATA_LOSS"),
    ("Unauthenticated", "UNAUTHENTICATED"),
];
