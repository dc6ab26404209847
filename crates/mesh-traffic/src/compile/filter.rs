//! Network filters: the one at the end of a chain, and those before it that are built in.

use std::sync::Arc;
use std::time::Duration;

use mesh_model::Str;
use mesh_proto::envoy::envoy::config::listener::v3 as pb;
use mesh_proto::envoy::envoy::config::listener::v3::filter::ConfigType;
use mesh_proto::envoy::envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;
use mesh_proto::envoy::envoy::extensions::filters::network::local_ratelimit::v3::LocalRateLimit;
use mesh_proto::envoy::envoy::extensions::filters::network::tcp_proxy::v3 as tcp;
use mesh_proto::envoy::envoy::extensions::filters::network::tcp_proxy::v3::tcp_proxy::ClusterSpecifier;
use mesh_proto::{Any, any};

use super::common::{limit, unpack};
use super::{access_log, hash, http, limit as limits};
use crate::limit::ConnectionLimit;
use crate::listener::{Network, TcpProxy};
use crate::reject::{At, Compiled, Fault};

/// Envoy's idle timeout of forwarded connections.
const DEFAULT_TCP_IDLE: Duration = Duration::from_secs(3600);
/// Network filters whose work is built in or changes nothing here.
const BUILT_IN: [&str; 2] = [
    "envoy.tcp.metadataexchange.config.MetadataExchange",
    "io.istio.tcp.peer_metadata.Config",
];

/// What the filters of a chain do together: how many connections pass, and what reads their bytes.
pub(super) fn network(filters: &[pb::Filter]) -> Compiled<(Vec<Arc<ConnectionLimit>>, Network)> {
    let Some((last, before)) = filters.split_last() else {
        return Err(Fault::new("filters", "is empty"));
    };
    let mut found = Vec::new();
    for (index, filter) in before.iter().enumerate() {
        let limit = limit_of(filter).at_index("filters", index)?;
        found.extend(limit.map(Arc::new));
    }
    let network = terminal(last).at_index("filters", before.len())?;
    Ok((found, network))
}

fn typed(filter: &pb::Filter) -> Compiled<&Any> {
    match &filter.config_type {
        Some(ConfigType::TypedConfig(any)) => Ok(any),
        Some(ConfigType::ConfigDiscovery(_)) => Err(Fault::unsupported("config_discovery")),
        None => Err(Fault::missing("typed_config")),
    }
}

/// How many connections a filter lets pass; nothing for those that change nothing here.
fn limit_of(filter: &pb::Filter) -> Compiled<Option<ConnectionLimit>> {
    let any = typed(filter)?;
    if any::is::<LocalRateLimit>(any) {
        return limits::of_connections(&unpack(any)?);
    }
    let url = &any.type_url;
    match url
        .rsplit('/')
        .next()
        .is_some_and(|name| BUILT_IN.contains(&name))
    {
        true => Ok(None),
        false => Err(Fault::new(
            "typed_config",
            format!("{url:?} is not supported"),
        )),
    }
}

fn terminal(filter: &pb::Filter) -> Compiled<Network> {
    let any = typed(filter)?;
    if any::is::<tcp::TcpProxy>(any) {
        return tcp_proxy(&unpack(any)?).map(Network::Tcp);
    }
    let manager: HttpConnectionManager = unpack(any)?;
    http::compile(&manager).map(|manager| Network::Http(Box::new(manager)))
}

fn tcp_proxy(pb: &tcp::TcpProxy) -> Compiled<TcpProxy> {
    let features = [
        (pb.tunneling_config.is_some(), "tunneling_config"),
        (pb.metadata_match.is_some(), "metadata_match"),
        (pb.on_demand.is_some(), "on_demand"),
        (
            pb.access_log_flush_interval.is_some(),
            "access_log_flush_interval",
        ),
        (
            pb.flush_access_log_on_connected,
            "flush_access_log_on_connected",
        ),
        (
            pb.access_log_options
                .as_ref()
                .is_some_and(|options| *options != Default::default()),
            "access_log_options",
        ),
    ];
    if let Some((_, field)) = features.iter().find(|(asked, _)| *asked) {
        return Err(Fault::unsupported(*field));
    }
    Ok(TcpProxy {
        stat_prefix: pb.stat_prefix.as_str().into(),
        clusters: clusters(pb)?,
        idle_timeout: limit(
            "idle_timeout",
            pb.idle_timeout.as_ref(),
            Some(DEFAULT_TCP_IDLE),
        )?,
        access_log: access_log::compile(&pb.access_log)?,
        by_source: hash::by_source(&pb.hash_policy)?,
    })
}

fn clusters(pb: &tcp::TcpProxy) -> Compiled<Vec<(Str, u32)>> {
    let clusters = match &pb.cluster_specifier {
        Some(ClusterSpecifier::Cluster(name)) => vec![(name.into(), 1)],
        Some(ClusterSpecifier::WeightedClusters(list)) => {
            let pairs = list.clusters.iter().filter(|cluster| cluster.weight > 0);
            pairs
                .map(|cluster| (Str::from(&cluster.name), cluster.weight))
                .collect()
        }
        None => Vec::new(),
    };
    match clusters.is_empty() || clusters.iter().any(|(name, _)| name.is_empty()) {
        true => Err(Fault::missing("cluster")),
        false => Ok(clusters),
    }
}
