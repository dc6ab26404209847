//! Values of headers with Envoy's format operators, read once and filled in per request.

use std::fmt::Write as _;
use std::net::SocketAddr;

use mesh_http::{RequestHead, ResponseHead};
use mesh_model::Str;
use mesh_model::header_format::{self, FormatError, HeaderRef, Operator, Piece};

use crate::matching::header::HeaderName;

/// What operators may refer to, besides the heads.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// The client.
    pub remote: SocketAddr,
    /// The address that the client connected to.
    pub local: SocketAddr,
    /// The client's identity as its certificate says.
    pub peer: Option<&'a str>,
    /// The server name that the client asked for in TLS.
    pub sni: Option<&'a str>,
    /// The cluster that was chosen.
    pub cluster: Option<&'a str>,
}

/// A value with or without operators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(Str),
    Remote { port: bool },
    Local { port: bool },
    LocalPort,
    Protocol,
    Peer,
    ServerName,
    Cluster,
    ResponseCode,
    Request(Field),
    Response(Field),
}

/// A header, by itself or another in its place.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Field {
    name: HeaderName,
    alternative: Option<HeaderName>,
    max: usize,
}

impl Template {
    /// Reads a value.
    pub(crate) fn parse(text: &str) -> Result<Self, FormatError> {
        let pieces = header_format::pieces(text)?;
        // Pieces of text that meet, round a per cent sign, become one.
        let mut parts: Vec<Part> = Vec::with_capacity(pieces.len());
        for piece in pieces {
            let next = Part::of(piece);
            match (parts.last_mut(), next) {
                (Some(Part::Text(last)), Part::Text(more)) => {
                    *last = format!("{last}{more}").into()
                }
                (_, next) => parts.push(next),
            }
        }
        Ok(Self(parts))
    }

    /// The value itself, if it has no operators.
    pub(crate) fn literal(&self) -> Option<&str> {
        match self.0.as_slice() {
            [] => Some(""),
            [Part::Text(text)] => Some(text),
            _ => None,
        }
    }

    /// The value for one message.
    pub(crate) fn fill(
        &self,
        facts: &Facts<'_>,
        request: &RequestHead,
        response: Option<&ResponseHead>,
    ) -> Vec<u8> {
        let mut out = Vec::new();
        for part in &self.0 {
            part.write(&mut out, facts, request, response);
        }
        out
    }
}

impl Part {
    fn of(piece: Piece<'_>) -> Self {
        let operator = match piece {
            Piece::Text(text) => return Self::Text(text.into()),
            Piece::Operator(operator) => operator,
        };
        match operator {
            Operator::RemoteAddress { port } => Self::Remote { port },
            Operator::LocalAddress { port } => Self::Local { port },
            Operator::LocalPort => Self::LocalPort,
            Operator::Protocol => Self::Protocol,
            Operator::PeerUriSan => Self::Peer,
            Operator::ServerName => Self::ServerName,
            Operator::Cluster => Self::Cluster,
            Operator::ResponseCode => Self::ResponseCode,
            Operator::Request(header) => Self::Request(Field::of(header)),
            Operator::Response(header) => Self::Response(Field::of(header)),
        }
    }

    fn write(
        &self,
        out: &mut Vec<u8>,
        facts: &Facts<'_>,
        request: &RequestHead,
        response: Option<&ResponseHead>,
    ) {
        let mut text = String::new();
        match self {
            Self::Text(text) => out.extend_from_slice(text.as_bytes()),
            Self::Remote { port } => write_address(&mut text, facts.remote, *port),
            Self::Local { port } => write_address(&mut text, facts.local, *port),
            Self::LocalPort => text.push_str(&facts.local.port().to_string()),
            Self::Protocol => text.push_str(request.version.as_str()),
            Self::Peer => text.push_str(facts.peer.unwrap_or_default()),
            Self::ServerName => text.push_str(facts.sni.unwrap_or_default()),
            Self::Cluster => text.push_str(facts.cluster.unwrap_or_default()),
            Self::ResponseCode => {
                if let Some(response) = response {
                    text.push_str(&response.status.to_string());
                }
            }
            Self::Request(field) => field.write_request(out, request),
            Self::Response(field) => field.write_response(out, response),
        }
        out.extend_from_slice(text.as_bytes());
    }
}

fn write_address(out: &mut String, address: SocketAddr, with_port: bool) {
    let written = match with_port {
        true => write!(out, "{address}"),
        false => write!(out, "{}", address.ip()),
    };
    debug_assert!(written.is_ok(), "writing to a string does not fail");
}

impl Field {
    fn of(header: HeaderRef<'_>) -> Self {
        Self {
            name: HeaderName::parse(header.name),
            alternative: header.alternative.map(HeaderName::parse),
            max: header.max.unwrap_or(usize::MAX),
        }
    }

    fn write_request(&self, out: &mut Vec<u8>, head: &RequestHead) {
        let other = || self.alternative.as_ref().and_then(|name| name.value(head));
        if let Some(value) = self.name.value(head).or_else(other) {
            self.write(out, &value);
        }
    }

    fn write_response(&self, out: &mut Vec<u8>, head: Option<&ResponseHead>) {
        let value = |name: &HeaderName| match name {
            HeaderName::Field(name) => head.and_then(|head| head.fields.get(name)),
            HeaderName::Method | HeaderName::Authority | HeaderName::Scheme | HeaderName::Path => {
                None
            }
        };
        let other = || self.alternative.as_ref().and_then(value);
        if let Some(value) = value(&self.name).or_else(other) {
            self.write(out, value);
        }
    }

    fn write(&self, out: &mut Vec<u8>, value: &[u8]) {
        out.extend(value.iter().take(self.max));
    }
}

#[cfg(test)]
mod tests;
