//! Whether a failed attempt is repeated, and after how long.

use std::time::Duration;

/// When to repeat a failed attempt. [`RetryPolicy::NEVER`] does not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetryPolicy {
    /// Which failures are worth another attempt.
    pub on: RetryOn,
    /// Most attempts after the first.
    pub retries: u32,
    /// Statuses that are worth another attempt under [`RetryOn::RETRIABLE_STATUS_CODES`].
    pub statuses: Vec<u16>,
    /// How long one attempt may take; `None` for as long as the request.
    pub per_try_timeout: Option<Duration>,
    /// How long one attempt may be silent.
    pub per_try_idle_timeout: Option<Duration>,
    /// Bound of the first pause.
    pub base: Duration,
    /// Bound of every pause.
    pub max: Duration,
    /// Whether endpoints that were tried before are avoided.
    pub avoid_previous: bool,
    /// How often the choice of an endpoint is repeated to avoid them.
    pub host_attempts: u32,
}

/// Envoy's first pause (`retry_back_off.base_interval`).
const DEFAULT_BASE: Duration = Duration::from_millis(25);
/// Envoy's longest pause, as a multiple of the first.
const DEFAULT_MAX_FACTOR: u32 = 10;

/// Kinds of failures, as a set; the names are Envoy's `retry_on` tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RetryOn(u32);

impl RetryOn {
    /// Statuses 500 to 599, and every failure without an answer.
    pub const SERVER_ERROR: Self = Self(1);
    /// Statuses 502 to 504, and every failure without an answer.
    pub const GATEWAY_ERROR: Self = Self(1 << 1);
    /// Every failure without an answer.
    pub const RESET: Self = Self(1 << 2);
    /// Failures before anything of the request was sent.
    pub const RESET_BEFORE_REQUEST: Self = Self(1 << 3);
    /// No connection.
    pub const CONNECT_FAILURE: Self = Self(1 << 4);
    /// Status 409.
    pub const RETRIABLE_4XX: Self = Self(1 << 5);
    /// HTTP/2 REFUSED_STREAM: nothing was processed.
    pub const REFUSED_STREAM: Self = Self(1 << 6);
    /// The statuses that the policy lists.
    pub const RETRIABLE_STATUS_CODES: Self = Self(1 << 7);
    /// gRPC status 1.
    pub const CANCELLED: Self = Self(1 << 8);
    /// gRPC status 4.
    pub const DEADLINE_EXCEEDED: Self = Self(1 << 9);
    /// gRPC status 13.
    pub const INTERNAL: Self = Self(1 << 10);
    /// gRPC status 8.
    pub const RESOURCE_EXHAUSTED: Self = Self(1 << 11);
    /// gRPC status 14.
    pub const UNAVAILABLE: Self = Self(1 << 12);
    /// Answers with x-envoy-ratelimited too.
    pub const RATELIMITED: Self = Self(1 << 13);

    /// The set of one token, or `None` for a token that is not known.
    #[must_use]
    pub fn parse(token: &str) -> Option<Self> {
        Some(match token {
            "5xx" => Self::SERVER_ERROR,
            "gateway-error" => Self::GATEWAY_ERROR,
            "reset" => Self::RESET,
            "reset-before-request" => Self::RESET_BEFORE_REQUEST,
            "connect-failure" => Self::CONNECT_FAILURE,
            "retriable-4xx" => Self::RETRIABLE_4XX,
            "refused-stream" => Self::REFUSED_STREAM,
            "retriable-status-codes" => Self::RETRIABLE_STATUS_CODES,
            "cancelled" => Self::CANCELLED,
            "deadline-exceeded" => Self::DEADLINE_EXCEEDED,
            "internal" => Self::INTERNAL,
            "resource-exhausted" => Self::RESOURCE_EXHAUSTED,
            "unavailable" => Self::UNAVAILABLE,
            "envoy-ratelimited" => Self::RATELIMITED,
            // There is no HTTP/3 here, so the condition never arises.
            "http3-post-connect-failure" => Self::default(),
            _ => return None,
        })
    }

    /// Both sets together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether the sets share a kind.
    #[must_use]
    pub const fn has(self, any_of: Self) -> bool {
        self.0 & any_of.0 != 0
    }

    /// Whether nothing is worth another attempt.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
}

/// How an attempt failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureKind {
    /// No connection, or no TLS session.
    ConnectFailure,
    /// The connection ended before anything of the request was sent.
    ResetBeforeRequest,
    /// The stream was refused before anything was processed.
    RefusedStream,
    /// The connection or stream ended after something of the request was sent.
    Reset,
    /// The attempt took longer than its own time limit.
    PerTryTimeout,
    /// An answer came.
    Answer {
        /// Its status.
        status: u16,
        /// Its gRPC status, if the head had one.
        grpc_status: Option<u32>,
        /// Whether it carried x-envoy-ratelimited.
        rate_limited: bool,
    },
}

impl RetryPolicy {
    /// No other attempt, whatever happens.
    pub const NEVER: Self = Self {
        on: RetryOn(0),
        retries: 0,
        statuses: Vec::new(),
        per_try_timeout: None,
        per_try_idle_timeout: None,
        base: DEFAULT_BASE,
        max: Duration::from_millis(250),
        avoid_previous: false,
        host_attempts: 1,
    };

    /// Whether this failure is of a kind that the policy repeats.
    #[must_use]
    pub fn covers(&self, failure: FailureKind) -> bool {
        // Envoy counts every failure without an answer as 5xx and as gateway-error.
        let no_answer = RetryOn::RESET
            .with(RetryOn::GATEWAY_ERROR)
            .with(RetryOn::SERVER_ERROR);
        let kinds = match failure {
            FailureKind::ConnectFailure => no_answer
                .with(RetryOn::CONNECT_FAILURE)
                .with(RetryOn::RESET_BEFORE_REQUEST),
            FailureKind::ResetBeforeRequest => no_answer.with(RetryOn::RESET_BEFORE_REQUEST),
            FailureKind::RefusedStream => no_answer.with(RetryOn::REFUSED_STREAM),
            FailureKind::Reset | FailureKind::PerTryTimeout => no_answer,
            FailureKind::Answer {
                status,
                grpc_status,
                rate_limited,
            } => return self.covers_answer(status, grpc_status, rate_limited),
        };
        self.on.has(kinds)
    }

    fn covers_answer(&self, status: u16, grpc: Option<u32>, rate_limited: bool) -> bool {
        if rate_limited {
            return self.on.has(RetryOn::RATELIMITED);
        }
        let mut kinds = match grpc {
            Some(1) => RetryOn::CANCELLED,
            Some(4) => RetryOn::DEADLINE_EXCEEDED,
            Some(8) => RetryOn::RESOURCE_EXHAUSTED,
            Some(13) => RetryOn::INTERNAL,
            Some(14) => RetryOn::UNAVAILABLE,
            Some(_) | None => RetryOn::default(),
        };
        if (500..600).contains(&status) {
            kinds = kinds.with(RetryOn::SERVER_ERROR);
        }
        if (502..=504).contains(&status) {
            kinds = kinds.with(RetryOn::GATEWAY_ERROR);
        }
        if status == 409 {
            kinds = kinds.with(RetryOn::RETRIABLE_4XX);
        }
        if self.statuses.contains(&status) {
            kinds = kinds.with(RetryOn::RETRIABLE_STATUS_CODES);
        }
        self.on.has(kinds)
    }

    /// The pause before another attempt, or `None` when there is none.
    ///
    /// `attempt` counts the attempts made so far, from 1. `draw` spreads the pauses of many
    /// requests: each is anywhere between nothing and a bound that doubles from attempt to attempt.
    pub fn may_retry(
        &self,
        attempt: u32,
        failure: FailureKind,
        draw: impl FnOnce() -> u64,
    ) -> Option<Duration> {
        if attempt > self.retries || !self.covers(failure) {
            return None;
        }
        let bound = u64::try_from(self.pause_bound(attempt).as_nanos()).unwrap_or(u64::MAX);
        Some(Duration::from_nanos(
            draw().checked_rem(bound).unwrap_or_default(),
        ))
    }

    /// The longest pause after so many attempts.
    #[must_use]
    pub fn pause_bound(&self, attempt: u32) -> Duration {
        let factor = 1u32
            .checked_shl(attempt)
            .map_or(u32::MAX, |power| power.saturating_sub(1));
        self.base.saturating_mul(factor).min(self.max)
    }

    pub(crate) fn default_max(base: Duration) -> Duration {
        base.saturating_mul(DEFAULT_MAX_FACTOR)
    }
}

#[cfg(test)]
mod tests;
