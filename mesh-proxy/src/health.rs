//! Active health checks: endpoints are probed beside the workers, each as often as its cluster says.
//!
//! One task probes one endpoint, whatever the number of workers. It goes on over changes of the configuration that leave
//! check and endpoint as they are. What comes of probes is mesh-traffic's; here it is put in force.

mod events;
mod exchange;
mod probe;
mod way;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use arc_swap::ArcSwap;
use mesh_model::time::Clock;
use mesh_pki::live::LiveIdentity;
use mesh_runtime::Tasks;
use mesh_traffic::health::Checker;
use mesh_traffic::{Cluster, Config};
use parking_lot::Mutex;
use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::{CancellationToken, DropGuard};

use self::probe::Probing;
use crate::config::LiveConfig;
use crate::record::access_log::LogFiles;
use crate::upstream::tls::TlsConfigs;
use crate::worker::Door;

/// Probes that are under way at a time; further ones wait for their turn.
const AT_A_TIME: usize = 256;

/// Probes endpoints. Clones share everything.
#[derive(Clone)]
pub struct Prober(Arc<Inner>);

struct Inner {
    live: Arc<LiveConfig>,
    clock: Arc<dyn Clock>,
    tls: Mutex<TlsConfigs>,
    logs: LogFiles,
    doors: Vec<Door>,
    turns: Semaphore,
    /// Rung when a check knows something new.
    bell: Arc<Notify>,
}

/// A check under way.
struct Checked {
    checker: Checker,
    cluster: Arc<ArcSwap<Cluster>>,
    /// By the endpoints' addresses, with where they are probed.
    tasks: HashMap<SocketAddr, (SocketAddr, DropGuard)>,
    warm: bool,
}

type Checks = HashMap<usize, Checked>;

impl Prober {
    /// Nobody is probed yet. Behind `doors` are those who have connections to endpoints.
    #[must_use]
    pub fn new(
        live: Arc<LiveConfig>,
        clock: Arc<dyn Clock>,
        identity: Option<LiveIdentity>,
        logs: LogFiles,
        doors: Vec<Door>,
    ) -> Self {
        let tls = TlsConfigs::new(identity, clock.clone());
        Self(Arc::new(Inner {
            live,
            clock,
            tls: Mutex::new(tls),
            logs,
            doors,
            turns: Semaphore::new(AT_A_TIME),
            bell: Arc::default(),
        }))
    }

    /// Probes as the configuration says, until the tasks are stopped.
    pub fn follow(self, tasks: &Tasks) {
        let (stopping, own) = (tasks.stopping().clone(), tasks.clone());
        tasks.spawn("health checks", async move {
            let following = self.follow_for_ever(own);
            let _stopped = stopping.run_until_cancelled(following).await;
        });
    }

    async fn follow_for_ever(self, tasks: Tasks) {
        let Inner { live, bell, .. } = &*self.0;
        let mut changes = live.changes();
        let mut checks = Checks::new();
        loop {
            self.follow_config(&live.current(), &mut checks, &tasks);
            tokio::select! {
                changed = changes.changed() => if changed.is_err() { return },
                () = bell.notified() => self.put_in_force(&mut checks),
            }
        }
    }

    fn follow_config(&self, config: &Config, checks: &mut Checks, tasks: &Tasks) {
        let wanted: HashMap<usize, _> = config
            .checkers()
            .map(|(cluster, checker)| (checker.id(), (cluster, checker)))
            .collect();
        checks.retain(|id, _| wanted.contains_key(id));
        for (id, (cluster, checker)) in wanted {
            let checked = checks
                .entry(id)
                .or_insert_with(|| self.begin(cluster, checker));
            if !Arc::ptr_eq(&checked.cluster.load(), cluster) {
                checked.cluster.store(cluster.clone());
            }
            self.follow_members(checked, tasks);
        }
    }

    fn begin(&self, cluster: &Arc<Cluster>, checker: &Checker) -> Checked {
        let bell = self.0.bell.clone();
        checker.tell(move || bell.notify_one());
        Checked {
            checker: checker.clone(),
            cluster: Arc::new(ArcSwap::new(cluster.clone())),
            tasks: HashMap::new(),
            warm: checker.is_warm(),
        }
    }

    fn follow_members(&self, checked: &mut Checked, tasks: &Tasks) {
        let members = checked.checker.members();
        let members: HashMap<_, _> = members
            .iter()
            .map(|member| (member.endpoint.address, member.at))
            .collect();
        // Who is probed elsewhere from now on begins anew.
        checked
            .tasks
            .retain(|address, (at, _)| members.get(address) == Some(at));
        for (address, at) in members {
            let begin = || {
                (
                    at,
                    self.begin_task(checked.checker.clone(), &checked.cluster, address, tasks),
                )
            };
            checked.tasks.entry(address).or_insert_with(begin);
        }
    }

    fn begin_task(
        &self,
        checker: Checker,
        cluster: &Arc<ArcSwap<Cluster>>,
        address: SocketAddr,
        tasks: &Tasks,
    ) -> DropGuard {
        let stop = CancellationToken::new();
        let probing = Probing {
            prober: self.clone(),
            checker,
            cluster: cluster.clone(),
            address,
        };
        let (stopped, stopping) = (stop.clone(), tasks.stopping().clone());
        tasks.spawn("health check", async move {
            let probing = stopped.run_until_cancelled(probing.probe_for_ever());
            let _stopped = stopping.run_until_cancelled(probing).await;
        });
        stop.drop_guard()
    }

    /// Puts in force what checks know, and writes down what happened.
    fn put_in_force(&self, checks: &mut Checks) {
        let mut warmed = false;
        for checked in checks.values_mut() {
            self.write_down(checked);
            warmed |= checked.checker.is_warm() && !std::mem::replace(&mut checked.warm, true);
        }
        let live = &self.0.live;
        if warmed || live.current().is_behind_checks() {
            live.change(|before| Config {
                version: before.version + 1,
                ..before.clone()
            });
        }
        if self.closes_any(checks) {
            self.0.doors.iter().for_each(Door::look_for_failures);
        }
    }

    /// Whether connections are to be closed of endpoints that cease to pass.
    fn closes_any(&self, checks: &Checks) -> bool {
        let mut checks = checks.values();
        checks.any(|checked| checked.cluster.load().closes_failed)
    }

    fn write_down(&self, checked: &Checked) {
        let files = &checked.checker.check().events.files;
        if files.is_empty() {
            return;
        }
        let cluster = checked.cluster.load();
        for event in checked.checker.events() {
            let wall = self.0.clock.wall();
            let line = events::line(&cluster.name, checked.checker.check(), &event, wall);
            for file in files.iter().filter_map(|file| self.0.logs.of(file)) {
                file.write(&line);
            }
        }
    }
}

#[cfg(test)]
mod tests;
