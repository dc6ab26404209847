use mesh_proto::any::pack;
use mesh_proto::envoy::envoy::config::cluster::v3::cluster::{
    ClusterDiscoveryType, CustomClusterType, DiscoveryType, RefreshRate,
};
use mesh_proto::envoy::envoy::extensions::clusters::dns::v3::dns_cluster;

use super::*;
use crate::Cluster;
use crate::cluster::Discovery;
use crate::testing::{address, assignment};

fn strict() -> pb::Cluster {
    pb::Cluster {
        name: "c".into(),
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(DiscoveryType::StrictDns.into())),
        load_assignment: Some(assignment(&[("a.example:80", 0, 3), ("10.0.0.9:81", 0, 1)])),
        ..Default::default()
    }
}

fn logical() -> pb::Cluster {
    pb::Cluster {
        cluster_discovery_type: Some(ClusterDiscoveryType::Type(DiscoveryType::LogicalDns.into())),
        load_assignment: Some(assignment(&[("a.example:80", 0, 1)])),
        ..strict()
    }
}

fn extended(config: &DnsCluster) -> pb::Cluster {
    let custom = CustomClusterType {
        name: "envoy.clusters.dns".into(),
        typed_config: Some(pack(config)),
    };
    pb::Cluster {
        cluster_discovery_type: Some(ClusterDiscoveryType::ClusterType(custom)),
        ..logical()
    }
}

fn compiled(pb: &pb::Cluster) -> Dns {
    match Cluster::compile(pb).unwrap().discovery {
        Discovery::Dns(dns) => (*dns).clone(),
        other => panic!("{other:?}"),
    }
}

fn refusal(pb: &pb::Cluster) -> String {
    Cluster::compile(pb).unwrap_err().to_string()
}

const fn seconds(seconds: i64) -> Option<wkt::Duration> {
    Some(wkt::Duration { seconds, nanos: 0 })
}

#[test]
fn names_keep_what_their_endpoints_say() {
    let dns = compiled(&strict());
    let names = dns.names.iter().map(|named| {
        let endpoint = &named.endpoint;
        let host = endpoint.hostname.as_deref().unwrap();
        (&*named.name, endpoint.address.port(), endpoint.weight, host)
    });
    assert_eq!(
        names.collect::<Vec<_>>(),
        [
            ("a.example", 80, 3, "a.example"),
            ("10.0.0.9", 81, 1, "10.0.0.9")
        ]
    );
}

#[test]
fn what_is_not_said_is_as_with_envoy() {
    let dns = compiled(&strict());
    assert!(!dns.first_alone);
    assert_eq!(dns.family, Family::Ipv6ThenIpv4);
    let every = Duration::from_secs(5);
    let refresh = Refresh {
        every,
        by_ttl: None,
        failed: (every, every),
        jitter: Duration::ZERO,
    };
    assert_eq!(dns.refresh, refresh);
    let servers = Servers {
        addresses: vec![],
        as_fallback: false,
        tcp: false,
        search: true,
        timeout: Duration::from_secs(5),
        tries: 4,
    };
    assert_eq!(dns.servers, servers);
}

#[test]
fn the_older_fields_say_when_and_whom_to_ask() {
    let cares = CaresDnsResolverConfig {
        resolvers: vec![address("127.0.0.1:5353").unwrap()],
        use_resolvers_as_fallback: true,
        dns_resolver_options: Some(core::DnsResolverOptions {
            use_tcp_for_dns_lookups: true,
            no_default_search_domain: true,
        }),
        query_timeout_seconds: Some(wkt::UInt64Value { value: 2 }),
        query_tries: Some(wkt::UInt32Value { value: 3 }),
        ..Default::default()
    };
    let dns = compiled(&pb::Cluster {
        respect_dns_ttl: true,
        dns_refresh_rate: seconds(7),
        dns_failure_refresh_rate: Some(RefreshRate {
            base_interval: seconds(2),
            max_interval: None,
        }),
        dns_jitter: seconds(1),
        dns_lookup_family: OldFamily::V4Preferred.into(),
        typed_dns_resolver_config: Some(core::TypedExtensionConfig {
            name: "envoy.network.dns_resolver.cares".into(),
            typed_config: Some(pack(&cares)),
        }),
        ..logical()
    });
    assert!(dns.first_alone);
    assert_eq!(dns.family, Family::Ipv4ThenIpv6);
    let refresh = Refresh {
        every: Duration::from_secs(7),
        by_ttl: Some(Duration::ZERO),
        failed: (Duration::from_secs(2), Duration::from_secs(20)),
        jitter: Duration::from_secs(1),
    };
    assert_eq!(dns.refresh, refresh);
    let servers = Servers {
        addresses: vec!["127.0.0.1:5353".parse().unwrap()],
        as_fallback: true,
        tcp: true,
        search: false,
        timeout: Duration::from_secs(2),
        tries: 3,
    };
    assert_eq!(dns.servers, servers);
}

#[test]
fn the_extension_says_the_same() {
    let config = DnsCluster {
        dns_refresh_rate: seconds(7),
        dns_failure_refresh_rate: Some(dns_cluster::RefreshRate {
            base_interval: seconds(2),
            max_interval: seconds(3),
        }),
        respect_dns_ttl: true,
        dns_min_refresh_rate: seconds(4),
        dns_lookup_family: DnsLookupFamily::V6Only.into(),
        all_addresses_in_single_endpoint: true,
        ..Default::default()
    };
    let dns = compiled(&extended(&config));
    assert!(dns.first_alone);
    assert_eq!(dns.family, Family::Ipv6);
    assert_eq!(dns.refresh.by_ttl, Some(Duration::from_secs(4)));
    let failed = (Duration::from_secs(2), Duration::from_secs(3));
    assert_eq!(dns.refresh.failed, failed);
}

#[test]
fn what_cannot_be_asked_is_refused_by_field() {
    let two = assignment(&[("a:80", 0, 1), ("b:80", 0, 1)]);
    let spaced = assignment(&[("a..b:80", 0, 1)]);
    let mut elsewhere = assignment(&[("a:80", 0, 1)]);
    if let Some(HostIdentifier::Endpoint(endpoint)) =
        &mut elsewhere.endpoints[0].lb_endpoints[0].host_identifier
        && let Some(AddressKind::SocketAddress(socket)) =
            &mut endpoint.address.as_mut().unwrap().address
    {
        socket.resolver_name = "other".into();
    }
    let other = core::TypedExtensionConfig {
        name: "apple".into(),
        typed_config: Some(pack(&DnsCluster::default())),
    };
    let cases = [
        (
            pb::Cluster {
                load_assignment: Some(two),
                ..logical()
            },
            "load_assignment.endpoints.lb_endpoints: must be exactly one, because only one address is called (logical DNS)",
        ),
        (
            pb::Cluster {
                load_assignment: Some(spaced),
                ..logical()
            },
            "load_assignment.endpoints[0].lb_endpoints[0].endpoint.address.address: \"a..b\" is neither a DNS name nor an IP address",
        ),
        (
            pb::Cluster {
                load_assignment: Some(elsewhere),
                ..logical()
            },
            "load_assignment.endpoints[0].lb_endpoints[0].endpoint.address.resolver_name: is not supported",
        ),
        (
            pb::Cluster {
                dns_refresh_rate: seconds(0),
                ..logical()
            },
            "dns_refresh_rate: is not above 1 ms",
        ),
        (
            pb::Cluster {
                dns_failure_refresh_rate: Some(RefreshRate {
                    base_interval: seconds(2),
                    max_interval: seconds(1),
                }),
                ..logical()
            },
            "dns_failure_refresh_rate.max_interval: is below base_interval",
        ),
        (
            pb::Cluster {
                dns_lookup_family: 9,
                ..logical()
            },
            "dns_lookup_family: 9 is no family",
        ),
        (
            pb::Cluster {
                typed_dns_resolver_config: Some(other),
                ..logical()
            },
            "typed_dns_resolver_config.typed_config: \"type.googleapis.com/envoy.extensions.clusters.dns.v3.DnsCluster\" is not supported",
        ),
    ];
    for (pb, why) in cases {
        assert_eq!(refusal(&pb), format!("cluster c: {why}"));
    }
    let custom = CustomClusterType {
        name: "envoy.clusters.aggregate".into(),
        typed_config: Some(pack(&CaresDnsResolverConfig::default())),
    };
    let aggregate = pb::Cluster {
        cluster_discovery_type: Some(ClusterDiscoveryType::ClusterType(custom)),
        ..logical()
    };
    let why = refusal(&aggregate);
    assert!(
        why.starts_with("cluster c: cluster_type.typed_config: "),
        "{why}"
    );
}
