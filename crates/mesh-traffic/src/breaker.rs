//! Circuit breakers: how much of a cluster one proxy uses at once, and what is too much.
//!
//! All workers of a proxy share a cluster's counts. A cluster that nothing bounds has none of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use crate::cluster::{Limits, Retries};

/// What is bounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Resource {
    /// Connections to endpoints.
    Connections,
    /// Requests that wait for a connection.
    Pending,
    /// Requests under way.
    Requests,
    /// Requests that are being repeated.
    Retries,
}

impl Resource {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Connections,
        Self::Pending,
        Self::Requests,
        Self::Retries,
    ];
}

/// The circuit breakers of a cluster.
#[derive(Debug, Clone)]
pub struct Breaker {
    limits: Limits,
    usage: Arc<Usage>,
}

#[derive(Debug, Default)]
struct Usage {
    connections: Count,
    pending: Count,
    requests: Count,
    retries: Count,
}

#[derive(Debug, Default)]
struct Count {
    active: AtomicU32,
    overflows: AtomicU64,
}

/// One of what is bounded, in use for as long as it is held.
#[derive(Debug)]
pub struct Permit {
    usage: Arc<Usage>,
    resource: Resource,
}

impl Breaker {
    /// The circuit breakers of a cluster; `None` where nothing is bounded.
    #[must_use]
    pub fn new(limits: Limits) -> Option<Self> {
        let usage = Arc::default();
        (limits != Limits::NONE).then_some(Self { limits, usage })
    }

    /// The bounds.
    #[must_use]
    pub const fn limits(&self) -> Limits {
        self.limits
    }

    /// Goes on with the counts of another one.
    #[must_use]
    pub fn following(self, before: &Self) -> Self {
        Self {
            usage: before.usage.clone(),
            ..self
        }
    }

    /// One more of a resource; `None`, which is counted, when there are as many as there may be.
    #[must_use]
    pub fn take(&self, resource: Resource) -> Option<Permit> {
        let most = self.most(resource);
        let more = |active: u32| (active < most).then(|| active + 1);
        let Count { active, overflows } = self.usage.of(resource);
        let taken = active.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        if taken.is_err() {
            overflows.fetch_add(1, Ordering::Relaxed);
        }
        taken.is_ok().then(|| self.permit(resource))
    }

    /// One more of a resource, however many there are.
    #[must_use]
    pub fn take_anyway(&self, resource: Resource) -> Permit {
        let active = &self.usage.of(resource).active;
        active.fetch_add(1, Ordering::Relaxed);
        self.permit(resource)
    }

    fn permit(&self, resource: Resource) -> Permit {
        let usage = self.usage.clone();
        Permit { usage, resource }
    }

    /// How many there may be now: retries may depend on how many requests there are.
    #[must_use]
    pub fn most(&self, resource: Resource) -> u32 {
        match (resource, self.limits.retries) {
            (Resource::Connections, _) => self.limits.connections,
            (Resource::Pending, _) => self.limits.pending,
            (Resource::Requests, _) => self.limits.requests,
            (Resource::Retries, Retries::Most(most)) => most,
            (Resource::Retries, Retries::Share { hundredths, least }) => {
                let active = u64::from(self.active(Resource::Requests))
                    + u64::from(self.active(Resource::Pending));
                let share = active.saturating_mul(hundredths.into()) / 10_000;
                u32::try_from(share).unwrap_or(u32::MAX).max(least)
            }
        }
    }

    /// How many there are.
    #[must_use]
    pub fn active(&self, resource: Resource) -> u32 {
        self.usage.of(resource).active.load(Ordering::Relaxed)
    }

    /// How often there were too many.
    #[must_use]
    pub fn overflows(&self, resource: Resource) -> u64 {
        self.usage.of(resource).overflows.load(Ordering::Relaxed)
    }

    /// Whether one more would be too many.
    #[must_use]
    pub fn is_open(&self, resource: Resource) -> bool {
        self.active(resource) >= self.most(resource)
    }
}

/// Breakers are the same when they count the same cluster: its limits may have changed meanwhile.
impl PartialEq for Breaker {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.usage, &other.usage)
    }
}

impl Eq for Breaker {}

impl Usage {
    const fn of(&self, resource: Resource) -> &Count {
        match resource {
            Resource::Connections => &self.connections,
            Resource::Pending => &self.pending,
            Resource::Requests => &self.requests,
            Resource::Retries => &self.retries,
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        // Each permit was counted once, so this never goes below zero.
        let active = &self.usage.of(self.resource).active;
        active.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests;
