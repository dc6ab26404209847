//! How a text is compared: exactly, by prefix, or by regular expression.

use serde::Deserialize;

use crate::schema::{Message, Shape};

/// Istio's `StringMatch`: one of `exact`, `prefix` and `regex`, or `{}` for mere presence.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(from = "Written")]
pub enum StringMatch {
    /// The whole text, byte by byte.
    Exact(String),
    /// The text starts so; not bound to path segments.
    Prefix(String),
    /// The whole text matches this RE2 expression.
    Regex(String),
    /// `{}`: the header or parameter is there, with whatever value.
    Present,
}

impl StringMatch {
    /// Whether any value will do: `{}`, and `regex: "*"`, which Istio reads the same in headers.
    #[must_use]
    pub fn is_presence(&self) -> bool {
        match self {
            Self::Present => true,
            Self::Regex(regex) => regex == "*",
            Self::Exact(_) | Self::Prefix(_) => false,
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Written {
    exact: Option<String>,
    prefix: Option<String>,
    regex: Option<String>,
}

impl From<Written> for StringMatch {
    /// The schema has made sure that at most one is set.
    fn from(written: Written) -> Self {
        match written {
            Written {
                exact: Some(text), ..
            } => Self::Exact(text),
            Written {
                prefix: Some(text), ..
            } => Self::Prefix(text),
            Written {
                regex: Some(text), ..
            } => Self::Regex(text),
            Written {
                exact: None,
                prefix: None,
                regex: None,
            } => Self::Present,
        }
    }
}

pub(crate) static STRING_MATCH: Message = Message {
    fields: &[
        ("exact", Shape::Text),
        ("prefix", Shape::Text),
        ("regex", Shape::Text),
    ],
    exclusive: &[&["exact", "prefix", "regex"]],
    ..Message::ISTIO
};
