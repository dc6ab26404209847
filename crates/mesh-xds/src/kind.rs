//! The types of resources that travel here, in the order in which a change must reach a proxy.

use mesh_proto::any;

/// A type of resources. The order of the variants is the order of delivery: what is referred to
/// comes before what refers to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// Clusters, CDS: first, since listeners and routes name them.
    Cluster,
    /// Endpoints, EDS: a cluster is of no use before its endpoints.
    Endpoint,
    /// Listeners, LDS: they name clusters and route tables.
    Listener,
    /// Route tables, RDS: asked for by listeners, and name clusters.
    Route,
    /// Secrets, SDS.
    Secret,
}

impl Kind {
    /// Every type, in the order of delivery.
    pub const ALL: [Self; 5] = [
        Self::Cluster,
        Self::Endpoint,
        Self::Listener,
        Self::Route,
        Self::Secret,
    ];

    /// Reads a type URL.
    #[must_use]
    pub fn of(type_url: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.type_url() == type_url)
    }

    /// The type URL.
    #[must_use]
    pub fn type_url(self) -> &'static str {
        match self {
            Self::Cluster => any::CLUSTER,
            Self::Endpoint => any::ENDPOINT,
            Self::Listener => any::LISTENER,
            Self::Route => any::ROUTE,
            Self::Secret => any::SECRET,
        }
    }

    /// Whether a first request without names asks for every resource of the type.
    #[must_use]
    pub fn is_wildcard_by_default(self) -> bool {
        matches!(self, Self::Cluster | Self::Listener)
    }
}
