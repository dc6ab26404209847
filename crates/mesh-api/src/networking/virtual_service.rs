//! VirtualService: which requests go where.

use std::collections::BTreeMap;
use std::time::Duration;

use mesh_model::labels::Labels;
use serde::Deserialize;

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
}

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
        ("exportTo", Shape::List(&Shape::Text)),
    ],
    later: &["tls", "tcp"],
    ..Message::ISTIO
};

static HTTP_ROUTE: Message = Message {
    fields: &[
        ("name", Shape::Text),
        ("match", Shape::List(&Shape::Message(&HTTP_MATCH))),
        ("route", Shape::List(&Shape::Message(&ROUTE_DESTINATION))),
        ("timeout", Shape::Duration),
        ("headers", Shape::Message(&HEADERS)),
    ],
    later: &[
        "appendHeaders",
        "appendRequestHeaders",
        "appendResponseHeaders",
        "corsPolicy",
        "delegate",
        "directResponse",
        "fault",
        "mirror",
        "mirrorPercent",
        "mirrorPercentage",
        "mirrors",
        "redirect",
        "removeRequestHeaders",
        "removeResponseHeaders",
        "retries",
        "rewrite",
        "websocketUpgrade",
    ],
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
