//! Requests of the products beside the watching: why one was not granted.

use std::fmt;

use crate::fault::Fault;

/// Why the API server did not do what was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestError {
    /// No answer, or half of one.
    Unreachable(String),
    /// This account has no permission, or nobody may do it now.
    Forbidden,
    /// The object, or what it should be put into, is not there.
    Missing,
    /// Somebody else made or changed the object first.
    Conflict,
    /// Any other answer than the one that was asked for.
    Refused {
        /// HTTP's status, or 0 when the answer itself cannot be read.
        code: u16,
        /// What the server says.
        text: String,
    },
}

impl RequestError {
    /// The same without what the server says, which may quote what it was sent.
    pub(crate) fn discreet(self) -> Self {
        match self {
            Self::Refused { code, .. } if code != 0 => Self::Refused {
                code,
                text: String::new(),
            },
            other => other,
        }
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreachable(why) => write!(f, "the API server cannot be reached: {why}"),
            Self::Forbidden => f.write_str("the API server forbids it to this account"),
            Self::Missing => f.write_str("the API server has none"),
            Self::Conflict => f.write_str("somebody else made or changed it first"),
            Self::Refused { code: 0, text } => write!(f, "the API server sent {text}"),
            Self::Refused { code, text } if text.is_empty() => {
                write!(f, "the API server answers {code}")
            }
            Self::Refused { code, text } => write!(f, "the API server answers {code} {text}"),
        }
    }
}

impl std::error::Error for RequestError {}

impl From<Fault> for RequestError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Unreachable(why) => Self::Unreachable(why),
            Fault::Forbidden => Self::Forbidden,
            Fault::Missing => Self::Missing,
            Fault::Conflict => Self::Conflict,
            Fault::Gone => Self::Refused {
                code: 410,
                text: String::new(),
            },
            Fault::Refused {
                code,
                text,
                wait: _,
            } => Self::Refused { code, text },
        }
    }
}
