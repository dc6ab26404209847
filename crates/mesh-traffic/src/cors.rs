//! What pages of other origins may do (CORS): who is let in, and the headers that tell browsers so.
//!
//! As Envoy's filter does it: nobody is turned away here. Browsers keep an answer from a page whose origin it
//! does not name.

use std::borrow::Cow;

use mesh_http::{Fields, RequestHead};
use mesh_model::Str;

use crate::fault::Share;
use crate::matching::header;
use crate::matching::text::TextMatch;

const ORIGIN: &str = "origin";
const REQUEST_METHOD: &str = "access-control-request-method";
const REQUEST_HEADERS: &str = "access-control-request-headers";
const REQUEST_PRIVATE: &str = "access-control-request-private-network";
const ALLOW_ORIGIN: &str = "access-control-allow-origin";
const ALLOW_CREDENTIALS: &str = "access-control-allow-credentials";
const ALLOW_METHODS: &str = "access-control-allow-methods";
const ALLOW_HEADERS: &str = "access-control-allow-headers";
const ALLOW_PRIVATE: &str = "access-control-allow-private-network";
const EXPOSE_HEADERS: &str = "access-control-expose-headers";
const MAX_AGE: &str = "access-control-max-age";
/// Stands for every origin, and for whatever method or header is asked for.
const ANY: &str = "*";

/// What pages of other origins may do on a route.
#[derive(Debug, Clone)]
pub struct Cors {
    pub(crate) enabled: Share,
    pub(crate) origins: Vec<TextMatch>,
    /// Each of these is empty where nothing is said.
    pub(crate) methods: Str,
    pub(crate) headers: Str,
    pub(crate) exposed: Str,
    pub(crate) max_age: Str,
    pub(crate) credentials: Option<bool>,
    pub(crate) private_network: Option<bool>,
    /// Whether the application answers preflights of origins that are not let in.
    pub(crate) forward_unmatched: Option<bool>,
}

/// What that means to one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Asked {
    /// Nothing: no page sent it, or one that is not let in.
    #[default]
    Nothing,
    /// A page that is let in sent it: the answer says so.
    ByPage,
    /// A browser asks whether a page may send one, and is answered here.
    Preflight {
        /// Whether the page's origin is let in.
        allowed: bool,
    },
}

impl Cors {
    /// Looks at a request as it came; `draw` is asked only where the route heeds a share of them.
    pub fn look(&self, head: &RequestHead, draw: impl FnOnce() -> u64) -> Asked {
        let Some(origin) = value(head, ORIGIN) else {
            return Asked::Nothing;
        };
        if !self.enabled.takes_all() && !self.enabled.takes(draw()) {
            return Asked::Nothing;
        }
        let allowed = self.lets_in(&origin);
        let is_preflight = head.method == "OPTIONS" && value(head, REQUEST_METHOD).is_some();
        match (is_preflight, allowed) {
            (true, true) => Asked::Preflight { allowed },
            (true, false) if self.forward_unmatched == Some(false) => Asked::Preflight { allowed },
            (false, true) => Asked::ByPage,
            (_, false) => Asked::Nothing,
        }
    }

    fn lets_in(&self, origin: &[u8]) -> bool {
        // Envoy: what matches an asterisk lets in everybody.
        let lets_in = |rule: &TextMatch| rule.matches(ANY.as_bytes()) || rule.matches(origin);
        self.origins.iter().any(lets_in)
    }

    /// Writes what a preflight is answered; `allowed` says whether its origin is let in.
    pub fn answer_preflight(&self, head: &RequestHead, allowed: bool, fields: &mut Fields) {
        if allowed {
            self.allow(head, fields);
        } else if self.credentials == Some(true) {
            put(fields, ALLOW_CREDENTIALS, b"true");
        }
        let lists = [
            (ALLOW_METHODS, &self.methods, REQUEST_METHOD),
            (ALLOW_HEADERS, &self.headers, REQUEST_HEADERS),
        ];
        for (name, list, asked) in lists {
            match &**list {
                "" => {}
                ANY => put(fields, name, &value(head, asked).unwrap_or_default()),
                list => put(fields, name, list.as_bytes()),
            }
        }
        if !self.max_age.is_empty() {
            put(fields, MAX_AGE, self.max_age.as_bytes());
        }
        if self.private_network == Some(true)
            && value(head, REQUEST_PRIVATE).is_some_and(|asked| *asked == *b"true")
        {
            put(fields, ALLOW_PRIVATE, b"true");
        }
    }

    /// Writes into an answer that the page which asked, and is let in, may read it.
    pub fn allow(&self, head: &RequestHead, fields: &mut Fields) {
        let Some(origin) = value(head, ORIGIN) else {
            return;
        };
        put(fields, ALLOW_ORIGIN, &origin);
        if self.credentials == Some(true) {
            put(fields, ALLOW_CREDENTIALS, b"true");
        }
        if !self.exposed.is_empty() {
            put(fields, EXPOSE_HEADERS, self.exposed.as_bytes());
        }
    }
}

/// The value of a header; `None` when it is empty.
fn value<'h>(head: &'h RequestHead, name: &str) -> Option<Cow<'h, [u8]>> {
    header::joined(head, name).filter(|value| !value.is_empty())
}

/// What the table says was checked when it was compiled; what the request says was in a field already.
fn put(fields: &mut Fields, name: &str, value: &[u8]) {
    fields.set(name, value).ok();
}

#[cfg(test)]
mod tests;
