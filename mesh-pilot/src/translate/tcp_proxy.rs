//! The network filter at the end of chains whose bytes are passed on as they are.

use mesh_proto::any::pack;
use mesh_proto::envoy::envoy::config::listener::v3 as proto;
use mesh_proto::envoy::envoy::extensions::filters::network::tcp_proxy::v3 as tcp;
use mesh_proto::envoy::envoy::r#type::v3::HashPolicy;
use mesh_proto::envoy::google::protobuf::Duration;

use super::{hash, message};
use crate::snapshot::rules::{Balancer, PolicyBlocks};

/// Passes a connection's bytes on to `cluster`.
///
/// istio: the prefix of the statistics is the cluster's name.
pub(super) fn to(cluster: String) -> proto::Filter {
    to_by(cluster, Manner::default())
}

/// How bytes are passed on.
#[derive(Default)]
pub(super) struct Manner {
    /// What is hashed to choose the endpoint.
    pub(super) hash: Option<HashPolicy>,
    /// How long nothing may pass; nought is for ever.
    pub(super) idle_timeout: Option<Duration>,
}

impl Manner {
    /// What a DestinationRule says.
    pub(super) fn of(blocks: &PolicyBlocks) -> Self {
        let hash = match blocks.balancer() {
            Balancer::Hash(hash) => hash::tcp_policy(hash),
            Balancer::RoundRobin | Balancer::LeastRequest | Balancer::Random => None,
        };
        let pool = blocks.pool.as_ref().and_then(|pool| pool.tcp.as_ref());
        let idle_timeout = pool.and_then(|pool| pool.idle_timeout);
        Self {
            hash,
            idle_timeout: idle_timeout.map(message::duration),
        }
    }
}

/// The same in a certain manner.
pub(super) fn to_by(cluster: String, manner: Manner) -> proto::Filter {
    let prefix = cluster.clone();
    let specifier = tcp::tcp_proxy::ClusterSpecifier::Cluster(cluster);
    filter(prefix, specifier, manner)
}

/// Passes each connection's bytes on to one of several, by weight.
pub(super) fn to_any(mut clusters: Vec<(String, u32)>, manner: Manner) -> proto::Filter {
    if clusters.len() == 1
        && let Some((only, _)) = clusters.pop()
    {
        return to_by(only, manner);
    }
    let prefix = clusters.first().map(|(name, _)| name.clone());
    let clusters = clusters.into_iter();
    let clusters = clusters.map(
        |(name, weight)| tcp::tcp_proxy::weighted_cluster::ClusterWeight {
            name,
            weight,
            ..Default::default()
        },
    );
    let weighted = tcp::tcp_proxy::WeightedCluster {
        clusters: clusters.collect(),
    };
    filter(
        prefix.unwrap_or_default(),
        tcp::tcp_proxy::ClusterSpecifier::WeightedClusters(weighted),
        manner,
    )
}

fn filter(
    stat_prefix: String,
    specifier: tcp::tcp_proxy::ClusterSpecifier,
    manner: Manner,
) -> proto::Filter {
    let proxy = tcp::TcpProxy {
        stat_prefix,
        hash_policy: manner.hash.into_iter().collect(),
        idle_timeout: manner.idle_timeout,
        cluster_specifier: Some(specifier),
        ..Default::default()
    };
    proto::Filter {
        name: "envoy.filters.network.tcp_proxy".into(),
        config_type: Some(proto::filter::ConfigType::TypedConfig(pack(&proxy))),
    }
}
