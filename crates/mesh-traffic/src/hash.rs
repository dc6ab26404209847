//! From a request to a number: hash policies, by which like requests go to the same endpoint.
//!
//! Hashes are xxHash64 and put together as Envoy does it, so that proxies of both kinds agree.
//!
//! departs from envoy: which takes the last address of x-forwarded-for for the client's where `use_remote_address`
//! is off; here it is always the connection's, which nobody can choose.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use mesh_http::RequestHead;
use mesh_model::Str;
use xxhash_rust::xxh64::xxh64;

use crate::matching::header::HeaderName;
use crate::matching::text::Pattern;
use crate::matching::{cookie, query};
use crate::template::Facts;

/// One source of a request's hash.
#[derive(Debug, Clone)]
pub struct HashPolicy {
    pub(crate) from: HashFrom,
    /// Whether later policies are left out once there is a hash.
    pub(crate) terminal: bool,
}

#[derive(Debug, Clone)]
pub(crate) enum HashFrom {
    Header {
        name: HeaderName,
        /// What is replaced in the value before, and by what.
        rewrite: Option<(Pattern, Str)>,
    },
    Cookie(Cookie),
    SourceIp,
    Query(Str),
}

/// A cookie that names an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cookie {
    pub(crate) name: Str,
    pub(crate) path: Str,
    /// How long one lasts that is made here, zero for the session; `None` makes none.
    pub(crate) ttl: Option<Duration>,
    pub(crate) attributes: Vec<(Str, Str)>,
}

/// What hash policies say of a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hashed {
    /// The hash; `None` when nothing that it is made from is there.
    pub hash: Option<u64>,
    /// Values of `set-cookie` that let the client come back to the same endpoint.
    pub cookies: Vec<String>,
}

/// The hash of a request.
#[must_use]
pub fn of_request(policies: &[HashPolicy], head: &RequestHead, facts: &Facts<'_>) -> Hashed {
    let mut hashed = Hashed::default();
    for policy in policies {
        if let Some(new) = policy.from.hash(head, facts, &mut hashed.cookies) {
            // Turned, so that two policies with the same value do not undo each other.
            let before = hashed.hash.map_or(0, |hash| hash.rotate_left(1));
            hashed.hash = Some(before ^ new);
        }
        if policy.terminal && hashed.hash.is_some() {
            break;
        }
    }
    hashed
}

/// The hash of a client's address.
#[must_use]
pub fn of_address(client: IpAddr) -> u64 {
    xxh64(client.to_string().as_bytes(), 0)
}

impl HashFrom {
    fn hash(
        &self,
        head: &RequestHead,
        facts: &Facts<'_>,
        cookies: &mut Vec<String>,
    ) -> Option<u64> {
        match self {
            Self::Header { name, rewrite } => of_header(name, rewrite.as_ref(), head),
            Self::Cookie(wanted) => wanted.hash(head, facts, cookies),
            Self::SourceIp => Some(of_address(facts.remote.ip())),
            Self::Query(name) => {
                let (_, query) = head.path.split_once('?')?;
                let query = query.split('#').next().unwrap_or_default();
                query::value_of(query, name).map(|value| xxh64(value.as_bytes(), 0))
            }
        }
    }
}

/// Several fields of one name are hashed in the order of their values, each from the hash before.
fn of_header(
    name: &HeaderName,
    rewrite: Option<&(Pattern, Str)>,
    head: &RequestHead,
) -> Option<u64> {
    let rewritten = |value: &[u8]| match rewrite {
        None => value.to_vec(),
        Some((pattern, with)) => pattern
            .replace(&String::from_utf8_lossy(value), with)
            .into_bytes(),
    };
    let mut values: Vec<_> = match name {
        HeaderName::Field(name) => head.fields.get_all(name).map(rewritten).collect(),
        pseudo => pseudo.value(head).iter().map(|v| rewritten(v)).collect(),
    };
    values.sort_unstable();
    let (first, more) = values.split_first()?;
    let seed = xxh64(first, 0);
    Some(more.iter().fold(seed, |seed, value| xxh64(value, seed)))
}

impl Cookie {
    fn hash(&self, head: &RequestHead, facts: &Facts<'_>, made: &mut Vec<String>) -> Option<u64> {
        let sent = cookie::value_of(head, &self.name);
        if let Some(value) = sent.filter(|value| !value.is_empty()) {
            return Some(xxh64(value, 0));
        }
        let ttl = self.ttl?;
        let value = value_for(facts.remote, facts.local);
        made.push(self.line(&value, ttl));
        Some(xxh64(value.as_bytes(), 0))
    }

    fn line(&self, value: &str, ttl: Duration) -> String {
        let mut line = format!("{}=\"{value}\"", self.name);
        // What is written to a text does not fail.
        if ttl.as_secs() > 0 {
            let _infallible = write!(line, "; Max-Age={}", ttl.as_secs());
        }
        if !self.path.is_empty() {
            let _infallible = write!(line, "; Path={}", self.path);
        }
        for (name, value) in &self.attributes {
            let _infallible = match value.is_empty() {
                true => write!(line, "; {name}"),
                false => write!(line, "; {name}={value}"),
            };
        }
        line.push_str("; HttpOnly");
        line
    }
}

/// The value of a new cookie: the connection's two ends, hashed.
fn value_for(remote: SocketAddr, local: SocketAddr) -> String {
    format!("{:016x}", xxh64(format!("{remote}{local}").as_bytes(), 0))
}

#[cfg(test)]
mod tests;
