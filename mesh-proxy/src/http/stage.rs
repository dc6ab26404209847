//! What a stage answers.

use std::time::Duration;

use mesh_traffic::authz::Buffering;

use crate::http::failure::Failure;
use crate::upstream::target::Target;

/// The answer of a stage.
#[derive(Debug)]
pub enum Stage<T> {
    /// The next stage's input.
    Ready(T),
    /// The request ends here.
    Fail(Failure),
    /// Something must happen first; the same stage then goes on.
    Wait(Wait),
}

/// What a stage waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Wait {
    /// A connection to an endpoint.
    Connect(Target),
    /// The head of the upstream's answer.
    Answer,
    /// The answer of a service that is asked about the request.
    Service,
    /// As much of the request's body as a service is to see.
    Body(Buffering),
    /// Time to pass before another attempt.
    Pause(Duration),
}

impl<T> From<Failure> for Stage<T> {
    fn from(failure: Failure) -> Self {
        Self::Fail(failure)
    }
}
