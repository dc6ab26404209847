//! Balancing state of one worker: whose turn it is, and how loaded each endpoint is.
//!
//! The choice itself is mesh-traffic's; this keeps what it needs from one request to the next.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use mesh_http::ResponseHead;
use mesh_model::Str;
use mesh_traffic::balance::{self, Balancer};
use mesh_traffic::cluster::Cluster;
use mesh_traffic::config::Config;
use mesh_traffic::endpoint::Endpoints;
use mesh_traffic::health::{Checker, FAIL_AT_ONCE};
use mesh_traffic::outlier::{Detector, Host, Outcome};

/// The balancers of all clusters that this worker has sent a request to.
#[derive(Default)]
pub struct Balancers {
    clusters: RefCell<HashMap<Str, State, ahash::RandomState>>,
}

struct State {
    balancer: Balancer,
    loads: HashMap<SocketAddr, Load, ahash::RandomState>,
    watched: HashMap<SocketAddr, Arc<Host>, ahash::RandomState>,
    shown: Option<Shown>,
}

/// The endpoints of a cluster, of which those are unhealthy that were ejected.
struct Shown {
    detector: Detector,
    changes: u64,
    of: Arc<Endpoints>,
    all: Arc<Endpoints>,
}

type Load = Rc<Cell<u32>>;

/// A request under way to an endpoint, for as long as it is held.
#[derive(Debug)]
pub struct LoadGuard(Load);

impl LoadGuard {
    fn new(load: &Load) -> Self {
        load.set(load.get().saturating_add(1));
        Self(load.clone())
    }
}

impl Drop for LoadGuard {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

/// An endpoint that was chosen.
#[derive(Debug)]
pub struct Choice {
    /// Its index.
    pub index: usize,
    /// Counts the request as load.
    pub load: LoadGuard,
    /// Whom to tell what becomes of the request, if anybody wants to know.
    pub watched: Option<Watched>,
}

/// An endpoint on which somebody keeps an eye.
#[derive(Debug, Clone)]
pub struct Watched {
    address: SocketAddr,
    detected: Option<Detected>,
    checker: Option<Checker>,
}

/// What outlier detection has to do with it.
#[derive(Debug, Clone)]
struct Detected {
    detector: Detector,
    host: Arc<Host>,
    hosts: usize,
}

impl Watched {
    /// Tells what became of a request.
    pub fn report(&self, outcome: Outcome, now: Instant, random: &mut fastrand::Rng) {
        let Some(Detected {
            detector,
            host,
            hosts,
        }) = &self.detected
        else {
            return;
        };
        let mut draw = || random.u64(..);
        if let Some(cause) = detector.report(host, outcome, *hosts, now, &mut draw) {
            tracing::info!(endpoint = %self.address, ?cause, "endpoint ejected");
        }
    }

    /// An endpoint may say in any answer that its health check is to fail at once.
    pub fn look(&self, head: &ResponseHead) {
        if let Some(checker) = &self.checker
            && head.fields.contains(FAIL_AT_ONCE)
        {
            checker.fail_at_once(self.address);
        }
    }
}

/// Which endpoints a choice avoids, and which it prefers.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    /// The request's hash, if its route makes one.
    pub hash: Option<u64>,
    /// Endpoints that were tried before.
    pub tried: &'a [usize],
    /// How often the choice is repeated to avoid them.
    pub attempts: u32,
    /// The moment of the choice.
    pub now: Instant,
}

impl Balancers {
    /// Chooses an endpoint of `cluster`; `None` when nobody takes requests.
    pub fn pick(
        &self,
        cluster: &Cluster,
        endpoints: &Arc<Endpoints>,
        wish: Wish<'_>,
        random: &mut fastrand::Rng,
    ) -> Option<Choice> {
        let mut clusters = self.clusters.borrow_mut();
        let state = clusters
            .entry(cluster.name.clone())
            .or_insert_with(|| State::new(cluster, random.u64(..)));
        state.follow(cluster, random);
        let shown = state.shown(cluster, endpoints, wish.now, random);
        let endpoints = shown.as_ref().unwrap_or(endpoints);
        let State {
            balancer, loads, ..
        } = state;
        let load = |index: usize| -> u32 {
            let endpoint = endpoints.all.get(index);
            let load = endpoint.and_then(|endpoint| loads.get(&endpoint.address));
            load.map_or(0, |load| load.get())
        };
        let choice = balance::Choice {
            load: &load,
            hash: wish.hash,
            tried: wish.tried,
            attempts: wish.attempts,
            now: wish.now,
        };
        let index = balancer.pick(endpoints, &choice, &mut || random.u64(..))?;
        let address = endpoints.all.get(index)?.address;
        let load = LoadGuard::new(loads.entry(address).or_default());
        let hosts = endpoints.all.len();
        let watched = cluster
            .is_watched()
            .then(|| state.watched(cluster, address, hosts));
        Some(Choice {
            index,
            load,
            watched,
        })
    }

    /// Forgets clusters that are no longer configured and endpoints that have nothing to do.
    pub fn sweep(&self, config: &Config, now: Instant, random: &mut fastrand::Rng) {
        let mut clusters = self.clusters.borrow_mut();
        // Nobody may ask for an endpoint for a long time; who was ejected comes back nevertheless, and who is new
        // grows old.
        for name in clusters.keys() {
            if let Some(cluster) = config.cluster(name)
                && let Some(endpoints) = config.endpoints_of(cluster)
            {
                look(cluster, endpoints, now, random);
                if let Some(start) = &cluster.slow_start {
                    start.note(endpoints, now);
                }
            }
        }
        clusters.retain(|name, state| {
            state.loads.retain(|_, load| load.get() > 0);
            state.watched.clear();
            config.clusters.contains_key(name)
        });
    }
}

/// Ends an interval of the cluster's outlier detection, if one is over.
fn look<'c>(
    cluster: &'c Cluster,
    endpoints: &Endpoints,
    now: Instant,
    random: &mut fastrand::Rng,
) -> Option<&'c Detector> {
    let detector = cluster.detector.as_ref()?;
    for (address, cause) in detector.look(endpoints, now, &mut || random.u64(..)) {
        tracing::info!(cluster = &*cluster.name, endpoint = %address, ?cause, "endpoint ejected");
    }
    Some(detector)
}

impl State {
    fn new(cluster: &Cluster, seed: u64) -> Self {
        Self {
            balancer: Balancer::new(cluster, seed),
            loads: HashMap::default(),
            watched: HashMap::default(),
            shown: None,
        }
    }

    /// The endpoints without those that are ejected; `None` where nobody is.
    fn shown(
        &mut self,
        cluster: &Cluster,
        endpoints: &Arc<Endpoints>,
        now: Instant,
        random: &mut fastrand::Rng,
    ) -> Option<Arc<Endpoints>> {
        let detector = look(cluster, endpoints, now, random)?;
        if detector.ejected() == 0 {
            self.shown = None;
            return None;
        }
        let changes = detector.changes();
        if let Some(shown) = &self.shown
            && shown.changes == changes
            && shown.detector == *detector
            && Arc::ptr_eq(&shown.of, endpoints)
        {
            return Some(shown.all.clone());
        }
        let all = detector.shown(endpoints);
        self.shown = Some(Shown {
            detector: detector.clone(),
            changes,
            of: endpoints.clone(),
            all: all.clone(),
        });
        Some(all)
    }

    fn watched(&mut self, cluster: &Cluster, address: SocketAddr, hosts: usize) -> Watched {
        let detected = cluster.detector.as_ref().map(|detector| Detected {
            detector: detector.clone(),
            host: self.host(detector, address),
            hosts,
        });
        Watched {
            address,
            detected,
            checker: cluster.checker.clone(),
        }
    }

    fn host(&mut self, detector: &Detector, address: SocketAddr) -> Arc<Host> {
        let watched = self.watched.entry(address);
        watched.or_insert_with(|| detector.host(address)).clone()
    }

    /// Starts anew when the cluster's way of balancing has changed.
    fn follow(&mut self, cluster: &Cluster, random: &mut fastrand::Rng) {
        if !self.balancer.is_for(cluster) {
            self.balancer = Balancer::new(cluster, random.u64(..));
        }
    }
}
