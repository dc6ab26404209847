//! The network filter at the end of chains whose bytes are passed on as they are.

use mesh_proto::any::pack;
use mesh_proto::envoy::envoy::config::listener::v3 as proto;
use mesh_proto::envoy::envoy::extensions::filters::network::tcp_proxy::v3 as tcp;
use mesh_proto::envoy::envoy::r#type::v3::HashPolicy;

/// Passes a connection's bytes on to `cluster`.
///
/// istio: the prefix of the statistics is the cluster's name.
pub(super) fn to(cluster: String) -> proto::Filter {
    to_hashed(cluster, None)
}

/// The same, to an endpoint by what is hashed.
pub(super) fn to_hashed(cluster: String, hash: Option<HashPolicy>) -> proto::Filter {
    let prefix = cluster.clone();
    let specifier = tcp::tcp_proxy::ClusterSpecifier::Cluster(cluster);
    filter(prefix, specifier, hash)
}

/// Passes each connection's bytes on to one of several, by weight.
pub(super) fn to_any(mut clusters: Vec<(String, u32)>, hash: Option<HashPolicy>) -> proto::Filter {
    if clusters.len() == 1
        && let Some((only, _)) = clusters.pop()
    {
        return to_hashed(only, hash);
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
        hash,
    )
}

fn filter(
    stat_prefix: String,
    specifier: tcp::tcp_proxy::ClusterSpecifier,
    hash: Option<HashPolicy>,
) -> proto::Filter {
    let proxy = tcp::TcpProxy {
        stat_prefix,
        hash_policy: hash.into_iter().collect(),
        cluster_specifier: Some(specifier),
        ..Default::default()
    };
    proto::Filter {
        name: "envoy.filters.network.tcp_proxy".into(),
        config_type: Some(proto::filter::ConfigType::TypedConfig(pack(&proxy))),
    }
}
