//! Values of headers with Envoy's format operators, read once and filled in per request.

use std::fmt::Write as _;
use std::net::SocketAddr;

use mesh_http::{RequestHead, ResponseHead};
use mesh_model::Str;

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

/// `NAME?ALTERNATIVE:LENGTH`
#[derive(Debug, Clone, PartialEq, Eq)]
struct Field {
    name: HeaderName,
    alternative: Option<HeaderName>,
    max: usize,
}

impl Template {
    /// Reads a value; `Err` says what is wrong with it.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once('%') {
            literal.push_str(before);
            let (operator, after) = after
                .split_once('%')
                .ok_or_else(|| format!("{text:?} has a lone %; write %% for a per cent sign"))?;
            rest = after;
            if operator.is_empty() {
                literal.push('%');
                continue;
            }
            if !literal.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut literal).into()));
            }
            parts.push(Part::parse(operator)?);
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(Part::Text(literal.into()));
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
    fn parse(operator: &str) -> Result<Self, String> {
        let (name, rest) = match operator.split_once('(') {
            Some((name, rest)) => (name, Some(rest)),
            None => (operator, None),
        };
        let field = |rest: Option<&str>| {
            rest.and_then(Field::parse)
                .ok_or_else(|| format!("%{operator}% must name a header in brackets"))
        };
        let part = match name {
            "REQ" => return Ok(Self::Request(field(rest)?)),
            "RESP" => return Ok(Self::Response(field(rest)?)),
            "DOWNSTREAM_REMOTE_ADDRESS" => Self::Remote { port: true },
            "DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT" => Self::Remote { port: false },
            "DOWNSTREAM_LOCAL_ADDRESS" => Self::Local { port: true },
            "DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT" => Self::Local { port: false },
            "DOWNSTREAM_LOCAL_PORT" => Self::LocalPort,
            "PROTOCOL" => Self::Protocol,
            "DOWNSTREAM_PEER_URI_SAN" => Self::Peer,
            "REQUESTED_SERVER_NAME" => Self::ServerName,
            "UPSTREAM_CLUSTER" => Self::Cluster,
            "RESPONSE_CODE" => Self::ResponseCode,
            _ => return Err(format!("the operator %{operator}% is not supported")),
        };
        match rest {
            None => Ok(part),
            Some(_) => Err(format!("the operator %{name}% takes no brackets")),
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
    fn parse(rest: &str) -> Option<Self> {
        let (names, max) = rest.split_once(')')?;
        let max = match max.strip_prefix(':') {
            Some(max) => max.parse().ok()?,
            None if max.is_empty() => usize::MAX,
            None => return None,
        };
        let mut names = names.splitn(2, '?').map(|name| match name.is_empty() {
            true => None,
            false => Some(HeaderName::parse(name)),
        });
        Some(Self {
            name: names.next()??,
            alternative: match names.next() {
                Some(alternative) => Some(alternative?),
                None => None,
            },
            max,
        })
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
