//! Workers: threads that carry the traffic, each with a loop and everything its requests share.
//!
//! Workers share nothing that is written on the request's path: pools, balancing, chance and
//! counters are each worker's own. Connections reach a worker over a bounded queue.

pub(crate) mod buffers;
pub(crate) mod engine;
pub(crate) mod held;
pub mod overload;
mod relief;
pub(crate) mod shelf;
pub(crate) mod spares;
pub(crate) mod timers;

use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use mesh_model::time::Clock;
use mesh_pki::live::LiveIdentity;
use mesh_runtime::Tasks;
use tokio::sync::{Notify, mpsc};

use crate::config::live::LiveConfig;
use crate::conn::accept::Accepted;
use crate::http::exchange::OwnMetadata;
use crate::http::observe::Observer;
use crate::worker::engine::{Engine, WAKER};
use crate::worker::overload::Overload;

/// Accepted connections that may wait for a worker.
pub const QUEUE: usize = 128;

/// What all workers have in common; each makes its own things of it.
pub struct Shared {
    /// The configuration in force.
    pub live: Arc<LiveConfig>,
    /// Our identity; without one there is no mutual TLS.
    pub identity: Option<LiveIdentity>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Our workload's metadata, as peers get it.
    pub own: OwnMetadata,
    /// Makes what a worker tells of its requests.
    pub observers: Box<dyn Fn() -> Rc<dyn Observer> + Send + Sync>,
    /// What runs beside the workers.
    pub tasks: Tasks,
    /// How short of memory the process is.
    pub overload: Arc<Overload>,
}

/// The way to one worker.
#[derive(Clone)]
pub struct Door {
    queue: mpsc::Sender<Accepted>,
    waker: Arc<mio::Waker>,
    signals: Arc<Signals>,
}

impl Door {
    /// Hands over a connection; it comes back when the worker has its hands full or is gone.
    ///
    /// # Errors
    /// The connection.
    pub fn try_send(&self, accepted: Accepted) -> Result<(), Box<Accepted>> {
        self.queue
            .try_send(accepted)
            .map_err(|refused| Box::new(refused.into_inner()))?;
        self.wake();
        Ok(())
    }

    /// Hands over a connection and waits for room; false when the worker is gone.
    pub async fn send(&self, accepted: Accepted) -> bool {
        let sent = self.queue.send(accepted).await.is_ok();
        self.wake();
        sent
    }

    /// Lets the worker look which of its connections are to finish.
    pub fn look_for_drains(&self) {
        self.signals.drains.fetch_add(1, Ordering::AcqRel);
        self.wake();
    }

    /// Lets the worker look which endpoints pass their health checks.
    pub(crate) fn look_for_failures(&self) {
        self.signals.failures.fetch_add(1, Ordering::AcqRel);
        self.wake();
    }

    /// Lets the worker look into its inbox.
    pub(crate) fn wake(&self) {
        if let Err(error) = self.waker.wake() {
            tracing::warn!(%error, "worker not woken");
        }
    }
}

/// What a worker's thread and the others tell one another.
#[derive(Default)]
pub(crate) struct Signals {
    /// How many workers there are.
    pub(crate) workers: usize,
    /// The worker is to end.
    pub(crate) stop: AtomicBool,
    /// Counts how often connections were asked to finish.
    pub(crate) drains: AtomicU64,
    /// Counts how often endpoints may have ceased to pass their health checks.
    pub(crate) failures: AtomicU64,
    /// Connections of clients that are open, at all workers.
    pub(crate) open: AtomicUsize,
    /// Told when the last of them has ended.
    pub(crate) empty: Notify,
}

impl Signals {
    /// A client's connection has come.
    pub(crate) fn opened(&self) {
        self.open.fetch_add(1, Ordering::AcqRel);
    }

    /// A client's connection has ended.
    pub(crate) fn closed(&self) {
        if self.open.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.empty.notify_waiters();
        }
    }
}

/// The threads of the workers, and the doors that lead to them.
pub struct Workers {
    doors: Vec<Door>,
    threads: Vec<std::thread::JoinHandle<()>>,
    signals: Arc<Signals>,
}

impl Workers {
    /// Starts `count` workers.
    ///
    /// # Errors
    /// When a thread or its poll cannot be had.
    pub fn start(count: usize, shared: &Arc<Shared>) -> io::Result<Self> {
        let mut workers = Self {
            doors: Vec::new(),
            threads: Vec::new(),
            signals: Arc::new(Signals {
                workers: count.max(1),
                ..Signals::default()
            }),
        };
        for index in 0..count.max(1) {
            let (queue, inbox) = mpsc::channel(QUEUE);
            let poll = mio::Poll::new()?;
            let waker = Arc::new(mio::Waker::new(poll.registry(), WAKER)?);
            let (shared, signals) = (shared.clone(), workers.signals.clone());
            let thread = std::thread::Builder::new().name(format!("worker-{index}"));
            let handle = thread.spawn(move || {
                let engine = Engine::new(&shared, poll, inbox, signals);
                match engine {
                    Ok(engine) => engine.run(),
                    Err(error) => tracing::error!(%error, "worker not started"),
                }
            })?;
            let signals = workers.signals.clone();
            workers.doors.push(Door {
                queue,
                waker,
                signals,
            });
            workers.threads.push(handle);
        }
        Ok(workers)
    }

    /// The doors, one per worker.
    #[must_use]
    pub fn doors(&self) -> Vec<Door> {
        self.doors.clone()
    }

    /// Waits until every client's connection has ended; false when the time was over first.
    pub async fn emptied(&self, within: Duration) -> bool {
        let empty = async {
            loop {
                let told = self.signals.empty.notified();
                tokio::pin!(told);
                told.as_mut().enable();
                if self.signals.open.load(Ordering::Acquire) == 0 {
                    return;
                }
                told.await;
            }
        };
        tokio::time::timeout(within, empty).await.is_ok()
    }

    /// Ends the threads; what they were still serving is cut off.
    pub fn stop(self) {
        self.signals.stop.store(true, Ordering::Release);
        for door in &self.doors {
            door.wake();
        }
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a worker ended by a panic");
            }
        }
    }
}

#[cfg(test)]
mod tests;
