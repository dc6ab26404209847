//! Hash policies of routes and TCP, and the load balancers that use them.

use mesh_proto::envoy::envoy::config::cluster::v3 as cluster;
use mesh_proto::envoy::envoy::config::cluster::v3::cluster::LbConfig;
use mesh_proto::envoy::envoy::config::cluster::v3::cluster::ring_hash_lb_config::HashFunction;
use mesh_proto::envoy::envoy::config::route::v3::route_action as pb;
use mesh_proto::envoy::envoy::config::route::v3::route_action::hash_policy::PolicySpecifier;
use mesh_proto::envoy::envoy::r#type::v3 as tcp;

use super::common::{duration, text};
use super::redirect;
use crate::cluster::Hashing;
use crate::hash::{Cookie, HashFrom, HashPolicy};
use crate::matching::header::HeaderName;
use crate::reject::{At, Compiled, Fault};

/// Envoy's points of a ring at least, at most, and the bound of both.
const LEAST_POINTS: u64 = 1024;
const MOST_POINTS: u64 = 8 << 20;
/// Envoy's slots of a Maglev table, and their bound.
const SLOTS: u64 = 65_537;
const MOST_SLOTS: u64 = 5_000_011;

/// The hash policies of a route.
pub(super) fn policies(list: &[pb::HashPolicy]) -> Compiled<Vec<HashPolicy>> {
    let policies = list.iter().enumerate();
    policies
        .map(|(index, pb)| policy(pb).at_index("hash_policy", index))
        .collect()
}

fn policy(pb: &pb::HashPolicy) -> Compiled<HashPolicy> {
    let from = match &pb.policy_specifier {
        Some(PolicySpecifier::Header(header)) => {
            let name = text(&header.header_name).ok_or_else(|| Fault::missing("header_name"))?;
            let rewrite = header.regex_rewrite.as_ref();
            let rewrite = rewrite.map(|pb| redirect::replacement("header.regex_rewrite", pb));
            HashFrom::Header {
                name: HeaderName::parse(&name),
                rewrite: rewrite.transpose()?,
            }
        }
        Some(PolicySpecifier::Cookie(cookie)) => self::cookie(cookie).at("cookie")?,
        Some(PolicySpecifier::ConnectionProperties(connection)) if connection.source_ip => {
            HashFrom::SourceIp
        }
        Some(PolicySpecifier::QueryParameter(query)) => HashFrom::Query(
            text(&query.name).ok_or_else(|| Fault::missing("query_parameter.name"))?,
        ),
        Some(PolicySpecifier::FilterState(_)) => return Err(Fault::unsupported("filter_state")),
        Some(PolicySpecifier::ConnectionProperties(_)) => {
            return Err(Fault::new("connection_properties", "names no property"));
        }
        None => return Err(Fault::new("", "has no policy_specifier")),
    };
    Ok(HashPolicy {
        from,
        terminal: pb.terminal,
    })
}

fn cookie(pb: &pb::hash_policy::Cookie) -> Compiled<HashFrom> {
    let name = text(&pb.name).ok_or_else(|| Fault::missing("name"))?;
    redirect::header_safe("name", &name)?;
    fits("path", &pb.path)?;
    let attribute = |attribute: &pb::hash_policy::CookieAttribute| {
        fits("attributes", &attribute.name)?;
        fits("attributes", &attribute.value)?;
        Ok((
            attribute.name.as_str().into(),
            attribute.value.as_str().into(),
        ))
    };
    Ok(HashFrom::Cookie(Cookie {
        name,
        path: pb.path.as_str().into(),
        ttl: duration("ttl", pb.ttl.as_ref())?,
        attributes: pb
            .attributes
            .iter()
            .map(attribute)
            .collect::<Compiled<_>>()?,
    }))
}

/// Whether the text may be part of a `set-cookie` (RFC 6265, 4.1.1).
fn fits(field: &str, text: &str) -> Compiled<()> {
    match text.bytes().any(|b| b.is_ascii_control() || b == b';') {
        true => Err(Fault::new(field, "has a semicolon or a control character")),
        false => Ok(()),
    }
}

/// Whether connections are sent by the address of their client.
pub(super) fn by_source(list: &[tcp::HashPolicy]) -> Compiled<bool> {
    use tcp::hash_policy::PolicySpecifier;
    match list.first().map(|policy| &policy.policy_specifier) {
        None => Ok(false),
        Some(Some(PolicySpecifier::SourceIp(_))) => Ok(true),
        Some(Some(PolicySpecifier::FilterState(_))) => {
            Err(Fault::unsupported("hash_policy[0].filter_state"))
        }
        Some(None) => Err(Fault::new("hash_policy[0]", "has no policy_specifier")),
    }
}

/// RING_HASH.
pub(super) fn ring(pb: &cluster::Cluster) -> Compiled<Hashing> {
    let Some(LbConfig::RingHashLbConfig(config)) = &pb.lb_config else {
        return Ok(Hashing::Ring {
            least: LEAST_POINTS,
            most: MOST_POINTS,
            by_hostname: by_hostname(pb)?,
        });
    };
    if config.hash_function != i32::from(HashFunction::XxHash) {
        return Err(Fault::unsupported("ring_hash_lb_config.hash_function"));
    }
    let points = |field: &str, value: Option<u64>, default: u64| match value {
        None => Ok(default),
        Some(points) if points <= MOST_POINTS => Ok(points),
        Some(points) => {
            let why = format!("{points} is above {MOST_POINTS}");
            Err(Fault::new(format!("ring_hash_lb_config.{field}"), why))
        }
    };
    let value = |value: &Option<_>| value.as_ref().map(wrapped);
    let least = points(
        "minimum_ring_size",
        value(&config.minimum_ring_size),
        LEAST_POINTS,
    )?;
    let most = points(
        "maximum_ring_size",
        value(&config.maximum_ring_size),
        MOST_POINTS,
    )?;
    if least > most {
        let why = "is above maximum_ring_size";
        return Err(Fault::new("ring_hash_lb_config.minimum_ring_size", why));
    }
    Ok(Hashing::Ring {
        least,
        most,
        by_hostname: by_hostname(pb)?,
    })
}

/// MAGLEV.
pub(super) fn maglev(pb: &cluster::Cluster) -> Compiled<Hashing> {
    let size = match &pb.lb_config {
        Some(LbConfig::MaglevLbConfig(config)) => config.table_size.as_ref().map(wrapped),
        Some(_) | None => None,
    };
    let size = size.unwrap_or(SLOTS);
    match u32::try_from(size) {
        Ok(size) if u64::from(size) <= MOST_SLOTS && is_prime(size) => Ok(Hashing::Maglev {
            size,
            by_hostname: by_hostname(pb)?,
        }),
        _ => {
            let why = format!("{size} is not a prime number of at most {MOST_SLOTS}");
            Err(Fault::new("maglev_lb_config.table_size", why))
        }
    }
}

fn wrapped(value: &mesh_proto::envoy::google::protobuf::UInt64Value) -> u64 {
    value.value
}

fn by_hostname(pb: &cluster::Cluster) -> Compiled<bool> {
    let common = pb.common_lb_config.as_ref();
    let Some(config) = common.and_then(|common| common.consistent_hashing_lb_config.as_ref())
    else {
        return Ok(false);
    };
    if config.hash_balance_factor.is_some() {
        return Err(Fault::unsupported(
            "common_lb_config.consistent_hashing_lb_config.hash_balance_factor",
        ));
    }
    Ok(config.use_hostname_for_hashing)
}

fn is_prime(number: u32) -> bool {
    let divisors = (2..).take_while(|divisor| divisor * divisor <= number);
    number >= 2
        && divisors
            .into_iter()
            .all(|divisor| !number.is_multiple_of(divisor))
}
