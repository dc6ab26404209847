//! What header blocks say (RFC 9113 8): requests, responses and trailers, read strictly and written
//! so that no reader can take them for something else.

mod fields;
mod request;
mod response;
mod write;

pub(crate) use fields::TrailerReader;
pub(crate) use request::{RequestFacts, RequestReader};
pub(crate) use response::{ResponseFacts, ResponseReader};
pub(crate) use write::{content_length, write_request, write_response, write_trailers};

use crate::{Fault, FaultKind};

/// A stream depends on itself.
pub(crate) const OWN_PARENT: &str = "RFC 7540 5.3.1: a stream depends on itself";

/// The header list is beyond the limits.
pub(crate) const TOO_LARGE: Fault = Fault {
    kind: FaultKind::HeadTooLarge,
    why: "RFC 9113 10.5.1: the header list is too large",
};

/// The body is not what its content-length says.
pub(crate) const WRONG_LENGTH: Fault = Fault {
    kind: FaultKind::Framing,
    why: "RFC 9113 8.1.1: the body is not as long as its content-length",
};

/// A message that breaks a rule of its syntax (RFC 9113 8.1.1).
pub(crate) const fn malformed(why: &'static str) -> Fault {
    Fault {
        kind: FaultKind::Malformed,
        why,
    }
}

#[cfg(test)]
mod tests;
