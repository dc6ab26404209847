use mesh_proto::any::pack;
use mesh_proto::envoy::envoy::config::cluster::v3 as cluster_pb;
use mesh_proto::envoy::envoy::config::endpoint::v3 as endpoint_pb;
use mesh_proto::envoy::envoy::config::listener::v3 as listener_pb;
use mesh_proto::envoy::envoy::config::route::v3 as route_pb;
use mesh_proto::envoy::envoy::extensions::filters::http::rbac::v3::Rbac;
use mesh_proto::envoy::envoy::extensions::filters::http::router::v3::Router;
use mesh_proto::envoy::envoy::extensions::transport_sockets::tls::v3 as tls_pb;
use mesh_proto::envoy::envoy::extensions::transport_sockets::tls::v3::common_tls_context::ValidationContextType as Validation;
use mesh_proto::envoy::envoy::r#type::matcher::v3::string_matcher::MatchPattern;
use mesh_proto::envoy::google::protobuf as wkt;
use proptest::prelude::*;
use prost::Message;

use crate::cluster::{Discovery, LbPolicy, Transport as Reach};
use crate::listener::{Direction, Network, RouteSource};
use crate::testing::*;
use crate::tls::{Identity, Roots};
use crate::{Cluster, ConnFacts, Endpoints, Listener, RouteTable, Transport};

fn rich_table() -> route_pb::RouteConfiguration {
    let action = route_pb::RouteAction {
        retry_policy: Some(route_pb::RetryPolicy {
            retry_on: "connect-failure,refused-stream".into(),
            num_retries: Some(wkt::UInt32Value { value: 2 }),
            ..Default::default()
        }),
        prefix_rewrite: "/n".into(),
        ..weighted_action(&[("v1", 90), ("v3", 10)])
    };
    let route = route_pb::Route {
        request_headers_to_add: vec![put("x", "%REQ(a?b):3%", 0)],
        ..to(prefix("/a"), action)
    };
    let mut matched = path(route_pb::route_match::PathSpecifier::SafeRegex(regex(
        "/b.*",
    )));
    matched.headers = vec![with_header("end-user", None)];
    table(vec![host(
        &["reviews", "*.reviews", "*"],
        vec![route, to(matched, cluster_action("c"))],
    )])
}

fn rich_listener() -> listener_pb::Listener {
    let mutual = listener_pb::FilterChainMatch {
        transport_protocol: "tls".into(),
        application_protocols: vec!["istio".into()],
        ..Default::default()
    };
    let context = tls_pb::DownstreamTlsContext {
        common_tls_context: Some(tls_context(&["spiffe://td/ns/default/sa/productpage"])),
        require_client_certificate: Some(wkt::BoolValue { value: true }),
        ..Default::default()
    };
    let secure = listener_pb::FilterChain {
        transport_socket: Some(socket(pack(&context))),
        ..chain("mutual", mutual, &manager(rich_table()))
    };
    let plain = listener_pb::FilterChainMatch {
        transport_protocol: "raw_buffer".into(),
        ..Default::default()
    };
    listener_pb::Listener {
        traffic_direction: 1,
        metadata: Some(metadata(
            "mesh",
            structure(&[("authority", text("reviews:9080"))]),
        )),
        ..listener(vec![secure, chain("plain", plain, &manager(rich_table()))])
    }
}

#[test]
fn an_inbound_listener_compiles_with_its_chains() {
    let listener = Listener::compile(&rich_listener()).unwrap();
    assert_eq!(listener.direction, Direction::Inbound);
    assert_eq!(listener.authority.as_deref(), Some("reviews:9080"));
    let (local, remote) = (
        "10.0.0.1:80".parse().unwrap(),
        "10.0.0.2:1".parse().unwrap(),
    );
    assert!(listener.inspection(local, remote).tls && listener.bind_to_port);
    let facts = ConnFacts {
        local: "10.0.0.1:80".parse().unwrap(),
        remote: "10.0.0.2:1".parse().unwrap(),
        transport: Transport::Tls,
        alpn: &["istio"],
        sni: None,
    };
    let chain = listener.chain(&facts).unwrap();
    assert_eq!(chain.name, "mutual");
    let tls = chain.tls.as_ref().unwrap();
    assert_eq!(
        (&tls.identity, &tls.roots),
        (&Identity::Workload, &Roots::Mesh)
    );
    assert!(tls.require_client_certificate);
    assert_eq!(tls.clients.exact.len(), 1);
    let Network::Http(manager) = &chain.network else {
        panic!("{chain:?}");
    };
    assert!(matches!(&manager.routes, RouteSource::Inline(table) if table.name == "9080"));
    let raw = ConnFacts {
        transport: Transport::Raw,
        ..facts
    };
    assert_eq!(listener.chain(&raw).unwrap().name, "plain");
    assert!(
        listener
            .chain(&ConnFacts {
                alpn: &["h2"],
                ..facts
            })
            .is_none()
    );
}

#[test]
fn a_cluster_reaches_each_endpoint_as_its_metadata_says() {
    let cluster = Cluster::compile(&eds_cluster()).unwrap();
    assert!(matches!(&cluster.discovery, Discovery::Eds { service } if *service == cluster.name));
    assert_eq!(cluster.policy, LbPolicy::LeastRequest { choices: 2 });
    assert_eq!(cluster.subset.as_deref(), Some("v1"));
    let mut endpoints = Endpoints::compile(&assignment(&[("10.0.0.1:9080", 1, 1)])).unwrap();
    let Reach::Tls(tls) = cluster.transport_to(&endpoints.all[0]) else {
        panic!("{cluster:?}");
    };
    assert_eq!(tls.sni.as_deref(), Some("outbound_.9080_._.reviews"));
    assert_eq!(
        tls.servers.exact[0].to_string(),
        "spiffe://td/ns/default/sa/reviews"
    );
    endpoints.all[0].transport_match.clear();
    assert_eq!(*cluster.transport_to(&endpoints.all[0]), Reach::Plain);
}

#[test]
fn unready_endpoints_are_known_and_not_used() {
    let list = [
        ("10.0.0.1:1", 0, 1),
        ("10.0.0.2:1", 2, 1),
        ("10.0.0.3:1", 3, 0),
    ];
    let endpoints = Endpoints::compile(&assignment(&list)).unwrap();
    assert_eq!((endpoints.all.len(), endpoints.usable()), (3, 1));
}

#[test]
fn istio_workload_metadata_is_taken_apart() {
    let mut endpoints = Endpoints::compile(&assignment(&[("10.0.0.1:1", 1, 1)])).unwrap();
    let endpoint = &mut endpoints.all[0];
    endpoint.workload = Some("reviews-v2;default;reviews;v2;Kubernetes".into());
    let names = endpoint.workload();
    assert_eq!((names.name, names.namespace), ("reviews-v2", "default"));
    assert_eq!(
        (names.canonical_name, names.canonical_revision),
        ("reviews", "v2")
    );
    assert_eq!(names.cluster, "Kubernetes");
    endpoint.workload = None;
    assert_eq!(endpoint.workload(), Default::default());
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, crate::Reject>, expect: &str) {
    assert_eq!(result.unwrap_err().to_string(), expect);
}

#[test]
fn an_unknown_filter_is_refused_by_its_type_unless_it_is_optional() {
    let with = |optional: bool| {
        let mut rbac = http_filter(&Rbac::default());
        rbac.is_optional = optional;
        let mut manager = manager(rich_table());
        manager.http_filters.insert(0, rbac);
        Listener::compile(&listener(vec![chain("c", Default::default(), &manager)]))
    };
    assert!(with(true).is_ok());
    refused(
        with(false),
        "listener 0.0.0.0_80: filter_chains[0].filters[0].http_filters[0].typed_config: \
         \"type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC\" is not supported",
    );
}

#[test]
fn a_chain_without_a_router_is_refused() {
    let mut manager = manager(rich_table());
    manager.http_filters.clear();
    refused(
        Listener::compile(&listener(vec![chain("c", Default::default(), &manager)])),
        "listener 0.0.0.0_80: filter_chains[0].filters[0].http_filters: \
         the last one is not the router",
    );
    manager.http_filters = vec![http_filter(&Router::default())];
    manager.route_specifier = None;
    refused(
        Listener::compile(&listener(vec![chain("c", Default::default(), &manager)])),
        "listener 0.0.0.0_80: filter_chains[0].filters[0].rds or route_config: is missing",
    );
}

#[test]
fn a_bad_route_is_refused_by_its_field() {
    let with = |change: &dyn Fn(&mut route_pb::Route)| {
        let mut route = to(prefix("/"), cluster_action("c"));
        change(&mut route);
        RouteTable::compile(&table(vec![host(&["*"], vec![route])]))
    };
    refused(
        with(&|route| {
            let bad = path(route_pb::route_match::PathSpecifier::SafeRegex(regex("(")));
            route.r#match = Some(bad);
        }),
        "route configuration 9080: virtual_hosts[0].routes[0].match.safe_regex: \
         \"(\" is no usable pattern: error: unclosed group",
    );
    refused(
        with(&|route| route.request_headers_to_add = vec![put("x", "%WHO%", 0)]),
        "route configuration 9080: virtual_hosts[0].routes[0].request_headers_to_add[0]\
         .header.value: the operator %WHO% is not supported",
    );
    refused(
        with(&|route| route.request_headers_to_add = vec![put("x", "a\r\nb: c", 0)]),
        "route configuration 9080: virtual_hosts[0].routes[0].request_headers_to_add[0]\
         .header.value: has CR, LF or NUL",
    );
    refused(
        with(&|route| route.action = None),
        "route configuration 9080: virtual_hosts[0].routes[0]: has no action",
    );
    refused(
        with(&|route| {
            let action = weighted_action(&[("a", 0)]);
            route.action = Some(route_pb::route::Action::Route(action));
        }),
        "route configuration 9080: virtual_hosts[0].routes[0].route.weighted_clusters.clusters: \
         the sum of all weights is zero",
    );
}

#[test]
fn a_domain_of_two_hosts_is_refused() {
    let twice = table(vec![host(&["a"], vec![]), host(&["b", "A"], vec![])]);
    refused(
        RouteTable::compile(&twice),
        "route configuration 9080: virtual_hosts[1].domains: \
         \"A\" is claimed more than once in this table",
    );
}

#[test]
fn unsupported_clusters_are_refused_by_name() {
    let with = |change: &dyn Fn(&mut cluster_pb::Cluster)| {
        let mut cluster = eds_cluster();
        change(&mut cluster);
        Cluster::compile(&cluster)
    };
    refused(
        with(&|c| c.lb_policy = cluster_pb::cluster::LbPolicy::LoadBalancingPolicyConfig.into()),
        "cluster outbound|9080||reviews: lb_policy: LOAD_BALANCING_POLICY_CONFIG is not supported",
    );
    refused(
        with(&|c| c.lb_subset_config = Some(Default::default())),
        "cluster outbound|9080||reviews: lb_subset_config: is not supported",
    );
    let percent = |value| cluster_pb::OutlierDetection {
        max_ejection_percent: Some(wkt::UInt32Value { value }),
        ..Default::default()
    };
    assert!(with(&|c| c.outlier_detection = Some(percent(100))).is_ok());
    refused(
        with(&|c| c.outlier_detection = Some(percent(101))),
        "cluster outbound|9080||reviews: outlier_detection.max_ejection_percent: 101 is more than 100",
    );
    refused(
        with(&|c| {
            c.circuit_breakers = Some(cluster_pb::CircuitBreakers {
                per_host_thresholds: vec![Default::default()],
                ..Default::default()
            });
        }),
        "cluster outbound|9080||reviews: circuit_breakers.per_host_thresholds: is not supported",
    );
}

#[test]
fn a_name_that_verifiers_cannot_hold_a_peer_to_is_refused() {
    let with = |change: &dyn Fn(&mut tls_pb::SubjectAltNameMatcher)| {
        let mut common = tls_context(&["spiffe://td/ns/default/sa/reviews"]);
        let Some(Validation::CombinedValidationContext(both)) = &mut common.validation_context_type
        else {
            panic!("{common:?}");
        };
        let context = both.default_validation_context.as_mut().unwrap();
        change(&mut context.match_typed_subject_alt_names[0]);
        let context = tls_pb::UpstreamTlsContext {
            common_tls_context: Some(common),
            ..Default::default()
        };
        Cluster::compile(&cluster_pb::Cluster {
            name: "c".into(),
            transport_socket: Some(socket(pack(&context))),
            ..Default::default()
        })
    };
    let prefix = |text: &str| Some(string(MatchPattern::Prefix(text.into())));
    let place = "cluster c: transport_socket.common_tls_context.validation_context\
                 .match_typed_subject_alt_names[0]";
    let domain = with(&|san| san.matcher = prefix("spiffe://TD/")).unwrap();
    let Reach::Tls(tls) = domain.transport else {
        panic!("{domain:?}");
    };
    assert_eq!(tls.servers.prefixes, ["spiffe://td/"]);
    for wrong in ["spiffe://td/ns/default/", "spiffe://td", "td/"] {
        refused(
            with(&|san| san.matcher = prefix(wrong)),
            &format!("{place}.prefix: {wrong:?} is not of the form spiffe://<trust domain>/"),
        );
    }
    refused(
        with(&|san| san.matcher = Some(string(MatchPattern::Suffix("x".into())))),
        &format!("{place}.matcher: only exact and prefix are supported"),
    );
    refused(
        with(&|san| san.san_type = 1),
        &format!("{place}.san_type: is not supported"),
    );
}

#[test]
fn an_endpoint_without_address_is_refused() {
    let mut pb = assignment(&[("10.0.0.1:1", 1, 1), ("10.0.0.1:2", 1, 1)]);
    pb.endpoints[0].lb_endpoints[1].host_identifier = None;
    refused(
        Endpoints::compile(&pb),
        "endpoints outbound|9080||reviews: endpoints[0].lb_endpoints[1].endpoint: is missing",
    );
}

/// Decodes what is left of a message after bytes were changed, and compiles it.
fn compile_mangled(bytes: &[u8]) {
    if let Ok(pb) = listener_pb::Listener::decode(bytes) {
        Listener::compile(&pb).ok();
    }
    if let Ok(pb) = route_pb::RouteConfiguration::decode(bytes) {
        RouteTable::compile(&pb).ok();
    }
    if let Ok(pb) = cluster_pb::Cluster::decode(bytes) {
        Cluster::compile(&pb).ok();
    }
    if let Ok(pb) = endpoint_pb::ClusterLoadAssignment::decode(bytes) {
        Endpoints::compile(&pb).ok();
    }
}

proptest! {
    #[test]
    fn no_bytes_make_compiling_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        compile_mangled(&bytes);
    }

    #[test]
    fn no_change_of_a_good_message_makes_compiling_panic(
        which in 0usize..4,
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..12),
    ) {
        let mut bytes = match which {
            0 => rich_listener().encode_to_vec(),
            1 => rich_table().encode_to_vec(),
            2 => eds_cluster().encode_to_vec(),
            _ => assignment(&[("10.0.0.1:1", 1, 3), ("10.0.0.2:1", 0, 4)]).encode_to_vec(),
        };
        for (index, byte) in changes {
            let at = index.index(bytes.len());
            bytes[at] = byte;
        }
        compile_mangled(&bytes);
    }
}
