//! How often one address may have a token reviewed. Pure: the moment is passed in.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};

/// Reviews that an address may have at once: the pods of a node that starts behind one address.
const BURST: u32 = 128;
/// Time after which it may have one more.
const INTERVAL: Duration = Duration::from_millis(200);
/// Addresses that are kept in mind. Beyond them only the bound on reviews at once holds.
const ADDRESSES: usize = 16 * 1024;
/// How often those that have nothing to be kept in mind are looked for.
const SWEEP: Duration = Duration::from_secs(1);

/// What each address has used up.
#[derive(Debug, Default)]
pub(super) struct Limit {
    /// When an address may have a whole burst again.
    whole_at: HashMap<IpAddr, Instant>,
    swept_at: Option<Instant>,
}

impl Limit {
    /// Takes one review of `from`, if there is one left.
    pub(super) fn take(&mut self, from: IpAddr, now: Instant) -> bool {
        let from = network(from);
        let known = self.whole_at.get(&from).copied();
        let from_when = known.unwrap_or(now).max(now);
        let used = from_when.saturating_duration_since(now);
        if used > INTERVAL * (BURST - 1) {
            return false;
        }
        if known.is_some() || self.has_room(now) {
            self.whole_at.insert(from, from_when + INTERVAL);
        }
        true
    }

    fn has_room(&mut self, now: Instant) -> bool {
        if self.whole_at.len() < ADDRESSES {
            return true;
        }
        let due = self.swept_at.is_none_or(|last| now >= last + SWEEP);
        if due {
            self.swept_at = Some(now);
            self.whole_at.retain(|_, whole_at| *whole_at > now);
        }
        self.whole_at.len() < ADDRESSES
    }
}

/// What counts as one address: of IPv6 the network, which a machine has for itself.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests;
