//! Active health checks: endpoints that do not pass them get no requests.
//!
//! Each endpoint is probed as often as its cluster says; what comes of it is known to all workers of a proxy. The
//! rules are Envoy's (`source/extensions/health_checkers`). Whoever probes calls [`Checker::begin`] and
//! [`Checker::take`]; nothing here knows a socket or a clock.

mod check;
mod filter;
mod grpc;
mod http;
mod known;
mod state;

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use parking_lot::Mutex;

pub use self::check::{Check, Events, Probe, TcpProbe, Times, found_in_order};
pub(crate) use self::filter::Who;
pub use self::filter::{HealthFilter, SERVICE, Stands};
pub use self::grpc::GrpcProbe;
pub(crate) use self::http::method_takes_body;
pub use self::http::{Answer, DEGRADED, FAIL_AT_ONCE, HttpProbe};
pub use self::known::{Event, Flags, Member};
use self::known::{Known, NotKnown};
pub use self::state::{Failed, Happening, Kind, Outcome};

use crate::endpoint::Endpoints;

/// What a cluster's health check knows of its endpoints.
#[derive(Debug, Clone)]
pub struct Checker {
    check: Arc<Check>,
    watch: Arc<Watch>,
}

#[derive(Debug, Default)]
struct Watch {
    known: Mutex<Known>,
    /// Whether each endpoint was probed once.
    warm: AtomicBool,
    /// Whether the cluster was ever used.
    used: AtomicBool,
    counts: Counters,
    bell: OnceLock<Bell>,
}

#[derive(Debug, Default)]
struct Counters {
    attempts: AtomicU64,
    successes: AtomicU64,
    failures: AtomicU64,
    passive: AtomicU64,
    network: AtomicU64,
    verifications: AtomicU64,
}

/// What a check has counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Probes that were begun.
    pub attempts: u64,
    /// Probes that passed.
    pub successes: u64,
    /// Failures of all kinds.
    pub failures: u64,
    /// Failures that were seen in answers to requests.
    pub passive: u64,
    /// Probes for which there was no connection, or no answer in time.
    pub network: u64,
    /// Answers of which it was looked at which service gave them.
    pub verifications: u64,
    /// Endpoints that pass, at this moment.
    pub healthy: u64,
    /// Endpoints that call themselves degraded, at this moment.
    pub degraded: u64,
}

/// Rings when something is to be looked at; it never waits.
struct Bell(Box<dyn Fn() + Send + Sync>);

impl std::fmt::Debug for Bell {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Bell")
    }
}

impl Checker {
    /// Knows nobody yet.
    #[must_use]
    pub fn new(check: Check) -> Self {
        Self {
            check: Arc::new(check),
            watch: Arc::default(),
        }
    }

    /// Goes on with what another one knows, if it asks for the same.
    #[must_use]
    pub fn following(self, before: &Self) -> Self {
        match self.check == before.check {
            true => before.clone(),
            false => self,
        }
    }

    /// What is asked for.
    #[must_use]
    pub fn check(&self) -> &Check {
        &self.check
    }

    /// Tells those apart that know different things, for as long as one of them is held.
    #[must_use]
    pub fn id(&self) -> usize {
        Arc::as_ptr(&self.watch).addr()
    }

    /// Whom to tell of changes and events; the first one stays.
    pub fn tell(&self, told: impl Fn() + Send + Sync + 'static) {
        self.watch.bell.get_or_init(|| Bell(Box::new(told)));
    }

    /// Notes that a request or connection is for this cluster: it is probed more often from now on.
    pub fn note_use(&self) {
        if !self.watch.used.load(Ordering::Relaxed) {
            self.watch.used.store(true, Ordering::Relaxed);
        }
    }

    /// Takes note of the endpoints that there are now, and shows them as the check has found them: who has not passed
    /// is unhealthy. Those that discovery knows no more may stay, behind the others, until they fail.
    #[must_use]
    pub fn follow(&self, endpoints: &Arc<Endpoints>) -> Arc<Endpoints> {
        let mut known = self.watch.known.lock();
        let shown = known.follow(endpoints, &self.check);
        self.look_whether_warm(&known);
        shown
    }

    /// Whether each endpoint was probed once since the check began.
    #[must_use]
    pub fn is_warm(&self) -> bool {
        self.watch.warm.load(Ordering::Acquire)
    }

    /// Who is to be probed.
    #[must_use]
    pub fn members(&self) -> Vec<Member> {
        self.watch.known.lock().members()
    }

    /// Who is to be probed at an address; `None` if nobody is any more.
    #[must_use]
    pub fn member(&self, address: SocketAddr) -> Option<Member> {
        self.watch.known.lock().member(address)
    }

    /// How long the first probe of an endpoint waits.
    pub fn first_pause(&self, random: &mut impl FnMut() -> u64) -> Duration {
        self.check.times.first(random)
    }

    /// Counts a probe that begins.
    pub fn begin(&self) {
        self.watch.counts.attempts.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts an answer of which it is looked at which service gave it.
    fn verify(&self) {
        let verified = &self.watch.counts.verifications;
        verified.fetch_add(1, Ordering::Relaxed);
    }

    /// Takes what came of a probe; how long the next one waits. `None`: the endpoint is not probed any more.
    pub fn take(
        &self,
        address: SocketAddr,
        outcome: Outcome,
        random: &mut impl FnMut() -> u64,
    ) -> Option<Duration> {
        let step = self.note(address, outcome).ok()?;
        let used = self.watch.used.load(Ordering::Relaxed);
        Some(self.check.times.pause(&step, used, random))
    }

    /// An answer to a request says that the endpoint is to be failed at once.
    pub fn fail_at_once(&self, address: SocketAddr) {
        let failed = Failed {
            excludes: true,
            ..Failed::of(Kind::Passive)
        };
        // Who is not probed is not failed either.
        let _unknown = self.note(address, Outcome::Failed(failed));
    }

    fn note(&self, address: SocketAddr, outcome: Outcome) -> Result<state::Step, NotKnown> {
        let (step, tells) = {
            let mut known = self.watch.known.lock();
            let noted = known.take(address, outcome, &self.check)?;
            let was_warm = self.is_warm();
            self.look_whether_warm(&known);
            (noted.step, noted.tells || was_warm != self.is_warm())
        };
        self.count(outcome);
        if tells && let Some(Bell(ring)) = self.watch.bell.get() {
            ring();
        }
        Ok(step)
    }

    fn count(&self, outcome: Outcome) {
        let Counters {
            successes,
            failures,
            passive,
            network,
            ..
        } = &self.watch.counts;
        let add = |counter: &AtomicU64| counter.fetch_add(1, Ordering::Relaxed);
        let Outcome::Failed(failed) = outcome else {
            add(successes);
            return;
        };
        add(failures);
        match failed.kind {
            Kind::Passive => drop(add(passive)),
            Kind::Network | Kind::Timeout => drop(add(network)),
            Kind::Active => {}
        }
    }

    fn look_whether_warm(&self, known: &Known) {
        if !self.is_warm() && known.all_probed() {
            self.watch.warm.store(true, Ordering::Release);
        }
    }

    /// What happened since it was asked last, the oldest first.
    #[must_use]
    pub fn events(&self) -> Vec<Event> {
        self.watch.known.lock().take_events()
    }

    /// What is known of the endpoint at an address; `None` if it is not probed.
    #[must_use]
    pub fn flags(&self, address: SocketAddr) -> Option<Flags> {
        self.watch.known.lock().flags(address)
    }

    /// The endpoints that pass.
    #[must_use]
    pub fn passing(&self) -> Vec<SocketAddr> {
        self.watch.known.lock().passing()
    }

    /// What was counted.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let counts = &self.watch.counts;
        let (healthy, degraded) = self.watch.known.lock().standing();
        Counts {
            attempts: read(&counts.attempts),
            successes: read(&counts.successes),
            failures: read(&counts.failures),
            passive: read(&counts.passive),
            network: read(&counts.network),
            verifications: read(&counts.verifications),
            healthy,
            degraded,
        }
    }

    /// What an answer to a probe by HTTP or gRPC says.
    #[must_use]
    pub fn judge(&self, answer: &Answer) -> Outcome {
        match &self.check.probe {
            Probe::Http(probe) => {
                let (outcome, verified) = probe.judge(answer);
                if verified {
                    self.verify();
                }
                outcome
            }
            Probe::Grpc(probe) => probe.judge(answer),
            Probe::Tcp(_) => Outcome::Failed(Failed::of(Kind::Active)),
        }
    }
}

/// Checkers are the same when they know the same.
impl PartialEq for Checker {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.watch, &other.watch)
    }
}

impl Eq for Checker {}

#[cfg(test)]
mod tests;
