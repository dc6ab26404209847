//! Operators without brackets: one fact each, by Envoy's name.

use super::operator::{Point, Span, Unit};

/// What an operator without brackets stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fact {
    /// The client's address, with its port or without.
    RemoteAddress(Port),
    /// The address that the client connected to.
    LocalAddress(Port),
    /// The server name that the client asked for in TLS.
    ServerName,
    /// The identity in the client's certificate.
    PeerUriSan,
    /// The identity in our own certificate.
    LocalUriSan,
    /// SHA-256 of the client's certificate.
    PeerFingerprint,
    /// The version of TLS that the client speaks.
    TlsVersion,
    /// The cipher suite that was agreed on with the client.
    TlsCipher,
    /// The version of HTTP that the client speaks.
    Protocol,
    /// The name of the filter chain that took the connection.
    FilterChain,
    /// The name of the route.
    Route,
    /// The name of the machine, which is the pod's.
    HostName,
    /// The cluster that was chosen.
    Cluster,
    /// The endpoint's address.
    UpstreamAddress(Port),
    /// The endpoint's host name; its address where it has none.
    UpstreamName,
    /// Our own address on the connection to the endpoint.
    UpstreamLocal(Port),
    /// The version of HTTP on the connection to the endpoint.
    UpstreamProtocol,
    /// The identity in the endpoint's certificate.
    UpstreamPeerUriSan,
    /// What went wrong below HTTP.
    UpstreamFailure,
    /// How many attempts were made.
    Attempts,
    /// The status of the response.
    ResponseCode,
    /// Where the answer came from.
    ResponseDetails,
    /// Response flags, by their letters.
    Flags,
    /// Response flags, by their names.
    FlagNames,
    /// Why the connection was ended.
    Termination,
    /// Bytes of the request's body, or from the client.
    Received,
    /// Bytes of the response's body, or to the client.
    Sent,
    /// Bytes of the request's head.
    RequestHead,
    /// Bytes of the response's head.
    ResponseHead,
    /// At what occasion the line is written.
    LogType,
    /// What is after the question mark of the path.
    QueryParams,
}

impl Fact {
    /// Whether it is known only when a request is over.
    pub(super) fn is_of_the_end(self) -> bool {
        match self {
            Self::RemoteAddress(_)
            | Self::LocalAddress(_)
            | Self::ServerName
            | Self::PeerUriSan
            | Self::LocalUriSan
            | Self::PeerFingerprint
            | Self::TlsVersion
            | Self::TlsCipher
            | Self::Protocol
            | Self::FilterChain
            | Self::Cluster
            | Self::ResponseCode
            | Self::QueryParams => false,
            Self::Route
            | Self::HostName
            | Self::UpstreamAddress(_)
            | Self::UpstreamName
            | Self::UpstreamLocal(_)
            | Self::UpstreamProtocol
            | Self::UpstreamPeerUriSan
            | Self::UpstreamFailure
            | Self::Attempts
            | Self::ResponseDetails
            | Self::Flags
            | Self::FlagNames
            | Self::Termination
            | Self::Received
            | Self::Sent
            | Self::RequestHead
            | Self::ResponseHead
            | Self::LogType => true,
        }
    }
}

/// How much of an address is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// Address and port.
    With,
    /// The address alone.
    Without,
    /// The port alone.
    Alone,
}

/// Envoy's names. Addresses that are told (by PROXY protocol, for one) do not differ from direct ones
/// here, and clusters have no other name for users.
const FACTS: [(&str, Fact); 44] = [
    ("DOWNSTREAM_REMOTE_ADDRESS", Fact::RemoteAddress(Port::With)),
    (
        "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT",
        Fact::RemoteAddress(Port::Without),
    ),
    ("DOWNSTREAM_REMOTE_PORT", Fact::RemoteAddress(Port::Alone)),
    (
        "DOWNSTREAM_DIRECT_REMOTE_ADDRESS",
        Fact::RemoteAddress(Port::With),
    ),
    (
        "DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT",
        Fact::RemoteAddress(Port::Without),
    ),
    (
        "DOWNSTREAM_DIRECT_REMOTE_PORT",
        Fact::RemoteAddress(Port::Alone),
    ),
    ("DOWNSTREAM_LOCAL_ADDRESS", Fact::LocalAddress(Port::With)),
    (
        "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT",
        Fact::LocalAddress(Port::Without),
    ),
    ("DOWNSTREAM_LOCAL_PORT", Fact::LocalAddress(Port::Alone)),
    ("REQUESTED_SERVER_NAME", Fact::ServerName),
    ("DOWNSTREAM_PEER_URI_SAN", Fact::PeerUriSan),
    ("DOWNSTREAM_LOCAL_URI_SAN", Fact::LocalUriSan),
    ("DOWNSTREAM_PEER_FINGERPRINT_256", Fact::PeerFingerprint),
    ("DOWNSTREAM_TLS_VERSION", Fact::TlsVersion),
    ("DOWNSTREAM_TLS_CIPHER", Fact::TlsCipher),
    ("PROTOCOL", Fact::Protocol),
    ("FILTER_CHAIN_NAME", Fact::FilterChain),
    ("ROUTE_NAME", Fact::Route),
    ("HOSTNAME", Fact::HostName),
    ("UPSTREAM_CLUSTER", Fact::Cluster),
    ("UPSTREAM_CLUSTER_RAW", Fact::Cluster),
    ("UPSTREAM_HOST", Fact::UpstreamAddress(Port::With)),
    ("UPSTREAM_REMOTE_ADDRESS", Fact::UpstreamAddress(Port::With)),
    (
        "UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT",
        Fact::UpstreamAddress(Port::Without),
    ),
    ("UPSTREAM_REMOTE_PORT", Fact::UpstreamAddress(Port::Alone)),
    ("UPSTREAM_HOST_NAME", Fact::UpstreamName),
    ("UPSTREAM_LOCAL_ADDRESS", Fact::UpstreamLocal(Port::With)),
    (
        "UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT",
        Fact::UpstreamLocal(Port::Without),
    ),
    ("UPSTREAM_LOCAL_PORT", Fact::UpstreamLocal(Port::Alone)),
    ("UPSTREAM_PROTOCOL", Fact::UpstreamProtocol),
    ("UPSTREAM_PEER_URI_SAN", Fact::UpstreamPeerUriSan),
    ("UPSTREAM_TRANSPORT_FAILURE_REASON", Fact::UpstreamFailure),
    ("UPSTREAM_REQUEST_ATTEMPT_COUNT", Fact::Attempts),
    ("RESPONSE_CODE", Fact::ResponseCode),
    ("RESPONSE_CODE_DETAILS", Fact::ResponseDetails),
    ("RESPONSE_FLAGS", Fact::Flags),
    ("RESPONSE_FLAGS_LONG", Fact::FlagNames),
    ("CONNECTION_TERMINATION_DETAILS", Fact::Termination),
    ("BYTES_RECEIVED", Fact::Received),
    ("BYTES_SENT", Fact::Sent),
    ("REQUEST_HEADERS_BYTES", Fact::RequestHead),
    ("RESPONSE_HEADERS_BYTES", Fact::ResponseHead),
    ("ACCESS_LOG_TYPE", Fact::LogType),
    ("QUERY_PARAMS", Fact::QueryParams),
];

/// Envoy's names of times between two points, in milliseconds.
const SPANS: [(&str, Point, Point); 5] = [
    ("DURATION", Point::RequestBegins, Point::ResponseEnds),
    ("REQUEST_DURATION", Point::RequestBegins, Point::RequestEnds),
    (
        "REQUEST_TX_DURATION",
        Point::RequestBegins,
        Point::UpstreamRequestEnds,
    ),
    (
        "RESPONSE_DURATION",
        Point::RequestBegins,
        Point::UpstreamResponseBegins,
    ),
    (
        "RESPONSE_TX_DURATION",
        Point::UpstreamResponseBegins,
        Point::ResponseEnds,
    ),
];

/// The names of all of them.
#[cfg(test)]
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    let facts = FACTS.iter().map(|(name, _)| *name);
    facts.chain(SPANS.iter().map(|(name, ..)| *name))
}

/// The fact of that name.
pub(super) fn named(name: &str) -> Option<Fact> {
    let mut facts = FACTS.iter();
    facts
        .find(|(known, _)| *known == name)
        .map(|(_, fact)| *fact)
}

/// The time of that name.
pub(super) fn span(name: &str) -> Option<Span> {
    let mut spans = SPANS.iter();
    let found = spans.find(|(known, ..)| *known == name)?;
    let (_, from, to) = *found;
    Some(Span {
        from,
        to,
        unit: Unit::Millis,
    })
}
