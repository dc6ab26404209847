//! Response flags: what was special about a request, in Envoy's letters and order.

use std::fmt;

/// A set of response flags.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Flags(u32);

/// Letters and names by bit, in the order in which Envoy prints them (`ResponseFlag` in stream_info.h).
const NAMES: [(&str, &str); 20] = [
    ("UH", "NoHealthyUpstream"),
    ("UT", "UpstreamRequestTimeout"),
    ("UR", "UpstreamRemoteReset"),
    ("UF", "UpstreamConnectionFailure"),
    ("UC", "UpstreamConnectionTermination"),
    ("UO", "UpstreamOverflow"),
    ("NR", "NoRouteFound"),
    ("DI", "DelayInjected"),
    ("FI", "FaultInjected"),
    ("RL", "RateLimited"),
    ("UAEX", "UnauthorizedExternalService"),
    ("RLSE", "RateLimitServiceError"),
    ("DC", "DownstreamConnectionTermination"),
    ("URX", "UpstreamRetryLimitExceeded"),
    ("SI", "StreamIdleTimeout"),
    ("DPE", "DownstreamProtocolError"),
    ("UPE", "UpstreamProtocolError"),
    ("NC", "NoClusterFound"),
    ("OM", "OverloadManagerTerminated"),
    // Envoy prints it before the others, of which none is set beside it.
    ("LH", "FailedLocalHealthCheck"),
];

/// Letters of Envoy's for what does not happen here, or is told otherwise.
const OTHERS: [&str; 10] = [
    "LR", "IH", "UMSDR", "RFCF", "NFCF", "DT", "DF", "DO", "DR", "UDO",
];

impl Flags {
    /// Nothing special happened.
    pub const NONE: Self = Self(0);
    /// No healthy upstream.
    pub const NO_HEALTHY_UPSTREAM: Self = Self(1);
    /// Upstream request timeout.
    pub const UPSTREAM_TIMEOUT: Self = Self(1 << 1);
    /// Upstream remote reset.
    pub const UPSTREAM_RESET: Self = Self(1 << 2);
    /// Upstream connection failure.
    pub const CONNECT_FAILURE: Self = Self(1 << 3);
    /// Upstream connection termination.
    pub const UPSTREAM_CLOSED: Self = Self(1 << 4);
    /// Upstream overflow: a circuit breaker.
    pub const OVERFLOW: Self = Self(1 << 5);
    /// No route.
    pub const NO_ROUTE: Self = Self(1 << 6);
    /// Delay injected.
    pub const DELAY_INJECTED: Self = Self(1 << 7);
    /// Fault injected.
    pub const FAULT_INJECTED: Self = Self(1 << 8);
    /// Rate limited.
    pub const RATE_LIMITED: Self = Self(1 << 9);
    /// An authorization service refused it, or could not be asked.
    pub const UNAUTHORIZED: Self = Self(1 << 10);
    /// Rate limit service error.
    pub const LIMIT_UNKNOWN: Self = Self(1 << 11);
    /// Downstream connection termination.
    pub const DOWNSTREAM_GONE: Self = Self(1 << 12);
    /// The limit of retries was reached.
    pub const RETRY_LIMIT: Self = Self(1 << 13);
    /// Stream idle timeout.
    pub const STREAM_IDLE: Self = Self(1 << 14);
    /// Downstream protocol error.
    pub const DOWNSTREAM_PROTOCOL: Self = Self(1 << 15);
    /// Upstream protocol error.
    pub const UPSTREAM_PROTOCOL: Self = Self(1 << 16);
    /// No cluster.
    pub const NO_CLUSTER: Self = Self(1 << 17);
    /// Overload manager.
    pub const OVERLOADED: Self = Self(1 << 18);
    /// A health check of this proxy failed.
    pub const FAILED_HEALTH_CHECK: Self = Self(1 << 19);

    /// Both sets together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether no flag is set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether one of the others is set.
    #[must_use]
    pub const fn meets(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }

    /// The flag of these letters; an empty set for one of Envoy's that is never set here, `None` for
    /// letters that are none of Envoy's.
    #[must_use]
    pub fn of_letters(letters: &str) -> Option<Self> {
        match NAMES.iter().position(|(known, _)| *known == letters) {
            Some(bit) => Some(Self(1 << bit)),
            None => OTHERS.contains(&letters).then_some(Self::NONE),
        }
    }

    /// The letters of the flags that are set.
    pub fn letters(self) -> impl Iterator<Item = &'static str> {
        self.set().map(|(letters, _)| letters)
    }

    /// The names of the flags that are set.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        self.set().map(|(_, name)| name)
    }

    fn set(self) -> impl Iterator<Item = (&'static str, &'static str)> {
        let all = NAMES.into_iter().enumerate();
        all.filter(move |(bit, _)| self.0 & (1 << bit) != 0)
            .map(|(_, names)| names)
    }
}

impl fmt::Display for Flags {
    /// Prints `UF,URX`, and `-` for no flag.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_empty() {
            return f.write_str("-");
        }
        for (index, letters) in self.letters().enumerate() {
            if index > 0 {
                f.write_str(",")?;
            }
            f.write_str(letters)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
