//! Mirrors: copies of requests for other clusters, whose answers nobody waits for.

use std::borrow::Cow;

use mesh_http::{RequestHead, host_of};
use mesh_model::Str;

use crate::fault::Share;
use crate::matching::header::HeaderName;

/// What a copy's host is called, so that whoever gets it can tell.
const SUFFIX: &str = "-shadow";

/// Where copies of a route's requests go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirror {
    pub(crate) to: To,
    /// Of which share of the requests.
    pub(crate) share: Share,
    pub(crate) host: HostOf,
}

/// Which cluster gets the copies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum To {
    /// This one.
    Cluster(Str),
    /// The one that the request names in a header.
    Header(HeaderName),
}

/// The authority of copies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HostOf {
    /// The request's own, marked as a copy's.
    Marked,
    /// The request's own.
    Same,
    /// This one.
    Literal(Str),
}

impl Mirror {
    /// Whether a request with this draw is copied.
    #[must_use]
    pub fn takes(&self, draw: u64) -> bool {
        self.share.takes(draw)
    }

    /// The cluster that gets the copy of a request; `None` if that was to name one and does not.
    #[must_use]
    pub fn cluster<'a>(&'a self, head: &'a RequestHead) -> Option<Cow<'a, str>> {
        match &self.to {
            To::Cluster(name) => Some(Cow::Borrowed(name)),
            To::Header(HeaderName::Field(name)) => head
                .fields
                .get_str(name)
                .filter(|name| !name.is_empty())
                .map(Cow::Borrowed),
            To::Header(pseudo) => match pseudo.value(head)? {
                Cow::Borrowed(name) => std::str::from_utf8(name).ok().map(Cow::Borrowed),
                Cow::Owned(name) => String::from_utf8(name).ok().map(Cow::Owned),
            },
        }
    }

    /// Gives the copy of a request its authority.
    pub fn rename(&self, copy: &mut RequestHead) {
        match &self.host {
            HostOf::Same => {}
            HostOf::Literal(host) => {
                copy.authority.clear();
                copy.authority.push_str(host);
            }
            // A port stays at the end.
            HostOf::Marked => {
                let end = host_of(&copy.authority).len();
                if copy.authority.is_char_boundary(end) {
                    copy.authority.insert_str(end, SUFFIX);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
