//! The task that publishes: one new world after the other, to every connected proxy.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use mesh_model::time::Clock;
use mesh_runtime::heap;
use mesh_source::Snapshot;
use mesh_xds::server::{ClientKey, Hub};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::push::fleet::Member;
use crate::push::gather::Gather;
use crate::push::metrics::Push;
use crate::push::shelf::Shelf;
use crate::push::what_changed::{Held, refresh};
use crate::push::{Fleet, Metrics};
use crate::snapshot::World;
use crate::snapshot::view::MeshConstants;

/// Making a world of so many services and workloads leaves much memory behind.
const LARGE: usize = 256;

/// Publishes. See [`Pusher::run`].
pub struct Pusher {
    /// Where to.
    pub hub: Hub,
    /// To whom.
    pub fleet: Arc<Fleet>,
    /// What holds for the whole mesh.
    pub mesh: Arc<MeshConstants>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What is counted.
    pub metrics: Metrics,
}

/// What the pusher remembers between two steps.
#[derive(Default)]
struct State {
    gather: Gather,
    /// For each proxy its latest stream, and what was published for it.
    held: BTreeMap<ClientKey, (u64, Held)>,
    shelf: Shelf,
}

enum Event {
    Configuration,
    Arrival,
    Due,
    End,
}

impl Pusher {
    /// Runs until `stopping`, or until the source ends.
    pub async fn run(
        self,
        mut source: watch::Receiver<Arc<Snapshot>>,
        stopping: CancellationToken,
    ) {
        let mut state = State::default();
        source.mark_changed(); // what is there already is news
        loop {
            match self.next(&mut source, state.gather.due(), &stopping).await {
                Event::Configuration => {
                    let snapshot = source.borrow_and_update().clone();
                    if snapshot.version > 0 {
                        self.enter(&snapshot);
                        state.gather.changed(self.clock.now());
                    }
                }
                Event::Arrival => self.greet(&mut state),
                Event::Due => {
                    self.push_all(&mut state);
                    state.gather.pushed(self.clock.now());
                }
                Event::End => return,
            }
        }
    }

    async fn next(
        &self,
        source: &mut watch::Receiver<Arc<Snapshot>>,
        due: Option<Instant>,
        stopping: &CancellationToken,
    ) -> Event {
        let wait = due.map(|due| due.saturating_duration_since(self.clock.now()));
        let due = async {
            match wait {
                Some(wait) => tokio::time::sleep(wait).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased; // a change that is there joins the push that is due
            () = stopping.cancelled() => Event::End,
            changed = source.changed() => match changed {
                Ok(()) => Event::Configuration,
                Err(_ended) => Event::End,
            },
            () = self.fleet.arrival() => Event::Arrival,
            () = due => Event::Due,
        }
    }

    /// Makes the world of a snapshot; proxies are admitted by it from now on.
    fn enter(&self, snapshot: &Snapshot) {
        let start = self.clock.now();
        let mesh = self.mesh.clone();
        let mut world = World::build(&snapshot.resources, mesh, snapshot.version);
        if let Some(before) = self.fleet.world() {
            world.keep(&before);
        }
        self.metrics.built(&world, self.clock.now() - start);
        if world.registry.services.len() + world.registry.workloads.len() >= LARGE {
            heap::after_burst();
        }
        self.fleet.enter(Arc::new(world));
    }

    /// Publishes for those who have nothing yet.
    fn greet(&self, state: &mut State) {
        let Some(world) = self.fleet.world() else {
            return;
        };
        for (key, member) in self.fleet.members() {
            let known = state.held.get(&key).map(|(stream, _)| *stream);
            if known != Some(member.stream) {
                self.metrics.triggered(Push::Proxy);
                self.publish(state, &world, &key, &member);
            }
        }
    }

    fn push_all(&self, state: &mut State) {
        let Some(world) = self.fleet.world() else {
            return;
        };
        let start = self.clock.now();
        let members = self.fleet.members();
        state
            .held
            .retain(|key, _| members.iter().any(|(k, _)| k == key));
        for (key, member) in &members {
            self.publish(state, &world, key, member);
        }
        state.shelf.sweep();
        self.metrics.triggered(Push::Configuration);
        self.metrics.pushed(self.clock.now() - start);
        tracing::debug!(
            version = world.version,
            proxies = members.len(),
            "configuration pushed"
        );
    }

    fn publish(&self, state: &mut State, world: &World, key: &ClientKey, member: &Member) {
        let proxy = &member.authorised.proxy;
        let Some(workload) = world.registry.workloads.get(&proxy.workload) else {
            // The pod is gone and its proxy will be: it keeps what it has until then.
            return;
        };
        if workload.service_account != member.authorised.account {
            tracing::warn!(proxy = %key, "pod runs as another account now; proxy disconnected");
            self.hub.disconnect(key);
            return;
        }
        let Some(mut view) = world.view(proxy) else {
            return;
        };
        view.software = member.authorised.software;
        let held = state.held.get(key).map(|(_, held)| held);
        let refreshed = refresh(held, view, world.version, &mut state.shelf);
        for kind in &refreshed.changed {
            self.metrics.sent(kind);
        }
        let resources = refreshed.held.resources.clone();
        if self.hub.publish(key, resources) {
            state
                .held
                .insert(key.clone(), (member.stream, refreshed.held));
        }
    }
}
