//! What pages of other origins may do (CORS).

use std::time::Duration;

use serde::Deserialize;

use crate::networking::string_match::{STRING_MATCH, StringMatch};
use crate::schema::{Message, Shape};
use crate::wire;

/// What pages of other origins may do with the answers of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct CorsPolicy {
    /// Origins that are let in.
    pub allow_origins: Vec<StringMatch>,
    /// The older way to say it: whole origins, `*` for all; counts where the newer one says nothing.
    pub allow_origin: Vec<String>,
    /// Methods that pages may use; `*` for those that they ask for.
    pub allow_methods: Vec<String>,
    /// Headers that pages may send; `*` for those that they ask for.
    pub allow_headers: Vec<String>,
    /// Headers of answers that pages may see.
    pub expose_headers: Vec<String>,
    /// How long browsers may remember a preflight's answer.
    #[serde(deserialize_with = "wire::duration")]
    pub max_age: Option<Duration>,
    /// Whether requests may carry cookies and the like.
    pub allow_credentials: Option<bool>,
    /// What becomes of preflights of origins that are not let in.
    pub unmatched_preflights: UnmatchedPreflights,
}

impl CorsPolicy {
    /// The origins in force, whichever way they are written.
    pub fn origins(&self) -> impl Iterator<Item = StringMatch> {
        let older = match self.allow_origins.is_empty() {
            true => self.allow_origin.as_slice(),
            false => &[],
        };
        let older = older.iter().cloned().map(StringMatch::Exact);
        self.allow_origins.iter().cloned().chain(older)
    }
}

/// What becomes of preflights of origins that are not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum UnmatchedPreflights {
    /// Istio's choice: [`UnmatchedPreflights::Forward`].
    #[default]
    Unspecified,
    /// The application answers them.
    Forward,
    /// They are answered without a word about the origin.
    Ignore,
}

pub(super) static CORS_POLICY: Message = Message {
    fields: &[
        ("allowOrigins", Shape::List(&Shape::Message(&STRING_MATCH))),
        ("allowOrigin", Shape::List(&Shape::Text)),
        ("allowMethods", Shape::List(&Shape::Text)),
        ("allowHeaders", Shape::List(&Shape::Text)),
        ("exposeHeaders", Shape::List(&Shape::Text)),
        ("maxAge", Shape::Duration),
        ("allowCredentials", Shape::Bool),
        (
            "unmatchedPreflights",
            Shape::Choice {
                now: &["UNSPECIFIED", "FORWARD", "IGNORE"],
                later: &[],
            },
        ),
    ],
    ..Message::ISTIO
};
