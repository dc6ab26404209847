//! Tokens that were refused a moment ago, by their digests. Pure: the moment is passed in.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// How long a refusal is remembered: a token may begin to be valid a little later than its pod.
const MEMORY: Duration = Duration::from_secs(10);
/// Refusals that are remembered; of more than these the API server is asked again.
const REFUSALS: usize = 4096;

/// SHA-256 of a token's text.
pub(super) type Digest = [u8; 32];

/// The digests, with the moment from which on they are forgotten.
#[derive(Debug, Default)]
pub(super) struct Refused(HashMap<Digest, Instant>);

impl Refused {
    /// Whether the token was refused a moment ago.
    pub(super) fn contains(&self, digest: &Digest, now: Instant) -> bool {
        self.0.get(digest).is_some_and(|until| now < *until)
    }

    /// Remembers that the token was refused.
    pub(super) fn insert(&mut self, digest: Digest, now: Instant) {
        if self.0.len() >= REFUSALS {
            self.0.retain(|_, until| now < *until);
        }
        if self.0.len() < REFUSALS {
            self.0.insert(digest, now + MEMORY);
        }
    }
}

#[cfg(test)]
mod tests;
