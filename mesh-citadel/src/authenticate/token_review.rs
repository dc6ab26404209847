//! Tokens of Kubernetes' service accounts: the API server says whose one is, by a TokenReview.
//!
//! A pod's token is projected into it with citadel's audience, so one that was stolen elsewhere is
//! of no use here. Answers that accept a token are never remembered: whoever renews asks once in
//! half of a certificate's life, and a token that ended with its pod must be of no use at once.
//! Refusals are, for a few seconds, so that one who insists costs the API server little.

mod limit;
mod refused;
mod verdict;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::digest;
use mesh_kube::{Cluster, RequestError, TokenReview};
use mesh_model::ident::{SpiffeId, TrustDomain};
use mesh_model::time::Clock;
use parking_lot::Mutex;
use tokio::sync::Semaphore;

use crate::authenticate::Unknown;
use crate::authorize::Caller;
use crate::metrics::{ReviewMetrics, Reviewed};
use limit::Limit;
use refused::{Digest, Refused};

/// How long the API server may think about a token: less than the deadline of a call.
const DEADLINE: Duration = Duration::from_secs(5);
/// Reviews at once. Fewer than requests, so that file tokens are served while an API server is away.
const REVIEWS: usize = 48;
/// Longest token that is looked at; the API server takes no larger header itself.
const LONGEST: usize = 16 * 1024;

/// Asks an API server. Clones share what is remembered.
#[derive(Clone)]
pub struct TokenReviews(Arc<Shared>);

/// Which tokens are accepted.
pub(crate) struct Accepted {
    /// Whom they are for. Not empty: with none, a token for the API server itself would do.
    pub(crate) audiences: Vec<String>,
    /// Where their accounts' identities belong.
    pub(crate) trust_domain: TrustDomain,
}

struct Shared {
    cluster: Cluster,
    audiences: Vec<String>,
    trust_domain: TrustDomain,
    clock: Arc<dyn Clock>,
    deadline: Duration,
    limit: Mutex<Limit>,
    refused: Mutex<Refused>,
    room: Semaphore,
    metrics: ReviewMetrics,
}

impl TokenReviews {
    /// Asks `cluster` about tokens.
    pub(crate) fn new(
        cluster: Cluster,
        accepted: Accepted,
        clock: Arc<dyn Clock>,
        metrics: ReviewMetrics,
    ) -> Self {
        Self(Arc::new(Shared {
            cluster,
            audiences: accepted.audiences,
            trust_domain: accepted.trust_domain,
            clock,
            deadline: DEADLINE,
            limit: Mutex::default(),
            refused: Mutex::default(),
            room: Semaphore::new(REVIEWS),
            metrics,
        }))
    }

    /// Whose token `token` is, which came from the address `from`.
    ///
    /// # Errors
    /// [`Unknown`].
    pub async fn authenticate(&self, token: &str, from: IpAddr) -> Result<Caller, Unknown> {
        let shared = &self.0;
        let digest = digest_of(token);
        let now = shared.clock.now();
        if !could_be_one(token) || shared.refused.lock().contains(&digest, now) {
            shared.metrics.count(Reviewed::Unasked);
            return Err(Unknown::NotAccepted);
        }
        if !shared.limit.lock().take(from, now) {
            shared.metrics.count(Reviewed::Limited);
            return Err(Unknown::TooMany);
        }
        let Ok(_room) = shared.room.try_acquire() else {
            shared.metrics.count(Reviewed::Limited);
            return Err(Unknown::TooMany);
        };
        let review = shared.review(token).await;
        shared.conclude(review, digest, from)
    }
}

impl Shared {
    async fn review(&self, token: &str) -> Result<TokenReview, RequestError> {
        let began = self.clock.now();
        // What the client holds of a request is large, and waits here for a while.
        let asked = Box::pin(self.cluster.review_token(token, &self.audiences));
        let answer = tokio::time::timeout(self.deadline, asked).await;
        let took = self.clock.now().saturating_duration_since(began);
        self.metrics.took(took);
        let late = || RequestError::Unreachable(format!("no answer within {:?}", self.deadline));
        answer.unwrap_or_else(|_| Err(late()))
    }

    fn conclude(
        &self,
        review: Result<TokenReview, RequestError>,
        digest: Digest,
        from: IpAddr,
    ) -> Result<Caller, Unknown> {
        let review = review.map_err(|error| {
            self.metrics.count(Reviewed::Failed);
            tracing::warn!(peer = %from, %error, "token not reviewed");
            Unknown::Unchecked
        })?;
        match verdict::account(&review, &self.audiences) {
            Ok(account) => {
                self.metrics.count(Reviewed::Accepted);
                let identity = SpiffeId::of_workload(&self.trust_domain, &account);
                Ok(Caller::Workload { identity })
            }
            Err(error) => {
                self.metrics.count(Reviewed::Refused);
                self.refused.lock().insert(digest, self.clock.now());
                tracing::info!(peer = %from, %error, "token refused");
                Err(Unknown::NotAccepted)
            }
        }
    }
}

/// Whether the text has the form of a signed JWT, which every token of a service account has.
fn could_be_one(token: &str) -> bool {
    let of_base64url = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    let is_part = |part: &str| !part.is_empty() && part.bytes().all(of_base64url);
    token.len() <= LONGEST && token.split('.').count() == 3 && token.split('.').all(is_part)
}

fn digest_of(token: &str) -> Digest {
    let digest = digest::digest(&digest::SHA256, token.as_bytes());
    let mut bytes = Digest::default();
    for (to, from) in bytes.iter_mut().zip(digest.as_ref()) {
        *to = *from;
    }
    bytes
}

#[cfg(test)]
mod tests;
