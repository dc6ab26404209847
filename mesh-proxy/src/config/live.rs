//! The configuration in force: one immutable value, replaced as a whole.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arc_swap::ArcSwap;
use mesh_traffic::Config;
use parking_lot::Mutex;
use tokio::sync::watch;

/// Where requests take their configuration from, and where a new one is put.
#[derive(Debug)]
pub struct LiveConfig {
    config: ArcSwap<Config>,
    changes: watch::Sender<u64>,
    /// Held by whoever makes the next one out of this one.
    writing: Mutex<()>,
    failing: AtomicBool,
}

impl LiveConfig {
    /// Begins with this configuration.
    #[must_use]
    pub fn new(config: Config) -> Self {
        let (changes, _) = watch::channel(config.version);
        Self {
            config: ArcSwap::from_pointee(config.checked()),
            changes,
            writing: Mutex::default(),
            failing: AtomicBool::new(false),
        }
    }

    /// The configuration in force now; whoever holds it keeps seeing this one.
    #[must_use]
    pub fn current(&self) -> Arc<Config> {
        self.config.load_full()
    }

    /// Puts another one in force, and tells those who wait for changes.
    pub fn replace(&self, config: Config) {
        self.change(|_| config);
    }

    /// Puts in force what is made of the one before, which nobody else replaces meanwhile, with what health checks
    /// know.
    pub fn change(&self, make: impl FnOnce(&Config) -> Config) -> Arc<Config> {
        let _writing = self.writing.lock();
        let config = Arc::new(make(&self.config.load()).checked());
        self.config.store(config.clone());
        self.changes.send_replace(config.version);
        config
    }

    /// Says whether this proxy is to fail health checks, as an operator wants it.
    pub fn fail_health_checks(&self, fail: bool) {
        self.failing.store(fail, Ordering::Release);
    }

    /// Whether it is.
    #[must_use]
    pub fn fails_health_checks(&self) -> bool {
        self.failing.load(Ordering::Acquire)
    }

    /// Tells of each change with the version that is in force since.
    #[must_use]
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }
}

#[cfg(test)]
mod tests;
