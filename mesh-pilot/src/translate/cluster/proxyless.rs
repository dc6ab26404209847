//! Clusters as gRPC's libraries know them: they refuse a cluster with a policy, and TLS, that they do not have.
//!
//! departs from istio: which sends LEAST_REQUEST as it is; libraries refuse the cluster then, and its calls fail.

use mesh_proto::envoy::envoy::config::cluster::v3 as proto;
use mesh_proto::envoy::envoy::config::cluster::v3::cluster::LbPolicy;
use mesh_proto::envoy::envoy::config::core::v3 as core;

/// A cluster without what no library knows, and with one transport for all endpoints.
pub(super) fn known(
    told: proto::Cluster,
    transport_socket: Option<core::TransportSocket>,
) -> proto::Cluster {
    let is_ring = told.lb_policy == i32::from(LbPolicy::RingHash);
    let lb_policy = if is_ring {
        LbPolicy::RingHash
    } else {
        LbPolicy::RoundRobin
    };
    proto::Cluster {
        lb_policy: lb_policy.into(),
        lb_config: told.lb_config.filter(|_| is_ring),
        transport_socket_matches: Vec::new(),
        transport_socket,
        ..told
    }
}
