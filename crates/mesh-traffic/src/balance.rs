//! Which endpoint takes a request: the state of one cluster in one worker, and the choice.

use crate::cluster::{Cluster, LbPolicy};
use crate::endpoint::{Endpoints, Pool};

/// Balancing state of one cluster in one worker.
#[derive(Debug)]
pub struct Balancer {
    policy: LbPolicy,
    panic_threshold: u8,
    turn: u64,
}

/// What a choice looks at besides the endpoints; indexes are those of [`Endpoints::all`].
pub struct Choice<'a> {
    /// Requests under way to an endpoint.
    pub load: &'a dyn Fn(usize) -> u32,
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
        }
    }

    /// Chooses an endpoint; `None` when nobody takes requests (503 with the flag UH).
    pub fn pick(
        &mut self,
        endpoints: &Endpoints,
        choice: &Choice<'_>,
        random: &mut impl FnMut() -> u64,
    ) -> Option<usize> {
        let pool = self.pool(endpoints);
        let mut picked = self.once(pool, choice, random)?;
        for _ in 1..choice.attempts.max(1) {
            if !choice.tried.contains(&picked) {
                break;
            }
            picked = self.once(pool, choice, random)?;
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
        random: &mut impl FnMut() -> u64,
    ) -> Option<usize> {
        match self.policy {
            LbPolicy::RoundRobin => {
                self.turn = self.turn.wrapping_add(1);
                pool.in_turn(self.turn)
            }
            LbPolicy::Random => pool.at_random(random()),
            LbPolicy::LeastRequest { choices } => pool.least_loaded(choices, choice.load, random),
        }
    }

    fn pool<'e>(&self, endpoints: &'e Endpoints) -> &'e Pool {
        let healthy = endpoints.usable.members.len().saturating_mul(100);
        let wanted = endpoints.everyone.members.len() * usize::from(self.panic_threshold);
        match healthy < wanted {
            true => &endpoints.everyone,
            false => &endpoints.usable,
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
