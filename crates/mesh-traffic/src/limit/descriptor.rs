//! Descriptors: pairs of words by which rate limits know a request, and how a route says to make them.

use std::borrow::Cow;
use std::net::IpAddr;

use ipnet::IpNet;
use mesh_http::RequestHead;
use mesh_model::Str;
use smallvec::SmallVec;

use crate::matching::header::{HeaderMatch, HeaderName, joined};
use crate::matching::query::{self, QueryMatch};

/// What is known of a request that is to be described.
#[derive(Debug, Clone, Copy)]
pub struct Known<'a> {
    /// Its head.
    pub head: &'a RequestHead,
    /// Who sent it, as far as those are trusted who say so: [`client_address`].
    pub client: IpAddr,
    /// The cluster that this proxy belongs to.
    pub source: &'a str,
    /// The cluster that it goes to, if it goes to one.
    pub destination: Option<&'a str>,
}

/// One word for a thing, and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry<'a> {
    pub(crate) key: &'a str,
    pub(crate) value: Cow<'a, [u8]>,
}

/// All that describes a request in one respect.
pub(crate) type Descriptor<'a> = SmallVec<[Entry<'a>; 3]>;

/// How a descriptor is made.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Recipe {
    /// Filters heed the recipes of their own stage.
    pub(crate) stage: u32,
    pub(crate) actions: Vec<Action>,
}

/// How an entry is made.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Action {
    SourceCluster,
    DestinationCluster,
    RemoteAddress,
    /// With so many bits of an address of either version of IP.
    MaskedAddress {
        v4: u8,
        v6: u8,
    },
    Header {
        name: HeaderName,
        key: Str,
        may_miss: bool,
    },
    QueryParameter {
        name: Str,
        key: Str,
        may_miss: bool,
    },
    Fixed {
        key: Str,
        value: Str,
    },
    IfHeaders {
        key: Str,
        value: Str,
        matches: Vec<HeaderMatch>,
        wanted: bool,
    },
    IfQuery {
        key: Str,
        value: Str,
        matches: Vec<QueryMatch>,
        wanted: bool,
    },
}

/// What an action makes of a request.
enum Made<'a> {
    Entry(Entry<'a>),
    /// The descriptor does without.
    Skipped,
    /// There is no descriptor.
    Nothing,
}

impl Recipe {
    /// Describes a request; `None` where the recipe is not for it.
    pub(crate) fn describe<'a>(&'a self, known: &Known<'a>) -> Option<Descriptor<'a>> {
        let mut entries = Descriptor::new();
        for action in &self.actions {
            match action.make(known) {
                Made::Entry(entry) => entries.push(entry),
                Made::Skipped => {}
                Made::Nothing => return None,
            }
        }
        // Envoy: there is nothing to look for then.
        (!entries.is_empty()).then_some(entries)
    }
}

impl Action {
    fn make<'a>(&'a self, known: &Known<'a>) -> Made<'a> {
        match self {
            Self::SourceCluster => text("source_cluster", known.source),
            Self::DestinationCluster => match known.destination {
                Some(cluster) => text("destination_cluster", cluster),
                None => Made::Nothing,
            },
            Self::RemoteAddress => owned("remote_address", known.client.to_string()),
            Self::MaskedAddress { v4, v6 } => {
                let length = match known.client {
                    IpAddr::V4(_) => *v4,
                    IpAddr::V6(_) => *v6,
                };
                match IpNet::new(known.client, length) {
                    Ok(network) => owned("masked_remote_address", network.trunc().to_string()),
                    Err(_) => Made::Nothing,
                }
            }
            Self::Header {
                name,
                key,
                may_miss,
            } => found(key, first(name, known.head), *may_miss),
            Self::QueryParameter {
                name,
                key,
                may_miss,
            } => {
                let query = known.head.query();
                let value = query.and_then(|query| query::value_of(query, name));
                found(key, value.map(decoded), *may_miss)
            }
            Self::Fixed { key, value } => text(key, value),
            Self::IfHeaders {
                key,
                value,
                matches,
                wanted,
            } => {
                let all = matches.iter().all(|it| it.matches(known.head));
                text_if(all == *wanted, key, value)
            }
            Self::IfQuery {
                key,
                value,
                matches,
                wanted,
            } => {
                let query = known.head.query();
                let all = matches.iter().all(|it| it.matches(query));
                text_if(all == *wanted, key, value)
            }
        }
    }
}

fn text<'a>(key: &'a str, value: &'a str) -> Made<'a> {
    let value = Cow::Borrowed(value.as_bytes());
    Made::Entry(Entry { key, value })
}

fn text_if<'a>(holds: bool, key: &'a str, value: &'a str) -> Made<'a> {
    match holds {
        true => text(key, value),
        false => Made::Nothing,
    }
}

fn owned(key: &str, value: String) -> Made<'_> {
    let value = Cow::Owned(value.into_bytes());
    Made::Entry(Entry { key, value })
}

fn found<'a>(key: &'a str, value: Option<Cow<'a, [u8]>>, may_miss: bool) -> Made<'a> {
    match value {
        Some(value) => Made::Entry(Entry { key, value }),
        None if may_miss => Made::Skipped,
        None => Made::Nothing,
    }
}

/// The value of a header; of several with one name the first, as Envoy takes it.
fn first<'a>(name: &HeaderName, head: &'a RequestHead) -> Option<Cow<'a, [u8]>> {
    match name {
        HeaderName::Field(name) => head.fields.get(name).map(Cow::Borrowed),
        HeaderName::Method | HeaderName::Authority | HeaderName::Scheme | HeaderName::Path => {
            name.value(head)
        }
    }
}

/// A value of a query with what stands for its bytes (RFC 3986 2.1); what stands for none stays as it is.
fn decoded(value: &str) -> Cow<'_, [u8]> {
    if !value.contains('%') {
        return Cow::Borrowed(value.as_bytes());
    }
    let mut left = value.as_bytes();
    let mut out = Vec::with_capacity(left.len());
    while let Some((first, rest)) = left.split_first() {
        let byte = match (first, rest) {
            (b'%', [high, low, ..]) => digit(*high).zip(digit(*low)),
            _ => None,
        };
        match byte {
            Some((high, low)) => {
                out.push(high << 4 | low);
                left = rest.get(2..).unwrap_or_default();
            }
            None => {
                out.push(*first);
                left = rest;
            }
        }
    }
    Cow::Owned(out)
}

fn digit(byte: u8) -> Option<u8> {
    let digit = char::from(byte).to_digit(16)?;
    u8::try_from(digit).ok()
}

/// Who sent a request: the client of the connection, or who is named in `x-forwarded-for` before the proxies that are
/// `trusted`. At an edge the connection's client was written there already.
#[must_use]
pub fn client_address(head: &RequestHead, trusted: u32, client: IpAddr) -> IpAddr {
    let named = joined(head, "x-forwarded-for");
    let named = named.as_deref().unwrap_or_default();
    let mut addresses = named.rsplit(|byte| *byte == b',');
    let found = addresses.nth(usize::try_from(trusted).unwrap_or(usize::MAX));
    let found = found.and_then(|text| std::str::from_utf8(text).ok());
    let found = found.and_then(|text| text.trim().parse().ok());
    found.unwrap_or(client)
}

#[cfg(test)]
mod tests;
