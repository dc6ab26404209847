//! Endpoints of clusters, sorted for balancing.

use std::net::SocketAddr;
use std::sync::{Arc, OnceLock};

use mesh_model::Str;
use mesh_model::service::{Health, Locality};
use mesh_proto::envoy::envoy::config::endpoint::v3 as pb;

use crate::compile;
use crate::reject::Reject;

pub(crate) mod plan;
pub(crate) mod pool;
mod probing;
mod terms;

pub use self::probing::{ProbeTerms, Probing};
pub use self::terms::{LocalityWeight, Terms};

use self::plan::Plan;

/// The endpoints of one cluster.
#[derive(Debug, Default)]
pub struct Endpoints {
    /// Name under which clusters ask for them.
    pub name: Str,
    /// All endpoints; an index into this list names one.
    pub all: Vec<Endpoint>,
    pub(crate) terms: Terms,
    plan: Plan,
    /// The plan by which localities get their shares; made when somebody asks for it.
    weighed: OnceLock<Plan>,
}

/// One address that answers for a cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Where to connect.
    pub address: SocketAddr,
    /// Share of the load, relative to the others; at least 1.
    pub weight: u32,
    /// Whether it takes requests.
    pub health: Health,
    /// Lower is better; higher ones get what too few healthy ones of the lower cannot take.
    pub priority: u32,
    /// Where it runs.
    pub locality: Arc<Locality>,
    /// Host name, for `auto_host_rewrite`.
    pub hostname: Option<Str>,
    /// Metadata `envoy.transport_socket_match`, sorted by key.
    pub transport_match: Vec<(Str, Str)>,
    /// Metadata `istio.workload`, see [`Endpoint::workload`].
    pub workload: Option<Str>,
    /// How it is probed.
    pub probing: Probing,
}

/// What `istio.workload` says about an endpoint; members are empty where nothing is said.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WorkloadNames<'a> {
    /// Name of the workload (Deployment).
    pub name: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
    /// Canonical service.
    pub canonical_name: &'a str,
    /// Canonical revision.
    pub canonical_revision: &'a str,
    /// Cluster (of machines) it runs in.
    pub cluster: &'a str,
}

impl Endpoint {
    /// The workload behind this address, as the control plane named it.
    #[must_use]
    pub fn workload(&self) -> WorkloadNames<'_> {
        let mut parts = self.workload.as_deref().unwrap_or_default().split(';');
        let mut next = || parts.next().unwrap_or_default();
        WorkloadNames {
            name: next(),
            namespace: next(),
            canonical_name: next(),
            canonical_revision: next(),
            cluster: next(),
        }
    }
}

impl Endpoints {
    /// Compiles a resource.
    ///
    /// # Errors
    /// [`Reject`] names the first field that cannot be brought into force.
    pub fn compile(pb: &pb::ClusterLoadAssignment) -> Result<Self, Reject> {
        compile::endpoint::compile(pb).map_err(|fault| fault.of("endpoints", &pb.cluster_name))
    }

    /// Sorts endpoints for balancing, of which nothing else is said.
    #[must_use]
    pub fn new(name: Str, all: Vec<Endpoint>) -> Self {
        Self::on_terms(name, all, Terms::default())
    }

    /// Sorts endpoints for balancing.
    #[must_use]
    pub fn on_terms(name: Str, all: Vec<Endpoint>, terms: Terms) -> Self {
        Self {
            plan: Plan::by_health(&all, &terms),
            name,
            all,
            terms,
            weighed: OnceLock::new(),
        }
    }

    /// The same on the same terms, where something is known of the endpoints that was not.
    #[must_use]
    pub fn with(&self, all: Vec<Endpoint>) -> Self {
        Self::on_terms(self.name.clone(), all, self.terms.clone())
    }

    /// Who gets which share of the requests.
    pub(crate) fn plan(&self, weighs_localities: bool) -> &Plan {
        if !weighs_localities || self.terms.localities.is_empty() {
            return &self.plan;
        }
        let make = || Plan::by_locality(&self.all, &self.terms);
        self.weighed.get_or_init(make)
    }

    /// How many endpoints are healthy.
    #[must_use]
    pub fn usable(&self) -> usize {
        let healthy = |endpoint: &&Endpoint| endpoint.health == Health::Healthy;
        self.all.iter().filter(healthy).count()
    }
}
