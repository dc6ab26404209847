//! What an assignment says besides who the endpoints are.

use std::sync::Arc;

use mesh_model::service::Locality;

/// Envoy's `overprovisioning_factor`, in per cent.
const OVERPROVISIONING: u32 = 140;

/// On which terms endpoints get requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// By how much the healthy endpoints of a priority or locality could take more than their share, in per cent:
    /// at 140, five of seven suffice.
    pub overprovisioning: u32,
    /// Whether endpoints count by their weights when the healthy are counted.
    pub by_weight: bool,
    /// Shares of localities; one that is not named gets nothing where localities have shares.
    pub localities: Vec<LocalityWeight>,
}

/// The share of a locality.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalityWeight {
    /// The priority in which it has this share.
    pub priority: u32,
    /// The locality.
    pub locality: Arc<Locality>,
    /// Its weight among those of its priority.
    pub weight: u32,
}

impl Default for Terms {
    fn default() -> Self {
        Self {
            overprovisioning: OVERPROVISIONING,
            by_weight: false,
            localities: Vec::new(),
        }
    }
}

impl Terms {
    /// What a locality weighs; the last word counts.
    pub(super) fn weight(&self, priority: u32, locality: &Locality) -> u32 {
        let mut named = self.localities.iter().rev();
        let found = named.find(|one| one.priority == priority && *one.locality == *locality);
        found.map_or(0, |one| one.weight)
    }
}
