//! Balancing state of one worker: whose turn it is, and how loaded each endpoint is.
//!
//! The choice itself is mesh-traffic's; this keeps what it needs from one request to the next.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use mesh_model::Str;
use mesh_traffic::balance::{Balancer, Choice};
use mesh_traffic::cluster::{Cluster, LbPolicy};
use mesh_traffic::config::Config;
use mesh_traffic::endpoint::Endpoints;

/// The balancers of all clusters that this worker has sent a request to.
#[derive(Default)]
pub struct Balancers {
    clusters: RefCell<HashMap<Str, State, ahash::RandomState>>,
}

struct State {
    balancer: Balancer,
    made_for: (LbPolicy, u8),
    loads: HashMap<SocketAddr, Load, ahash::RandomState>,
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

/// Which endpoints a choice avoids, and which it prefers.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    /// The request's hash, if its route makes one.
    pub hash: Option<u64>,
    /// Endpoints that were tried before.
    pub tried: &'a [usize],
    /// How often the choice is repeated to avoid them.
    pub attempts: u32,
}

impl Balancers {
    /// Chooses an endpoint of `cluster`; `None` when nobody takes requests.
    pub fn pick(
        &self,
        cluster: &Cluster,
        endpoints: &Arc<Endpoints>,
        wish: Wish<'_>,
        random: &mut fastrand::Rng,
    ) -> Option<(usize, LoadGuard)> {
        let mut clusters = self.clusters.borrow_mut();
        let state = clusters
            .entry(cluster.name.clone())
            .or_insert_with(|| State::new(cluster, random.u64(..)));
        state.follow(cluster, random);
        let State {
            balancer, loads, ..
        } = state;
        let load = |index: usize| -> u32 {
            let endpoint = endpoints.all.get(index);
            let load = endpoint.and_then(|endpoint| loads.get(&endpoint.address));
            load.map_or(0, |load| load.get())
        };
        let choice = Choice {
            load: &load,
            hash: wish.hash,
            tried: wish.tried,
            attempts: wish.attempts,
        };
        let index = balancer.pick(endpoints, &choice, &mut || random.u64(..))?;
        let address = endpoints.all.get(index)?.address;
        Some((index, LoadGuard::new(loads.entry(address).or_default())))
    }

    /// Forgets clusters that are no longer configured and endpoints that have nothing to do.
    pub fn sweep(&self, config: &Config) {
        let mut clusters = self.clusters.borrow_mut();
        clusters.retain(|name, state| {
            state.loads.retain(|_, load| load.get() > 0);
            config.clusters.contains_key(name)
        });
    }
}

impl State {
    fn new(cluster: &Cluster, seed: u64) -> Self {
        Self {
            balancer: Balancer::new(cluster, seed),
            made_for: (cluster.policy, cluster.panic_threshold),
            loads: HashMap::default(),
        }
    }

    /// Starts anew when the cluster's way of balancing has changed.
    fn follow(&mut self, cluster: &Cluster, random: &mut fastrand::Rng) {
        let wanted = (cluster.policy, cluster.panic_threshold);
        if self.made_for != wanted {
            self.made_for = wanted;
            self.balancer = Balancer::new(cluster, random.u64(..));
        }
    }
}
