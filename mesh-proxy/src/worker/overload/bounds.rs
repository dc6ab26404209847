//! How many connections of clients there may be: in the process, at a listener, from one address.
//!
//! Where a bound is reached nothing more is accepted, and the kernel's queue holds clients back
//! (CVE-2020-8663: accepting without files left is a loop that serves nobody). Only a client that
//! has too many connections of its own is closed, since it would hold back the others.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;

/// How many connections there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Most {
    /// In the process.
    pub total: usize,
    /// At one listener.
    pub listener: usize,
    /// From one address, at all listeners.
    pub client: Option<usize>,
}

impl Most {
    /// As many as `files` allow: a quarter is kept for endpoints, pilot and the admin pages, and an
    /// eighth of the rest for the other listeners.
    #[must_use]
    pub fn of_files(files: u64) -> Self {
        let files = usize::try_from(files).unwrap_or(usize::MAX);
        let total = (files - files / 4).max(1);
        Self {
            total,
            listener: Self::of_listener(total),
            client: None,
        }
    }

    /// What one listener may have of `total`.
    #[must_use]
    pub fn of_listener(total: usize) -> usize {
        (total - total / 8).max(1)
    }
}

/// The connections of one listener.
#[derive(Debug, Clone, Default)]
pub struct Count(Arc<AtomicUsize>);

/// The connections of a process.
pub struct Bounds(Arc<Inner>);

struct Inner {
    most: Most,
    open: AtomicUsize,
    /// Connections by address, while they are bounded.
    clients: Mutex<HashMap<IpAddr, usize, ahash::RandomState>>,
    freed: Notify,
}

impl Bounds {
    /// Nobody is there yet.
    #[must_use]
    pub fn new(most: Most) -> Self {
        Self(Arc::new(Inner {
            most,
            open: AtomicUsize::new(0),
            clients: Mutex::default(),
            freed: Notify::new(),
        }))
    }

    /// How many there may be.
    #[must_use]
    pub fn most(&self) -> Most {
        self.0.most
    }

    /// How many there are.
    #[must_use]
    pub fn open(&self) -> usize {
        self.0.open.load(Ordering::Relaxed)
    }

    /// Whether a listener may take another. Connections that are accepted at the same moment
    /// elsewhere may pass the bound of the process, by one per listener.
    pub(super) fn has_room(&self, listener: &Count) -> bool {
        let most = &self.0.most;
        self.open() < most.total && listener.0.load(Ordering::Relaxed) < most.listener
    }

    /// Waits until there is room at a listener and nobody has `paused` accepting.
    pub(super) async fn wait(&self, listener: &Count, paused: impl Fn() -> bool) {
        loop {
            let freed = self.0.freed.notified();
            tokio::pin!(freed);
            freed.as_mut().enable();
            if self.has_room(listener) && !paused() {
                return;
            }
            freed.await;
        }
    }

    /// Those who wait look again.
    pub(super) fn look_again(&self) {
        self.0.freed.notify_waiters();
    }

    /// Counts a connection for as long as what is returned lives; none when its client has too
    /// many.
    #[must_use]
    pub fn admit(&self, listener: &Count, client: IpAddr) -> Option<Admission> {
        let bounded = match self.0.most.client {
            Some(most) => {
                let mut clients = self.0.clients.lock();
                let count = clients.entry(client).or_default();
                if *count >= most {
                    return None;
                }
                *count += 1;
                Some(client)
            }
            None => None,
        };
        self.0.open.fetch_add(1, Ordering::Relaxed);
        listener.0.fetch_add(1, Ordering::Relaxed);
        Some(Admission {
            bounds: self.0.clone(),
            listener: listener.clone(),
            client: bounded,
        })
    }
}

/// A connection that counts.
pub struct Admission {
    bounds: Arc<Inner>,
    listener: Count,
    client: Option<IpAddr>,
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.bounds.open.fetch_sub(1, Ordering::Relaxed);
        self.listener.0.fetch_sub(1, Ordering::Relaxed);
        if let Some(client) = self.client {
            let mut clients = self.bounds.clients.lock();
            if let Some(count) = clients.get_mut(&client) {
                *count -= 1;
                if *count == 0 {
                    clients.remove(&client);
                }
            }
        }
        self.bounds.freed.notify_waiters();
    }
}

#[cfg(test)]
mod tests;
