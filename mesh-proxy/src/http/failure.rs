//! What can go wrong with a request, as a value.
//!
//! A stage that cannot go on answers a [`Failure`]. It says whose fault it is, whether the request
//! may be sent once more, and which row of the table in `record/response_flags.rs` answers the
//! client. It writes no response itself: `respond.rs` does.

use std::fmt;

use mesh_http::FaultKind;
use mesh_traffic::outlier::Outcome;

/// Who failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Side {
    /// The client that sent the request.
    Downstream,
    /// The peer that the request was sent to.
    Upstream,
    /// This proxy, by its configuration or its limits.
    Local,
}

/// Whether the request may be sent once more without the risk of doing its work twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Retry {
    /// Never on our own account; the route's policy may still ask for it.
    Never,
    /// When its method is idempotent (RFC 9110 9.2.2): the connection died before any byte of the
    /// answer.
    IfIdempotent,
    /// Always: the peer has not seen the request, or said that it did nothing with it.
    Safe,
}

/// What happened. Each kind has one row of status, flag and details.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FailureKind {
    /// The request's head breaks the rules of HTTP, or has two meanings (400, DPE).
    BadRequest,
    /// HTTP/1.0, which Istio refuses by default (426).
    Http10,
    /// The head is larger than the limit (431).
    HeadTooLarge,
    /// The target is longer than the limit (414).
    TargetTooLong,
    /// A transfer coding that this proxy does not carry (501).
    CodingUnsupported,
    /// Neither HTTP/1.0 nor HTTP/1.1 (505).
    VersionUnsupported,
    /// The head was not complete in time (408).
    HeadTimeout,
    /// An upgrade or CONNECT that this proxy does not carry (501).
    UpgradeUnsupported,
    /// No virtual host or no route matches (404, NR).
    NoRoute,
    /// The route makes it fail on purpose (the status that it says, FI).
    FaultInjected,
    /// It is a health check of this proxy, which does not pass (503, LH).
    FailedHealthCheck,
    /// It is one too many (429, RL).
    RateLimited,
    /// A service that counts for many proxies says that it is one too many (429, RL).
    OverLimit,
    /// Nobody could say whether it is, and then it shall not pass (500, RLSE).
    LimitUnknown,
    /// A service that says who may pass says that it may not (403, UAEX).
    Unauthorized,
    /// Nobody could say whether it may (403, UAEX).
    AuthorizationUnknown,
    /// That service wants what cannot be done (500).
    AuthorizationInvalid,
    /// The client's body is longer than a service may see (413).
    BodyTooLarge,
    /// The route names a cluster that the configuration does not have (503, NC).
    NoCluster,
    /// The route was refused when the configuration was compiled (500).
    RouteUnusable,
    /// Not permitted (403).
    Denied,
    /// The cluster has no endpoint that takes requests (503, UH).
    NoHealthyUpstream,
    /// A limit of the cluster is reached (503, UO).
    Overflow,
    /// The endpoint refused the connection or is not there (503, UF).
    ConnectFailed,
    /// The connection was not made in time (503, UF).
    ConnectTimeout,
    /// TLS with the endpoint failed (503, UF).
    TlsFailed,
    /// The endpoint's certificate stands for somebody else than it should (503, UF).
    WrongIdentity,
    /// The upstream closed the connection before it had answered (503, UC).
    UpstreamClosed,
    /// The upstream reset the stream (503, UR).
    UpstreamReset,
    /// The upstream refused the stream and did nothing with it (503, UR).
    UpstreamRefusedStream,
    /// The upstream's answer is no HTTP (502, UPE).
    UpstreamProtocol,
    /// The route's time ran out (504, UT).
    RouteTimeout,
    /// The time of the last permitted try ran out (504, UT).
    TryTimeout,
    /// Nothing moved on the stream for too long (504, SI).
    StreamIdle,
    /// The client went away before it had its answer (0 on the wire, 499 in words; DC).
    DownstreamGone,
    /// The client's body broke off or was no HTTP (400, DPE).
    DownstreamBody,
    /// The client's body came too slowly (408).
    BodyTimeout,
    /// This proxy has no memory left for requests (503, OM).
    Overloaded,
    /// This proxy is shutting down and takes no more requests (503).
    Draining,
}

impl FailureKind {
    /// Every kind, for tables and their tests.
    pub const ALL: [Self; 39] = [
        Self::BadRequest,
        Self::Http10,
        Self::HeadTooLarge,
        Self::TargetTooLong,
        Self::CodingUnsupported,
        Self::VersionUnsupported,
        Self::HeadTimeout,
        Self::UpgradeUnsupported,
        Self::NoRoute,
        Self::FaultInjected,
        Self::FailedHealthCheck,
        Self::RateLimited,
        Self::OverLimit,
        Self::LimitUnknown,
        Self::Unauthorized,
        Self::AuthorizationUnknown,
        Self::AuthorizationInvalid,
        Self::BodyTooLarge,
        Self::NoCluster,
        Self::RouteUnusable,
        Self::Denied,
        Self::NoHealthyUpstream,
        Self::Overflow,
        Self::ConnectFailed,
        Self::ConnectTimeout,
        Self::TlsFailed,
        Self::WrongIdentity,
        Self::UpstreamClosed,
        Self::UpstreamReset,
        Self::UpstreamRefusedStream,
        Self::UpstreamProtocol,
        Self::RouteTimeout,
        Self::TryTimeout,
        Self::StreamIdle,
        Self::DownstreamGone,
        Self::DownstreamBody,
        Self::BodyTimeout,
        Self::Overloaded,
        Self::Draining,
    ];

    /// What a request becomes that breaks a rule of HTTP.
    #[must_use]
    pub fn of_fault(kind: FaultKind) -> Self {
        match kind {
            FaultKind::Coding => Self::CodingUnsupported,
            FaultKind::HeadTooLarge => Self::HeadTooLarge,
            FaultKind::TargetTooLong => Self::TargetTooLong,
            FaultKind::Version => Self::VersionUnsupported,
            FaultKind::Malformed
            | FaultKind::Framing
            | FaultKind::Protocol
            | FaultKind::FlowControl
            | FaultKind::Compression
            | FaultKind::Flood
            | FaultKind::CutOff => Self::BadRequest,
        }
    }

    /// Who is to blame for it.
    #[must_use]
    pub fn side(self) -> Side {
        match self {
            Self::BadRequest
            | Self::Http10
            | Self::HeadTooLarge
            | Self::TargetTooLong
            | Self::CodingUnsupported
            | Self::VersionUnsupported
            | Self::HeadTimeout
            | Self::UpgradeUnsupported
            | Self::DownstreamGone
            | Self::DownstreamBody
            | Self::BodyTooLarge
            | Self::BodyTimeout => Side::Downstream,
            Self::ConnectFailed
            | Self::ConnectTimeout
            | Self::TlsFailed
            | Self::WrongIdentity
            | Self::UpstreamClosed
            | Self::UpstreamReset
            | Self::UpstreamRefusedStream
            | Self::UpstreamProtocol
            | Self::RouteTimeout
            | Self::TryTimeout
            | Self::StreamIdle => Side::Upstream,
            Self::NoRoute
            | Self::FaultInjected
            | Self::FailedHealthCheck
            | Self::RateLimited
            | Self::OverLimit
            | Self::LimitUnknown
            | Self::Unauthorized
            | Self::AuthorizationUnknown
            | Self::AuthorizationInvalid
            | Self::NoCluster
            | Self::RouteUnusable
            | Self::Denied
            | Self::NoHealthyUpstream
            | Self::Overflow
            | Self::Overloaded
            | Self::Draining => Side::Local,
        }
    }

    /// Whether the upstream was never reached: its peer may send the request to somebody else.
    #[must_use]
    pub fn never_reached_upstream(self) -> bool {
        matches!(
            self,
            Self::ConnectFailed
                | Self::ConnectTimeout
                | Self::TlsFailed
                | Self::WrongIdentity
                | Self::UpstreamRefusedStream
        )
    }
}

/// The end of a request that did not get the upstream's answer.
pub struct Failure {
    /// Who failed.
    pub side: Side,
    /// Whether it may be sent once more.
    pub retry: Retry,
    /// What happened.
    pub kind: FailureKind,
    /// The statuses of HTTP and gRPC that are told instead of those of its kind.
    pub told: Option<(u16, u16)>,
    /// What the library below said, for logs and `%UPSTREAM_TRANSPORT_FAILURE_REASON%`.
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Failure {
    /// A failure after which the request must not be repeated.
    #[must_use]
    pub fn new(kind: FailureKind) -> Self {
        Self {
            side: kind.side(),
            retry: Retry::Never,
            kind,
            told: None,
            source: None,
        }
    }

    /// A failure of which we know that nothing has happened to the request.
    #[must_use]
    pub fn safe(kind: FailureKind) -> Self {
        Self {
            retry: Retry::Safe,
            ..Self::new(kind)
        }
    }

    /// A failure of the connection before any byte of the answer.
    #[must_use]
    pub fn if_idempotent(kind: FailureKind) -> Self {
        Self {
            retry: Retry::IfIdempotent,
            ..Self::new(kind)
        }
    }

    /// A failure that was asked for, with the statuses that it shall have.
    #[must_use]
    pub fn on_purpose(http: u16, grpc: u16) -> Self {
        Self {
            told: Some((http, grpc)),
            ..Self::new(FailureKind::FaultInjected)
        }
    }

    /// A refusal of a request that is one too many, with the statuses that it shall have.
    #[must_use]
    pub fn too_many(http: u16, grpc: u16) -> Self {
        Self::told_as(FailureKind::RateLimited, (http, grpc))
    }

    /// A failure that is told by these statuses of HTTP and gRPC.
    #[must_use]
    pub fn told_as(kind: FailureKind, statuses: (u16, u16)) -> Self {
        Self {
            told: Some(statuses),
            ..Self::new(kind)
        }
    }

    /// What it says of the endpoint that was tried, if anything.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        match self.kind {
            FailureKind::ConnectFailed | FailureKind::TlsFailed | FailureKind::WrongIdentity => {
                Some(Outcome::Unconnected)
            }
            FailureKind::ConnectTimeout | FailureKind::TryTimeout => Some(Outcome::TimedOut),
            // It closed a connection that was idle, which is its right.
            FailureKind::UpstreamClosed if self.retry == Retry::Safe => None,
            FailureKind::UpstreamClosed
            | FailureKind::UpstreamReset
            | FailureKind::UpstreamRefusedStream
            | FailureKind::UpstreamProtocol => Some(Outcome::BrokenOff),
            _ => None,
        }
    }

    /// The statuses of HTTP and gRPC by which it is told.
    #[must_use]
    pub fn statuses(&self) -> (u16, u16) {
        let row = crate::record::response_flags::answer(self.kind);
        self.told.unwrap_or((row.status, row.grpc))
    }

    /// Adds what the library below said.
    #[must_use]
    pub fn caused_by(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The cause with all causes below it, on one line; empty when there is none.
    #[must_use]
    pub fn reason(&self) -> String {
        let mut text = String::new();
        let mut cause: Option<&dyn std::error::Error> = self
            .source
            .as_deref()
            .map(|source| source as &dyn std::error::Error);
        while let Some(error) = cause {
            if !text.is_empty() {
                text.push_str(": ");
            }
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}

/// What a status of HTTP is to a client of gRPC (gRPC's `http-grpc-status-mapping`).
#[must_use]
pub fn grpc_of_http(status: u16) -> u16 {
    match status {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502..=504 => 14,
        _ => 2,
    }
}

impl fmt::Debug for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}/{:?}({})", self.kind, self.retry, self.reason())
    }
}

impl From<FailureKind> for Failure {
    fn from(kind: FailureKind) -> Self {
        Self::new(kind)
    }
}
