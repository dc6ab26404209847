//! The proxies that are connected, and who may become one of them.

use std::collections::BTreeMap;
use std::sync::Arc;

use arc_swap::ArcSwapOption;
use mesh_model::ident::{SpiffeId, TrustDomain};
use mesh_xds::Node;
use mesh_xds::server::{Admission, ClientKey};
use parking_lot::Mutex;
use tokio::sync::Notify;
use tonic::Status;

use crate::push::authorise::{Authorised, authorise};
use crate::snapshot::World;

/// Admission to the hub: remembers who is connected and wakes the pusher.
pub struct Fleet {
    trust_domain: TrustDomain,
    world: ArcSwapOption<World>,
    proxies: Mutex<Proxies>,
    arrivals: Notify,
}

#[derive(Default)]
struct Proxies {
    /// As whom each key was let in last. An entry outlives its streams, since one may end while
    /// the next is between admission and connection; it goes with the pod.
    admitted: BTreeMap<ClientKey, Authorised>,
    /// The latest stream of each connected key.
    connected: BTreeMap<ClientKey, u64>,
    streams: u64,
}

/// A connected proxy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Member {
    /// Which proxy, and as whom it was let in.
    pub authorised: Authorised,
    /// Number of its latest stream: what was published for an earlier one may be forgotten.
    pub stream: u64,
}

impl Fleet {
    /// Nobody yet, and no world: everybody is asked to come back until there is one.
    #[must_use]
    pub fn new(trust_domain: TrustDomain) -> Self {
        Self {
            trust_domain,
            world: ArcSwapOption::empty(),
            proxies: Mutex::default(),
            arrivals: Notify::new(),
        }
    }

    /// The world in which proxies are looked up.
    #[must_use]
    pub fn world(&self) -> Option<Arc<World>> {
        self.world.load_full()
    }

    /// Replaces the world, and forgets proxies of pods that it does not have.
    pub fn enter(&self, world: Arc<World>) {
        let mut proxies = self.proxies.lock();
        let Proxies {
            admitted,
            connected,
            ..
        } = &mut *proxies;
        admitted.retain(|key, authorised| {
            let pod = &authorised.proxy.workload;
            connected.contains_key(key) || world.registry.workloads.contains_key(pod)
        });
        drop(proxies);
        self.world.store(Some(world));
    }

    /// Who is connected.
    #[must_use]
    pub fn members(&self) -> Vec<(ClientKey, Member)> {
        let proxies = self.proxies.lock();
        let member = |(key, &stream): (&ClientKey, &u64)| {
            let authorised = proxies.admitted.get(key)?.clone();
            Some((key.clone(), Member { authorised, stream }))
        };
        proxies.connected.iter().filter_map(member).collect()
    }

    /// Returns once somebody has connected since the last call.
    pub async fn arrival(&self) {
        self.arrivals.notified().await;
    }
}

impl Admission for Fleet {
    fn admit(&self, node: &Node, peer: Option<&SpiffeId>) -> Result<ClientKey, Status> {
        let Some(world) = self.world() else {
            return Err(Status::unavailable("the configuration is not read yet"));
        };
        let authorised = authorise(&world, &self.trust_domain, node, peer).map_err(|why| {
            tracing::warn!(proxy = %node.id, error = %why, "proxy refused");
            why.status()
        })?;
        let pod = &authorised.proxy.workload;
        let key = format!("{}.{}", pod.name, pod.namespace);
        self.proxies.lock().admitted.insert(key.clone(), authorised);
        Ok(key)
    }

    fn connected(&self, key: &ClientKey, _node: &Node) {
        let mut proxies = self.proxies.lock();
        proxies.streams += 1;
        let stream = proxies.streams;
        proxies.connected.insert(key.clone(), stream);
        drop(proxies);
        self.arrivals.notify_one();
    }

    fn gone(&self, key: &ClientKey) {
        self.proxies.lock().connected.remove(key);
    }
}

#[cfg(test)]
mod tests;
