//! Which endpoint takes a request: the state of one cluster in one worker, and the choice.

use std::sync::Arc;

use crate::cluster::{Cluster, Hashing, LbPolicy};
use crate::endpoint::{Endpoints, Pool};

mod hashing;

use hashing::Laid;

/// Balancing state of one cluster in one worker.
#[derive(Debug)]
pub struct Balancer {
    policy: LbPolicy,
    panic_threshold: u8,
    turn: u64,
    laid: Option<Laid>,
}

/// What a choice looks at besides the endpoints; indexes are those of [`Endpoints::all`].
pub struct Choice<'a> {
    /// Requests under way to an endpoint.
    pub load: &'a dyn Fn(usize) -> u32,
    /// The request's hash, if its route makes one.
    pub hash: Option<u64>,
    /// Endpoints that were tried before and are to be avoided.
    pub tried: &'a [usize],
    /// How often the choice is repeated to avoid them; then the first other endpoint is taken.
    pub attempts: u32,
}

impl Balancer {
    /// Starts balancing for a cluster. `seed` lets workers begin their turns at different ends.
    #[must_use]
    pub fn new(cluster: &Cluster, seed: u64) -> Self {
        Self {
            policy: cluster.policy,
            panic_threshold: cluster.panic_threshold,
            turn: seed,
            laid: None,
        }
    }

    /// Chooses an endpoint; `None` when nobody takes requests (503 with the flag UH).
    pub fn pick(
        &mut self,
        endpoints: &Arc<Endpoints>,
        choice: &Choice<'_>,
        random: &mut impl FnMut() -> u64,
    ) -> Option<usize> {
        let panicking = self.panics(endpoints);
        let pool = endpoints.pool(panicking);
        let hash = match self.policy {
            LbPolicy::Hash(hashing) => {
                self.lay(hashing, endpoints, panicking);
                choice.hash.unwrap_or_else(&mut *random)
            }
            LbPolicy::RoundRobin | LbPolicy::LeastRequest { .. } | LbPolicy::Random => 0,
        };
        let mut picked = self.once(pool, choice, (hash, 0), random)?;
        for attempt in 1..choice.attempts.max(1) {
            if !choice.tried.contains(&picked) {
                break;
            }
            picked = self.once(pool, choice, (hash, attempt), random)?;
        }
        if !choice.tried.contains(&picked) {
            return Some(picked);
        }
        // departs from envoy: chance alone would send some retries back to where they failed.
        pool.untried(random(), choice.tried).or(Some(picked))
    }

    fn once(
        &mut self,
        pool: &Pool,
        choice: &Choice<'_>,
        (hash, attempt): (u64, u32),
        random: &mut impl FnMut() -> u64,
    ) -> Option<usize> {
        match self.policy {
            LbPolicy::Hash(_) => self.laid.as_ref()?.owner(hash, attempt),
            LbPolicy::RoundRobin => {
                self.turn = self.turn.wrapping_add(1);
                pool.in_turn(self.turn)
            }
            LbPolicy::Random => pool.at_random(random()),
            LbPolicy::LeastRequest { choices } => pool.least_loaded(choices, choice.load, random),
        }
    }

    /// Whether so few are healthy that all are used.
    fn panics(&self, endpoints: &Endpoints) -> bool {
        let healthy = endpoints.usable.members.len().saturating_mul(100);
        let wanted = endpoints.everyone.members.len() * usize::from(self.panic_threshold);
        healthy < wanted
    }

    /// Lays the ring or table, unless it lies.
    fn lay(&mut self, hashing: Hashing, endpoints: &Arc<Endpoints>, panicking: bool) {
        let lies = |laid: &Laid| laid.is_for(hashing, endpoints, panicking);
        if !self.laid.as_ref().is_some_and(lies) {
            // Never two of them at once.
            self.laid = None;
            self.laid = Some(Laid::new(hashing, endpoints, panicking));
        }
    }
}

/// 2^64 divided by the golden ratio: its multiples fall evenly into any number of intervals.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;

impl Pool {
    /// One after the other; where weights differ, evenly spread in proportion to them.
    fn in_turn(&self, turn: u64) -> Option<usize> {
        match self.sums.is_empty() {
            true => {
                let count = u64::try_from(self.members.len()).ok()?;
                self.member(usize::try_from(turn.checked_rem(count)?).ok()?)
            }
            false => self.at_random(turn.wrapping_mul(GOLDEN)),
        }
    }

    /// By a random number, in proportion to the weights.
    fn at_random(&self, random: u64) -> Option<usize> {
        let Some(total) = self.sums.last() else {
            return self.member(scale(random, u64::try_from(self.members.len()).ok()?)?);
        };
        let point = u64::try_from(scale(random, *total)?).ok()?;
        self.member(self.sums.partition_point(|sum| *sum <= point))
    }

    /// The least loaded of some; load counts in proportion to the weight by drawing heavier
    /// endpoints more often.
    fn least_loaded(
        &self,
        choices: u32,
        load: &dyn Fn(usize) -> u32,
        random: &mut impl FnMut() -> u64,
    ) -> Option<usize> {
        let mut best = self.at_random(random())?;
        if self.members.len() == 1 {
            return Some(best);
        }
        for _ in 1..choices {
            let other = self.at_random(random())?;
            if load(other) < load(best) {
                best = other;
            }
        }
        Some(best)
    }

    /// The first endpoint, from a random one on, that was not tried before.
    fn untried(&self, random: u64, tried: &[usize]) -> Option<usize> {
        let start = scale(random, u64::try_from(self.members.len()).ok()?)?;
        let (before, after) = self.members.split_at_checked(start)?;
        let mut members = after.iter().chain(before).map(|member| *member as usize);
        members.find(|member| !tried.contains(member))
    }

    fn member(&self, index: usize) -> Option<usize> {
        self.members.get(index).map(|member| *member as usize)
    }
}

/// Maps a random number evenly to `0..below`; `None` when there is nothing to choose from.
fn scale(random: u64, below: u64) -> Option<usize> {
    if below == 0 {
        return None;
    }
    usize::try_from((u128::from(random) * u128::from(below)) >> 64).ok()
}

#[cfg(test)]
mod tests;
