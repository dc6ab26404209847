//! Make before break: what of the newest resources is in force already, and what is asked for.
//!
//! A cluster counts once its endpoints are there, a listener once its route tables are there and it
//! was said what its secrets are; until then the one before it stays, if there is one. A secret that
//! the server does not have keeps nobody waiting: only who asks for that certificate is refused.
//! A cluster with a health check counts once each of its endpoints was probed: it waits among those that are warming, and
//! whoever puts the configuration in force looks whether that has happened. Where endpoints have names it does not wait.
//! Files that listeners name are no matter of these rules: they are read before (see `files`).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use mesh_model::Str;
use mesh_proto::envoy::envoy::config::route::v3::RouteConfiguration;
use mesh_traffic::cluster::Discovery;
use mesh_traffic::listener::RouteSource;
use mesh_traffic::tls::{DownstreamTls, InFiles};
use mesh_traffic::{Cluster, Config, Endpoints, Listener, Network, RouteTable, Secret};
use mesh_xds::Kind;

/// The newest resources that were accepted.
#[derive(Default)]
pub(super) struct Newest {
    pub(super) clusters: BTreeMap<Str, Arc<Cluster>>,
    pub(super) endpoints: BTreeMap<Str, Arc<Endpoints>>,
    pub(super) listeners: BTreeMap<Str, Arc<Listener>>,
    pub(super) routes: BTreeMap<Str, Arc<RouteTable>>,
    pub(super) secrets: BTreeMap<Str, Arc<Secret>>,
    /// Names about which the server has said something, be it that there is no such resource or
    /// something we refused.
    answered: BTreeSet<(Kind, Str)>,
    /// Types of which a first response came.
    heard_of: BTreeSet<Kind>,
    /// Those of a file of our own.
    kept: BTreeSet<(Kind, Str)>,
}

impl Newest {
    /// Notes that a response for the type came.
    pub(super) fn heard_of(&mut self, kind: Kind) {
        self.heard_of.insert(kind);
    }

    /// Notes that a resource is of a file of our own; nobody is asked about it.
    pub(super) fn keep(&mut self, kind: Kind, name: &str) {
        self.answered(kind, name);
        self.kept.insert((kind, name.into()));
    }

    /// Whether a resource is of a file of our own.
    pub(super) fn is_kept(&self, kind: Kind, name: &str) -> bool {
        !self.kept.is_empty() && self.kept.contains(&(kind, name.into()))
    }

    /// Whether there is nothing yet.
    pub(super) fn is_empty(&self) -> bool {
        self.clusters.is_empty() && self.listeners.is_empty() && self.secrets.is_empty()
    }

    /// What the cache lacks that is asked for, the server did not have when it was written; of secrets it says nothing.
    /// Whether there is any.
    pub(super) fn lack_what_the_cache_lacks(&mut self, wanted: &Wanted) -> bool {
        let endpoints = wanted.endpoints.iter().map(|name| (Kind::Endpoint, name));
        let routes = wanted.routes.iter().map(|name| (Kind::Route, name));
        let mut any = false;
        for (kind, name) in endpoints.chain(routes) {
            if !self.answered.contains(&(kind, name.clone())) {
                self.answered(kind, name);
                self.remove(kind, name);
                any = true;
            }
        }
        any
    }

    /// Notes that the server has said something about a name.
    pub(super) fn answered(&mut self, kind: Kind, name: &str) {
        self.answered.insert((kind, name.into()));
    }

    /// Takes a resource away that the server does not have.
    pub(super) fn remove(&mut self, kind: Kind, name: &str) {
        match kind {
            Kind::Cluster => drop(self.clusters.remove(name)),
            Kind::Listener => drop(self.listeners.remove(name)),
            // Who asks for these learns that there are none, and need not wait for them.
            Kind::Endpoint => {
                let none = Endpoints::new(name.into(), Vec::new());
                self.endpoints.insert(name.into(), Arc::new(none));
            }
            Kind::Route => {
                let empty = RouteConfiguration {
                    name: name.to_owned(),
                    ..Default::default()
                };
                if let Ok(table) = RouteTable::compile(&empty) {
                    self.routes.insert(name.into(), Arc::new(table));
                }
            }
            Kind::Secret => drop(self.secrets.remove(name)),
        }
    }

    /// What is in force now that `before` was.
    pub(super) fn in_force(&self, before: &Config) -> Config {
        let mut config = Config {
            version: before.version + 1,
            ..Config::default()
        };
        for (name, cluster) in &self.clusters {
            let there = endpoints_of(cluster).is_none_or(|e| self.endpoints.contains_key(e));
            let is_new = |shown: &Arc<Cluster>| !Arc::ptr_eq(shown, cluster);
            let waits =
                there && is_probed_first(cluster) && before.clusters.get(name).is_none_or(is_new);
            if waits {
                config.warming.insert(name.clone(), cluster.clone());
            }
            let shown = if there && !waits {
                Some(cluster)
            } else {
                before.clusters.get(name)
            };
            if let Some(shown) = shown {
                config.clusters.insert(name.clone(), shown.clone());
            }
        }
        for (name, listener) in &self.listeners {
            let answered = |name: &Str| {
                self.secrets.contains_key(name)
                    || self.answered.contains(&(Kind::Secret, name.clone()))
            };
            let warm = tables_of(listener).all(|table| self.routes.contains_key(table))
                && secrets_of(listener).all(answered);
            let shown = if warm {
                Some(listener)
            } else {
                before.listeners.get(name)
            };
            if let Some(shown) = shown {
                config.listeners.insert(name.clone(), shown.clone());
            }
        }
        // DNS is asked beside this; what it has said stays until it says something else.
        for (name, cluster) in &config.clusters {
            if matches!(cluster.discovery, Discovery::Dns(_))
                && let Some(found) = before.resolved.get(name)
            {
                config.resolved.insert(name.clone(), found.clone());
            }
        }
        // What is kept for want of something newer keeps what it refers to.
        let of_clusters = config
            .clusters
            .values()
            .chain(config.warming.values())
            .filter_map(|cluster| endpoints_of(cluster));
        for name in of_clusters {
            let found = self
                .endpoints
                .get(name)
                .or_else(|| before.endpoints.get(name));
            if let Some(found) = found {
                config.endpoints.insert(name.clone(), found.clone());
            }
        }
        for name in config
            .listeners
            .values()
            .flat_map(|listener| tables_of(listener))
        {
            let found = self.routes.get(name).or_else(|| before.routes.get(name));
            if let Some(found) = found {
                config.routes.insert(name.clone(), found.clone());
            }
        }
        for name in config.listeners.values().flat_map(|l| secrets_of(l)) {
            // One that was taken away is not kept: it may be in the wrong hands.
            if let Some(found) = self.secrets.get(name) {
                config.secrets.insert(name.clone(), found.clone());
            }
        }
        config
    }

    /// The names to subscribe to: what the newest resources and those in force refer to.
    pub(super) fn wanted(&self, in_force: &Config) -> Wanted {
        let clusters = self.clusters.values().chain(in_force.clusters.values());
        let listeners = self.listeners.values().chain(in_force.listeners.values());
        Wanted {
            secrets: listeners
                .clone()
                .flat_map(|listener| secrets_of(listener))
                .filter(|name| !self.is_kept(Kind::Secret, name))
                .cloned()
                .collect(),
            endpoints: clusters
                .filter_map(|cluster| endpoints_of(cluster))
                .cloned()
                .collect(),
            routes: listeners
                .flat_map(|listener| tables_of(listener))
                .cloned()
                .collect(),
        }
    }

    /// The files that the newest listeners and those in force ask for.
    pub(super) fn files(&self, in_force: &Config) -> BTreeSet<InFiles> {
        let listeners = self.listeners.values().chain(in_force.listeners.values());
        let contexts = listeners.flat_map(|listener| contexts_of(listener));
        contexts.flat_map(DownstreamTls::files).collect()
    }

    /// Drops what nobody asks for any more: the server does not tell of it any longer.
    pub(super) fn keep_only(&mut self, wanted: &Wanted) {
        self.endpoints
            .retain(|name, _| wanted.endpoints.contains(name));
        self.routes.retain(|name, _| wanted.routes.contains(name));
        let kept = &self.kept;
        let is_kept = |kind, name: &Str| !kept.is_empty() && kept.contains(&(kind, name.clone()));
        self.secrets
            .retain(|name, _| wanted.secrets.contains(name) || is_kept(Kind::Secret, name));
        self.answered.retain(|(kind, name)| match kind {
            _ if is_kept(*kind, name) => true,
            Kind::Endpoint => wanted.endpoints.contains(name),
            Kind::Route => wanted.routes.contains(name),
            Kind::Secret => wanted.secrets.contains(name),
            Kind::Cluster | Kind::Listener => false,
        });
    }

    /// Whether everything came once that clusters and listeners ask for.
    pub(super) fn is_complete(&self, wanted: &Wanted) -> bool {
        let answered = |kind| move |name: &Str| self.answered.contains(&(kind, name.clone()));
        self.heard_of.contains(&Kind::Cluster)
            && self.heard_of.contains(&Kind::Listener)
            && wanted.endpoints.iter().all(answered(Kind::Endpoint))
            && wanted.routes.iter().all(answered(Kind::Route))
            && wanted.secrets.iter().all(answered(Kind::Secret))
    }
}

/// Names that are referred to.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Wanted {
    pub(super) endpoints: BTreeSet<Str>,
    pub(super) routes: BTreeSet<Str>,
    pub(super) secrets: BTreeSet<Str>,
}

/// Whether it counts only once its endpoints were probed.
fn is_probed_first(cluster: &Cluster) -> bool {
    cluster.checker.is_some() && !matches!(cluster.discovery, Discovery::Dns(_))
}

impl Wanted {
    /// The names that are not among others.
    pub(super) fn without(&self, others: &Self) -> Vec<(Kind, String)> {
        let of = |kind, ours: &BTreeSet<Str>, others: &BTreeSet<Str>| -> Vec<(Kind, String)> {
            let gone = ours.difference(others);
            gone.map(|name| (kind, name.to_string())).collect()
        };
        let endpoints = of(Kind::Endpoint, &self.endpoints, &others.endpoints);
        let routes = of(Kind::Route, &self.routes, &others.routes);
        [endpoints, routes].concat()
    }

    /// The names by type, as they are asked for.
    pub(super) fn names(&self) -> Vec<(Kind, BTreeSet<String>)> {
        let owned = |names: &BTreeSet<Str>| names.iter().map(Str::to_string).collect();
        vec![
            (Kind::Endpoint, owned(&self.endpoints)),
            (Kind::Route, owned(&self.routes)),
            (Kind::Secret, owned(&self.secrets)),
        ]
    }
}

fn endpoints_of(cluster: &Cluster) -> Option<&Str> {
    match &cluster.discovery {
        Discovery::Eds { service } => Some(service),
        Discovery::Static(_) | Discovery::Dns(_) | Discovery::OriginalDst => None,
    }
}

fn contexts_of(listener: &Listener) -> impl Iterator<Item = &DownstreamTls> {
    let chains = listener.chains.iter();
    chains.filter_map(|chain| chain.tls.as_ref())
}

fn secrets_of(listener: &Listener) -> impl Iterator<Item = &Str> {
    contexts_of(listener).flat_map(|tls| tls.secrets())
}

fn tables_of(listener: &Listener) -> impl Iterator<Item = &Str> {
    let managers = listener
        .chains
        .iter()
        .filter_map(|chain| match &chain.network {
            Network::Http(manager) => Some(manager),
            Network::Tcp(_) => None,
        });
    managers.filter_map(|manager| match &manager.routes {
        RouteSource::Rds(name) => Some(name),
        RouteSource::Inline(_) => None,
    })
}
