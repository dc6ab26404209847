//! DestinationRule: what happens to traffic for a host after it was routed.

use std::time::Duration;

use mesh_model::labels::Labels;
use serde::Deserialize;

use super::virtual_service::{PORT_SELECTOR, PortSelector};
use crate::schema::{Message, Shape};
use crate::wire;

/// Policy for the traffic to a host, and the host's subsets.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DestinationRule {
    /// Host of the service; a short name belongs to the rule's namespace; `*.` names and `*` too.
    pub host: String,
    /// For all ports and subsets that do not say otherwise.
    pub traffic_policy: Option<TrafficPolicy>,
    /// Named parts of the host's endpoints.
    pub subsets: Vec<Subset>,
    /// Namespaces that see it: `*`, `.` or names; empty means `["*"]`.
    pub export_to: Vec<String>,
}

/// The endpoints that carry some labels, under a name.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Subset {
    /// Name, part of the cluster's name.
    pub name: String,
    /// Labels that an endpoint must have; none means all endpoints.
    #[serde(deserialize_with = "wire::labels")]
    pub labels: Labels,
    /// Replaces blocks of the rule's policy one by one.
    pub traffic_policy: Option<TrafficPolicy>,
}

/// Blocks of policy; an absent one is inherited.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TrafficPolicy {
    /// How endpoints are chosen.
    pub load_balancer: Option<LoadBalancer>,
    /// How the client speaks TLS; absent means auto-mTLS.
    pub tls: Option<ClientTls>,
    /// For single ports; an entry replaces all blocks, also those that it does not name.
    pub port_level_settings: Vec<PortTrafficPolicy>,
}

/// Policy of one port.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PortTrafficPolicy {
    /// The service port it is for.
    pub port: PortSelector,
    /// How endpoints are chosen.
    pub load_balancer: Option<LoadBalancer>,
    /// How the client speaks TLS; absent means auto-mTLS.
    pub tls: Option<ClientTls>,
}

/// How endpoints are chosen.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LoadBalancer {
    /// One of the plain algorithms.
    pub simple: SimpleLoadBalancer,
    /// By the request, so that like requests go to the same endpoint.
    pub consistent_hash: Option<ConsistentHash>,
}

/// How like requests are known, and shared out among endpoints.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ConsistentHash {
    /// By the value of this header.
    pub http_header_name: String,
    /// By a cookie.
    pub http_cookie: Option<HttpCookie>,
    /// By the client's address.
    pub use_source_ip: bool,
    /// By the value of this query parameter.
    pub http_query_parameter_name: String,
    /// On a ring; the default.
    pub ring_hash: Option<RingHash>,
    /// In a table.
    pub maglev: Option<Maglev>,
    /// The older form of `ringHash.minimumRingSize`; nought says nothing.
    pub minimum_ring_size: u64,
}

impl ConsistentHash {
    /// How many ways to know like requests are named; one is right.
    #[must_use]
    pub fn keys(&self) -> usize {
        let named = [
            !self.http_header_name.is_empty(),
            self.http_cookie.is_some(),
            self.use_source_ip,
            !self.http_query_parameter_name.is_empty(),
        ];
        named.into_iter().filter(|named| *named).count()
    }
}

/// A cookie that names an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpCookie {
    /// Its name.
    pub name: String,
    /// The path for which a new one is given.
    pub path: String,
    /// How long a new one lasts; nought for the session; absent gives none.
    #[serde(deserialize_with = "wire::duration")]
    pub ttl: Option<Duration>,
    /// What a new one has besides.
    pub attributes: Vec<CookieAttribute>,
}

/// Something that a cookie has besides name and value.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CookieAttribute {
    /// Its name, for example `SameSite`.
    pub name: String,
    /// Its value; may be empty.
    pub value: String,
}

/// A ring, on which each endpoint has many points.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RingHash {
    /// How many at least; nought means 1024.
    pub minimum_ring_size: u64,
}

/// A table of slots, each of which belongs to an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Maglev {
    /// How many; a prime number; nought means 65537.
    pub table_size: u64,
}

/// The plain algorithms.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum SimpleLoadBalancer {
    /// The mesh's choice: [`SimpleLoadBalancer::LeastRequest`], Istio's default since 1.14.
    #[default]
    Unspecified,
    /// Each endpoint in turn.
    RoundRobin,
    /// The less busy of two drawn at random; `LEAST_CONN` is its old name.
    #[serde(alias = "LEAST_CONN")]
    LeastRequest,
    /// At random.
    Random,
}

/// How the client speaks TLS.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ClientTls {
    /// What kind of TLS.
    pub mode: ClientTlsMode,
}

/// Kinds of client TLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ClientTlsMode {
    /// Plain text; Istio's value nought.
    #[default]
    Disable,
    /// Mutual TLS with the identities of the mesh.
    IstioMutual,
}

pub(crate) static DESTINATION_RULE: Message = Message {
    fields: &[
        ("host", Shape::Text),
        ("trafficPolicy", Shape::Message(&TRAFFIC_POLICY)),
        ("subsets", Shape::List(&Shape::Message(&SUBSET))),
        ("exportTo", Shape::List(&Shape::Text)),
    ],
    later: &["workloadSelector"],
    required: &["host"],
    ..Message::ISTIO
};

static SUBSET: Message = Message {
    fields: &[
        ("name", Shape::Text),
        ("labels", Shape::Map(&Shape::Text)),
        ("trafficPolicy", Shape::Message(&TRAFFIC_POLICY)),
    ],
    required: &["name"],
    ..Message::ISTIO
};

static TRAFFIC_POLICY: Message = Message {
    fields: &[
        ("loadBalancer", Shape::Message(&LOAD_BALANCER)),
        ("tls", Shape::Message(&CLIENT_TLS)),
        (
            "portLevelSettings",
            Shape::List(&Shape::Message(&PORT_TRAFFIC_POLICY)),
        ),
    ],
    later: &[
        "connectionPool",
        "outlierDetection",
        "proxyProtocol",
        "retryBudget",
        "tunnel",
    ],
    ..Message::ISTIO
};

static PORT_TRAFFIC_POLICY: Message = Message {
    fields: &[
        ("port", Shape::Message(&PORT_SELECTOR)),
        ("loadBalancer", Shape::Message(&LOAD_BALANCER)),
        ("tls", Shape::Message(&CLIENT_TLS)),
    ],
    later: &["connectionPool", "outlierDetection"],
    ..Message::ISTIO
};

static LOAD_BALANCER: Message = Message {
    fields: &[
        (
            "simple",
            Shape::Choice {
                now: &[
                    "UNSPECIFIED",
                    "ROUND_ROBIN",
                    "LEAST_REQUEST",
                    "LEAST_CONN",
                    "RANDOM",
                ],
                later: &["PASSTHROUGH"],
            },
        ),
        ("consistentHash", Shape::Message(&CONSISTENT_HASH)),
    ],
    later: &[
        "localityLbSetting",
        "warmup",
        "warmupDurationSecs",
        "zoneAwareLbSetting",
    ],
    exclusive: &[&["simple", "consistentHash"]],
    ..Message::ISTIO
};

static CONSISTENT_HASH: Message = Message {
    fields: &[
        ("httpHeaderName", Shape::Text),
        ("httpCookie", Shape::Message(&HTTP_COOKIE)),
        ("useSourceIp", Shape::Bool),
        ("httpQueryParameterName", Shape::Text),
        ("ringHash", Shape::Message(&RING_HASH)),
        ("maglev", Shape::Message(&MAGLEV)),
        ("minimumRingSize", Shape::Count),
    ],
    exclusive: &[
        &[
            "httpHeaderName",
            "httpCookie",
            "useSourceIp",
            "httpQueryParameterName",
        ],
        &["ringHash", "maglev"],
    ],
    ..Message::ISTIO
};

static HTTP_COOKIE: Message = Message {
    fields: &[
        ("name", Shape::Text),
        ("path", Shape::Text),
        ("ttl", Shape::Duration),
        (
            "attributes",
            Shape::List(&Shape::Message(&COOKIE_ATTRIBUTE)),
        ),
    ],
    required: &["name"],
    ..Message::ISTIO
};

static COOKIE_ATTRIBUTE: Message = Message {
    fields: &[("name", Shape::Text), ("value", Shape::Text)],
    required: &["name"],
    ..Message::ISTIO
};

static RING_HASH: Message = Message {
    fields: &[("minimumRingSize", Shape::Count)],
    ..Message::ISTIO
};

static MAGLEV: Message = Message {
    fields: &[("tableSize", Shape::Count)],
    ..Message::ISTIO
};

static CLIENT_TLS: Message = Message {
    fields: &[(
        "mode",
        Shape::Choice {
            now: &["DISABLE", "ISTIO_MUTUAL"],
            later: &["SIMPLE", "MUTUAL"],
        },
    )],
    later: &[
        "caCertificates",
        "caCrl",
        "clientCertificate",
        "credentialName",
        "insecureSkipVerify",
        "privateKey",
        "sni",
        "subjectAltNames",
    ],
    ..Message::ISTIO
};
