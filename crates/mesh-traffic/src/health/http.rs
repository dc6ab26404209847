//! Probes by HTTP.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;

use mesh_http::{BadField, Fields, RequestHead, Scheme, Version};
use mesh_model::Str;

use super::check::found_in_order;
use super::filter::SERVICE;
use super::state::{Failed, Kind, Outcome};
use crate::matching::text::TextMatch;
use crate::shape::{HeaderOp, change_request};
use crate::template::Facts;

/// What Envoy's probes call themselves.
pub(super) const USER_AGENT: &str = "Envoy/HC";
/// By which an endpoint says that it is to be failed at once.
pub const FAIL_AT_ONCE: &str = "x-envoy-immediate-health-check-fail";
/// By which an endpoint says that it is degraded.
pub const DEGRADED: &str = "x-envoy-degraded";

/// A request by HTTP, and what is expected of the answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HttpProbe {
    /// The host that is asked for; the cluster's name if nothing is said.
    pub host: Option<Str>,
    /// Path, with a query perhaps.
    pub path: Str,
    /// The method.
    pub method: &'static str,
    /// The request's body.
    pub send: Vec<u8>,
    /// What the answer's body must hold, in this order.
    pub receive: Vec<Vec<u8>>,
    /// How many bytes of the body are looked at; `None` for all.
    pub looks_at: Option<usize>,
    /// Whether HTTP/2 is spoken.
    pub http2: bool,
    pub(crate) ops: Vec<HeaderOp>,
    pub(crate) expected: Vec<Range<u16>>,
    pub(crate) retriable: Vec<Range<u16>>,
    pub(crate) service: Option<TextMatch>,
}

/// An answer to a probe.
#[derive(Debug, Default)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its fields.
    pub fields: Fields,
    /// As much of its body as was kept.
    pub body: Vec<u8>,
    /// Its trailers.
    pub trailers: Option<Fields>,
}

/// A head with what each probe has.
pub(super) fn begun(
    method: &str,
    path: &str,
    authority: &str,
    (scheme, version): (Scheme, Version),
) -> Result<RequestHead, BadField> {
    let mut fields = Fields::new();
    fields.append("user-agent", USER_AGENT)?;
    Ok(RequestHead {
        version,
        method: method.into(),
        scheme,
        authority: authority.into(),
        path: path.into(),
        fields,
        ..RequestHead::default()
    })
}

/// Changes a head as the check says. What it may refer to is as in Envoy: there is no client.
pub(super) fn shaped(head: &mut RequestHead, ops: &[HeaderOp]) {
    let nobody = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), 0);
    let facts = Facts {
        remote: nobody,
        local: nobody,
        peer: None,
        peer_fingerprint: None,
        own: None,
        tls: None,
        sni: None,
        chain: "",
        cluster: None,
    };
    change_request(ops, head, &facts);
}

/// Whether a request of this method may have a body.
pub(crate) fn method_takes_body(method: &str) -> bool {
    !matches!(method, "GET" | "HEAD" | "DELETE" | "TRACE")
}

impl HttpProbe {
    /// The request's head.
    ///
    /// # Errors
    /// When something of it cannot stand in a head.
    pub fn head(&self, authority: &str, scheme: Scheme) -> Result<RequestHead, BadField> {
        let version = match self.http2 {
            true => Version::Http2,
            false => Version::Http11,
        };
        let mut head = begun(self.method, &self.path, authority, (scheme, version))?;
        shaped(&mut head, &self.ops);
        if !self.send.is_empty() {
            let length = self.send.len().to_string();
            head.fields.set("content-length", length)?;
        }
        Ok(head)
    }

    /// How many bytes of an answer's body are worth to be kept.
    #[must_use]
    pub fn keeps(&self) -> Option<usize> {
        match self.receive.is_empty() {
            true => Some(0),
            false => self.looks_at,
        }
    }

    /// What an answer says, and whether it was looked at which service gave it.
    pub(super) fn judge(&self, answer: &Answer) -> (Outcome, bool) {
        let has = |ranges: &[Range<u16>]| ranges.iter().any(|range| range.contains(&answer.status));
        let failed = |retriable, excludes| {
            Outcome::Failed(Failed {
                retriable,
                excludes,
                status: answer.status,
                ..Failed::of(Kind::Active)
            })
        };
        let excludes = answer.fields.contains(FAIL_AT_ONCE);
        if !found_in_order(&answer.body, &self.receive) {
            return (failed(false, excludes), false);
        }
        if !has(&self.expected) {
            return (failed(has(&self.retriable), excludes), false);
        }
        let passed = Outcome::Passed {
            degraded: answer.fields.contains(DEGRADED),
        };
        let Some(service) = &self.service else {
            return (passed, false);
        };
        let said = answer.fields.get(SERVICE).unwrap_or_default();
        match service.matches(said) {
            true => (passed, true),
            false => (failed(false, false), true),
        }
    }
}
