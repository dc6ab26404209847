//! Requests that are health checks of the proxy itself.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use http::Response;
use mesh_proto::any::pack;
use mesh_proto::envoy::envoy::config::route::v3::HeaderMatcher;
use mesh_proto::envoy::envoy::config::route::v3::header_matcher::HeaderMatchSpecifier;
use mesh_proto::envoy::envoy::extensions::filters::http::health_check::v3::HealthCheck;
use mesh_proto::envoy::envoy::r#type::matcher::v3::StringMatcher;
use mesh_proto::envoy::envoy::r#type::matcher::v3::string_matcher::MatchPattern;
use mesh_proto::envoy::google::protobuf as wkt;
use mesh_test::client::get;
use mesh_test::origin::Origin;

use crate::testing::{Mk, Proxy, free_address, mk_cluster, mk_config, table, to_cluster};

const FILTER: &str = "envoy.filters.http.health_check";

/// A filter for requests of `/healthz`.
fn mk_filter(passes: bool) -> HealthCheck {
    let path = StringMatcher {
        match_pattern: Some(MatchPattern::Exact("/healthz".into())),
        ..Default::default()
    };
    HealthCheck {
        pass_through_mode: Some(wkt::BoolValue { value: passes }),
        headers: vec![HeaderMatcher {
            name: ":path".into(),
            header_match_specifier: Some(HeaderMatchSpecifier::StringMatch(path)),
            ..Default::default()
        }],
        ..Default::default()
    }
}

fn start(filter: &HealthCheck, app: SocketAddr) -> (Proxy, String) {
    let address = free_address();
    let listener = Mk {
        rds: "t",
        filters: vec![(FILTER, pack(filter))],
        ..Mk::default()
    };
    let config = mk_config(
        vec![listener.listener(address)],
        vec![table("t", vec![to_cluster("app")])],
        vec![mk_cluster("app", &[app])],
    );
    (Proxy::start(config, None), format!("http://{address}"))
}

#[tokio::test]
async fn the_proxy_answers_for_itself_and_fails_when_it_is_told_to() {
    let app = Origin::fixed("hello").await;
    let (proxy, at) = start(&mk_filter(false), app.address());
    let ask = async |path: &str| {
        let answer = get(&format!("{at}{path}"), &[]).await.unwrap();
        let has = |name: &str| answer.headers().contains_key(name);
        let marks = (
            has("x-envoy-upstream-healthchecked-cluster"),
            has("x-envoy-immediate-health-check-fail"),
        );
        (answer.status().as_u16(), marks)
    };
    assert_eq!(ask("/healthz").await, (200, (true, false)));
    assert_eq!(app.requests(), 0);
    assert_eq!(ask("/").await, (200, (false, false)));
    proxy.live.fail_health_checks(true);
    assert_eq!(ask("/healthz").await, (503, (true, false)));
    assert_eq!(ask("/").await, (200, (false, true)));
    proxy.live.fail_health_checks(false);
    assert_eq!(ask("/healthz").await, (200, (true, false)));
    assert_eq!(app.requests(), 2);
}

#[tokio::test]
async fn what_the_application_answers_is_answered_again() {
    let status = Arc::new(AtomicU16::new(500));
    let says = status.clone();
    let app = Origin::start(move |_| {
        Response::builder()
            .status(says.load(Ordering::SeqCst))
            .header("x-envoy-degraded", "")
            .body("".into())
            .unwrap()
    })
    .await;
    let (proxy, at) = start(&mk_filter(true), app.address());
    let uri = format!("{at}/healthz");
    assert_eq!(get(&uri, &[]).await.unwrap().status(), 500);
    status.store(200, Ordering::SeqCst);
    assert_eq!(get(&uri, &[]).await.unwrap().status(), 200);
    proxy.live.fail_health_checks(true);
    assert_eq!(get(&uri, &[]).await.unwrap().status(), 503);
    assert_eq!(app.requests(), 2);
    let filter = HealthCheck {
        cache_time: Some(wkt::Duration {
            seconds: 3600,
            nanos: 0,
        }),
        ..mk_filter(true)
    };
    let (_proxy, at) = start(&filter, app.address());
    let uri = format!("{at}/healthz");
    for _ in 0..5 {
        let answer = get(&uri, &[]).await.unwrap();
        assert_eq!(answer.status(), 200);
        assert!(answer.headers().contains_key("x-envoy-degraded"));
    }
    assert_eq!(app.requests(), 3);
}
