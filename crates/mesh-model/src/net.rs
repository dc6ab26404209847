//! Ports' protocols, and addresses that cannot be swapped by accident.

use std::fmt;
use std::net::SocketAddr;

/// The protocol of a service port, as Istio selects it (appProtocol, then the port's name).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// HTTP/1.1, or whatever version the client speaks.
    Http,
    /// HTTP/2 with prior knowledge.
    Http2,
    /// gRPC over HTTP/2.
    Grpc,
    /// gRPC-Web over HTTP.
    GrpcWeb,
    /// HTTP inside TLS that mesh does not terminate.
    Https,
    /// Some protocol inside TLS that mesh does not terminate.
    Tls,
    /// Plain bytes.
    Tcp,
    /// MongoDB, treated as plain bytes.
    Mongo,
    /// Redis, treated as plain bytes.
    Redis,
    /// MySQL, treated as plain bytes.
    Mysql,
    /// UDP, which mesh does not carry.
    Udp,
    /// Not declared: to be sniffed.
    Auto,
}

impl Protocol {
    /// Reads the name of a protocol, without regard to case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text.to_ascii_lowercase().as_str() {
            "http" => Self::Http,
            "http2" | "h2c" => Self::Http2,
            "grpc" => Self::Grpc,
            "grpc-web" => Self::GrpcWeb,
            "https" => Self::Https,
            "tls" => Self::Tls,
            "tcp" => Self::Tcp,
            "mongo" => Self::Mongo,
            "redis" => Self::Redis,
            "mysql" => Self::Mysql,
            "udp" => Self::Udp,
            _ => return None,
        })
    }

    /// Reads a Kubernetes `appProtocol`; an unknown one falls through to the port's name.
    #[must_use]
    pub fn from_app_protocol(text: &str) -> Option<Self> {
        match text {
            "kubernetes.io/h2c" => Some(Self::Http2),
            "kubernetes.io/ws" => Some(Self::Http),
            "kubernetes.io/wss" => Some(Self::Https),
            other => Self::parse(other),
        }
    }

    /// Reads a port's name: the text before the first `-`, where `grpc-web` is one word.
    #[must_use]
    pub fn from_port_name(name: &str) -> Option<Self> {
        let lowered = name.to_ascii_lowercase();
        if lowered == "grpc-web" || lowered.starts_with("grpc-web-") {
            return Some(Self::GrpcWeb);
        }
        Self::parse(lowered.split('-').next().unwrap_or_default())
            .filter(|_| !lowered.starts_with("h2c"))
    }

    /// Whether requests are routed one by one.
    #[must_use]
    pub fn is_http(self) -> bool {
        matches!(self, Self::Http | Self::Http2 | Self::Grpc | Self::GrpcWeb)
    }

    /// Whether the application is known to speak HTTP/2.
    #[must_use]
    pub fn is_http2(self) -> bool {
        matches!(self, Self::Http2 | Self::Grpc)
    }

    /// Whether the bytes are TLS that is not ours to end.
    #[must_use]
    pub fn is_tls(self) -> bool {
        matches!(self, Self::Https | Self::Tls)
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Http => "HTTP",
            Self::Http2 => "HTTP2",
            Self::Grpc => "GRPC",
            Self::GrpcWeb => "GRPC-WEB",
            Self::Https => "HTTPS",
            Self::Tls => "TLS",
            Self::Tcp => "TCP",
            Self::Mongo => "MONGO",
            Self::Redis => "REDIS",
            Self::Mysql => "MYSQL",
            Self::Udp => "UDP",
            Self::Auto => "AUTO",
        })
    }
}

/// The far end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Remote(pub SocketAddr);

/// The near end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Local(pub SocketAddr);

#[cfg(test)]
mod tests;
