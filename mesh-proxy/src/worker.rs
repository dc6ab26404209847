//! A worker: one thread with a runtime of its own, and everything that its requests share.
//!
//! Workers share nothing that is written on the request's path: pools, balancing, chance and
//! counters are each worker's own. Connections reach it over a bounded queue.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use mesh_model::Str;
use mesh_model::time::Clock;
use mesh_pki::live::LiveIdentity;
use mesh_runtime::Tasks;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::config::live::LiveConfig;
use crate::conn::accept::Accepted;
use crate::conn::handshake::ServerConfigs;
use crate::http::exchange::OwnMetadata;
use crate::http::observe::Observer;
use crate::upstream::balance::Balancers;
use crate::upstream::pool::Pools;

/// Accepted connections that may wait for a worker.
pub const QUEUE: usize = 128;
/// How often what is no longer used is put away.
const SWEEP: Duration = Duration::from_secs(10);

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
    /// What runs beside connections: those to upstreams, above all.
    pub tasks: Tasks,
    /// Connections of clients.
    pub connections: Tasks,
}

/// What the requests of one worker share.
pub struct Worker {
    /// The configuration in force.
    pub live: Arc<LiveConfig>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Whose turn it is, and who is how busy.
    pub balancers: Balancers,
    /// Connections to upstreams.
    pub pools: Pools,
    /// TLS towards clients.
    pub server_tls: ServerConfigs,
    /// Chance.
    pub random: RefCell<fastrand::Rng>,
    /// What runs beside connections: those to upstreams, above all.
    pub tasks: Tasks,
    /// Connections of clients.
    pub connections: Tasks,
    /// Our workload's metadata, as peers get it.
    pub own: OwnMetadata,
    /// Is told of requests.
    pub observer: Rc<dyn Observer>,
    identity: Option<LiveIdentity>,
}

impl Worker {
    /// A worker with empty pools.
    #[must_use]
    pub fn new(shared: &Shared) -> Rc<Self> {
        Rc::new(Self {
            live: shared.live.clone(),
            clock: shared.clock.clone(),
            balancers: Balancers::default(),
            pools: Pools::new(
                shared.identity.clone(),
                shared.tasks.clone(),
                shared.clock.clone(),
            ),
            server_tls: ServerConfigs::new(shared.identity.clone()),
            random: RefCell::new(fastrand::Rng::new()),
            tasks: shared.tasks.clone(),
            connections: shared.connections.clone(),
            own: shared.own.clone(),
            observer: (shared.observers)(),
            identity: shared.identity.clone(),
        })
    }

    /// Who we are.
    #[must_use]
    pub fn own_identity(&self) -> Option<Str> {
        let identity = self.identity.as_ref()?;
        Some(identity.current().spiffe_id().to_string().into())
    }

    /// Serves connections from the queue until it is closed or the worker is stopped.
    pub async fn run(self: Rc<Self>, mut queue: mpsc::Receiver<Accepted>, stop: CancellationToken) {
        let mut sweep = tokio::time::interval(SWEEP);
        sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                accepted = queue.recv() => match accepted {
                    Some(accepted) => {
                        let serving = crate::conn::serve(self.clone(), accepted);
                        self.connections.spawn_local("connection", serving);
                    }
                    // No socket is left; what is open goes on until the end.
                    None => {
                        stop.cancelled().await;
                        return;
                    }
                },
                _ = sweep.tick() => {
                    self.pools.sweep();
                    self.balancers.sweep(&self.live.current());
                }
                () = stop.cancelled() => return,
            }
        }
    }
}

/// The threads of the workers, and the queues that lead to them.
pub struct Workers {
    queues: Vec<mpsc::Sender<Accepted>>,
    threads: Vec<std::thread::JoinHandle<()>>,
    stop: CancellationToken,
}

impl Workers {
    /// Starts `count` workers.
    ///
    /// # Errors
    /// When a thread or its runtime cannot be had.
    pub fn start(count: usize, shared: &Arc<Shared>) -> std::io::Result<Self> {
        let stop = CancellationToken::new();
        let mut workers = Self {
            queues: Vec::new(),
            threads: Vec::new(),
            stop,
        };
        for index in 0..count.max(1) {
            let (sender, receiver) = mpsc::channel(QUEUE);
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            let (shared, stop) = (shared.clone(), workers.stop.clone());
            let thread = std::thread::Builder::new().name(format!("worker-{index}"));
            let handle = thread.spawn(move || {
                let local = tokio::task::LocalSet::new();
                local.block_on(&runtime, Worker::new(&shared).run(receiver, stop));
            })?;
            workers.queues.push(sender);
            workers.threads.push(handle);
        }
        Ok(workers)
    }

    /// The queues, one per worker.
    #[must_use]
    pub fn queues(&self) -> Vec<mpsc::Sender<Accepted>> {
        self.queues.clone()
    }

    /// Ends the threads; what they were still serving is cut off.
    pub fn stop(self) {
        self.stop.cancel();
        drop(self.queues);
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a worker ended by a panic");
            }
        }
    }
}

#[cfg(test)]
mod tests;
