//! Endpoints that have names: what a cluster asks DNS for, and what the answers make of it.

use std::collections::HashSet;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use mesh_model::Str;

use crate::endpoint::{Endpoint, Endpoints, Terms};

/// What a cluster asks DNS for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dns {
    /// Whom it asks for.
    pub names: Vec<Named>,
    /// On which terms endpoints get requests.
    pub terms: Terms,
    /// Whether one address of an answer is called, the first (logical DNS), or each is an endpoint (strict).
    pub first_alone: bool,
    /// Which addresses count.
    pub family: Family,
    /// How often it asks.
    pub refresh: Refresh,
    /// Whom it asks.
    pub servers: Servers,
}

/// An endpoint that DNS leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The name, or an address that needs no asking.
    pub name: Str,
    /// What each of its addresses becomes; the port is this one's.
    pub endpoint: Endpoint,
}

/// Which addresses of a name count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// Those of IPv6, or those of IPv4 if there are none.
    Ipv6ThenIpv4,
    /// Those of IPv4, or those of IPv6 if there are none.
    Ipv4ThenIpv6,
    /// Those of IPv4.
    Ipv4,
    /// Those of IPv6.
    Ipv6,
    /// All.
    Both,
}

/// How often DNS is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Refresh {
    /// The pause after an answer.
    pub every: Duration,
    /// Whether the pause is how long the answer is said to be good (TTL), but this long at least.
    pub by_ttl: Option<Duration>,
    /// The pause after the first failure, and the longest of those that double after it.
    pub failed: (Duration, Duration),
    /// A pause is longer by a random part of this.
    pub jitter: Duration,
}

/// Whom to ask, and how.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Servers {
    /// The servers; the system's where there are none.
    pub addresses: Vec<SocketAddr>,
    /// Whether the system's count before these.
    pub as_fallback: bool,
    /// Whether they are asked by TCP alone.
    pub tcp: bool,
    /// Whether the system's search domains are tried.
    pub search: bool,
    /// How long each may take.
    pub timeout: Duration,
    /// How often they are asked.
    pub tries: usize,
}

impl Dns {
    /// What answers make of a cluster: one list of addresses for each of the names, in their order.
    ///
    /// An address that comes twice counts once, as its first name has it.
    #[must_use]
    pub fn endpoints<'a>(
        &self,
        cluster: &Str,
        answers: impl Iterator<Item = &'a [IpAddr]>,
    ) -> Endpoints {
        let most = match self.first_alone {
            true => 1,
            false => usize::MAX,
        };
        let mut seen = HashSet::<SocketAddr>::new();
        let found = self.names.iter().zip(answers);
        let all = found.flat_map(|(named, addresses)| {
            addresses.iter().take(most).map(|ip| Endpoint {
                address: SocketAddr::new(*ip, named.endpoint.address.port()),
                ..named.endpoint.clone()
            })
        });
        let all = all.filter(|endpoint| seen.insert(endpoint.address));
        Endpoints::on_terms(cluster.clone(), all.collect(), self.terms.clone())
    }
}

impl Refresh {
    /// The pause before the next question: after an answer that is good for `ttl`, or after so many
    /// failures in a row. `random` is drawn from `0.0..1.0`.
    #[must_use]
    pub fn pause(&self, ttl: Duration, failures: u32, random: f64) -> Duration {
        let pause = match (failures, self.by_ttl) {
            (0, Some(least)) if !ttl.is_zero() => ttl.max(least),
            (0, _) => self.every,
            (failures, _) => {
                let (first, longest) = self.failed;
                let doubled = 1u32.checked_shl(failures - 1).unwrap_or(u32::MAX);
                first.saturating_mul(doubled).min(longest)
            }
        };
        pause.saturating_add(self.jitter.mul_f64(random.clamp(0.0, 1.0)))
    }
}

#[cfg(test)]
mod tests;
