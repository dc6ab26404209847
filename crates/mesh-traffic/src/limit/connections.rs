//! How many connections pass a filter chain in so much time (`envoy.filters.network.local_ratelimit`).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use mesh_model::Str;

use super::{Bucket, Filling, Lasts};

/// What a filter chain says of how many connections pass.
#[derive(Debug)]
pub struct ConnectionLimit {
    stat_prefix: Str,
    filling: Filling,
    state: OnceLock<Arc<State>>,
}

#[derive(Debug)]
struct State {
    bucket: Bucket,
    limited: AtomicU64,
}

impl ConnectionLimit {
    pub(crate) fn new(stat_prefix: Str, filling: Filling) -> Self {
        Self {
            stat_prefix,
            filling,
            state: OnceLock::new(),
        }
    }

    /// The prefix of its statistics.
    #[must_use]
    pub fn stat_prefix(&self) -> &Str {
        &self.stat_prefix
    }

    /// Whether one more connection passes.
    #[must_use]
    pub fn lets_pass(&self, now: Instant) -> bool {
        let State { bucket, limited } = self.state();
        let passes = bucket.take(now);
        if !passes {
            limited.fetch_add(1, Ordering::Relaxed);
        }
        passes
    }

    /// How many did not pass.
    #[must_use]
    pub fn limited(&self) -> u64 {
        self.state().limited.load(Ordering::Relaxed)
    }

    fn state(&self) -> &State {
        self.state.get_or_init(|| {
            Arc::new(State {
                bucket: Bucket::new(self.filling),
                limited: AtomicU64::new(0),
            })
        })
    }
}

/// Limits are the same when they say the same.
impl PartialEq for ConnectionLimit {
    fn eq(&self, other: &Self) -> bool {
        self.stat_prefix == other.stat_prefix && self.filling == other.filling
    }
}

impl Lasts for ConnectionLimit {
    fn follow(&self, before: &Self) {
        before.state();
        if let Some(state) = before.state.get() {
            self.state.set(state.clone()).ok();
        }
    }
}
