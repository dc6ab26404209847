//! Clusters of sidecars to which connections are redirected: most lead to where a client called.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use mesh_proto::envoy::envoy::config::cluster::v3 as proto;
use mesh_proto::envoy::envoy::config::cluster::v3::cluster::{
    ClusterDiscoveryType, DiscoveryType, LbPolicy,
};
use mesh_proto::envoy::envoy::config::core::v3 as core;
use mesh_proto::envoy::envoy::extensions::upstreams::http::v3::http_protocol_options as http;
use mesh_proto::envoy::google::protobuf::Duration;

use super::{CONNECT_TIMEOUT, guards, options};
use crate::snapshot::rules::PolicyBlocks;
use crate::snapshot::view::{Families, View};
use crate::translate::names;

/// The addresses from which a sidecar calls its own workload: the redirection passes them over.
///
/// istio: `InboundPassthroughBindIpv4`, `InboundPassthroughBindIpv6`.
const HAND_OVER_V4: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 6));
const HAND_OVER_V6: IpAddr = IpAddr::V6(Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 6));
/// How often an Envoy forgets addresses that nobody calls any more.
const FORGET: Duration = Duration {
    seconds: 60,
    nanos: 0,
};

/// Those that every such sidecar has.
pub(in crate::translate) fn of_everybody(view: &View) -> [proto::Cluster; 3] {
    let passthrough = || named(names::PASSTHROUGH);
    [
        proto::Cluster {
            cluster_discovery_type: Some(ClusterDiscoveryType::Type(DiscoveryType::Static.into())),
            connect_timeout: Some(CONNECT_TIMEOUT),
            name: names::BLACK_HOLE.to_owned(),
            ..Default::default()
        },
        where_called(passthrough()),
        handed_over(
            view,
            proto::Cluster {
                name: names::INBOUND_PASSTHROUGH.to_owned(),
                ..passthrough()
            },
        ),
    ]
}

fn named(name: &str) -> proto::Cluster {
    // Nothing is known of the other side but what its client says.
    let as_client = http::UpstreamProtocolOptions::UseDownstreamProtocolConfig(
        http::UseDownstreamHttpConfig::default(),
    );
    let told = proto::Cluster {
        connect_timeout: Some(CONNECT_TIMEOUT),
        typed_extension_protocol_options: options(Some(as_client), None),
        name: name.to_owned(),
        ..Default::default()
    };
    guards::bounded(&PolicyBlocks::default(), told)
}

/// The cluster leads to where the client called.
pub(super) fn where_called(told: proto::Cluster) -> proto::Cluster {
    proto::Cluster {
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(
            DiscoveryType::OriginalDst.into(),
        )),
        lb_policy: LbPolicy::ClusterProvided.into(),
        cleanup_interval: Some(FORGET),
        ..told
    }
}

/// The same, within the own workload.
pub(super) fn handed_over(view: &View, told: proto::Cluster) -> proto::Cluster {
    let families = view
        .captured()
        .map_or_else(Families::default, |captured| captured.families);
    let (first, second) = families.each(HAND_OVER_V4, HAND_OVER_V6);
    let more = second.map(|ip| core::ExtraSourceAddress {
        address: Some(from(ip)),
        ..Default::default()
    });
    proto::Cluster {
        upstream_bind_config: Some(core::BindConfig {
            source_address: Some(from(first)),
            extra_source_addresses: more.into_iter().collect(),
            ..Default::default()
        }),
        ..where_called(told)
    }
}

fn from(ip: IpAddr) -> core::SocketAddress {
    core::SocketAddress {
        address: ip.to_string(),
        port_specifier: Some(core::socket_address::PortSpecifier::PortValue(0)),
        ..Default::default()
    }
}
