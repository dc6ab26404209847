//! Endpoints that have names: DNS is asked beside the feed, as often as their cluster says.
//!
//! Each name is asked for on its own. What was found stays while nobody answers; a name that there is
//! not (any more) leads nowhere. A cluster that asks for other names than before keeps the endpoints
//! that it had until all of the new ones were answered.

mod ask;

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use mesh_model::Str;
use mesh_runtime::Tasks;
use mesh_traffic::Config;
use mesh_traffic::cluster::Discovery;
use mesh_traffic::dns::Dns;
use parking_lot::Mutex;
use tokio_util::sync::{CancellationToken, DropGuard};

use crate::config::{Catalog, LiveConfig};

/// What is known of names. Clones share it.
#[derive(Clone)]
pub(super) struct Names(Arc<Inner>);

struct Inner {
    live: Arc<LiveConfig>,
    catalog: Catalog,
    /// Whether everything but names has come once.
    rest_is_complete: AtomicBool,
    /// Clusters of which all names were answered once.
    answered: Mutex<HashSet<Str>>,
}

/// A cluster whose names are asked for.
struct Asking {
    dns: Arc<Dns>,
    answers: Arc<Mutex<Vec<Answer>>>,
    _stops: DropGuard,
}

/// What is known of one name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Answer {
    addresses: Vec<IpAddr>,
    /// Whether there was one since the cluster is what it is, be it none.
    came: bool,
}

/// One name of a cluster, and where the answers go.
struct Question {
    names: Names,
    cluster: Str,
    dns: Arc<Dns>,
    index: usize,
    answers: Arc<Mutex<Vec<Answer>>>,
    /// Whether the cluster has endpoints from names that it asked for before.
    follows: bool,
}

impl Names {
    pub(super) fn new(live: Arc<LiveConfig>, catalog: Catalog) -> Self {
        Self(Arc::new(Inner {
            live,
            catalog,
            rest_is_complete: AtomicBool::new(false),
            answered: Mutex::default(),
        }))
    }

    /// Everything else has come: the proxy is ready with the last name's first answer, and with the last first probe.
    pub(super) fn rest_is_complete(&self) {
        self.0.rest_is_complete.store(true, Ordering::SeqCst);
        self.look_whether_ready();
    }

    fn look_whether_ready(&self) {
        let Inner {
            live,
            catalog,
            rest_is_complete,
            answered,
        } = &*self.0;
        if catalog.is_ready() || !rest_is_complete.load(Ordering::SeqCst) {
            return;
        }
        let config = live.current();
        let answered = answered.lock();
        let all_answered = of_config(&config).all(|(cluster, _)| answered.contains(cluster));
        if all_answered && config.checkers().all(|(_, checker)| checker.is_warm()) {
            tracing::info!("configuration is complete");
            catalog.set_ready();
        }
    }

    /// Asks for what clusters name, until the tasks are stopped.
    pub(super) fn follow(self, tasks: &Tasks) {
        let (stopping, own) = (tasks.stopping().clone(), tasks.clone());
        tasks.spawn("names", async move {
            let following = self.follow_for_ever(own);
            let _stopped = stopping.run_until_cancelled(following).await;
        });
    }

    async fn follow_for_ever(self, tasks: Tasks) {
        let live = self.0.live.clone();
        let mut changes = live.changes();
        let mut asking = HashMap::<Str, Asking>::new();
        loop {
            self.follow_config(&live.current(), &mut asking, &tasks);
            // The last health check may have asked everybody once.
            self.look_whether_ready();
            if changes.changed().await.is_err() {
                return;
            }
        }
    }

    fn follow_config(&self, config: &Config, asking: &mut HashMap<Str, Asking>, tasks: &Tasks) {
        let wanted: HashMap<_, _> = of_config(config).collect();
        let gone: Vec<_> = {
            let asked = asking.keys();
            asked
                .filter(|cluster| !wanted.contains_key(*cluster))
                .cloned()
                .collect()
        };
        for cluster in gone {
            asking.remove(&cluster);
            self.0.answered.lock().remove(&cluster);
        }
        for (cluster, dns) in wanted {
            let before = asking.get(cluster);
            if before.is_none_or(|before| *before.dns != **dns) {
                let follows = config.resolved.contains_key(cluster);
                let begun = self.begin(cluster, dns, before, follows, tasks);
                asking.insert(cluster.clone(), begun);
            }
        }
    }

    fn begin(
        &self,
        cluster: &Str,
        dns: &Arc<Dns>,
        before: Option<&Asking>,
        follows: bool,
        tasks: &Tasks,
    ) -> Asking {
        self.0.answered.lock().remove(cluster);
        let known = |name: &Str| {
            let before = before?;
            let index = before.dns.names.iter().position(|old| old.name == *name)?;
            let answers = before.answers.lock();
            answers.get(index).map(|answer| answer.addresses.clone())
        };
        let answers = dns.names.iter().map(|named| Answer {
            addresses: known(&named.name).unwrap_or_default(),
            came: false,
        });
        let answers = Arc::new(Mutex::new(answers.collect::<Vec<_>>()));
        let stop = CancellationToken::new();
        for index in 0..dns.names.len() {
            let question = Question {
                names: self.clone(),
                cluster: cluster.clone(),
                dns: dns.clone(),
                index,
                answers: answers.clone(),
                follows,
            };
            let (stop, stopping) = (stop.clone(), tasks.stopping().clone());
            tasks.spawn("name", async move {
                let asking = stop.run_until_cancelled(question.ask_for_ever());
                let _stopped = stopping.run_until_cancelled(asking).await;
            });
        }
        if dns.names.is_empty() {
            self.put_in_force(cluster, dns, &[]);
        }
        Asking {
            dns: dns.clone(),
            answers,
            _stops: stop.drop_guard(),
        }
    }

    fn put_in_force(&self, cluster: &Str, dns: &Arc<Dns>, answers: &[Answer]) {
        let found = answers.iter().map(|answer| answer.addresses.as_slice());
        let endpoints = Arc::new(dns.endpoints(cluster, found));
        if answers.iter().all(|answer| answer.came) {
            self.0.answered.lock().insert(cluster.clone());
        }
        self.0.live.change(|before| {
            let mut config = Config {
                version: before.version + 1,
                ..before.clone()
            };
            let asks = |(asking, its): (&Str, &Arc<Dns>)| asking == cluster && *its == *dns;
            // It may have been taken away, or ask for others, since.
            if of_config(before).any(asks) {
                config.resolved.insert(cluster.clone(), endpoints);
            }
            config
        });
        self.look_whether_ready();
    }
}

impl Question {
    async fn ask_for_ever(self) {
        let mut failures = 0u32;
        let Some(named) = self.dns.names.get(self.index) else {
            return;
        };
        loop {
            let ttl = match ask::addresses(&named.name, self.dns.family, &self.dns.servers).await {
                Ok((addresses, ttl)) => {
                    failures = 0;
                    self.take(Some(addresses));
                    ttl
                }
                Err(error) => {
                    if failures == 0 {
                        let (cluster, name) = (&*self.cluster, &*named.name);
                        tracing::warn!(cluster, name, %error, "name cannot be resolved");
                    }
                    failures = failures.saturating_add(1);
                    self.take(None);
                    Duration::ZERO
                }
            };
            let pause = self.dns.refresh.pause(ttl, failures, fastrand::f64());
            tokio::time::sleep(pause).await;
        }
    }

    /// Takes an answer, or that there was none.
    fn take(&self, addresses: Option<Vec<IpAddr>>) {
        let mut answers = self.answers.lock();
        let Some(known) = answers.get_mut(self.index) else {
            return;
        };
        let answer = Answer {
            addresses: addresses.unwrap_or_else(|| known.addresses.clone()),
            came: true,
        };
        if *known == answer {
            return;
        }
        *known = answer;
        let is_complete = answers.iter().all(|answer| answer.came);
        if is_complete || !self.follows {
            self.names.put_in_force(&self.cluster, &self.dns, &answers);
        }
    }
}

/// The clusters whose endpoints have names.
fn of_config(config: &Config) -> impl Iterator<Item = (&Str, &Arc<Dns>)> {
    config
        .clusters
        .iter()
        .filter_map(|(name, cluster)| match &cluster.discovery {
            Discovery::Dns(dns) => Some((name, dns)),
            _ => None,
        })
}

#[cfg(test)]
mod tests;
