//! The heads of requests and responses, the same for every version of HTTP.

use crate::Fields;
use crate::fields::ROOM;

/// The version of HTTP that a message came in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    #[default]
    Http11,
    /// HTTP/2
    Http2,
}

impl Version {
    /// As access logs print it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
        }
    }
}

/// How the target is to be reached, as the client sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub enum Scheme {
    /// Without TLS.
    #[default]
    Http,
    /// With TLS.
    Https,
}

impl Scheme {
    /// As URIs write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// Method, target and header fields of a request.
///
/// `host` is not among the fields: the authority stands for it, and a codec writes it back.
#[derive(Debug, PartialEq, Eq, Default)]
pub struct RequestHead {
    /// Version the request came in.
    pub version: Version,
    /// Method, as sent: methods have case (RFC 9110 9.1).
    pub method: String,
    /// Scheme of the target.
    pub scheme: Scheme,
    /// Host and perhaps port; the value of `host` or `:authority`.
    pub authority: String,
    /// Path with query, never empty; `*` for `OPTIONS *`.
    pub path: String,
    /// Header fields without `host` and without those of one connection.
    pub fields: Fields,
    /// Something of the target came as a secret that no compression table may learn, and is to be
    /// sent as one (RFC 7541 7.1.3).
    pub secret_target: bool,
}

impl RequestHead {
    /// The path without its query.
    #[must_use]
    pub fn path_only(&self) -> &str {
        let end = self.path.bytes().position(|b| matches!(b, b'?' | b'#'));
        let path = self.path.get(..end.unwrap_or(self.path.len()));
        path.unwrap_or_default()
    }

    /// The query without its question mark.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.path.split_once('?').map(|(_, query)| query)
    }

    /// The authority without its port.
    #[must_use]
    pub fn host(&self) -> &str {
        host_of(&self.authority)
    }

    /// Whether the body is gRPC by its content type.
    #[must_use]
    pub fn is_grpc(&self) -> bool {
        is_grpc(&self.fields)
    }

    /// Forgets everything and keeps the room it took, unless that was unusually much.
    pub fn clear(&mut self) {
        self.version = Version::default();
        self.scheme = Scheme::default();
        self.method.clear();
        self.authority.clear();
        self.path.clear();
        self.path.shrink_to(ROOM);
        self.fields.clear();
        self.secret_target = false;
    }
}

impl Clone for RequestHead {
    fn clone(&self) -> Self {
        let mut copy = Self::default();
        copy.clone_from(self);
        copy
    }

    /// Copies into the room that is there.
    fn clone_from(&mut self, source: &Self) {
        self.version = source.version;
        self.scheme = source.scheme;
        self.method.clone_from(&source.method);
        self.authority.clone_from(&source.authority);
        self.path.clone_from(&source.path);
        self.fields.clone_from(&source.fields);
        self.secret_target = source.secret_target;
    }
}

/// Status and header fields of a response.
#[derive(Debug, PartialEq, Eq, Default)]
pub struct ResponseHead {
    /// Version the response came in, or shall go out.
    pub version: Version,
    /// Status code.
    pub status: u16,
    /// Header fields without those of one connection.
    pub fields: Fields,
}

impl ResponseHead {
    /// Whether the body is gRPC by its content type.
    #[must_use]
    pub fn is_grpc(&self) -> bool {
        is_grpc(&self.fields)
    }

    /// Forgets everything and keeps the room it took.
    pub fn clear(&mut self) {
        self.version = Version::default();
        self.status = 0;
        self.fields.clear();
    }
}

impl Clone for ResponseHead {
    fn clone(&self) -> Self {
        let mut copy = Self::default();
        copy.clone_from(self);
        copy
    }

    /// Copies into the room that is there.
    fn clone_from(&mut self, source: &Self) {
        self.version = source.version;
        self.status = source.status;
        self.fields.clone_from(&source.fields);
    }
}

fn is_grpc(fields: &Fields) -> bool {
    let rest = fields
        .get("content-type")
        .and_then(|value| value.strip_prefix(b"application/grpc"));
    rest.is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

/// An authority without its port.
///
/// Only digits after the last colon are a port, and an IPv6 address keeps its brackets.
#[must_use]
pub fn host_of(authority: &str) -> &str {
    match authority.rsplit_once(':') {
        Some((host, port)) if is_port(port) && is_host(host) => host,
        Some(_) | None => authority,
    }
}

fn is_port(text: &str) -> bool {
    text.bytes().all(|b| b.is_ascii_digit())
}

/// Colons are found in a host only between brackets.
fn is_host(text: &str) -> bool {
    !text.contains(':') || text.ends_with(']')
}

#[cfg(test)]
mod tests;
