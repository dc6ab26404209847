//! Header fields and pseudo headers of a request against a rule.

use std::borrow::Cow;

use mesh_http::RequestHead;
use mesh_model::Str;

use super::text::TextMatch;

/// What a header must be like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HeaderMatch {
    pub(crate) name: HeaderName,
    pub(crate) rule: HeaderRule,
    pub(crate) invert: bool,
    pub(crate) missing_is_empty: bool,
}

/// A header by name, pseudo headers apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HeaderName {
    Method,
    Authority,
    Scheme,
    Path,
    Field(Str),
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum HeaderRule {
    Present(bool),
    Text(TextMatch),
    /// A decimal number from the first bound up to, and without, the second.
    Range(i64, i64),
}

impl HeaderName {
    pub(crate) fn parse(name: &str) -> Self {
        match name.to_ascii_lowercase().as_str() {
            ":method" => Self::Method,
            ":authority" | "host" => Self::Authority,
            ":scheme" => Self::Scheme,
            ":path" => Self::Path,
            other => Self::Field(other.into()),
        }
    }

    /// The value of what is not a field.
    fn of_head<'h>(&self, head: &'h RequestHead) -> Result<&'h str, &Str> {
        match self {
            Self::Method => Ok(&head.method),
            Self::Authority => Ok(&head.authority),
            Self::Scheme => Ok(head.scheme.as_str()),
            Self::Path => Ok(&head.path),
            Self::Field(name) => Err(name),
        }
    }

    /// The value; several fields of one name are joined by commas.
    pub(crate) fn value<'h>(&self, head: &'h RequestHead) -> Option<Cow<'h, [u8]>> {
        match self.of_head(head) {
            Ok(text) => Some(Cow::Borrowed(text.as_bytes())),
            Err(name) => joined(head, name),
        }
    }
}

/// The value of a field; several of one name are joined by commas.
pub(crate) fn joined<'h>(head: &'h RequestHead, name: &str) -> Option<Cow<'h, [u8]>> {
    let mut values = head.fields.get_all(name);
    let first = values.next()?;
    let Some(second) = values.next() else {
        return Some(Cow::Borrowed(first));
    };
    let all: Vec<_> = [first, second].into_iter().chain(values).collect();
    Some(Cow::Owned(all.join(&b',')))
}

impl HeaderMatch {
    /// Of several fields of one name one is enough, as in Envoy since 1.40; with `invert` none may match.
    pub(crate) fn matches(&self, head: &RequestHead) -> bool {
        match self.name.of_head(head) {
            Ok(text) => self.match_all(std::iter::once(text.as_bytes())),
            Err(name) => self.match_all(head.fields.get_all(name)),
        }
    }

    fn match_all<'v>(&self, values: impl Iterator<Item = &'v [u8]>) -> bool {
        let mut values = values.peekable();
        let is_there = values.peek().is_some();
        if let HeaderRule::Present(wanted) = self.rule {
            let present = is_there || self.missing_is_empty;
            return (present == wanted) != self.invert;
        }
        match is_there {
            true => values.any(|value| self.rule.matches(value)) != self.invert,
            false if self.missing_is_empty => self.rule.matches(b"") != self.invert,
            // Envoy: without the header there is nothing to match, inverted or not.
            false => false,
        }
    }
}

impl HeaderRule {
    fn matches(&self, value: &[u8]) -> bool {
        match self {
            Self::Present(wanted) => *wanted,
            Self::Text(text) => text.matches(value),
            Self::Range(start, end) => std::str::from_utf8(value)
                .ok()
                .and_then(|text| text.parse::<i64>().ok())
                .is_some_and(|number| (*start..*end).contains(&number)),
        }
    }
}
