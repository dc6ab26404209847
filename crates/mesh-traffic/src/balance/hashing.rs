//! Consistent hashing: to which endpoint a hash belongs, by rings and tables that are laid as Envoy lays them.

use std::sync::{Arc, Weak};

use xxhash_rust::xxh64::xxh64;

use crate::cluster::Hashing;
use crate::endpoint::plan::At;
use crate::endpoint::pool::Pool;
use crate::endpoint::{Endpoint, Endpoints};

/// Rings or tables, and the endpoints that they were laid for.
#[derive(Debug)]
pub(super) struct Laid {
    hashing: Hashing,
    endpoints: Weak<Endpoints>,
    weighs_localities: bool,
    /// One for each pool that was asked for.
    tables: Vec<(At, Table)>,
}

#[derive(Debug)]
enum Table {
    /// Points in order, each with the endpoint that owns what lies before it.
    Ring(Vec<(u64, u32)>),
    /// The owners of slots.
    Maglev(Vec<u32>),
}

impl Laid {
    /// For endpoints, of which localities may have weights.
    pub(super) fn new(hashing: Hashing, of: (&Arc<Endpoints>, bool)) -> Self {
        Self {
            hashing,
            endpoints: Arc::downgrade(of.0),
            weighs_localities: of.1,
            tables: Vec::new(),
        }
    }

    /// Whether it is for this.
    pub(super) fn is_for(&self, hashing: Hashing, of: (&Arc<Endpoints>, bool)) -> bool {
        let same = std::ptr::eq(self.endpoints.as_ptr(), Arc::as_ptr(of.0));
        same && self.hashing == hashing && self.weighs_localities == of.1
    }

    /// The endpoint of a pool that owns a hash; after the first attempt rather another one.
    pub(super) fn owner(&mut self, of: (At, &Pool), hash: u64, attempt: u32) -> Option<usize> {
        let (at, pool) = of;
        let lies = |(laid, _): &&(At, Table)| *laid == at;
        if !self.tables.iter().any(|table| lies(&table)) {
            let endpoints = self.endpoints.upgrade()?;
            let table = Table::new(self.hashing, &endpoints, pool);
            self.tables.push((at, table));
        }
        let (_, table) = self.tables.iter().find(lies)?;
        table.owner(hash, attempt)
    }
}

impl Table {
    fn new(hashing: Hashing, endpoints: &Endpoints, pool: &Pool) -> Self {
        let mut hosts = hosts(hashing, endpoints, pool);
        match hashing {
            Hashing::Ring { least, most, .. } => Self::Ring(ring(&hosts, least, most)),
            Hashing::Maglev { size, .. } => Self::Maglev(maglev(&mut hosts, size)),
        }
    }

    fn owner(&self, hash: u64, attempt: u32) -> Option<usize> {
        let index = match self {
            Self::Ring(points) => {
                let at = points.partition_point(|(point, _)| *point < hash);
                let at = if at == points.len() { 0 } else { at };
                let at = (at + attempt as usize).checked_rem(points.len())?;
                points.get(at)?.1
            }
            Self::Maglev(slots) => {
                // High bits change much, so that attempts scatter.
                let hash = match attempt {
                    0 => hash,
                    more => hash ^ (u64::MAX - u64::from(more) + 1),
                };
                let slot = hash.checked_rem(slots.len() as u64)?;
                *slots.get(usize::try_from(slot).ok()?)?
            }
        };
        Some(index as usize)
    }
}

/// An endpoint as it is laid.
struct Host {
    index: u32,
    key: String,
    /// Its share of the weight of all.
    share: f64,
}

fn hosts(hashing: Hashing, endpoints: &Endpoints, pool: &Pool) -> Vec<Host> {
    let members = pool.members.iter().enumerate();
    let host = |(position, index): (usize, &u32)| {
        Some(Host {
            index: *index,
            key: key(hashing, endpoints.all.get(*index as usize)?),
            share: pool.share(position),
        })
    };
    members.filter_map(host).collect()
}

fn key(hashing: Hashing, endpoint: &Endpoint) -> String {
    match &endpoint.hostname {
        Some(name) if hashing.by_hostname() => name.to_string(),
        Some(_) | None => endpoint.address.to_string(),
    }
}

/// The endpoint of the least weight gets a whole number of points, at least its share of `least`; there are
/// `most` at most, or one for each endpoint.
fn ring(hosts: &[Host], least: u64, most: u64) -> Vec<(u64, u32)> {
    let shares = hosts.iter().map(|host| host.share);
    let smallest = shares.fold(1.0, f64::min);
    let scale = ((smallest * least as f64).ceil() / smallest).min(most as f64);
    let mut points = Vec::with_capacity(scale.ceil() as usize);
    let mut key = String::new();
    // Shares are seldom whole numbers, so both sums run over all endpoints.
    let (mut laid, mut wanted) = (0.0, 0.0);
    for host in hosts {
        wanted += scale * host.share;
        let mut number = 0u64;
        while laid < wanted {
            key.clear();
            key.push_str(&host.key);
            key.push('_');
            key.push_str(&number.to_string());
            points.push((xxh64(key.as_bytes(), 0), host.index));
            number += 1;
            laid += 1.0;
        }
    }
    points.sort_unstable();
    points
}

/// Endpoints take slots in turns, each in an order of its own; heavier ones take more turns
/// (Eisenbud et al., Maglev, 3.4).
fn maglev(hosts: &mut [Host], size: u32) -> Vec<u32> {
    hosts.sort_by(|one, other| one.key.cmp(&other.key));
    let heaviest = hosts.iter().map(|host| host.share).fold(0.0, f64::max);
    let size = u64::from(size);
    let mut turns: Vec<Turn> = hosts.iter().map(|host| Turn::new(host, size)).collect();
    let mut slots: Vec<Option<u32>> = vec![None; size as usize];
    let mut free = if turns.is_empty() { 0 } else { slots.len() };
    for round in 1u32.. {
        if free == 0 {
            break;
        }
        for turn in &mut turns {
            if free == 0 {
                break;
            }
            if f64::from(round) * turn.share < turn.due {
                continue;
            }
            turn.due += heaviest;
            // Its order goes through all slots, of which one is free.
            while let Some(slot) = slots.get_mut(turn.next(size)) {
                if slot.is_none() {
                    *slot = Some(turn.index);
                    free -= 1;
                    break;
                }
            }
        }
    }
    slots.into_iter().flatten().collect()
}

/// How one endpoint goes through the slots.
struct Turn {
    index: u32,
    share: f64,
    due: f64,
    slot: u64,
    skip: u64,
}

impl Turn {
    fn new(host: &Host, size: u64) -> Self {
        let key = host.key.as_bytes();
        Self {
            index: host.index,
            share: host.share,
            due: 0.0,
            slot: xxh64(key, 0) % size,
            skip: xxh64(key, 1) % (size - 1) + 1,
        }
    }

    fn next(&mut self, size: u64) -> usize {
        let slot = self.slot;
        self.slot = (slot + self.skip) % size;
        slot as usize
    }
}

#[cfg(test)]
mod tests;
