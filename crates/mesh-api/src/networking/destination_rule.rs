//! DestinationRule: what happens to traffic for a host after it was routed.

use std::time::Duration;

use mesh_model::labels::Labels;
use serde::Deserialize;

use super::locality::{LOCALITY_LB, LocalityLb, WARMUP, Warmup};
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
    /// Connections and requests: how many, and for how long.
    pub connection_pool: Option<ConnectionPool>,
    /// When endpoints that fail get nothing for a while.
    pub outlier_detection: Option<OutlierDetection>,
    /// How the client speaks TLS; absent means auto-mTLS.
    pub tls: Option<ClientTls>,
    /// How many retries there may be, as a share of the requests.
    pub retry_budget: Option<RetryBudget>,
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
    /// Connections and requests: how many, and for how long.
    pub connection_pool: Option<ConnectionPool>,
    /// When endpoints that fail get nothing for a while.
    pub outlier_detection: Option<OutlierDetection>,
    /// How the client speaks TLS; absent means auto-mTLS.
    pub tls: Option<ClientTls>,
}

/// Connections and requests: how many, and for how long.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ConnectionPool {
    /// For all connections.
    pub tcp: Option<TcpPool>,
    /// For those that carry HTTP.
    pub http: Option<HttpPool>,
}

/// Bounds of connections.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TcpPool {
    /// How many; nought says nothing.
    pub max_connections: u32,
    /// How long connecting may take; 10 s if absent.
    #[serde(deserialize_with = "wire::duration")]
    pub connect_timeout: Option<Duration>,
    /// Whether the kernel asks if the other side is still there.
    pub tcp_keepalive: Option<TcpKeepalive>,
    /// How long a connection is used.
    #[serde(deserialize_with = "wire::duration")]
    pub max_connection_duration: Option<Duration>,
    /// How long nothing may pass; an hour if absent, for ever if nought.
    #[serde(deserialize_with = "wire::duration")]
    pub idle_timeout: Option<Duration>,
}

/// How the kernel asks whether the other side is still there; what is absent or nought is the kernel's choice.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct TcpKeepalive {
    /// How often it asks in vain.
    pub probes: u32,
    /// How long nothing must have passed before it asks.
    #[serde(deserialize_with = "wire::duration")]
    pub time: Option<Duration>,
    /// How long it waits for an answer.
    #[serde(deserialize_with = "wire::duration")]
    pub interval: Option<Duration>,
}

/// Bounds of requests.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HttpPool {
    /// How many may wait for a connection, whatever the version of HTTP; nought says nothing.
    pub http1_max_pending_requests: u32,
    /// How many may be under way, whatever the version of HTTP; nought says nothing.
    pub http2_max_requests: u32,
    /// After how many a connection is closed; nought is never.
    pub max_requests_per_connection: u32,
    /// How many may be repeated at a time; nought says nothing.
    pub max_retries: u32,
    /// How long an unused connection is kept.
    #[serde(deserialize_with = "wire::duration")]
    pub idle_timeout: Option<Duration>,
    /// Whether HTTP/1 is carried by HTTP/2 between proxies.
    pub h2_upgrade_policy: H2UpgradePolicy,
    /// Whether endpoints are spoken to in the version of HTTP that the client speaks.
    pub use_client_protocol: bool,
    /// How many streams an HTTP/2 connection carries at a time; nought says nothing.
    pub max_concurrent_streams: u32,
}

/// Whether HTTP/1 is carried by HTTP/2 between proxies. Proxies of this mesh agree on it by themselves, so nothing
/// follows from it but for other ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum H2UpgradePolicy {
    /// The mesh's choice.
    #[default]
    Default,
    /// No.
    DoNotUpgrade,
    /// Yes.
    Upgrade,
}

/// When endpoints that fail get nothing for a while.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct OutlierDetection {
    /// Statuses of 500 and more in a row; 5 if absent, never if nought.
    #[serde(rename = "consecutive5xxErrors")]
    pub consecutive_5xx_errors: Option<u32>,
    /// 502, 503 and 504 in a row; never if absent or nought.
    pub consecutive_gateway_errors: Option<u32>,
    /// The older form of `consecutiveGatewayErrors`; nought says nothing.
    pub consecutive_errors: u32,
    /// Whether failures that the client's proxy sees itself count apart.
    pub split_external_local_origin_errors: bool,
    /// Those in a row; 5 if absent, never if nought.
    pub consecutive_local_origin_failures: Option<u32>,
    /// How often endpoints are taken back; 10 s if absent.
    #[serde(deserialize_with = "wire::duration")]
    pub interval: Option<Duration>,
    /// How long an endpoint is out the first time; 30 s if absent.
    #[serde(deserialize_with = "wire::duration")]
    pub base_ejection_time: Option<Duration>,
    /// How many may be out, in per cent; 10 if nought. One may be in any case.
    pub max_ejection_percent: u32,
    /// Below so many per cent of healthy endpoints all are used; nought is never.
    pub min_health_percent: u32,
}

/// How many retries there may be, as a share of the requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RetryBudget {
    /// The share, in millionths; 20 per cent if absent.
    #[serde(deserialize_with = "wire::optional_percent")]
    pub percent: Option<u32>,
    /// So many in any case; 3 if nought.
    pub min_retry_concurrency: u32,
}

/// How endpoints are chosen.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LoadBalancer {
    /// One of the plain algorithms.
    pub simple: SimpleLoadBalancer,
    /// By the request, so that like requests go to the same endpoint.
    pub consistent_hash: Option<ConsistentHash>,
    /// By where clients and endpoints are; the mesh's configuration if absent.
    pub locality_lb_setting: Option<LocalityLb>,
    /// How endpoints that are new come to their share; at once if absent.
    pub warmup: Option<Warmup>,
    /// The older form of `warmup.duration`.
    #[serde(deserialize_with = "wire::duration")]
    pub warmup_duration_secs: Option<Duration>,
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
        ("connectionPool", Shape::Message(&CONNECTION_POOL)),
        ("outlierDetection", Shape::Message(&OUTLIER_DETECTION)),
        ("tls", Shape::Message(&CLIENT_TLS)),
        ("retryBudget", Shape::Message(&RETRY_BUDGET)),
        (
            "portLevelSettings",
            Shape::List(&Shape::Message(&PORT_TRAFFIC_POLICY)),
        ),
    ],
    later: &["proxyProtocol", "tunnel"],
    ..Message::ISTIO
};

static PORT_TRAFFIC_POLICY: Message = Message {
    fields: &[
        ("port", Shape::Message(&PORT_SELECTOR)),
        ("loadBalancer", Shape::Message(&LOAD_BALANCER)),
        ("connectionPool", Shape::Message(&CONNECTION_POOL)),
        ("outlierDetection", Shape::Message(&OUTLIER_DETECTION)),
        ("tls", Shape::Message(&CLIENT_TLS)),
    ],
    ..Message::ISTIO
};

static CONNECTION_POOL: Message = Message {
    fields: &[
        ("tcp", Shape::Message(&TCP_POOL)),
        ("http", Shape::Message(&HTTP_POOL)),
    ],
    ..Message::ISTIO
};

static TCP_POOL: Message = Message {
    fields: &[
        ("maxConnections", Shape::Count),
        ("connectTimeout", Shape::Duration),
        ("tcpKeepalive", Shape::Message(&TCP_KEEPALIVE)),
        ("maxConnectionDuration", Shape::Duration),
        ("idleTimeout", Shape::Duration),
    ],
    ..Message::ISTIO
};

static TCP_KEEPALIVE: Message = Message {
    fields: &[
        ("probes", Shape::Count),
        ("time", Shape::Duration),
        ("interval", Shape::Duration),
    ],
    ..Message::ISTIO
};

static HTTP_POOL: Message = Message {
    fields: &[
        ("http1MaxPendingRequests", Shape::Count),
        ("http2MaxRequests", Shape::Count),
        ("maxRequestsPerConnection", Shape::Count),
        ("maxRetries", Shape::Count),
        ("idleTimeout", Shape::Duration),
        (
            "h2UpgradePolicy",
            Shape::Choice {
                now: &["DEFAULT", "DO_NOT_UPGRADE", "UPGRADE"],
                later: &[],
            },
        ),
        ("useClientProtocol", Shape::Bool),
        ("maxConcurrentStreams", Shape::Count),
    ],
    later: &["http2KeepAlive"],
    ..Message::ISTIO
};

static OUTLIER_DETECTION: Message = Message {
    fields: &[
        ("consecutive5xxErrors", Shape::Count),
        ("consecutiveGatewayErrors", Shape::Count),
        ("consecutiveErrors", Shape::Count),
        ("splitExternalLocalOriginErrors", Shape::Bool),
        ("consecutiveLocalOriginFailures", Shape::Count),
        ("interval", Shape::Duration),
        ("baseEjectionTime", Shape::Duration),
        ("maxEjectionPercent", Shape::Count),
        ("minHealthPercent", Shape::Count),
    ],
    later: &["outlierDetectionHttpErrorCodes"],
    ..Message::ISTIO
};

static RETRY_BUDGET: Message = Message {
    fields: &[
        ("percent", Shape::Percent),
        ("minRetryConcurrency", Shape::Count),
    ],
    later: &["budgetInterval"],
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
        ("localityLbSetting", Shape::Message(&LOCALITY_LB)),
        ("warmup", Shape::Message(&WARMUP)),
        ("warmupDurationSecs", Shape::Duration),
    ],
    later: &["zoneAwareLbSetting"],
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
