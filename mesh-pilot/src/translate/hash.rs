//! Consistent hashing: what clusters say of it, and routes of what is hashed.

use std::sync::Arc;

use mesh_proto::envoy::envoy::config::cluster::v3::cluster::{
    LbConfig, LbPolicy, MaglevLbConfig, RingHashLbConfig,
};
use mesh_proto::envoy::envoy::config::route::v3::route_action as route;
use mesh_proto::envoy::envoy::config::route::v3::route_action::hash_policy::{
    self as of_route, PolicySpecifier,
};
use mesh_proto::envoy::envoy::r#type::v3 as tcp;
use mesh_proto::envoy::google::protobuf::UInt64Value;

use super::message;
use crate::snapshot::rules::{Balancer, ConsistentHash, HashKey, HashTable};
use crate::snapshot::view::VisibleService;

/// The policy of a cluster.
pub(super) fn lb_policy(hash: &ConsistentHash) -> LbPolicy {
    match hash.table {
        HashTable::Ring(_) => LbPolicy::RingHash,
        HashTable::Maglev(_) => LbPolicy::Maglev,
    }
}

/// The sizes of a cluster's ring or table.
pub(super) fn lb_config(hash: &ConsistentHash) -> LbConfig {
    let size = |value| Some(UInt64Value { value });
    match hash.table {
        HashTable::Ring(points) => LbConfig::RingHashLbConfig(RingHashLbConfig {
            minimum_ring_size: size(points),
            ..Default::default()
        }),
        HashTable::Maglev(slots) => LbConfig::MaglevLbConfig(MaglevLbConfig {
            table_size: size(slots),
        }),
    }
}

/// What the DestinationRule of a service says of hashes, for one of its ports.
pub(super) fn of_service(
    service: &VisibleService,
    subset: &str,
    port: u16,
) -> Option<Arc<ConsistentHash>> {
    match service.blocks(subset, port).balancer() {
        Balancer::Hash(hash) => Some(hash.clone()),
        Balancer::RoundRobin | Balancer::LeastRequest | Balancer::Random => None,
    }
}

/// What a route hashes.
pub(super) fn route_policy(hash: &ConsistentHash) -> route::HashPolicy {
    let from = match &hash.key {
        HashKey::Header(name) => PolicySpecifier::Header(of_route::Header {
            header_name: name.clone(),
            ..Default::default()
        }),
        HashKey::Cookie(cookie) => PolicySpecifier::Cookie(of_route::Cookie {
            name: cookie.name.clone(),
            path: cookie.path.clone(),
            ttl: cookie.ttl.map(message::duration),
            attributes: cookie.attributes.iter().map(attribute).collect(),
        }),
        HashKey::SourceIp => {
            PolicySpecifier::ConnectionProperties(of_route::ConnectionProperties {
                source_ip: true,
            })
        }
        HashKey::Query(name) => {
            PolicySpecifier::QueryParameter(of_route::QueryParameter { name: name.clone() })
        }
    };
    route::HashPolicy {
        policy_specifier: Some(from),
        ..Default::default()
    }
}

fn attribute((name, value): &(String, String)) -> of_route::CookieAttribute {
    of_route::CookieAttribute {
        name: name.clone(),
        value: value.clone(),
    }
}

/// What connections that are passed on hash: addresses, or nothing.
pub(super) fn tcp_policy(hash: &ConsistentHash) -> Option<tcp::HashPolicy> {
    use tcp::hash_policy::{PolicySpecifier, SourceIp};
    match &hash.key {
        HashKey::SourceIp => Some(tcp::HashPolicy {
            policy_specifier: Some(PolicySpecifier::SourceIp(SourceIp {})),
        }),
        HashKey::Header(_) | HashKey::Cookie(_) | HashKey::Query(_) => None,
    }
}
