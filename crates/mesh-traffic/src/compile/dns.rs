//! DNS clusters to [`Dns`]: Envoy's older fields of `Cluster`, and the extension `envoy.clusters.dns`.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use mesh_proto::Any;
use mesh_proto::envoy::envoy::config::cluster::v3 as pb;
use mesh_proto::envoy::envoy::config::cluster::v3::cluster::DnsLookupFamily as OldFamily;
use mesh_proto::envoy::envoy::config::core::v3 as core;
use mesh_proto::envoy::envoy::config::core::v3::address::Address as AddressKind;
use mesh_proto::envoy::envoy::config::endpoint::v3::ClusterLoadAssignment;
use mesh_proto::envoy::envoy::config::endpoint::v3::lb_endpoint::HostIdentifier;
use mesh_proto::envoy::envoy::extensions::clusters::common::dns::v3::DnsLookupFamily;
use mesh_proto::envoy::envoy::extensions::clusters::dns::v3::DnsCluster;
use mesh_proto::envoy::envoy::extensions::network::dns_resolver::cares::v3::CaresDnsResolverConfig;
use mesh_proto::envoy::google::protobuf as wkt;

use super::common::{address, duration, number, unpack};
use super::endpoint;
use crate::dns::{Dns, Family, Named, Refresh, Servers};
use crate::endpoint::Terms;
use crate::reject::{At, Compiled, Fault};

/// Envoy's `dns_refresh_rate`.
const EVERY: Duration = Duration::from_secs(5);
/// Envoy's bound of what it may be; to ask more often helps nobody.
const OFTENEST: Duration = Duration::from_millis(1);
/// Envoy's time for one server (`query_timeout_seconds`).
const TIMEOUT: Duration = Duration::from_secs(5);
/// Envoy's number of questions (`query_tries`).
const TRIES: u32 = 4;
/// More of them would keep a name unknown for minutes.
const MOST_TRIES: u32 = 16;
/// The longest name of DNS (RFC 1035 2.3.4), written out.
const LONGEST_NAME: usize = 253;

/// The older fields: `type` is `STRICT_DNS`, or `LOGICAL_DNS` where the first address counts alone.
pub(super) fn of_cluster(pb: &pb::Cluster, first_alone: bool) -> Compiled<Dns> {
    let failed = pb.dns_failure_refresh_rate.as_ref();
    let failed = failed.map(|rate| (rate.base_interval.as_ref(), rate.max_interval.as_ref()));
    let family = match OldFamily::try_from(pb.dns_lookup_family) {
        Ok(OldFamily::Auto) => Family::Ipv6ThenIpv4,
        Ok(OldFamily::V4Only) => Family::Ipv4,
        Ok(OldFamily::V6Only) => Family::Ipv6,
        Ok(OldFamily::V4Preferred) => Family::Ipv4ThenIpv6,
        Ok(OldFamily::All) => Family::Both,
        Err(_) => return Err(no_family(pb.dns_lookup_family)),
    };
    let resolution = pb.dns_resolution_config.as_ref();
    let servers = match (&pb.typed_dns_resolver_config, resolution) {
        (Some(typed), _) => cares(typed).at("typed_dns_resolver_config")?,
        (None, Some(config)) => servers(
            &config.resolvers,
            config.dns_resolver_options.as_ref(),
            pb.use_tcp_for_dns_lookups,
        )
        .at("dns_resolution_config")?,
        (None, None) => servers(&pb.dns_resolvers, None, pb.use_tcp_for_dns_lookups)?,
    };
    let assignment = pb.load_assignment.as_ref();
    let (names, terms) = names(assignment, first_alone).at("load_assignment")?;
    Ok(Dns {
        names,
        terms,
        first_alone,
        family,
        refresh: refresh(
            pb.dns_refresh_rate.as_ref(),
            pb.respect_dns_ttl.then_some(Duration::ZERO),
            failed,
            pb.dns_jitter.as_ref(),
        )?,
        servers,
    })
}

/// The extension.
pub(super) fn of_extension(pb: &pb::Cluster, config: &Any) -> Compiled<Dns> {
    let own: DnsCluster = unpack(config)?;
    let failed = own.dns_failure_refresh_rate.as_ref();
    let failed = failed.map(|rate| (rate.base_interval.as_ref(), rate.max_interval.as_ref()));
    let least = duration("dns_min_refresh_rate", own.dns_min_refresh_rate.as_ref())?;
    let first_alone = own.all_addresses_in_single_endpoint;
    let family = match DnsLookupFamily::try_from(own.dns_lookup_family) {
        Ok(DnsLookupFamily::Unspecified | DnsLookupFamily::Auto) => Family::Ipv6ThenIpv4,
        Ok(DnsLookupFamily::V4Only) => Family::Ipv4,
        Ok(DnsLookupFamily::V6Only) => Family::Ipv6,
        Ok(DnsLookupFamily::V4Preferred) => Family::Ipv4ThenIpv6,
        Ok(DnsLookupFamily::All) => Family::Both,
        Err(_) => return Err(no_family(own.dns_lookup_family)),
    };
    let assignment = pb.load_assignment.as_ref();
    let (names, terms) = names(assignment, first_alone).at("load_assignment")?;
    Ok(Dns {
        names,
        terms,
        first_alone,
        family,
        refresh: refresh(
            own.dns_refresh_rate.as_ref(),
            own.respect_dns_ttl.then_some(least.unwrap_or_default()),
            failed,
            own.dns_jitter.as_ref(),
        )?,
        servers: match &own.typed_dns_resolver_config {
            Some(typed) => cares(typed).at("typed_dns_resolver_config")?,
            None => servers(&[], None, false)?,
        },
    })
}

fn no_family(number: i32) -> Fault {
    Fault::new("dns_lookup_family", format!("{number} is no family"))
}

fn refresh(
    every: Option<&wkt::Duration>,
    by_ttl: Option<Duration>,
    failed: Option<(Option<&wkt::Duration>, Option<&wkt::Duration>)>,
    jitter: Option<&wkt::Duration>,
) -> Compiled<Refresh> {
    let every = pause("dns_refresh_rate", every)?.unwrap_or(EVERY);
    let failed = match failed {
        None => (every, every),
        Some((base, most)) => failures(base, most).at("dns_failure_refresh_rate")?,
    };
    Ok(Refresh {
        every,
        by_ttl,
        failed,
        jitter: duration("dns_jitter", jitter)?.unwrap_or_default(),
    })
}

fn failures(
    base: Option<&wkt::Duration>,
    most: Option<&wkt::Duration>,
) -> Compiled<(Duration, Duration)> {
    let base = pause("base_interval", base)?.ok_or_else(|| Fault::missing("base_interval"))?;
    let most = pause("max_interval", most)?.unwrap_or_else(|| base.saturating_mul(10));
    match most < base {
        true => Err(Fault::new("max_interval", "is below base_interval")),
        false => Ok((base, most)),
    }
}

fn pause(field: &str, value: Option<&wkt::Duration>) -> Compiled<Option<Duration>> {
    match duration(field, value)? {
        Some(pause) if pause <= OFTENEST => Err(Fault::new(field, "is not above 1 ms")),
        pause => Ok(pause),
    }
}

/// The resolver that Envoy calls c-ares. What it says of sockets and caches of its own is nothing to ours.
fn cares(pb: &core::TypedExtensionConfig) -> Compiled<Servers> {
    let typed = pb.typed_config.as_ref();
    let typed = typed.ok_or_else(|| Fault::missing("typed_config"))?;
    let cares: CaresDnsResolverConfig = unpack(typed)?;
    let own = servers(&cares.resolvers, cares.dns_resolver_options.as_ref(), false)?;
    let timeout = cares.query_timeout_seconds.as_ref();
    let timeout = timeout.map(|seconds| Duration::from_secs(seconds.value));
    let tries = number(cares.query_tries.as_ref()).unwrap_or(TRIES);
    Ok(Servers {
        as_fallback: cares.use_resolvers_as_fallback,
        timeout: timeout.filter(|time| !time.is_zero()).unwrap_or(TIMEOUT),
        tries: tries.clamp(1, MOST_TRIES) as usize,
        ..own
    })
}

fn servers(
    resolvers: &[core::Address],
    options: Option<&core::DnsResolverOptions>,
    tcp: bool,
) -> Compiled<Servers> {
    let one = |(index, pb): (usize, &core::Address)| address(Some(pb)).at_index("resolvers", index);
    Ok(Servers {
        addresses: resolvers
            .iter()
            .enumerate()
            .map(one)
            .collect::<Compiled<_>>()?,
        as_fallback: false,
        tcp: tcp || options.is_some_and(|options| options.use_tcp_for_dns_lookups),
        search: !options.is_some_and(|options| options.no_default_search_domain),
        timeout: TIMEOUT,
        tries: TRIES as usize,
    })
}

/// The endpoints are compiled as others are, with no address instead of a name.
fn names(pb: Option<&ClusterLoadAssignment>, first_alone: bool) -> Compiled<(Vec<Named>, Terms)> {
    let mut pb = pb.cloned().unwrap_or_default();
    let mut names = Vec::new();
    for (index, group) in pb.endpoints.iter_mut().enumerate() {
        for (inner, one) in group.lb_endpoints.iter_mut().enumerate() {
            let Some(HostIdentifier::Endpoint(endpoint)) = &mut one.host_identifier else {
                continue;
            };
            let taken = take_name(endpoint.address.as_mut())
                .at("endpoint.address")
                .at_index("lb_endpoints", inner);
            names.extend(taken.at_index("endpoints", index)?);
        }
    }
    let compiled = endpoint::compile(&pb)?;
    if first_alone && compiled.all.len() != 1 {
        let why = "must be exactly one, because only one address is called (logical DNS)";
        return Err(Fault::new("endpoints.lb_endpoints", why));
    }
    let all = compiled.all.into_iter().zip(names);
    let named = all.map(|(mut endpoint, name): (_, mesh_model::Str)| {
        endpoint.hostname.get_or_insert_with(|| name.clone());
        Named { name, endpoint }
    });
    Ok((named.collect(), compiled.terms))
}

/// The name that an address has, in whose place it gets one that leads nowhere.
fn take_name(pb: Option<&mut core::Address>) -> Compiled<Option<mesh_model::Str>> {
    let Some(AddressKind::SocketAddress(socket)) = pb.and_then(|pb| pb.address.as_mut()) else {
        return Ok(None);
    };
    if !socket.resolver_name.is_empty() {
        return Err(Fault::unsupported("resolver_name"));
    }
    let nowhere = IpAddr::from(Ipv4Addr::UNSPECIFIED).to_string();
    let name = std::mem::replace(&mut socket.address, nowhere);
    let is_name = |name: &str| {
        let label = |label: &str| !label.is_empty() && label.len() <= 63 && label.is_ascii();
        name.len() <= LONGEST_NAME && name.trim_end_matches('.').split('.').all(label)
    };
    if name.parse::<IpAddr>().is_err() && !is_name(&name) {
        let why = format!("{name:?} is neither a DNS name nor an IP address");
        return Err(Fault::new("address", why));
    }
    Ok(Some(name.into()))
}

#[cfg(test)]
mod tests;
