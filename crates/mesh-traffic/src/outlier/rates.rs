//! Endpoints that succeed less often than the others, or fail too often.

use std::net::SocketAddr;
use std::sync::Arc;

use super::rules::Rules;
use super::{Cause, Host, Tally};

/// Whom the last interval's rates speak against, why, and in how many of a hundred cases that is enforced.
pub(super) fn suspects(hosts: &[Arc<Host>], rules: &Rules) -> Vec<(SocketAddr, Cause, u8)> {
    let rates = rules.rates;
    let mut found = Vec::new();
    let enforced = (rates.success_enforced, rates.failure_enforced);
    compare(hosts, rules, |host| &host.external, enforced, &mut found);
    if rules.split_local {
        let enforced = rules.local_enforced;
        compare(hosts, rules, |host| &host.local, enforced, &mut found);
    }
    found
}

fn compare(
    hosts: &[Arc<Host>],
    rules: &Rules,
    tally: impl Fn(&Host) -> &Tally,
    (by_rate, by_failures): (u8, u8),
    found: &mut Vec<(SocketAddr, Cause, u8)>,
) {
    let rates = rules.rates;
    let counted = hosts.iter().map(|host| (host.address, tally(host).take()));
    let counted: Vec<_> = counted.filter(|(_, (asked, _))| *asked > 0).collect();
    let enough = |requests: u32| {
        let counted = counted.iter();
        counted
            .filter(move |(_, (asked, _))| *asked >= requests)
            .map(|(address, (asked, succeeded))| {
                (*address, f64::from(*succeeded) / f64::from(*asked) * 100.0)
            })
    };
    let compared: Vec<(SocketAddr, f64)> = enough(rates.success_requests).collect();
    if by_rate > 0 && is_at_least(compared.len(), rates.success_hosts) {
        let least = least_rate(&compared, rates.success_factor);
        let outliers = compared.iter().filter(|(_, rate)| *rate < least);
        found.extend(outliers.map(|(address, _)| (*address, Cause::SuccessRate, by_rate)));
    }
    let compared: Vec<(SocketAddr, f64)> = enough(rates.failure_requests).collect();
    if by_failures > 0 && is_at_least(compared.len(), rates.failure_hosts) {
        let most = f64::from(rates.failure_percent);
        let failing = compared.iter().filter(|(_, rate)| 100.0 - rate >= most);
        found.extend(failing.map(|(address, _)| (*address, Cause::FailurePercentage, by_failures)));
    }
}

/// So far below the mean may a rate lie.
fn least_rate(rates: &[(SocketAddr, f64)], factor: u32) -> f64 {
    let count = f64::from(u32::try_from(rates.len()).unwrap_or(u32::MAX).max(1));
    let mean = rates.iter().map(|(_, rate)| rate).sum::<f64>() / count;
    let squares = rates.iter().map(|(_, rate)| (rate - mean).powi(2));
    let deviation = (squares.sum::<f64>() / count).sqrt();
    mean - deviation * f64::from(factor) / 1000.0
}

fn is_at_least(hosts: usize, wanted: u32) -> bool {
    u32::try_from(hosts).unwrap_or(u32::MAX) >= wanted.max(1)
}
