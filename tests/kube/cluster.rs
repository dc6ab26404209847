//! The cluster that tests share.

use std::sync::OnceLock;

use parking_lot::RwLock;

pub(crate) use mesh_tests::cluster::{Cluster, success};

/// The cluster of all tests. To read is to work in a namespace of one's own; to write is to stop
/// and start its parts.
pub(crate) fn shared() -> &'static RwLock<Cluster> {
    static SHARED: OnceLock<RwLock<Cluster>> = OnceLock::new();
    SHARED.get_or_init(|| RwLock::new(Cluster::up()))
}
