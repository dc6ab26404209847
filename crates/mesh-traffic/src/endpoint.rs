//! Endpoints of clusters, sorted for balancing.

use std::net::SocketAddr;
use std::sync::Arc;

use mesh_model::Str;
use mesh_model::service::{Health, Locality};
use mesh_proto::envoy::envoy::config::endpoint::v3 as pb;

use crate::compile;
use crate::reject::Reject;

/// The endpoints of one cluster.
#[derive(Debug, Default)]
pub struct Endpoints {
    /// Name under which clusters ask for them.
    pub name: Str,
    /// All endpoints; an index into this list names one.
    pub all: Vec<Endpoint>,
    /// Those that take requests: the healthy ones of the best priority that has any.
    pub(crate) usable: Pool,
    /// All of the best priority, for panic mode.
    pub(crate) everyone: Pool,
}

/// Candidates of a choice, with their weights summed up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Pool {
    /// Indexes into [`Endpoints::all`].
    pub(crate) members: Vec<u32>,
    /// Running sums of the weights; empty when all weights are equal.
    pub(crate) sums: Vec<u64>,
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
    /// Lower is better; higher ones wait until the lower have nobody left.
    pub priority: u32,
    /// Where it runs.
    pub locality: Arc<Locality>,
    /// Host name, for `auto_host_rewrite`.
    pub hostname: Option<Str>,
    /// Metadata `envoy.transport_socket_match`, sorted by key.
    pub transport_match: Vec<(Str, Str)>,
    /// Metadata `istio.workload`, see [`Endpoint::workload`].
    pub workload: Option<Str>,
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

    /// Sorts endpoints for balancing.
    #[must_use]
    pub fn new(name: Str, all: Vec<Endpoint>) -> Self {
        let healthy = |e: &Endpoint| e.health == Health::Healthy;
        let usable = Pool::of_best(&all, healthy);
        let everyone = Pool::of_best(&all, |_| true);
        Self {
            name,
            all,
            usable,
            everyone,
        }
    }

    /// Whom requests go to; in panic to the healthy ones and the others.
    pub(crate) fn pool(&self, panicking: bool) -> &Pool {
        match panicking {
            true => &self.everyone,
            false => &self.usable,
        }
    }

    /// How many endpoints take requests.
    #[must_use]
    pub fn usable(&self) -> usize {
        self.usable.members.len()
    }
}

impl Pool {
    /// The wanted endpoints of the lowest priority that has any.
    fn of_best(all: &[Endpoint], wanted: impl Fn(&Endpoint) -> bool) -> Self {
        let candidates = || all.iter().zip(0u32..).filter(|(e, _)| wanted(e));
        let Some(best) = candidates().map(|(e, _)| e.priority).min() else {
            return Self::default();
        };
        let chosen = || candidates().filter(|(e, _)| e.priority == best);
        let first = chosen().next().map(|(e, _)| e.weight);
        let members = chosen().map(|(_, index)| index).collect();
        if chosen().all(|(e, _)| Some(e.weight) == first) {
            return Self {
                members,
                sums: Vec::new(),
            };
        }
        let add = |sum: &mut u64, (e, _): (&Endpoint, u32)| {
            *sum = sum.saturating_add(u64::from(e.weight));
            Some(*sum)
        };
        Self {
            members,
            sums: chosen().scan(0u64, add).collect(),
        }
    }
}
