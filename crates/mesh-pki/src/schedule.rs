//! When to renew a certificate, and how soon to try again when that failed. Arithmetic only.

use std::time::{Duration, SystemTime};

/// Share of the remaining lifetime after which a certificate is renewed.
// istio: SECRET_GRACE_PERIOD_RATIO 0.5
const RATIO: f64 = 0.5;
/// How far the share is spread, so that workloads started together do not renew together.
// istio: SECRET_GRACE_PERIOD_RATIO_JITTER 0.01
const JITTER: f64 = 0.01;
/// Tries that must fit into the lifetime of a short-lived certificate.
const TRIES: u32 = 8;
/// Shortest time between two tries.
const SHORTEST: Duration = Duration::from_millis(100);

/// When to renew a certificate that was obtained at `obtained` and expires at `not_after`.
///
/// Counted from the moment it was obtained, not from its start of validity, which lies two minutes
/// earlier: a certificate of five seconds would otherwise be due before it is here. `chance` is a
/// number in `0.0..1.0` that the caller drew.
#[must_use]
pub fn renew_at(obtained: SystemTime, not_after: SystemTime, chance: f64) -> SystemTime {
    let lifetime = not_after.duration_since(obtained).unwrap_or_default();
    let share = RATIO + JITTER * (chance.clamp(0.0, 1.0) * 2.0 - 1.0);
    obtained
        .checked_add(lifetime.mul_f64(share))
        .unwrap_or(not_after)
}

/// How long to wait before the next try: the back-off's `step`, but never so long that fewer than
/// several tries fit before the certificate expires.
#[must_use]
pub fn retry_after(
    step: Duration,
    obtained: SystemTime,
    not_after: SystemTime,
    now: SystemTime,
) -> Duration {
    let lifetime = not_after.duration_since(obtained).unwrap_or_default();
    let remaining = not_after.duration_since(now).unwrap_or_default();
    let mut longest = lifetime / TRIES;
    if !remaining.is_zero() {
        longest = longest.min(remaining / 2);
    }
    step.min(longest.max(SHORTEST))
}

#[cfg(test)]
mod tests;
