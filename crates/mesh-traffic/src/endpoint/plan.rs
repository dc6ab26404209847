//! Who gets which share of the requests: priorities, what spills over from one to the next, and panic.
//!
//! The arithmetic is Envoy's (`source/extensions/load_balancing_policies/common/load_balancer_impl.cc`), in whole per
//! cent as there.

use std::collections::{BTreeMap, HashMap};

use mesh_model::service::{Health, Locality};

use super::pool::{Place, Pool};
use super::{Endpoint, Terms};

/// Shares of all priorities.
#[derive(Debug, Default)]
pub(crate) struct Plan {
    /// By priority; those that have nobody are left out.
    levels: Vec<Level>,
    /// What each gets when somebody is available; else empty.
    shares: Vec<Share>,
    /// What each gets when nobody is available and all are used.
    last_resort: Vec<Share>,
    /// How much of the requests those who are available could take, in per cent, up to 100.
    available: u32,
}

/// Endpoints of one priority.
#[derive(Debug)]
struct Level {
    healthy: Pool,
    degraded: Pool,
    /// All, for panic; `None` where all are healthy.
    everyone: Option<Pool>,
    /// How many there are.
    count: usize,
    /// How many of them count when it is asked how many are available.
    counted: usize,
    /// How much of the requests the healthy ones could take, in per cent, and the degraded ones.
    availability: (u32, u32),
}

/// So many of a hundred requests, counted from the first share on, go to these.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Share {
    upto: u32,
    at: At,
}

/// Names one pool of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct At {
    level: usize,
    who: Who,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Healthy,
    Degraded,
    Everyone,
}

impl Plan {
    /// Localities mean nothing.
    pub(super) fn by_health(all: &[Endpoint], terms: &Terms) -> Self {
        Self::new(all, terms, &|members| Pool::flat(members, all))
    }

    /// Localities get shares by their weights, less what of them is not available.
    pub(super) fn by_locality(all: &[Endpoint], terms: &Terms) -> Self {
        let mut counts: HashMap<(u32, &Locality), u32> = HashMap::new();
        for endpoint in all.iter().filter(|endpoint| !endpoint.probing.excluded) {
            let count = counts.entry((endpoint.priority, &endpoint.locality));
            *count.or_default() += 1;
        }
        Self::new(all, terms, &|members| weighed(members, all, terms, &counts))
    }

    fn new(all: &[Endpoint], terms: &Terms, pool: &dyn Fn(Vec<u32>) -> Pool) -> Self {
        let mut by_priority: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for (endpoint, index) in all.iter().zip(0u32..) {
            let members = by_priority.entry(endpoint.priority).or_default();
            members.push(index);
        }
        let members = by_priority.into_values();
        let levels: Vec<_> = members.map(|m| Level::new(m, all, terms, pool)).collect();
        let sum: u32 = levels
            .iter()
            .map(|l| l.availability.0 + l.availability.1)
            .sum();
        let available = sum.min(100);
        Self {
            shares: shares(&levels, available),
            last_resort: last_resort(&levels),
            levels,
            available,
        }
    }

    /// Whether all requests go to one pool.
    pub(crate) fn is_simple(&self) -> bool {
        self.shares.len() == 1
    }

    /// Where a request goes, by its lot. `threshold`: below so many per cent of available endpoints in a priority
    /// all of it are used, if the others cannot take what is too much for it; nought is never.
    pub(crate) fn at(&self, threshold: u8, lot: u64) -> Option<At> {
        let shares = match self.shares.is_empty() && threshold > 0 {
            true => &self.last_resort,
            false => &self.shares,
        };
        let at = match shares.as_slice() {
            [only] => only.at,
            several => {
                let lot = u32::try_from(lot % 100).ok()?;
                several.iter().find(|share| lot < share.upto)?.at
            }
        };
        let panics = || {
            let level = self.levels.get(at.level);
            level.is_some_and(|level| level.panics(threshold))
        };
        match self.available < 100 && panics() {
            true => Some(At {
                who: Who::Everyone,
                ..at
            }),
            false => Some(at),
        }
    }

    /// Who is there.
    pub(crate) fn pool(&self, at: At) -> Option<&Pool> {
        let level = self.levels.get(at.level)?;
        Some(match at.who {
            Who::Healthy => &level.healthy,
            Who::Degraded => &level.degraded,
            Who::Everyone => level.everyone.as_ref().unwrap_or(&level.healthy),
        })
    }

    /// All who get requests, by shares.
    pub(crate) fn pools(&self) -> impl Iterator<Item = &Pool> {
        self.shares.iter().filter_map(|share| self.pool(share.at))
    }
}

impl Level {
    fn new(
        members: Vec<u32>,
        all: &[Endpoint],
        terms: &Terms,
        pool: &dyn Fn(Vec<u32>) -> Pool,
    ) -> Self {
        let of = |wanted: Health| -> Vec<u32> {
            let is = |index: &&u32| {
                all.get(**index as usize)
                    .is_some_and(|e| e.health == wanted)
            };
            members.iter().filter(is).copied().collect()
        };
        let (healthy, degraded) = (of(Health::Healthy), of(Health::Degraded));
        let size = |members: &[u32]| -> u64 {
            let endpoints = members.iter().filter_map(|index| all.get(*index as usize));
            let one = |e: &Endpoint| if terms.by_weight { e.weight.into() } else { 1 };
            endpoints.map(one).sum()
        };
        let counts = |index: &&u32| {
            all.get(**index as usize)
                .is_some_and(|endpoint| !endpoint.probing.excluded)
        };
        let counted: Vec<u32> = members.iter().filter(counts).copied().collect();
        let total = size(&counted);
        let availability = |of: &[u32]| -> u32 {
            let scaled = u64::from(terms.overprovisioning).saturating_mul(size(of));
            let percent = scaled.checked_div(total).unwrap_or_default().min(100);
            u32::try_from(percent).unwrap_or_default()
        };
        Self {
            availability: (availability(&healthy), availability(&degraded)),
            count: members.len(),
            counted: counted.len(),
            everyone: (healthy.len() < members.len()).then(|| Pool::flat(members, all)),
            healthy: pool(healthy),
            degraded: pool(degraded),
        }
    }

    fn panics(&self, threshold: u8) -> bool {
        let available = self.healthy.members.len() + self.degraded.members.len();
        match self.counted {
            0 => threshold > 0,
            counted => available.saturating_mul(100) < counted.saturating_mul(threshold.into()),
        }
    }
}

/// First the healthy get what they can take, the better priority first, then the degraded. What could be taken in
/// all is made a hundred per cent of; what is lost by rounding goes to the first.
fn shares(levels: &[Level], available: u32) -> Vec<Share> {
    let could = |who, take: fn(&Level) -> u32| {
        let levels = levels.iter().enumerate();
        levels.map(move |(level, of)| (At { level, who }, take(of)))
    };
    let healthy = could(Who::Healthy, |level| level.availability.0);
    let degraded = could(Who::Degraded, |level| level.availability.1);
    let mut left = 100u32;
    let mut loads = Vec::new();
    for (at, could) in healthy.chain(degraded).filter(|(_, could)| *could > 0) {
        let wanted = could * 100;
        let load = wanted.checked_div(available).unwrap_or_default().min(left);
        left -= load;
        loads.push((at, load));
    }
    summed(loads, left)
}

/// By how many there are, whatever their health.
fn last_resort(levels: &[Level]) -> Vec<Share> {
    let total: usize = levels.iter().map(|level| level.count).sum();
    let mut left = 100u32;
    let load = |(level, of): (usize, &Level)| {
        let percent = (of.count * 100).checked_div(total).unwrap_or_default();
        let load = u32::try_from(percent).unwrap_or_default();
        left = left.saturating_sub(load);
        let who = Who::Everyone;
        (At { level, who }, load)
    };
    let loads = levels.iter().enumerate().map(load).collect();
    summed(loads, left)
}

/// Running sums; the first gets what is left. Who gets nothing is left out.
fn summed(loads: Vec<(At, u32)>, left: u32) -> Vec<Share> {
    let mut upto = left;
    let mut shares = Vec::new();
    for (at, load) in loads {
        upto += load;
        if load > 0 || (shares.is_empty() && left > 0) {
            shares.push(Share { upto, at });
        }
    }
    shares
}

/// One pool of the localities that have any of these members of a priority. `counts`: how many endpoints each has.
fn weighed(
    members: Vec<u32>,
    all: &[Endpoint],
    terms: &Terms,
    counts: &HashMap<(u32, &Locality), u32>,
) -> Pool {
    let mut places: BTreeMap<(u32, &Locality), Vec<u32>> = BTreeMap::new();
    for index in &members {
        if let Some(endpoint) = all.get(*index as usize) {
            let key = (endpoint.priority, &*endpoint.locality);
            places.entry(key).or_default().push(*index);
        }
    }
    let place = |(key, members): ((u32, &Locality), Vec<u32>)| {
        let count = counts.get(&key).copied().unwrap_or_default();
        let available = members.len() as f64 / f64::from(count.max(1));
        let could = (f64::from(terms.overprovisioning) / 100.0 * available).min(1.0);
        let weight = f64::from(terms.weight(key.0, key.1)) * could;
        (weight > 0.0).then_some(Place { members, weight })
    };
    let places: Vec<Place> = places.into_iter().filter_map(place).collect();
    match places.is_empty() {
        // As if nothing was said.
        true => Pool::flat(members, all),
        false => Pool::of_places(&places, all),
    }
}

#[cfg(test)]
mod tests;
