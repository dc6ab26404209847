use mesh_proto::any::pack;
use mesh_proto::envoy::envoy::config::core::v3::{HttpUri, grpc_service};
use mesh_proto::envoy::envoy::extensions::filters::http::cors::v3::Cors;
use mesh_proto::envoy::envoy::extensions::filters::http::fault::v3::HttpFault;
use mesh_proto::envoy::envoy::extensions::filters::http::health_check::v3::HealthCheck;
use mesh_proto::envoy::envoy::extensions::filters::http::local_ratelimit::v3::LocalRateLimit;
use mesh_proto::envoy::envoy::extensions::filters::http::router::v3::Router;
use mesh_proto::envoy::envoy::r#type::matcher::v3::StringMatcher;
use mesh_proto::envoy::google::protobuf::BoolValue;

use super::*;
use crate::RouteTable;
use crate::listener::{Listener, Network};
use crate::testing::{
    chain, cluster_action, host, http_filter, listener, manager, prefix, table, to,
};

fn base() -> pb::ExtAuthz {
    let envoy = grpc_service::EnvoyGrpc {
        cluster_name: "authz".into(),
        ..Default::default()
    };
    pb::ExtAuthz {
        services: Some(Services::GrpcService(GrpcService {
            target_specifier: Some(grpc_service::TargetSpecifier::EnvoyGrpc(envoy)),
            ..Default::default()
        })),
        transport_api_version: 2,
        ..Default::default()
    }
}

fn http(change: impl FnOnce(&mut pb::HttpService)) -> pb::ExtAuthz {
    let mut http = pb::HttpService {
        server_uri: Some(HttpUri {
            http_upstream_type: Some(HttpUpstreamType::Cluster("authz".into())),
            ..Default::default()
        }),
        ..Default::default()
    };
    change(&mut http);
    pb::ExtAuthz {
        services: Some(Services::HttpService(http)),
        ..base()
    }
}

fn why(pb: &pb::ExtAuthz) -> String {
    let fault = compile(pb, "in").unwrap_err();
    fault.of("listener", "l").to_string()
}

#[test]
fn what_is_not_supported_is_refused_by_its_field() {
    let namespaces = || vec!["n".to_owned()];
    let cases = [
        (
            pb::ExtAuthz {
                metadata_context_namespaces: namespaces(),
                ..base()
            },
            "metadata_context_namespaces",
        ),
        (
            pb::ExtAuthz {
                route_metadata_context_namespaces: namespaces(),
                ..base()
            },
            "route_metadata_context_namespaces",
        ),
        (
            pb::ExtAuthz {
                filter_enabled_metadata: Some(Default::default()),
                ..base()
            },
            "filter_enabled_metadata",
        ),
        (
            pb::ExtAuthz {
                decoder_header_mutation_rules: Some(Default::default()),
                ..base()
            },
            "decoder_header_mutation_rules",
        ),
        (
            pb::ExtAuthz {
                shadow_mode: true,
                ..base()
            },
            "shadow_mode",
        ),
        (
            http(|http| http.retry_policy = Some(Default::default())),
            "http_service.retry_policy",
        ),
    ];
    for (pb, field) in cases {
        assert_eq!(why(&pb), format!("listener l: {field}: is not supported"));
    }
}

#[test]
fn what_cannot_be_is_refused_by_its_field() {
    let body = |most: u32| pb::ExtAuthz {
        with_request_body: Some(pb::BufferSettings {
            max_request_bytes: most,
            ..Default::default()
        }),
        ..base()
    };
    let empty = ListStringMatcher {
        patterns: vec![StringMatcher::default()],
    };
    let cases = [
        (
            pb::ExtAuthz {
                transport_api_version: 1,
                ..base()
            },
            "transport_api_version: is not V3",
        ),
        (
            pb::ExtAuthz {
                services: None,
                ..base()
            },
            "grpc_service or http_service: is missing",
        ),
        (
            body(0),
            "with_request_body.max_request_bytes: 0 is not 1 to 4194304",
        ),
        (
            pb::ExtAuthz {
                allowed_headers: Some(empty),
                ..base()
            },
            "allowed_headers.patterns[0]: has no match_pattern",
        ),
        (
            http(|http| http.server_uri = None),
            "http_service.server_uri: is missing",
        ),
        (
            http(|http| http.server_uri = Some(HttpUri::default())),
            "http_service.server_uri.cluster: is missing",
        ),
        (
            http(|http| http.path_prefix = "auth".into()),
            "http_service.path_prefix: is no path that begins with a slash",
        ),
        (
            http(|http| {
                http.path_prefix = "/a".into();
                http.path_override = "/b".into();
            }),
            "http_service.path_override: stands beside path_prefix",
        ),
    ];
    for (pb, expected) in cases {
        assert_eq!(why(&pb), format!("listener l: {expected}"));
    }
}

fn own() -> HttpFilter {
    HttpFilter {
        name: FILTER.into(),
        ..http_filter(&base())
    }
}

/// A listener with these filters before the router.
fn with(filters: &[&str]) -> Result<Listener, String> {
    let filter = |kind: &&str| match *kind {
        "cors" => http_filter(&Cors::default()),
        "fault" => http_filter(&HttpFault::default()),
        "health" => http_filter(&HealthCheck {
            pass_through_mode: Some(BoolValue { value: true }),
            ..Default::default()
        }),
        "limit" => HttpFilter {
            name: limit::FILTER.into(),
            ..http_filter(&LocalRateLimit {
                stat_prefix: "l".into(),
                ..Default::default()
            })
        },
        _ => own(),
    };
    let mut manager = manager(table(Vec::new()));
    manager.http_filters = filters.iter().map(filter).collect();
    manager.http_filters.push(http_filter(&Router::default()));
    let pb = listener(vec![chain("", Default::default(), &manager)]);
    Listener::compile(&pb).map_err(|reject| reject.to_string())
}

#[test]
fn its_place_among_the_filters_is_kept() {
    let moment = |filters: &[&str]| {
        let listener = with(filters).unwrap();
        let Network::Http(manager) = &listener.chains[0].network else {
            panic!("no HTTP");
        };
        let counts_late = manager.limit.as_ref().is_some_and(|at| !at.before_fault);
        (manager.authorization.as_ref().unwrap().moment, counts_late)
    };
    use Moment::{BeforeFault, BeforeLimit, First, Last};
    assert_eq!(moment(&["authz"]), (First, false));
    assert_eq!(moment(&["authz", "cors", "fault"]), (First, false));
    assert_eq!(moment(&["authz", "limit", "cors"]), (First, false));
    assert_eq!(moment(&["cors", "authz", "fault"]), (BeforeFault, false));
    let all = ["cors", "limit", "authz", "fault"];
    assert_eq!(moment(&all), (BeforeFault, false));
    let all = ["cors", "authz", "fault", "limit"];
    assert_eq!(moment(&all), (BeforeFault, true));
    assert_eq!(moment(&["cors", "fault", "authz"]), (Last, false));
    let all = ["fault", "cors", "authz", "limit"];
    assert_eq!(moment(&all), (BeforeLimit, true));
    assert_eq!(moment(&["cors", "authz", "limit"]), (BeforeLimit, true));
    assert_eq!(moment(&["limit", "authz"]), (Last, false));
}

#[test]
fn a_place_that_it_cannot_have_is_refused() {
    for filters in [
        ["fault", "authz", "cors"].as_slice(),
        &["limit", "authz", "cors"],
        &["cors", "authz", "limit", "fault"],
    ] {
        let why = with(filters).unwrap_err();
        assert!(why.contains("cannot stand between"), "{filters:?}: {why}");
    }
    assert!(with(&["health", "authz"]).is_ok());
    let why = with(&["authz", "health"]).unwrap_err();
    assert!(why.contains("must stand after the health_check"), "{why}");
    let why = with(&["authz", "authz"]).unwrap_err();
    assert!(why.contains("more than one ext_authz"), "{why}");
}

#[test]
fn routes_configure_it_by_its_name() {
    let refused = |pb: pb::ExtAuthzPerRoute| {
        let mut route = to(prefix("/"), cluster_action("c"));
        route.typed_per_filter_config = [(FILTER.to_owned(), pack(&pb))].into();
        let pb = table(vec![host(&["*"], vec![route])]);
        RouteTable::compile(&pb).unwrap_err().to_string()
    };
    let why = refused(pb::ExtAuthzPerRoute::default());
    let at = "typed_per_filter_config[\"envoy.filters.http.ext_authz\"]";
    assert!(
        why.contains(&format!("{at}.disabled or check_settings: is missing")),
        "{why}"
    );
    let why = refused(pb::ExtAuthzPerRoute {
        r#override: Some(Override::CheckSettings(pb::CheckSettings {
            disable_request_body_buffering: true,
            with_request_body: Some(pb::BufferSettings {
                max_request_bytes: 1,
                ..Default::default()
            }),
            ..Default::default()
        })),
    });
    assert!(
        why.contains("check_settings.with_request_body: stands beside"),
        "{why}"
    );
    let mut manager = manager(table(Vec::new()));
    let mut other = own();
    other.name = "mine".into();
    manager.http_filters.insert(0, other);
    let pb = listener(vec![chain("", Default::default(), &manager)]);
    let why = Listener::compile(&pb).unwrap_err().to_string();
    assert!(why.contains("http_filters[0].name: is not"), "{why}");
}
