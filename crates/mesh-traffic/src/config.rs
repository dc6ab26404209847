//! What is in force: an immutable set of compiled resources, replaced as a whole.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;

use mesh_model::Str;

use crate::cluster::{Cluster, Discovery};
use crate::endpoint::Endpoints;
use crate::health::Checker;
use crate::listener::Listener;
use crate::route::RouteTable;
use crate::secret::Secret;
use crate::tls::InFiles;

/// A map from names, with a fast hash.
pub type Map<V> = HashMap<Str, V, ahash::RandomState>;

/// What was found in files; a reason where it cannot be used, which names the file.
pub type FoundInFiles = HashMap<InFiles, Result<Arc<Secret>, Str>, ahash::RandomState>;

/// One configuration. A request takes one and keeps it to its end.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Listeners by name.
    pub listeners: BTreeMap<Str, Arc<Listener>>,
    /// Route tables by name.
    pub routes: Map<Arc<RouteTable>>,
    /// Clusters by name.
    pub clusters: Map<Arc<Cluster>>,
    /// Endpoints by the name under which clusters ask for them.
    pub endpoints: Map<Arc<Endpoints>>,
    /// What DNS has said, by the name of the cluster that asked.
    pub resolved: Map<Arc<Endpoints>>,
    /// Endpoints as health checks have found them, by the name of their cluster.
    pub checked: Map<Arc<Endpoints>>,
    /// Clusters that are in force as soon as each of their endpoints was probed once.
    pub warming: Map<Arc<Cluster>>,
    /// Secrets by the name under which listeners ask for them.
    pub secrets: Map<Arc<Secret>>,
    /// Secrets that listeners ask for by the files that they are in.
    pub files: FoundInFiles,
    /// Counts the changes.
    pub version: u64,
}

impl Config {
    /// The cluster of that name.
    #[must_use]
    pub fn cluster(&self, name: &str) -> Option<&Arc<Cluster>> {
        self.clusters.get(name)
    }

    /// The route table of that name.
    #[must_use]
    pub fn route_table(&self, name: &str) -> Option<&Arc<RouteTable>> {
        self.routes.get(name)
    }

    /// The endpoints of a cluster: its own, or those that discovery brought, as its health check has found them.
    ///
    /// `None` while discovery has not answered, and for clusters that have none by their nature.
    #[must_use]
    pub fn endpoints_of<'c>(&'c self, cluster: &'c Cluster) -> Option<&'c Arc<Endpoints>> {
        if cluster.checker.is_some()
            && let Some(checked) = self.checked.get(&cluster.name)
        {
            return Some(checked);
        }
        self.found_of(cluster)
    }

    /// The same for a request or connection: a health check probes those oftener that are used.
    #[must_use]
    pub fn endpoints_for_use<'c>(&'c self, cluster: &'c Cluster) -> Option<&'c Arc<Endpoints>> {
        let Some(checker) = &cluster.checker else {
            return self.found_of(cluster);
        };
        checker.note_use();
        self.endpoints_of(cluster)
    }

    /// The endpoints of a cluster as discovery knows them.
    #[must_use]
    pub fn found_of<'c>(&'c self, cluster: &'c Cluster) -> Option<&'c Arc<Endpoints>> {
        match &cluster.discovery {
            Discovery::Eds { service } => self.endpoints.get(service),
            Discovery::Static(endpoints) => Some(endpoints),
            Discovery::Dns(_) => self.resolved.get(&cluster.name),
            Discovery::OriginalDst => None,
        }
    }

    /// The same with what health checks know now.
    #[must_use]
    pub fn checked(mut self) -> Self {
        let warming = std::mem::take(&mut self.warming);
        for (name, cluster) in warming {
            match self.check(&cluster).is_some()
                && cluster.checker.as_ref().is_none_or(Checker::is_warm)
            {
                true => drop(self.clusters.insert(name, cluster)),
                false => drop(self.warming.insert(name, cluster)),
            }
        }
        let clusters = self.clusters.values();
        let checked =
            clusters.filter_map(|cluster| Some((cluster.name.clone(), self.check(cluster)?)));
        self.checked = checked.collect();
        self
    }

    /// Whether health checks know something that this does not show.
    #[must_use]
    pub fn is_behind_checks(&self) -> bool {
        let is_old = |cluster: &Arc<Cluster>| {
            let shown = self.checked.get(&cluster.name);
            match (self.check(cluster), shown) {
                (Some(now), Some(shown)) => !Arc::ptr_eq(&now, shown),
                (now, shown) => now.is_some() != shown.is_some(),
            }
        };
        let is_warm = |cluster: &Arc<Cluster>| {
            let checker = cluster.checker.as_ref();
            checker.is_none_or(Checker::is_warm)
        };
        self.warming.values().any(is_warm) || self.clusters.values().any(is_old)
    }

    /// The endpoints of a cluster as its health check knows them.
    fn check(&self, cluster: &Cluster) -> Option<Arc<Endpoints>> {
        let checker = cluster.checker.as_ref()?;
        Some(checker.follow(self.found_of(cluster)?))
    }

    /// The health checks of all clusters, with the clusters.
    pub fn checkers(&self) -> impl Iterator<Item = (&Arc<Cluster>, &Checker)> {
        let clusters = self.clusters.values().chain(self.warming.values());
        clusters.filter_map(|cluster| Some((cluster, cluster.checker.as_ref()?)))
    }

    /// Where the endpoints of all clusters are; an address may come more than once.
    pub fn addresses(&self) -> impl Iterator<Item = SocketAddr> {
        let fixed = self
            .clusters
            .values()
            .filter_map(|cluster| match &cluster.discovery {
                Discovery::Static(endpoints) => Some(endpoints),
                Discovery::Eds { .. } | Discovery::Dns(_) | Discovery::OriginalDst => None,
            });
        let found = self.endpoints.values().chain(self.resolved.values());
        let found = found.chain(self.checked.values());
        let all = found.chain(fixed);
        all.flat_map(|endpoints| &endpoints.all)
            .map(|endpoint| endpoint.address)
    }
}
