//! Which endpoint takes a request: the state of one cluster in one worker, and the choice.

use std::sync::Arc;
use std::time::Instant;

use crate::cluster::{Cluster, LbPolicy};
use crate::endpoint::Endpoints;
use crate::endpoint::plan::Plan;
use crate::endpoint::pool::Pool;
use crate::slow_start::Warmth;

mod draw;
mod hashing;

use draw::Draw;
use hashing::Laid;

/// Balancing state of one cluster in one worker.
#[derive(Debug)]
pub struct Balancer {
    policy: LbPolicy,
    panic_threshold: u8,
    weighs_localities: bool,
    turn: u64,
    laid: Option<Laid>,
    warmth: Option<Warmth>,
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
    /// The moment of the choice.
    pub now: Instant,
}

/// What stays the same while a choice is repeated.
struct From<'a> {
    endpoints: &'a Arc<Endpoints>,
    plan: &'a Plan,
    choice: &'a Choice<'a>,
    hash: u64,
}

impl Balancer {
    /// Starts balancing for a cluster. `seed` lets workers begin their turns at different ends.
    #[must_use]
    pub fn new(cluster: &Cluster, seed: u64) -> Self {
        Self {
            policy: cluster.policy,
            panic_threshold: cluster.panic_threshold,
            weighs_localities: cluster.weighs_localities,
            turn: seed,
            laid: None,
            warmth: cluster.slow_start.clone().map(Warmth::new),
        }
    }

    /// Whether it balances as the cluster says.
    #[must_use]
    pub fn is_for(&self, cluster: &Cluster) -> bool {
        let warms = match (&self.warmth, &cluster.slow_start) {
            (Some(warmth), Some(start)) => warmth.is_of(start),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        warms
            && self.policy == cluster.policy
            && self.panic_threshold == cluster.panic_threshold
            && self.weighs_localities == cluster.weighs_localities
    }

    /// Chooses an endpoint; `None` when nobody takes requests (503 with the flag UH).
    pub fn pick(
        &mut self,
        endpoints: &Arc<Endpoints>,
        choice: &Choice<'_>,
        random: &mut impl FnMut() -> u64,
    ) -> Option<usize> {
        if let Some(warmth) = &mut self.warmth {
            warmth.refresh(endpoints, choice.now);
        }
        let plan = endpoints.plan(self.weighs_localities);
        let hash = match self.policy {
            LbPolicy::Hash(_) => choice.hash.unwrap_or_else(&mut *random),
            LbPolicy::RoundRobin | LbPolicy::LeastRequest { .. } | LbPolicy::Random => 0,
        };
        let from = From {
            endpoints,
            plan,
            choice,
            hash,
        };
        let (mut picked, mut pool) = self.once(&from, 0, random)?;
        for attempt in 1..choice.attempts.max(1) {
            if !choice.tried.contains(&picked) {
                break;
            }
            (picked, pool) = self.once(&from, attempt, random)?;
        }
        if !choice.tried.contains(&picked) {
            return Some(picked);
        }
        // departs from envoy: chance alone would send some retries back to where they failed.
        let mut pools = std::iter::once(pool).chain(plan.pools());
        let other = pools.find_map(|pool| pool.untried(random(), choice.tried));
        other.or(Some(picked))
    }

    /// One choice, and among whom it was made.
    fn once<'a>(
        &mut self,
        from: &From<'a>,
        attempt: u32,
        random: &mut impl FnMut() -> u64,
    ) -> Option<(usize, &'a Pool)> {
        let lot = match self.policy {
            LbPolicy::Hash(_) => from.hash,
            _ if from.plan.is_simple() => 0,
            LbPolicy::RoundRobin | LbPolicy::LeastRequest { .. } | LbPolicy::Random => random(),
        };
        let at = from.plan.at(self.panic_threshold, lot)?;
        let pool = from.plan.pool(at)?;
        let draw = Draw {
            pool,
            warmth: self.warmth.as_ref(),
        };
        let picked = match self.policy {
            LbPolicy::Hash(hashing) => {
                let plan = (from.endpoints, self.weighs_localities);
                let laid = self.laid.take().filter(|laid| laid.is_for(hashing, plan));
                // Never two of them at once.
                let laid = laid.unwrap_or_else(|| Laid::new(hashing, plan));
                let laid = self.laid.insert(laid);
                laid.owner((at, pool), from.hash, attempt)
            }
            LbPolicy::RoundRobin => {
                self.turn = self.turn.wrapping_add(1);
                draw.in_turn(self.turn, random)
            }
            LbPolicy::Random => draw.at_random(random),
            LbPolicy::LeastRequest { choices } => {
                draw.least_loaded(choices, from.choice.load, random)
            }
        };
        Some((picked?, pool))
    }
}

#[cfg(test)]
mod tests;
