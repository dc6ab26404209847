//! The protocols by which certificates are asked for, and how a refusal is told.

pub mod csr_grpc;

use tonic::Status;

use crate::authenticate::Unknown;
use crate::authorize::NotYours;
use crate::issue::IssueError;
use crate::issue::profile::TooLong;
use crate::issue::request::BadRequest;

/// Why a request got no certificate.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// The caller is not known.
    #[error(transparent)]
    Unknown(#[from] Unknown),
    /// The caller asked for another's identity.
    #[error(transparent)]
    NotYours(#[from] NotYours),
    /// The request is malformed.
    #[error(transparent)]
    Request(#[from] BadRequest),
    /// The lifetime is too long.
    #[error("validity_duration: {0}")]
    Lifetime(#[from] TooLong),
    /// The house failed.
    #[error(transparent)]
    Issue(#[from] IssueError),
    /// Too many requests at once.
    #[error("too many requests at once; try again")]
    Busy,
}

impl From<&Refusal> for Status {
    // istio: the codes of its CA server, by which its agents decide whether to try again.
    fn from(refusal: &Refusal) -> Self {
        match refusal {
            Refusal::Unknown(Unknown::TooMany) | Refusal::Busy => {
                Self::resource_exhausted(refusal.to_string())
            }
            // departs from istio: an agent shall try again soon, not doubt its token.
            Refusal::Unknown(Unknown::Unchecked) => Self::unavailable(refusal.to_string()),
            Refusal::Unknown(Unknown::NoToken | Unknown::NotAccepted) | Refusal::NotYours(_) => {
                Self::unauthenticated(refusal.to_string())
            }
            Refusal::Request(_) | Refusal::Lifetime(_) => {
                Self::invalid_argument(refusal.to_string())
            }
            // The details are for the operator, in the log.
            Refusal::Issue(_) => Self::internal("the certificate could not be issued"),
        }
    }
}
