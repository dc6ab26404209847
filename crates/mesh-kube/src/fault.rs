//! What can go wrong between us and the API server, as far as it makes a difference.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use serde::Deserialize;

/// Longest that a server may ask us to wait.
const LONGEST_WISH: Duration = Duration::from_secs(30);
/// Longest text of a server that is passed on, in characters.
const LONGEST_TEXT: usize = 300;

/// Why a request has failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The version or the token is too old: everything must be listed anew.
    Gone,
    /// Nobody serves this kind or this version of it, or the object is not there.
    Missing,
    /// We are not allowed to.
    Forbidden,
    /// The object was changed or created by somebody else.
    Conflict,
    /// No answer, or half of one.
    Unreachable(String),
    /// Any other answer than the one that was asked for.
    Refused {
        /// HTTP's status, or 0 when the answer itself cannot be read.
        code: u16,
        /// What the server says.
        text: String,
        /// How long it wants to be left alone.
        wait: Duration,
    },
}

/// What the API server says when it does not give what was asked for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Status {
    code: u16,
    message: String,
    details: Option<Details>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Details {
    retry_after_seconds: u64,
}

impl Fault {
    /// Reads an answer that is no success. Text that is no Status is not repeated: it may come from
    /// anybody between us and the server.
    pub(crate) fn answered(code: u16, body: &[u8]) -> Self {
        let status: Status = serde_json::from_slice(body).unwrap_or_default();
        Self::of(Status { code, ..status })
    }

    /// Reads the Status that ends a watch.
    pub(crate) fn told(object: &[u8]) -> Self {
        #[derive(Deserialize)]
        struct Line {
            object: Status,
        }
        match serde_json::from_slice::<Line>(object) {
            Ok(line) => Self::of(line.object),
            Err(error) => Self::unreadable(&error),
        }
    }

    /// An answer that makes no sense to us.
    pub(crate) fn unreadable(error: &serde_json::Error) -> Self {
        // The error's own text may quote what it could not read, which may be a secret.
        let text = format!(
            "an answer that cannot be read at line {} column {}",
            error.line(),
            error.column()
        );
        Self::refused(text)
    }

    /// An answer that cannot be used, for a reason of ours.
    pub(crate) const fn refused(text: String) -> Self {
        Self::Refused {
            code: 0,
            text,
            wait: Duration::ZERO,
        }
    }

    /// No answer, with the reasons of the reasons.
    pub(crate) fn unreachable(error: &(dyn Error + 'static)) -> Self {
        let mut text = error.to_string().replace("ServiceError: ", "");
        let mut cause = error.source();
        while let Some(deeper) = cause {
            let more = deeper.to_string();
            if !text.contains(&more) {
                text = format!("{text}: {more}");
            }
            cause = deeper.source();
        }
        Self::Unreachable(clipped(&text))
    }

    fn of(status: Status) -> Self {
        match status.code {
            403 => Self::Forbidden,
            404 => Self::Missing,
            409 => Self::Conflict,
            410 => Self::Gone,
            code => Self::Refused {
                code,
                text: clipped(&status.message),
                wait: Duration::from_secs(status.details.unwrap_or_default().retry_after_seconds)
                    .min(LONGEST_WISH),
            },
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gone => f.write_str("the version is too old"),
            Self::Missing => f.write_str("not served"),
            Self::Forbidden => f.write_str("this account has no permission"),
            Self::Conflict => f.write_str("changed by somebody else"),
            Self::Unreachable(text) => write!(f, "the API server cannot be reached: {text}"),
            Self::Refused { code: 0, text, .. } => write!(f, "the API server sent {text}"),
            Self::Refused { code, text, .. } => write!(f, "the API server answers {code} {text}"),
        }
    }
}

fn clipped(text: &str) -> String {
    text.chars().take(LONGEST_TEXT).collect()
}

#[cfg(test)]
mod tests;
