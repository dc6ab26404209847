//! Requests that are one too many.

use mesh_proto::Any;
use mesh_proto::any::pack;
use mesh_proto::envoy::envoy::extensions::filters::http::cors::v3::{Cors, CorsPolicy};
use mesh_proto::envoy::envoy::extensions::filters::http::fault::v3::fault_abort::ErrorType;
use mesh_proto::envoy::envoy::extensions::filters::http::fault::v3::{FaultAbort, HttpFault};
use mesh_proto::envoy::envoy::extensions::filters::http::local_ratelimit::v3::LocalRateLimit;
use mesh_proto::envoy::envoy::r#type::matcher::v3::StringMatcher;
use mesh_proto::envoy::envoy::r#type::matcher::v3::string_matcher::MatchPattern;
use mesh_proto::envoy::envoy::r#type::v3::FractionalPercent;

use super::*;
use crate::testing::{LOCAL_LIMIT, local_limit, overwrite};

const CORS: &str = "envoy.filters.http.cors";
const FAULT: &str = "envoy.filters.http.fault";
const PAGE: (&str, &str) = ("origin", "https://a.example");

fn limit(most: u32) -> (&'static str, Any) {
    (LOCAL_LIMIT, pack(&local_limit(most)))
}

fn with(pb: &LocalRateLimit) -> Vec<(&'static str, Any)> {
    vec![(LOCAL_LIMIT, pack(pb))]
}

/// A listener with these filters, whose route has these configurations.
fn mk(filters: Vec<(&'static str, Any)>, of_route: Vec<(&str, Any)>) -> Mk {
    let mut route = to_cluster("reviews");
    let of_route = of_route.into_iter().map(|(name, any)| (name.into(), any));
    route.typed_per_filter_config = of_route.collect();
    Mk {
        routes: Some(table("9080", vec![route])),
        filters,
        ..Mk::default()
    }
}

fn asks(fields: &[(&str, &str)]) -> Event {
    arrives(Version::Http11, "reviews", fields)
}

#[track_caller]
fn is_refused(bench: &mut Bench, fields: &[(&str, &str)]) -> Reply {
    let reply = bench.replies(asks(fields));
    let kind = bench.exchange.failure.as_ref().map(|failure| failure.kind);
    assert_eq!(kind, Some(FailureKind::RateLimited), "{reply:?}");
    reply
}

#[test]
fn a_request_too_many_is_answered_429() {
    let mut bench = Bench::new(&mk(vec![limit(0)], Vec::new()), two());
    let reply = is_refused(&mut bench, &[]);
    assert_eq!(reply.head.status, 429);
    assert_eq!(reply.body, ReplyBody::Own("local_rate_limited".into()));
}

#[test]
fn others_go_on_to_the_cluster() {
    let mut bench = Bench::new(&mk(vec![limit(1)], Vec::new()), two());
    bench.connects_to(asks(&[]));
    bench.sends(fresh());
    assert_eq!(bench.replies(answer(200, &[])).head.status, 200);
}

#[test]
fn a_call_of_grpc_gets_the_status_that_is_wanted() {
    let status = |exhausted: bool| {
        let pb = LocalRateLimit {
            rate_limited_as_resource_exhausted: exhausted,
            ..local_limit(0)
        };
        let mut bench = Bench::new(&mk(with(&pb), Vec::new()), two());
        let reply = is_refused(&mut bench, &[("content-type", "application/grpc")]);
        let status = reply.head.fields.get_str("grpc-status").map(str::to_owned);
        (reply.head.status, status.unwrap())
    };
    assert_eq!(status(false), (200, "14".to_owned()));
    assert_eq!(status(true), (200, "8".to_owned()));
}

#[test]
fn the_routes_limit_takes_the_place_of_the_listeners() {
    let mut strict = Bench::new(&mk(vec![limit(9)], vec![limit(0)]), two());
    is_refused(&mut strict, &[]);
    let mut free = Bench::new(&mk(vec![limit(0)], vec![limit(9)]), two());
    free.connects_to(asks(&[]));
    // Without the filter there is nobody to heed the route.
    let mut bare = Bench::new(&mk(Vec::new(), vec![limit(0)]), two());
    bare.connects_to(asks(&[]));
}

#[test]
fn requests_that_no_route_takes_are_counted_too() {
    let nowhere = |most| {
        let routes = Some(table("9080", Vec::new()));
        let mk = mk(vec![limit(most)], Vec::new());
        Bench::new(&Mk { routes, ..mk }, two())
    };
    is_refused(&mut nowhere(0), &[]);
    assert_eq!(nowhere(1).replies(asks(&[])).head.status, 404);
}

#[test]
fn what_is_not_enforced_is_written_into_the_request() {
    let pb = LocalRateLimit {
        filter_enforced: None,
        request_headers_to_add_when_not_enforced: vec![overwrite("x-too-many", "yes")],
        ..local_limit(0)
    };
    let mut bench = Bench::new(&mk(with(&pb), Vec::new()), two());
    bench.connects_to(asks(&[]));
    let head = bench.sends(fresh());
    assert_eq!(head.fields.get_str("x-too-many"), Some("yes"));
}

#[test]
fn answers_say_how_many_more_may_come() {
    let pb = LocalRateLimit {
        enable_x_ratelimit_headers: 1,
        response_headers_to_add: vec![overwrite("x-why", "limit")],
        ..local_limit(1)
    };
    let fields = |reply: &Reply| {
        let names = ["x-ratelimit-limit", "x-ratelimit-remaining", "x-why"];
        names.map(|name| reply.head.fields.get_str(name).unwrap_or("-").to_owned())
    };
    let mk = mk(with(&pb), Vec::new());
    let mut bench = Bench::new(&mk, two());
    bench.connects_to(asks(&[]));
    bench.sends(fresh());
    let first = bench.replies(answer(200, &[]));
    assert_eq!(fields(&first), ["1", "0", "-"]);
    let second = is_refused(&mut bench, &[]);
    assert_eq!(fields(&second), ["1", "0", "limit"]);
}

fn aborts() -> (&'static str, Any) {
    let abort = FaultAbort {
        percentage: Some(FractionalPercent {
            numerator: 100,
            denominator: 0,
        }),
        error_type: Some(ErrorType::HttpStatus(555)),
        ..Default::default()
    };
    let always = HttpFault {
        abort: Some(abort),
        ..Default::default()
    };
    (FAULT, pack(&always))
}

#[test]
fn the_order_of_the_filters_tells_whether_faults_come_first() {
    let fault = || (FAULT, pack(&HttpFault::default()));
    let status = |filters| {
        let mut bench = Bench::new(&mk(filters, vec![aborts()]), two());
        bench.replies(asks(&[])).head.status
    };
    assert_eq!(status(vec![limit(0), fault()]), 429);
    assert_eq!(status(vec![fault(), limit(0)]), 555);
    let mut bench = Bench::new(&mk(vec![fault(), limit(0)], Vec::new()), two());
    is_refused(&mut bench, &[]);
}

#[test]
fn another_attempt_is_not_counted() {
    let filters = vec![(FAULT, pack(&HttpFault::default())), limit(1)];
    let mut bench = Bench::new(&mk(filters, Vec::new()), two());
    bench.connects_to(asks(&[]));
    let refused = || Event::Connected(Err(Failure::safe(FailureKind::ConnectFailed)));
    bench.connects_to(refused());
    assert!(matches!(bench.on(refused()), Next::Wait(Wait::Pause(_))));
    bench.connects_to(Event::Paused);
}

#[test]
fn the_order_of_the_filters_tells_whether_a_page_may_read_the_refusal() {
    let lets_in = || {
        let origin = StringMatcher {
            match_pattern: Some(MatchPattern::Exact(PAGE.1.into())),
            ..Default::default()
        };
        let policy = CorsPolicy {
            allow_origin_string_match: vec![origin],
            ..Default::default()
        };
        (CORS, pack(&policy))
    };
    let cors = || (CORS, pack(&Cors::default()));
    let bench = |filters| Bench::new(&mk(filters, vec![lets_in()]), two());
    let told = |filters| {
        let reply = is_refused(&mut bench(filters), &[PAGE]);
        reply.head.fields.contains("access-control-allow-origin")
    };
    assert!(told(vec![cors(), limit(0)]));
    assert!(!told(vec![limit(0), cors()]));
    let preflight = |filters| {
        let asked = ("access-control-request-method", "PUT");
        let mut arrival = mk_arrival(Version::Http11, "reviews", &[PAGE, asked]);
        arrival.head.method = "OPTIONS".into();
        bench(filters).replies(Event::Arrived(arrival)).head.status
    };
    assert_eq!(preflight(vec![cors(), limit(0)]), 200);
    assert_eq!(preflight(vec![limit(0), cors()]), 429);
}
