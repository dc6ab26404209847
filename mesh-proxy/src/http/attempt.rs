//! Attempts of one request: what was tried, and whether a failure is worth another try.
//!
//! Three reasons repeat a request. The route's policy says which failures it wants repeated. A
//! connection that its peer closed while it was idle never costs a request, whatever the policy. And
//! an idempotent request whose connection dies before any byte of the answer is tried once more,
//! unless the route wants nothing repeated.

use std::time::Duration;

use mesh_traffic::breaker::{Breaker, Permit, Resource};
use mesh_traffic::endpoint::Endpoints;
use mesh_traffic::{FailureKind as PolicyKind, RetryPolicy};
use smallvec::SmallVec;

use crate::http::connect::Connected;
use crate::http::failure::{Failure, FailureKind, Retry};

/// How often a request is moved off connections that turn out to be closed.
const STALE_TRIES: u32 = 3;
/// A connection that was silent this long may meet its peer's idle timer. A request that may not
/// be sent twice (RFC 9110 9.2.2) does not take one, because nothing could be done if it did.
const IDLE_RACE: Duration = Duration::from_secs(1);

/// The attempts of one request.
#[derive(Debug, Default)]
pub struct Attempts {
    made: u32,
    stale: u32,
    tried: SmallVec<[usize; 4]>,
    stay: bool,
    repeated: bool,
    may_have_run: bool,
    /// Counts the request as one that is repeated, where a circuit breaker counts these.
    retrying: Option<Permit>,
    overflowed: bool,
}

/// What follows a failed attempt.
#[derive(Debug)]
pub enum Verdict {
    /// Another attempt, after this pause.
    Again(Duration),
    /// The end.
    Over(Failure),
}

/// What is known of an attempt that failed.
pub struct Tried<'a> {
    /// The connection, if there was one.
    pub connected: Option<&'a Connected>,
    /// The request's method.
    pub method: &'a str,
    /// Whether a further attempt would send the same body.
    pub can_repeat: bool,
    /// Whether it may go to another endpoint. A sidecar has one application only: that of another
    /// workload chooses.
    pub has_choice: bool,
    /// The circuit breakers of its cluster.
    pub breaker: Option<&'a Breaker>,
}

impl Attempts {
    /// How many attempts were made, the present one included.
    #[must_use]
    pub fn made(&self) -> u32 {
        self.made
    }

    /// How long a pooled connection may have been idle for the next attempt to use it; `None`
    /// asks for a connection of its own.
    #[must_use]
    pub fn reuse_within(&self, method: &str) -> Option<Duration> {
        let longest = if is_idempotent(method) {
            Duration::MAX
        } else {
            IDLE_RACE
        };
        (self.stale == 0).then_some(longest)
    }

    /// Whether an attempt may have reached the application, whatever the later ones did.
    #[must_use]
    pub fn may_have_run(&self) -> bool {
        self.may_have_run
    }

    /// Whether a circuit breaker kept it from being repeated.
    #[must_use]
    pub fn overflowed(&self) -> bool {
        self.overflowed
    }

    /// Whether circuit breakers let it be repeated as the policy wants.
    fn may_repeat(&mut self, breaker: Option<&Breaker>) -> bool {
        // That of the attempt before this one is over.
        self.retrying = None;
        let Some(breaker) = breaker else {
            return true;
        };
        self.retrying = breaker.take(Resource::Retries);
        self.overflowed = self.retrying.is_none();
        !self.overflowed
    }

    /// Notes an endpoint that is being tried.
    pub fn tried(&mut self, index: usize) {
        self.tried.push(index);
        if !self.stay {
            self.made += 1;
        }
        self.stay = false;
    }

    /// Finds what was tried again in a set that has taken the other's place.
    pub fn follow(&mut self, old: &Endpoints, new: &Endpoints) {
        let address = |index: &usize| Some(old.all.get(*index)?.address);
        let place = |address| new.all.iter().position(|one| one.address == address);
        let tried = self.tried.iter().filter_map(address).filter_map(place);
        self.tried = tried.collect();
    }

    /// Endpoints to be avoided by the next choice.
    #[must_use]
    pub fn avoided(&self) -> &[usize] {
        if self.stay { &[] } else { &self.tried }
    }

    /// Decides what follows a failure.
    pub fn judge(
        &mut self,
        policy: &RetryPolicy,
        failure: Failure,
        tried: &Tried<'_>,
        random: &mut fastrand::Rng,
    ) -> Verdict {
        self.may_have_run |= failure.retry != Retry::Safe;
        if !tried.can_repeat {
            return Verdict::Over(failure);
        }
        if self.stale < STALE_TRIES && is_stale(&failure, tried) {
            self.stale += 1;
            // The endpoint is well: it only closed an idle connection.
            self.stay = true;
            return Verdict::Again(Duration::ZERO);
        }
        let wanted = policy_kind(&failure)
            .and_then(|kind| policy.may_retry(self.made, kind, || random.u64(..)));
        if wanted.is_some() && !self.may_repeat(tried.breaker) {
            return Verdict::Over(failure);
        }
        let Some(pause) = wanted else {
            return if self.repeats(policy, &failure, tried) {
                self.repeated = true;
                Verdict::Again(Duration::ZERO)
            } else {
                Verdict::Over(failure)
            };
        };
        // Nothing has happened yet, and another endpoint may be well: no reason to wait.
        let at_once = failure.retry == Retry::Safe && self.made <= 1;
        Verdict::Again(if at_once { Duration::ZERO } else { pause })
    }

    /// Whether it is the one more try of an idempotent request whose connection died.
    fn repeats(&self, policy: &RetryPolicy, failure: &Failure, tried: &Tried<'_>) -> bool {
        !self.repeated
            && policy.retries > 0
            && tried.has_choice
            && failure.retry == Retry::IfIdempotent
            && is_idempotent(tried.method)
    }

    /// The pause before another attempt after an answer; `None` keeps the answer.
    pub fn judge_answer(
        &mut self,
        policy: &RetryPolicy,
        answer: PolicyKind,
        tried: &Tried<'_>,
        random: &mut fastrand::Rng,
    ) -> Option<Duration> {
        self.may_have_run = true;
        if !tried.can_repeat {
            return None;
        }
        let wanted = policy.may_retry(self.made, answer, || random.u64(..));
        wanted.filter(|_| self.may_repeat(tried.breaker))
    }
}

fn is_stale(failure: &Failure, tried: &Tried<'_>) -> bool {
    if !tried.connected.is_some_and(|connected| connected.reused) {
        return false;
    }
    failure.kind == FailureKind::UpstreamClosed
        && match failure.retry {
            Retry::Safe => true,
            Retry::IfIdempotent => is_idempotent(tried.method),
            Retry::Never => false,
        }
}

/// RFC 9110 9.2.2
pub(super) fn is_idempotent(method: &str) -> bool {
    matches!(
        method,
        "GET" | "HEAD" | "OPTIONS" | "TRACE" | "PUT" | "DELETE"
    )
}

/// How the policy calls the failure; `None` for what no policy repeats.
fn policy_kind(failure: &Failure) -> Option<PolicyKind> {
    Some(match failure.kind {
        FailureKind::ConnectFailed
        | FailureKind::ConnectTimeout
        | FailureKind::TlsFailed
        | FailureKind::WrongIdentity => PolicyKind::ConnectFailure,
        FailureKind::UpstreamRefusedStream => PolicyKind::RefusedStream,
        // Nothing was sent, so to the request it was no connection.
        FailureKind::UpstreamClosed if failure.retry == Retry::Safe => PolicyKind::ConnectFailure,
        FailureKind::UpstreamClosed
        | FailureKind::UpstreamReset
        | FailureKind::UpstreamProtocol => PolicyKind::Reset,
        FailureKind::TryTimeout => PolicyKind::PerTryTimeout,
        FailureKind::BadRequest
        | FailureKind::Http10
        | FailureKind::HeadTooLarge
        | FailureKind::TargetTooLong
        | FailureKind::CodingUnsupported
        | FailureKind::VersionUnsupported
        | FailureKind::HeadTimeout
        | FailureKind::StreamIdle
        | FailureKind::Overloaded
        | FailureKind::UpgradeUnsupported
        | FailureKind::NoRoute
        | FailureKind::FaultInjected
        | FailureKind::FailedHealthCheck
        | FailureKind::NoCluster
        | FailureKind::RouteUnusable
        | FailureKind::Denied
        | FailureKind::NoHealthyUpstream
        | FailureKind::Overflow
        | FailureKind::RouteTimeout
        | FailureKind::DownstreamGone
        | FailureKind::DownstreamBody
        | FailureKind::BodyTimeout
        | FailureKind::RateLimited
        | FailureKind::OverLimit
        | FailureKind::LimitUnknown
        | FailureKind::Unauthorized
        | FailureKind::AuthorizationUnknown
        | FailureKind::AuthorizationInvalid
        | FailureKind::BodyTooLarge
        | FailureKind::Draining => return None,
    })
}
