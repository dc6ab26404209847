//! What is in force: an immutable set of compiled resources, replaced as a whole.

use std::collections::{BTreeMap, HashMap};
use std::net::SocketAddr;
use std::sync::Arc;

use mesh_model::Str;

use crate::cluster::{Cluster, Discovery};
use crate::endpoint::Endpoints;
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

    /// The endpoints of a cluster: its own, or those that discovery brought.
    ///
    /// `None` while discovery has not answered, and for clusters that have none by their nature.
    #[must_use]
    pub fn endpoints_of<'c>(&'c self, cluster: &'c Cluster) -> Option<&'c Arc<Endpoints>> {
        match &cluster.discovery {
            Discovery::Eds { service } => self.endpoints.get(service),
            Discovery::Static(endpoints) => Some(endpoints),
            Discovery::Dns(_) => self.resolved.get(&cluster.name),
            Discovery::OriginalDst => None,
        }
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
        let all = found.chain(fixed);
        all.flat_map(|endpoints| &endpoints.all)
            .map(|endpoint| endpoint.address)
    }
}
