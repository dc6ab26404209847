//! How long a connection is waited for that is being opened: no longer than its endpoint is one.
//!
//! Many may hang at once, and configurations may be large: each one that is asked about is searched
//! once for all of them.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use mesh_traffic::Config;

use crate::http::failure::{Failure, FailureKind};

/// How often it is looked whether somebody is still meant to be at an address that does not answer.
const LOOK: Duration = Duration::from_millis(250);
/// Configurations whose addresses are kept: that in which calls were begun, and the newest.
const KEPT: usize = 2;

/// How long a connection is waited for.
pub(crate) struct Patience {
    deadline: Instant,
    /// The configuration that was looked at last, or in which it was begun.
    known: Arc<Config>,
    /// Whether that has an endpoint there, once it was looked at.
    listed: Option<bool>,
}

impl Patience {
    pub(crate) fn new(deadline: Instant, known: Arc<Config>) -> Self {
        Self {
            deadline,
            known,
            listed: None,
        }
    }

    /// When it is to be judged next.
    pub(crate) fn next(&self, now: Instant) -> Instant {
        self.deadline.min(now + LOOK)
    }

    /// Why it is not waited for any longer: the time is over, or the endpoint was taken away. From
    /// the address of a pod that is gone comes no answer at all.
    pub(crate) fn over(
        &mut self,
        now: Instant,
        address: SocketAddr,
        known: &Arc<Config>,
        listed: &mut Listed,
    ) -> Option<Failure> {
        if now >= self.deadline {
            let failure = Failure::safe(FailureKind::ConnectTimeout);
            return Some(failure.caused_by("deadline has elapsed"));
        }
        if Arc::ptr_eq(&self.known, known) {
            return None;
        }
        // Where the client itself wanted to go need not be any endpoint.
        let before = self.listed;
        let before = before.unwrap_or_else(|| listed.has(&self.known, address));
        let after = listed.has(known, address);
        self.known = known.clone();
        self.listed = Some(after);
        (before && !after).then(|| {
            let failure = Failure::safe(FailureKind::ConnectFailed);
            failure.caused_by(format!("{address} is no longer an endpoint"))
        })
    }
}

/// The addresses of endpoints in the configurations that were asked about last.
#[derive(Default)]
pub(crate) struct Listed(Vec<Of>);

struct Of {
    /// Outlived by nothing here, but no other one has its place.
    config: Weak<Config>,
    addresses: HashSet<SocketAddr, ahash::RandomState>,
}

impl Listed {
    fn has(&mut self, config: &Arc<Config>, address: SocketAddr) -> bool {
        let is = |of: &Of| std::ptr::eq(of.config.as_ptr(), Arc::as_ptr(config));
        if let Some(of) = self.0.iter().find(|of| is(of)) {
            return of.addresses.contains(&address);
        }
        if self.0.len() >= KEPT {
            self.0.remove(0);
        }
        let of = Of {
            config: Arc::downgrade(config),
            addresses: config.addresses().collect(),
        };
        let has = of.addresses.contains(&address);
        self.0.push(of);
        has
    }

    /// Lets go of everything: it can be had again.
    pub(crate) fn clear(&mut self) {
        self.0 = Vec::new();
    }
}

#[cfg(test)]
mod tests;
