//! The network filter at the end of chains whose bytes are passed on as they are.

use mesh_proto::any::pack;
use mesh_proto::envoy::envoy::config::listener::v3 as proto;
use mesh_proto::envoy::envoy::extensions::filters::network::tcp_proxy::v3 as tcp;

/// Passes a connection's bytes on to `cluster`.
///
/// istio: the prefix of the statistics is the cluster's name.
pub(super) fn to(cluster: String) -> proto::Filter {
    let proxy = tcp::TcpProxy {
        stat_prefix: cluster.clone(),
        cluster_specifier: Some(tcp::tcp_proxy::ClusterSpecifier::Cluster(cluster)),
        ..Default::default()
    };
    proto::Filter {
        name: "envoy.filters.network.tcp_proxy".into(),
        config_type: Some(proto::filter::ConfigType::TypedConfig(pack(&proxy))),
    }
}
