//! When an endpoint is ejected, and for how long.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// What a cluster's `outlier_detection` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// How often rates are compared and endpoints taken back.
    pub interval: Duration,
    /// How long an endpoint is out the first time; so much longer each further time.
    pub base_time: Duration,
    /// How long at most.
    pub max_time: Duration,
    /// Most of what chance adds to that.
    pub jitter: Duration,
    /// How many may be out, in per cent.
    pub max_percent: u8,
    /// Whether one may be out in any case.
    pub always_one: bool,
    /// Whether one that passes a health check is taken back at once.
    pub health_check_takes_back: bool,
    /// Whether what the proxy sees itself counts apart.
    pub split_local: bool,
    /// Statuses of 500 and more.
    pub errors: Streak,
    /// 502, 503 and 504.
    pub gateway_errors: Streak,
    /// Failures that the proxy sees itself, if these count apart.
    pub local_failures: Streak,
    /// How rates of answers are compared.
    pub rates: Rates,
    /// The same for what the proxy sees itself: how often success rates and failure percentages are enforced.
    pub local_enforced: (u8, u8),
}

/// Failures in a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Streak {
    /// How many; 0 is never enough.
    pub length: u32,
    /// In how many of a hundred cases they eject the endpoint.
    pub enforced: u8,
}

/// How rates of success are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rates {
    /// In how many of a hundred cases an outlier among success rates is ejected.
    pub success_enforced: u8,
    /// Endpoints that must have had enough requests.
    pub success_hosts: u32,
    /// Requests in an interval that are enough.
    pub success_requests: u32,
    /// So many thousandths of a standard deviation below the mean is too far.
    pub success_factor: u32,
    /// In how many of a hundred cases an endpoint that fails too often is ejected.
    pub failure_enforced: u8,
    /// What is too often, in per cent.
    pub failure_percent: u8,
    /// Endpoints that must have had enough requests.
    pub failure_hosts: u32,
    /// Requests in an interval that are enough.
    pub failure_requests: u32,
}

impl Rules {
    /// Whether one more may be out, of so many.
    pub(super) fn lets_eject(&self, active: u32, hosts: usize) -> bool {
        let hosts = u64::try_from(hosts).unwrap_or(u64::MAX);
        let out = (u64::from(active) + 1).saturating_mul(100);
        out <= hosts.saturating_mul(self.max_percent.into()) || (self.always_one && active == 0)
    }
}

impl Streak {
    /// Counts a failure; itself when there are enough in a row.
    pub(super) fn reached(self, failures: &AtomicU32) -> Option<Self> {
        let before = failures.fetch_add(1, Ordering::Relaxed);
        (self.length > 0 && before.saturating_add(1) >= self.length).then_some(self)
    }
}
