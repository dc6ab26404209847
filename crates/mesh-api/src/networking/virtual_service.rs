//! VirtualService: which requests go where.

pub mod cors;

use std::collections::BTreeMap;
use std::time::Duration;

use mesh_model::labels::Labels;
use serde::Deserialize;

use self::cors::{CORS_POLICY, CorsPolicy};
use super::string_match::{STRING_MATCH, StringMatch};
use crate::schema::{Message, Shape};
use crate::wire;

/// The gateway name that stands for all sidecars; the default of [`VirtualService::gateways`].
pub const MESH_GATEWAY: &str = "mesh";

/// Routing rules for one or more hosts.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct VirtualService {
    /// Hosts that clients address, as written: short names, full names, `*.` names, addresses.
    pub hosts: Vec<String>,
    /// Gateways that apply it, `mesh` for the sidecars; empty means `["mesh"]`.
    pub gateways: Vec<String>,
    /// Rules for HTTP; the first that matches wins.
    pub http: Vec<HttpRoute>,
    /// Rules for TLS that is passed on as it is; the first that matches wins.
    pub tls: Vec<TlsRoute>,
    /// Namespaces that see it: `*`, `.` or names; empty means `["*"]`.
    pub export_to: Vec<String>,
}

impl VirtualService {
    /// The gateways in force: as written, or `mesh`.
    pub fn gateways(&self) -> impl Iterator<Item = &str> {
        let default = self.gateways.is_empty().then_some(MESH_GATEWAY);
        default
            .into_iter()
            .chain(self.gateways.iter().map(String::as_str))
    }

    /// Whether sidecars apply it.
    #[must_use]
    pub fn for_sidecars(&self) -> bool {
        self.gateways().any(|gateway| gateway == MESH_GATEWAY)
    }
}

/// One rule for TLS.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TlsRoute {
    /// Alternatives, any of which suffices.
    #[serde(rename = "match")]
    pub matches: Vec<TlsMatch>,
    /// Where connections go, by weight.
    pub route: Vec<RouteDestination>,
}

/// Conditions on a connection that must all hold.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TlsMatch {
    /// Server names that clients ask for.
    pub sni_hosts: Vec<String>,
    /// Only on this port.
    pub port: Option<u16>,
    /// Only at these gateways instead of the VirtualService's; empty means its.
    pub gateways: Vec<String>,
}

/// Where connections go, and which share of them.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RouteDestination {
    /// Where to.
    pub destination: Destination,
    /// Share in proportion to the sum; a lone destination receives all.
    pub weight: u32,
}

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpRoute {
    /// Name for logs and route tables; empty when not given.
    pub name: String,
    /// Alternatives, any of which suffices; empty matches everything.
    #[serde(rename = "match")]
    pub matches: Vec<HttpMatch>,
    /// Where the request goes, by weight.
    pub route: Vec<HttpRouteDestination>,
    /// For the whole request with its retries; absent and nought both mean none.
    #[serde(deserialize_with = "wire::duration")]
    pub timeout: Option<Duration>,
    /// Changes of headers, whichever destination is taken.
    pub headers: Headers,
    /// What is made to go wrong on purpose.
    pub fault: Option<HttpFault>,
    /// What pages of other origins may do.
    pub cors_policy: Option<CorsPolicy>,
    /// Where copies of the requests go, whose answers nobody waits for.
    pub mirror: Option<Destination>,
    /// Of which share of requests; absent means all.
    pub mirror_percentage: Option<Percent>,
    /// The older way to say it, in whole per cent.
    pub mirror_percent: Option<u32>,
    /// Several such places, each with its share.
    pub mirrors: Vec<HttpMirrorPolicy>,
}

impl HttpRoute {
    /// Where copies go, each with the share of the requests in millionths and the field that says so.
    pub fn copies(&self) -> impl Iterator<Item = (&Destination, u32, String)> {
        // istio: without a word about the share it is all of them; nought is none.
        let share = match (self.mirror_percentage, self.mirror_percent) {
            (None, None) => WHOLE,
            (percentage, percent) => share(percentage, percent.unwrap_or_default()),
        };
        let one = self.mirror.iter();
        let one = one.map(move |to| (to, share, "mirror".to_owned()));
        let several = self.mirrors.iter().enumerate().map(|(index, mirror)| {
            let share = mirror.percentage.map_or(WHOLE, |share| share.millionths);
            let field = format!("mirrors[{index}].destination");
            (&mirror.destination, share, field)
        });
        one.chain(several)
    }
}

/// All requests in millionths.
const WHOLE: u32 = 1_000_000;

/// One of several places where copies of requests go.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpMirrorPolicy {
    /// Where to.
    pub destination: Destination,
    /// Of which share of requests; absent means all.
    pub percentage: Option<Percent>,
}

/// Failures that are made on purpose.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpFault {
    /// Some requests wait before they go on.
    pub delay: Option<FaultDelay>,
    /// Some requests are answered by the proxy that should send them.
    pub abort: Option<FaultAbort>,
}

/// A pause.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct FaultDelay {
    /// How long; absent when missing, which validation refuses.
    #[serde(deserialize_with = "wire::duration")]
    pub fixed_delay: Option<Duration>,
    /// Of which share of requests.
    pub percentage: Option<Percent>,
    /// The older way to say it, in whole per cent.
    pub percent: u32,
}

/// An answer instead of a request.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct FaultAbort {
    /// A status of HTTP.
    pub http_status: Option<u32>,
    /// A status of gRPC, by its name.
    pub grpc_status: Option<String>,
    /// Of which share of requests.
    pub percentage: Option<Percent>,
    /// The older way to say it, in whole per cent.
    pub percent: u32,
}

/// A share, kept in millionths as Envoy is told it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Percent {
    /// Millionths; written as a number from 0 to 100.
    #[serde(rename = "value", deserialize_with = "wire::percent")]
    pub millionths: u32,
}

impl FaultDelay {
    /// The share in millionths. istio: without a word about it, nothing is hit.
    #[must_use]
    pub fn share(&self) -> u32 {
        share(self.percentage, self.percent)
    }
}

impl FaultAbort {
    /// The share in millionths. istio: without a word about it, nothing is hit.
    #[must_use]
    pub fn share(&self) -> u32 {
        share(self.percentage, self.percent)
    }

    /// The number of the status of gRPC, if its name is one.
    #[must_use]
    pub fn grpc_code(&self) -> Option<u16> {
        let name = self.grpc_status.as_deref()?;
        let at = GRPC_STATUSES.iter().position(|known| *known == name)?;
        u16::try_from(at).ok()
    }
}

fn share(percentage: Option<Percent>, percent: u32) -> u32 {
    percentage.map_or_else(|| percent.saturating_mul(10_000), |share| share.millionths)
}

/// The statuses of gRPC by number.
pub const GRPC_STATUSES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// Conditions that must all hold.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpMatch {
    /// Name, appended to the route's; empty when not given.
    pub name: String,
    /// Path without the query.
    pub uri: Option<StringMatch>,
    /// `http` or `https`.
    pub scheme: Option<StringMatch>,
    /// Method, in exact case.
    pub method: Option<StringMatch>,
    /// Authority, with the port if the client sent one.
    pub authority: Option<StringMatch>,
    /// Headers that must match; names in lower case.
    pub headers: BTreeMap<String, StringMatch>,
    /// Headers that must not match; a missing header counts as empty.
    pub without_headers: BTreeMap<String, StringMatch>,
    /// Query parameters that must match, by the first value of each.
    pub query_params: BTreeMap<String, StringMatch>,
    /// Only on this port of the listener or service; decided when routes are compiled.
    pub port: Option<u16>,
    /// Only in proxies of workloads with these labels; decided when routes are compiled.
    #[serde(deserialize_with = "wire::labels")]
    pub source_labels: Labels,
    /// Only in proxies of this namespace; empty means any.
    pub source_namespace: String,
    /// Only at these gateways instead of the VirtualService's; empty means its.
    pub gateways: Vec<String>,
    /// Compares `exact` and `prefix` of the path without regard to case.
    pub ignore_uri_case: bool,
}

impl HttpMatch {
    /// Whether it asks nothing of the request itself: every path, no header, no parameter.
    #[must_use]
    pub fn accepts_every_request(&self) -> bool {
        let any_path = match &self.uri {
            None | Some(StringMatch::Present) => true,
            Some(StringMatch::Prefix(prefix)) => prefix.is_empty() || prefix == "/",
            Some(StringMatch::Regex(regex)) => regex == ".*",
            Some(StringMatch::Exact(_)) => false,
        };
        any_path
            && self.scheme.is_none()
            && self.method.is_none()
            && self.authority.is_none()
            && self.headers.is_empty()
            && self.without_headers.is_empty()
            && self.query_params.is_empty()
    }
}

/// A destination and its share.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpRouteDestination {
    /// Where to.
    pub destination: Destination,
    /// Share of the requests in proportion to the sum; a lone destination receives all.
    pub weight: u32,
    /// Changes of headers for this destination alone.
    pub headers: Headers,
}

/// A service, or a part of it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Destination {
    /// Host of the service; a short name belongs to the VirtualService's namespace.
    pub host: String,
    /// Subset that a DestinationRule defines; empty means all endpoints.
    pub subset: String,
    /// Port of the service; may be left out when it has one.
    pub port: Option<PortSelector>,
}

/// A port by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PortSelector {
    /// The number.
    pub number: u16,
}

/// Changes of headers on the way there and on the way back.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Headers {
    /// Of the request.
    pub request: HeaderOperations,
    /// Of the response.
    pub response: HeaderOperations,
}

/// Changes of one message's headers.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HeaderOperations {
    /// Overwrites.
    pub set: BTreeMap<String, String>,
    /// Appends one more value.
    pub add: BTreeMap<String, String>,
    /// Deletes.
    pub remove: Vec<String>,
}

pub(crate) static VIRTUAL_SERVICE: Message = Message {
    fields: &[
        ("hosts", Shape::List(&Shape::Text)),
        ("gateways", Shape::List(&Shape::Text)),
        ("http", Shape::List(&Shape::Message(&HTTP_ROUTE))),
        ("tls", Shape::List(&Shape::Message(&TLS_ROUTE))),
        ("exportTo", Shape::List(&Shape::Text)),
    ],
    later: &["tcp"],
    ..Message::ISTIO
};

static TLS_ROUTE: Message = Message {
    fields: &[
        ("match", Shape::List(&Shape::Message(&TLS_MATCH))),
        ("route", Shape::List(&Shape::Message(&TLS_DESTINATION))),
    ],
    ..Message::ISTIO
};

static TLS_MATCH: Message = Message {
    fields: &[
        ("sniHosts", Shape::List(&Shape::Text)),
        ("port", Shape::Port),
        ("gateways", Shape::List(&Shape::Text)),
    ],
    later: &["destinationSubnets", "sourceLabels", "sourceNamespace"],
    ..Message::ISTIO
};

static TLS_DESTINATION: Message = Message {
    fields: &[
        ("destination", Shape::Message(&DESTINATION)),
        ("weight", Shape::Count),
    ],
    required: &["destination"],
    ..Message::ISTIO
};

static HTTP_ROUTE: Message = Message {
    fields: &[
        ("name", Shape::Text),
        ("match", Shape::List(&Shape::Message(&HTTP_MATCH))),
        ("route", Shape::List(&Shape::Message(&ROUTE_DESTINATION))),
        ("timeout", Shape::Duration),
        ("headers", Shape::Message(&HEADERS)),
        ("fault", Shape::Message(&HTTP_FAULT)),
        ("corsPolicy", Shape::Message(&CORS_POLICY)),
        ("mirror", Shape::Message(&DESTINATION)),
        ("mirrorPercentage", Shape::Message(&PERCENT)),
        ("mirrorPercent", Shape::Count),
        ("mirrors", Shape::List(&Shape::Message(&MIRROR_POLICY))),
    ],
    later: &[
        "appendHeaders",
        "appendRequestHeaders",
        "appendResponseHeaders",
        "delegate",
        "directResponse",
        "redirect",
        "removeRequestHeaders",
        "removeResponseHeaders",
        "retries",
        "rewrite",
        "websocketUpgrade",
    ],
    ..Message::ISTIO
};

static MIRROR_POLICY: Message = Message {
    fields: &[
        ("destination", Shape::Message(&DESTINATION)),
        ("percentage", Shape::Message(&PERCENT)),
    ],
    required: &["destination"],
    ..Message::ISTIO
};

static HTTP_FAULT: Message = Message {
    fields: &[
        ("delay", Shape::Message(&FAULT_DELAY)),
        ("abort", Shape::Message(&FAULT_ABORT)),
    ],
    ..Message::ISTIO
};

static FAULT_DELAY: Message = Message {
    fields: &[
        ("fixedDelay", Shape::Duration),
        ("percentage", Shape::Message(&PERCENT)),
        ("percent", Shape::Count),
    ],
    later: &["exponentialDelay"],
    ..Message::ISTIO
};

static FAULT_ABORT: Message = Message {
    fields: &[
        ("httpStatus", Shape::Count),
        ("grpcStatus", Shape::Text),
        ("percentage", Shape::Message(&PERCENT)),
        ("percent", Shape::Count),
    ],
    later: &["http2Error"],
    exclusive: &[&["httpStatus", "grpcStatus"]],
    ..Message::ISTIO
};

static PERCENT: Message = Message {
    fields: &[("value", Shape::Percent)],
    ..Message::ISTIO
};

static HTTP_MATCH: Message = Message {
    fields: &[
        ("name", Shape::Text),
        ("uri", Shape::Message(&STRING_MATCH)),
        ("scheme", Shape::Message(&STRING_MATCH)),
        ("method", Shape::Message(&STRING_MATCH)),
        ("authority", Shape::Message(&STRING_MATCH)),
        ("headers", Shape::Map(&Shape::Message(&STRING_MATCH))),
        ("withoutHeaders", Shape::Map(&Shape::Message(&STRING_MATCH))),
        ("queryParams", Shape::Map(&Shape::Message(&STRING_MATCH))),
        ("port", Shape::Port),
        ("sourceLabels", Shape::Map(&Shape::Text)),
        ("sourceNamespace", Shape::Text),
        ("gateways", Shape::List(&Shape::Text)),
        ("ignoreUriCase", Shape::Bool),
    ],
    later: &["statPrefix"],
    ..Message::ISTIO
};

static ROUTE_DESTINATION: Message = Message {
    fields: &[
        ("destination", Shape::Message(&DESTINATION)),
        ("weight", Shape::Count),
        ("headers", Shape::Message(&HEADERS)),
    ],
    required: &["destination"],
    later: &[
        "appendRequestHeaders",
        "appendResponseHeaders",
        "removeRequestHeaders",
        "removeResponseHeaders",
    ],
    ..Message::ISTIO
};

static DESTINATION: Message = Message {
    fields: &[
        ("host", Shape::Text),
        ("subset", Shape::Text),
        ("port", Shape::Message(&PORT_SELECTOR)),
    ],
    required: &["host"],
    ..Message::ISTIO
};

pub(crate) static PORT_SELECTOR: Message = Message {
    fields: &[("number", Shape::Port)],
    later: &["name"],
    ..Message::ISTIO
};

static HEADERS: Message = Message {
    fields: &[
        ("request", Shape::Message(&HEADER_OPERATIONS)),
        ("response", Shape::Message(&HEADER_OPERATIONS)),
    ],
    ..Message::ISTIO
};

static HEADER_OPERATIONS: Message = Message {
    fields: &[
        ("set", Shape::Map(&Shape::Text)),
        ("add", Shape::Map(&Shape::Text)),
        ("remove", Shape::List(&Shape::Text)),
    ],
    ..Message::ISTIO
};
