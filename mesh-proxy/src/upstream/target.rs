//! Whom to connect to, and how: what a pool of connections is kept by.

use std::hash::{Hash, Hasher};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use mesh_traffic::breaker::Breaker;
use mesh_traffic::cluster::Keepalive;
use mesh_traffic::tls::UpstreamTls;

/// Which version of HTTP a connection is to speak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Speak {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2; by prior knowledge where there is no TLS.
    Http2,
    /// HTTP/2 or HTTP/1.1, as ALPN decides.
    Either,
}

/// An endpoint with the way to reach it. Equal targets share connections.
#[derive(Debug, Clone)]
pub struct Target {
    /// Where to connect.
    pub address: SocketAddr,
    /// Our own address to call from, where that is not the kernel's choice.
    pub source: Option<IpAddr>,
    /// TLS, if any.
    pub tls: Option<Arc<UpstreamTls>>,
    /// Which version of HTTP.
    pub speak: Speak,
    /// How long connecting may take, TLS included.
    pub connect_timeout: Duration,
    /// How long an unused connection is kept; `None` for as long as its endpoint keeps it.
    pub idle_timeout: Option<Duration>,
    /// After how many requests a connection is closed.
    pub max_requests: Option<u32>,
    /// After how long it is.
    pub max_duration: Option<Duration>,
    /// How many requests it carries at a time, if it is HTTP/2.
    pub max_streams: Option<u32>,
    /// How the kernel asks whether the endpoint is still there, if it does.
    pub keepalive: Option<Keepalive>,
    /// What counts connections and requests, if anything does; clusters that have one do not share connections.
    pub breaker: Option<Breaker>,
}

impl Target {
    /// Whether a connection to it is kept by other rules than one to an equal target.
    pub(crate) fn is_kept_otherwise(&self, other: &Self) -> bool {
        let limits = |target: &Self| target.breaker.as_ref().map(Breaker::limits);
        self.connect_timeout != other.connect_timeout
            || self.idle_timeout != other.idle_timeout
            || limits(self) != limits(other)
    }
}

impl PartialEq for Target {
    fn eq(&self, other: &Self) -> bool {
        // Not part of the identity is how long it took, and how many others there may be.
        self.address == other.address
            && self.source == other.source
            && self.speak == other.speak
            && self.tls == other.tls
            && self.max_requests == other.max_requests
            && self.max_duration == other.max_duration
            && self.max_streams == other.max_streams
            && self.keepalive == other.keepalive
            && self.breaker == other.breaker
    }
}

impl Eq for Target {}

impl Hash for Target {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.address.hash(state);
        self.speak.hash(state);
        self.tls.as_ref().map(|tls| &tls.sni).hash(state);
    }
}
