//! Buckets for values that come with requests: one for each of the latest, and no more than there may be.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher, Hash, Hasher};
use std::sync::Arc;

use ahash::RandomState;
use parking_lot::Mutex;

use super::descriptor::Descriptor;
use super::{Bucket, Filling};

/// Buckets by what requests bring.
#[derive(Debug)]
pub(crate) struct Dynamic {
    filling: Filling,
    most: usize,
    /// Values are kept as what two secret hashes make of them: they may be long, and are a stranger's.
    hashes: [RandomState; 2],
    /// Held for a look-up, and never while a bucket is asked.
    kept: Mutex<Kept>,
}

type Key = [u64; 2];

#[derive(Debug, Default)]
struct Kept {
    buckets: HashMap<Key, (u64, Arc<Bucket>), RandomState>,
    /// Who was asked when.
    order: BTreeMap<u64, Key>,
    turn: u64,
}

impl Dynamic {
    pub(crate) fn new(filling: Filling, most: usize) -> Self {
        Self {
            filling,
            most,
            hashes: [RandomState::new(), RandomState::new()],
            kept: Mutex::default(),
        }
    }

    /// The bucket of a descriptor; the one that was not asked for longest makes room for a new one.
    pub(crate) fn of(&self, asked: &Descriptor<'_>) -> Arc<Bucket> {
        let key = self.hashes.each_ref().map(|hash| digest(hash, asked));
        let mut kept = self.kept.lock();
        let Kept {
            buckets,
            order,
            turn,
        } = &mut *kept;
        *turn += 1;
        let (since, bucket) = buckets
            .entry(key)
            .or_insert_with(|| (*turn, Arc::new(Bucket::new(self.filling))));
        order.remove(&*since);
        *since = *turn;
        order.insert(*turn, key);
        let bucket = bucket.clone();
        if buckets.len() > self.most
            && let Some((_, oldest)) = order.pop_first()
        {
            buckets.remove(&oldest);
        }
        bucket
    }
}

fn digest(hash: &RandomState, asked: &Descriptor<'_>) -> u64 {
    let mut hasher = hash.build_hasher();
    for entry in asked {
        entry.value.hash(&mut hasher);
    }
    hasher.finish()
}

#[cfg(test)]
mod tests;
