//! What is measured: for each scenario the proxies' places, the load on them, and who takes part.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use crate::backend::{BIG, BODY};
use crate::load::Protocol;
use crate::peer::Peer;

/// A row's scenario.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Scenario {
    /// One proxy, HTTP/1.1 on both sides, 64 connections.
    Plain,
    /// Client, sidecar, mutual TLS, sidecar, application: HTTP/1.1 at both ends, 64 connections.
    Pair,
    /// The same pair with gRPC, 8 connections with 8 streams each.
    Grpc,
    /// One proxy, HTTP/2 without TLS on both sides, 8 connections with 8 streams each.
    H2c,
    /// `plain` at 2,500 requests per second.
    PlainFixed,
    /// `pair` at 2,500 requests per second.
    PairFixed,
    /// `grpc` at 2,500 requests per second.
    GrpcFixed,
    /// `h2c` at 2,500 requests per second.
    H2cFixed,
    /// One TCP proxy, answers of 10 MiB on 4 connections.
    Tcp,
    /// The pair as TCP proxies, answers of 10 MiB on 4 connections.
    TcpTls,
    /// The pair as TCP proxies: new connections, each with a full handshake with mutual TLS.
    Handshake,
    /// Resident memory of one proxy after its start.
    MemoryIdle,
    /// Memory per connection that was opened and never used.
    MemoryOpen,
    /// Memory per connection kept alive after one request, its upstream connection included.
    MemoryKept,
    /// The same where the client speaks mutual TLS.
    MemoryKeptTls,
    /// Resident memory of one proxy that knows 1,000 services more.
    #[value(name = "memory-1000-clusters")]
    #[serde(rename = "memory-1000-clusters")]
    Memory1000Clusters,
    /// The whole product on this machine: time to start, time to apply, memory, sequential latency.
    Local,
}

/// Where the proxies stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// One proxy, HTTP/1.1.
    Plain,
    /// One proxy, HTTP/1.1, clients with mutual TLS.
    PlainTls,
    /// One proxy, HTTP/2.
    H2c,
    /// Two proxies, HTTP/1.1 application.
    Pair,
    /// Two proxies, HTTP/2 application.
    Grpc,
    /// One TCP proxy.
    Tcp,
    /// Two TCP proxies.
    TcpPair,
    /// One proxy that knows 1,000 services more.
    ManyClusters,
}

/// How a scenario is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Method {
    /// By load, at a rate or as fast as it goes.
    Load(Pattern, Option<u32>),
    /// By resident memory, with connections held in that way.
    Memory(Connections),
    /// By driving meshctl.
    Local,
}

/// What connections are held while memory is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Connections {
    /// None.
    None,
    /// Opened only.
    Opened,
    /// After a request.
    Kept,
    /// After a request over TLS.
    KeptTls,
}

/// Connections and requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pattern {
    pub(crate) protocol: Protocol,
    pub(crate) connections: usize,
    pub(crate) streams: usize,
    pub(crate) path: &'static str,
    pub(crate) expect: usize,
    pub(crate) reconnect: bool,
}

/// The fixed rate: far from any peer's limit, so that it is latency that is seen.
const FIXED: Option<u32> = Some(2500);

const HTTP1: Pattern = Pattern {
    protocol: Protocol::Http1,
    connections: 64,
    streams: 1,
    path: "/",
    expect: BODY,
    reconnect: false,
};
const GRPC: Pattern = Pattern {
    protocol: Protocol::Grpc,
    connections: 8,
    streams: 8,
    ..HTTP1
};
const BULK: Pattern = Pattern {
    connections: 4,
    path: "/big",
    expect: BIG,
    ..HTTP1
};
const CHURN: Pattern = Pattern {
    connections: 32,
    reconnect: true,
    ..HTTP1
};

impl Scenario {
    /// Its name on the command line and in results.
    pub(crate) fn name(self) -> String {
        name_of(self)
    }

    pub(crate) fn shape(self) -> Shape {
        match self {
            Self::Plain | Self::PlainFixed => Shape::Plain,
            Self::Pair | Self::PairFixed => Shape::Pair,
            Self::Grpc | Self::GrpcFixed => Shape::Grpc,
            Self::H2c | Self::H2cFixed => Shape::H2c,
            Self::Tcp => Shape::Tcp,
            Self::TcpTls | Self::Handshake => Shape::TcpPair,
            Self::MemoryIdle | Self::MemoryOpen | Self::MemoryKept | Self::Local => Shape::Plain,
            Self::MemoryKeptTls => Shape::PlainTls,
            Self::Memory1000Clusters => Shape::ManyClusters,
        }
    }

    pub(crate) fn method(self) -> Method {
        match self {
            Self::Plain | Self::Pair => Method::Load(HTTP1, None),
            Self::Grpc | Self::H2c => Method::Load(GRPC, None),
            Self::PlainFixed | Self::PairFixed => Method::Load(HTTP1, FIXED),
            Self::GrpcFixed | Self::H2cFixed => Method::Load(GRPC, FIXED),
            Self::Tcp | Self::TcpTls => Method::Load(BULK, None),
            Self::Handshake => Method::Load(CHURN, None),
            Self::MemoryIdle | Self::Memory1000Clusters => Method::Memory(Connections::None),
            Self::MemoryOpen => Method::Memory(Connections::Opened),
            Self::MemoryKept => Method::Memory(Connections::Kept),
            Self::MemoryKeptTls => Method::Memory(Connections::KeptTls),
            Self::Local => Method::Local,
        }
    }

    /// Who is measured, in this order.
    pub(crate) fn peers(self) -> &'static [Peer] {
        use Peer::{Envoy, EnvoyIstio, Haproxy, HaproxySplice, Mesh, Nginx, Relay};
        match self {
            Self::Plain | Self::Pair | Self::H2c | Self::Grpc => {
                &[Mesh, Relay, Envoy, EnvoyIstio, Haproxy, Nginx]
            }
            Self::PlainFixed | Self::PairFixed | Self::H2cFixed | Self::GrpcFixed => {
                &[Mesh, Relay, Envoy, Haproxy]
            }
            Self::Tcp => &[Mesh, Relay, Envoy, Haproxy, HaproxySplice],
            Self::TcpTls | Self::Handshake => &[Mesh, Relay, Envoy, Haproxy],
            Self::MemoryIdle | Self::MemoryOpen | Self::MemoryKept | Self::MemoryKeptTls => {
                &[Mesh, Envoy, Haproxy, Nginx]
            }
            Self::Memory1000Clusters => &[Mesh, Envoy, Haproxy],
            Self::Local => &[Mesh],
        }
    }
}

/// The name of a value on the command line.
pub(crate) fn name_of(value: impl ValueEnum) -> String {
    let known = value.to_possible_value();
    known.map_or_else(String::new, |value| value.get_name().to_owned())
}
