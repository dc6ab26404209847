//! Outlier detection: endpoints that fail more than the others get no requests for a while.
//!
//! All workers of a proxy share what is known of a cluster's endpoints. Failures in a row eject an endpoint at once;
//! rates are compared, and endpoints taken back, at intervals.

mod rates;
mod rules;

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use mesh_model::service::Health;
use parking_lot::Mutex;

use crate::endpoint::{Endpoint, Endpoints};

pub use self::rules::{Rates, Rules, Streak};

/// What is known of the endpoints of a cluster.
#[derive(Debug, Clone)]
pub struct Detector {
    rules: Arc<Rules>,
    watch: Arc<Watch>,
}

#[derive(Debug, Default)]
struct Watch {
    known: Mutex<Known>,
    /// Counts the changes of who is ejected.
    changes: AtomicU64,
    ejected: AtomicU32,
    begun: OnceLock<Instant>,
    /// Milliseconds after `begun` of the next interval's end.
    due: AtomicU64,
    ejections: AtomicU64,
    overflows: AtomicU64,
}

#[derive(Debug, Default)]
struct Known {
    hosts: HashMap<SocketAddr, History>,
    /// What was made of endpoints last: those, and the same without the ejected.
    shown: Option<(Arc<Endpoints>, Arc<Endpoints>)>,
}

#[derive(Debug)]
struct History {
    host: Arc<Host>,
    /// How often it was ejected of late.
    times: u32,
    out: Option<(Instant, Duration)>,
}

/// What an endpoint did of late.
#[derive(Debug)]
pub struct Host {
    address: SocketAddr,
    errors: AtomicU32,
    gateway_errors: AtomicU32,
    local_failures: AtomicU32,
    external: Tally,
    local: Tally,
}

#[derive(Debug, Default)]
struct Tally {
    asked: AtomicU32,
    succeeded: AtomicU32,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// An answer with this status; a connection that was made and carries bytes counts as 200.
    Answer(u16),
    /// The endpoint broke off.
    BrokenOff,
    /// There was no connection.
    Unconnected,
    /// It took too long.
    TimedOut,
}

/// Why an endpoint is ejected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// Statuses of 500 and more in a row.
    Errors,
    /// 502, 503 and 504 in a row.
    GatewayErrors,
    /// Failures in a row that the proxy saw itself.
    LocalFailures,
    /// It succeeds less often than the others.
    SuccessRate,
    /// It fails too often.
    FailurePercentage,
}

impl Detector {
    /// Begins to watch.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        let watch = Arc::default();
        let rules = Arc::new(rules);
        Self { rules, watch }
    }

    /// Goes on with what another one knows.
    #[must_use]
    pub fn following(self, before: &Self) -> Self {
        Self {
            watch: before.watch.clone(),
            ..self
        }
    }

    /// Who is at an address, to report on.
    #[must_use]
    pub fn host(&self, address: SocketAddr) -> Arc<Host> {
        let mut known = self.watch.known.lock();
        known.history(address).host.clone()
    }

    /// Changes when the set of those who are ejected does.
    #[must_use]
    pub fn changes(&self) -> u64 {
        self.watch.changes.load(Ordering::Acquire)
    }

    /// How many are ejected now.
    #[must_use]
    pub fn ejected(&self) -> u32 {
        self.watch.ejected.load(Ordering::Acquire)
    }

    /// How often one was ejected.
    #[must_use]
    pub fn ejections(&self) -> u64 {
        self.watch.ejections.load(Ordering::Relaxed)
    }

    /// How often one was not ejected because too many were.
    #[must_use]
    pub fn overflows(&self) -> u64 {
        self.watch.overflows.load(Ordering::Relaxed)
    }

    /// Whether the endpoint at an address is ejected.
    #[must_use]
    pub fn is_ejected(&self, address: SocketAddr) -> bool {
        let known = self.watch.known.lock();
        known
            .hosts
            .get(&address)
            .is_some_and(|history| history.out.is_some())
    }

    /// The endpoints, of which the ejected are unhealthy; indexes stay the same.
    #[must_use]
    pub fn shown(&self, endpoints: &Arc<Endpoints>) -> Arc<Endpoints> {
        if self.ejected() == 0 {
            return endpoints.clone();
        }
        let mut known = self.watch.known.lock();
        if let Some((of, shown)) = &known.shown
            && Arc::ptr_eq(of, endpoints)
        {
            return shown.clone();
        }
        let is_out = |endpoint: &Endpoint| {
            let history = known.hosts.get(&endpoint.address);
            history.is_some_and(|history| history.out.is_some())
        };
        let show = |endpoint: &Endpoint| match is_out(endpoint) {
            true => Endpoint {
                health: Health::Unhealthy,
                ..endpoint.clone()
            },
            false => endpoint.clone(),
        };
        let all = endpoints.all.iter().map(show).collect();
        let shown = Arc::new(endpoints.with(all));
        known.shown = Some((endpoints.clone(), shown.clone()));
        shown
    }

    /// Takes what became of a request to one of `hosts` endpoints; why that endpoint was ejected, if it was.
    /// `random` draws whether rules are enforced.
    pub fn report(
        &self,
        host: &Host,
        outcome: Outcome,
        hosts: usize,
        now: Instant,
        random: &mut impl FnMut() -> u64,
    ) -> Option<Cause> {
        let causes = match self.rules.split_local {
            true => host.note_split(outcome, &self.rules),
            false => host.note(outcome.status(), &self.rules),
        };
        let mut done = None;
        for (cause, streak) in causes.into_iter().flatten() {
            let ejected = self.eject(host.address, streak.enforced, hosts, now, random);
            host.forget_streak(cause);
            if ejected {
                done = done.or(Some(cause));
            }
        }
        done
    }

    /// Takes an endpoint back before its time: it has passed a health check. Whether it was ejected.
    pub fn take_back(&self, address: SocketAddr) -> bool {
        if !self.rules.health_check_takes_back || self.ejected() == 0 {
            return false;
        }
        let mut known = self.watch.known.lock();
        let Some(history) = known.hosts.get_mut(&address) else {
            return false;
        };
        if history.out.take().is_none() {
            return false;
        }
        history.host.begin_anew();
        known.shown = None;
        self.watch.ejected.fetch_sub(1, Ordering::Release);
        self.watch.changes.fetch_add(1, Ordering::Release);
        true
    }

    /// Ends an interval that is over: takes endpoints back whose time has come, and compares rates. Says whom it
    /// has ejected, and why.
    pub fn look(
        &self,
        endpoints: &Endpoints,
        now: Instant,
        random: &mut impl FnMut() -> u64,
    ) -> Vec<(SocketAddr, Cause)> {
        if !self.is_due(now) {
            return Vec::new();
        }
        let suspects = {
            let mut known = self.watch.known.lock();
            let (back, gone) = known.take_back(endpoints, now);
            if back + gone > 0 {
                known.shown = None;
                self.watch.ejected.fetch_sub(back + gone, Ordering::Release);
                self.watch.changes.fetch_add(1, Ordering::Release);
            }
            let hosts: Vec<_> = known.hosts.values().map(|one| one.host.clone()).collect();
            drop(known);
            rates::suspects(&hosts, &self.rules)
        };
        let mut ejected = Vec::new();
        for (address, cause, enforced) in suspects {
            if self.eject(address, enforced, endpoints.all.len(), now, random) {
                ejected.push((address, cause));
            }
        }
        ejected
    }

    /// Whether an interval is over; one of those who ask is told so.
    fn is_due(&self, now: Instant) -> bool {
        let begun = *self.watch.begun.get_or_init(|| now);
        let since = millis(now.saturating_duration_since(begun));
        let due = self.watch.due.load(Ordering::Relaxed);
        let next = since + millis(self.rules.interval);
        if due == 0 {
            // The first interval begins.
            let _other = self.set_due(0, next);
            return false;
        }
        since >= due && self.set_due(due, next)
    }

    fn set_due(&self, due: u64, next: u64) -> bool {
        let order = Ordering::Relaxed;
        let set = self.watch.due.compare_exchange(due, next, order, order);
        set.is_ok()
    }

    fn eject(
        &self,
        address: SocketAddr,
        enforced: u8,
        hosts: usize,
        now: Instant,
        random: &mut impl FnMut() -> u64,
    ) -> bool {
        if random() % 100 >= u64::from(enforced) {
            return false;
        }
        let jitter = millis(self.rules.jitter);
        let jitter = Duration::from_millis(random().checked_rem(jitter + 1).unwrap_or_default());
        let mut known = self.watch.known.lock();
        let active = self.watch.ejected.load(Ordering::Acquire);
        let history = known.history(address);
        if history.out.is_some() {
            return false;
        }
        if !self.rules.lets_eject(active, hosts) {
            self.watch.overflows.fetch_add(1, Ordering::Relaxed);
            return false;
        }
        let Rules {
            base_time,
            max_time,
            ..
        } = *self.rules;
        // Beyond that it would only take longer to be forgotten.
        if base_time.saturating_mul(history.times) < max_time.saturating_add(base_time) {
            history.times = history.times.saturating_add(1);
        }
        let time = base_time.saturating_mul(history.times).min(max_time);
        history.out = Some((now, time.saturating_add(jitter)));
        known.shown = None;
        self.watch.ejected.fetch_add(1, Ordering::Release);
        self.watch.ejections.fetch_add(1, Ordering::Relaxed);
        self.watch.changes.fetch_add(1, Ordering::Release);
        true
    }
}

impl Known {
    fn history(&mut self, address: SocketAddr) -> &mut History {
        self.hosts.entry(address).or_insert_with(|| History {
            host: Arc::new(Host::new(address)),
            times: 0,
            out: None,
        })
    }

    /// Ends ejections whose time is over, and forgets endpoints that are no more; how many of each.
    fn take_back(&mut self, endpoints: &Endpoints, now: Instant) -> (u32, u32) {
        let (mut back, mut gone) = (0, 0);
        let there: HashSet<_> = endpoints.all.iter().map(|one| one.address).collect();
        self.hosts.retain(|address, history| {
            let stays = there.contains(address);
            gone += u32::from(!stays && history.out.is_some());
            stays
        });
        for history in self.hosts.values_mut() {
            match history.out {
                None => history.times = history.times.saturating_sub(1),
                Some((since, time)) if now.saturating_duration_since(since) >= time => {
                    history.out = None;
                    history.host.begin_anew();
                    back += 1;
                }
                Some(_) => {}
            }
        }
        (back, gone)
    }
}

type Causes = [Option<(Cause, Streak)>; 2];

impl Host {
    fn new(address: SocketAddr) -> Self {
        Self {
            address,
            errors: AtomicU32::new(0),
            gateway_errors: AtomicU32::new(0),
            local_failures: AtomicU32::new(0),
            external: Tally::default(),
            local: Tally::default(),
        }
    }

    /// Where it is.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    fn begin_anew(&self) {
        for streak in [&self.errors, &self.gateway_errors, &self.local_failures] {
            streak.store(0, Ordering::Relaxed);
        }
    }

    fn forget_streak(&self, cause: Cause) {
        match cause {
            Cause::Errors => self.errors.store(0, Ordering::Relaxed),
            Cause::GatewayErrors => self.gateway_errors.store(0, Ordering::Relaxed),
            Cause::LocalFailures => self.local_failures.store(0, Ordering::Relaxed),
            Cause::SuccessRate | Cause::FailurePercentage => {}
        }
    }

    /// Everything counts as an answer.
    fn note(&self, status: u16, rules: &Rules) -> Causes {
        self.external.note(status < 500);
        if status < 500 {
            self.errors.store(0, Ordering::Relaxed);
            self.gateway_errors.store(0, Ordering::Relaxed);
            return [None, None];
        }
        let gateway = if (502..=504).contains(&status) {
            rules.gateway_errors.reached(&self.gateway_errors)
        } else {
            self.gateway_errors.store(0, Ordering::Relaxed);
            None
        };
        let errors = rules.errors.reached(&self.errors);
        [
            gateway.map(|streak| (Cause::GatewayErrors, streak)),
            errors.map(|streak| (Cause::Errors, streak)),
        ]
    }

    /// What the proxy sees itself counts apart from what endpoints answer.
    fn note_split(&self, outcome: Outcome, rules: &Rules) -> Causes {
        match outcome {
            Outcome::Answer(_) | Outcome::BrokenOff => {
                self.local.note(true);
                self.local_failures.store(0, Ordering::Relaxed);
                self.note(outcome.status(), rules)
            }
            Outcome::Unconnected | Outcome::TimedOut => {
                self.local.note(false);
                let reached = rules.local_failures.reached(&self.local_failures);
                [reached.map(|streak| (Cause::LocalFailures, streak)), None]
            }
        }
    }
}

impl Outcome {
    /// The status that Envoy makes of it.
    const fn status(self) -> u16 {
        match self {
            Self::Answer(status) => status,
            Self::BrokenOff | Self::Unconnected => 503,
            Self::TimedOut => 504,
        }
    }
}

impl Tally {
    fn note(&self, succeeded: bool) {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.succeeded
            .fetch_add(succeeded.into(), Ordering::Relaxed);
    }

    /// What was counted since it was asked last: how many, and how many of them well.
    fn take(&self) -> (u32, u32) {
        let succeeded = self.succeeded.swap(0, Ordering::Relaxed);
        let asked = self.asked.swap(0, Ordering::Relaxed);
        // A request may have been noted in between.
        (asked.max(succeeded), succeeded)
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX / 2)
}

/// Detectors are the same when they watch the same endpoints.
impl PartialEq for Detector {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.watch, &other.watch)
    }
}

impl Eq for Detector {}

#[cfg(test)]
mod tests;
