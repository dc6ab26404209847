use mesh_proto::envoy::envoy::config::core::v3::{GrpcService, grpc_service};
use mesh_proto::envoy::envoy::extensions::filters::http::fault::v3::HttpFault;
use mesh_proto::envoy::envoy::extensions::filters::http::router::v3::Router;

use super::*;
use crate::listener::Listener;
use crate::testing::{chain, http_filter, listener, manager, table};

fn grpc(cluster: &str) -> GrpcService {
    GrpcService {
        target_specifier: Some(grpc_service::TargetSpecifier::EnvoyGrpc(
            grpc_service::EnvoyGrpc {
                cluster_name: cluster.into(),
                ..Default::default()
            },
        )),
        ..Default::default()
    }
}

fn with(grpc_service: GrpcService) -> pb::RateLimit {
    pb::RateLimit {
        domain: "d".into(),
        rate_limit_service: Some(RateLimitServiceConfig {
            grpc_service: Some(grpc_service),
            transport_api_version: 2,
        }),
        ..Default::default()
    }
}

#[test]
fn envoys_defaults_hold() {
    let limit = compile(&with(grpc("rls"))).unwrap();
    assert_eq!((&**limit.cluster(), &**limit.authority()), ("rls", "rls"));
    assert_eq!(limit.timeout(), DEFAULT_TIMEOUT);
}

#[test]
fn what_cannot_be_asked_is_refused_by_its_field() {
    let base = || with(grpc("rls"));
    let service = |pb: &mut pb::RateLimit| pb.rate_limit_service.take().unwrap();
    let mut old = base();
    let config = service(&mut old);
    old.rate_limit_service = Some(RateLimitServiceConfig {
        transport_api_version: 0,
        ..config
    });
    let google = GrpcService {
        target_specifier: Some(grpc_service::TargetSpecifier::GoogleGrpc(Default::default())),
        ..Default::default()
    };
    let cases = [
        (
            pb::RateLimit {
                domain: String::new(),
                ..base()
            },
            "domain: is missing",
        ),
        (
            pb::RateLimit {
                request_type: "internal".into(),
                ..base()
            },
            "request_type: is not supported",
        ),
        (
            pb::RateLimit {
                stage: 11,
                ..base()
            },
            "stage: 11 is more than 10",
        ),
        (
            pb::RateLimit {
                rate_limit_service: None,
                ..base()
            },
            "rate_limit_service: is missing",
        ),
        (old, "rate_limit_service.transport_api_version: is not V3"),
        (
            with(google),
            "rate_limit_service.grpc_service.google_grpc: is not supported",
        ),
        (
            with(grpc("")),
            "rate_limit_service.grpc_service.envoy_grpc.cluster_name: is missing",
        ),
    ];
    for (pb, why) in cases {
        let fault = compile(&pb).unwrap_err().of("listener", "l").to_string();
        assert_eq!(fault, format!("listener l: {why}"));
    }
    let override_option = pb::RateLimitPerRoute {
        override_option: 1,
        ..Default::default()
    };
    let fault = place(&override_option).unwrap_err().of("table", "t");
    assert_eq!(
        fault.to_string(),
        "table t: override_option: is not supported"
    );
}

#[test]
fn it_stands_last_before_the_router() {
    let own = || HttpFilter {
        name: FILTER.into(),
        ..http_filter(&with(grpc("rls")))
    };
    let of = |filters: Vec<HttpFilter>| {
        let mut manager = manager(table(Vec::new()));
        manager.http_filters = filters;
        Listener::compile(&listener(vec![chain("", Default::default(), &manager)]))
    };
    let (fault, router) = (
        || http_filter(&HttpFault::default()),
        || http_filter(&Router::default()),
    );
    let good = of(vec![fault(), own(), router()]).unwrap();
    assert_eq!(good.service_limits().len(), 1);
    let bad = of(vec![own(), fault(), router()]).unwrap_err().to_string();
    assert!(
        bad.contains("http_filters[0]: must stand after \"envoy"),
        "{bad}"
    );
}
