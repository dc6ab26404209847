//! Requests of pages of other origins, and browsers' questions about them.

use mesh_proto::Any;
use mesh_proto::any::pack;
use mesh_proto::envoy::envoy::extensions::filters::http::cors::v3::{Cors, CorsPolicy};
use mesh_proto::envoy::envoy::extensions::filters::http::fault::v3::fault_abort::ErrorType;
use mesh_proto::envoy::envoy::extensions::filters::http::fault::v3::{FaultAbort, HttpFault};
use mesh_proto::envoy::envoy::r#type::matcher::v3::StringMatcher;
use mesh_proto::envoy::envoy::r#type::matcher::v3::string_matcher::MatchPattern;
use mesh_proto::envoy::envoy::r#type::v3::FractionalPercent;

use super::*;

const CORS: &str = "envoy.filters.http.cors";
const FAULT: &str = "envoy.filters.http.fault";
const PAGE: (&str, &str) = ("origin", "https://a.example");
const ASKS: (&str, &str) = ("access-control-request-method", "PUT");

/// A listener with these filters, whose route lets a page in and has these configurations besides.
fn mk(filters: Vec<(&'static str, Any)>, besides: Vec<(&str, Any)>) -> Mk {
    let origin = StringMatcher {
        match_pattern: Some(MatchPattern::Exact(PAGE.1.into())),
        ..Default::default()
    };
    let policy = CorsPolicy {
        allow_origin_string_match: vec![origin],
        allow_methods: "PUT".into(),
        ..Default::default()
    };
    let mut route = to_cluster("reviews");
    let besides = besides.into_iter().chain([(CORS, pack(&policy))]);
    route.typed_per_filter_config = besides.map(|(name, any)| (name.into(), any)).collect();
    Mk {
        routes: Some(table("9080", vec![route])),
        filters,
        ..Mk::default()
    }
}

fn cors() -> (&'static str, Any) {
    (CORS, pack(&Cors::default()))
}

fn fault() -> (&'static str, Any) {
    (FAULT, pack(&HttpFault::default()))
}

fn abort() -> (&'static str, Any) {
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

fn asks(version: Version) -> Event {
    let mut arrival = mk_arrival(version, "reviews", &[PAGE, ASKS]);
    arrival.head.method = "OPTIONS".into();
    Event::Arrived(arrival)
}

fn allowed(reply: &Reply) -> Option<&str> {
    reply.head.fields.get_str("access-control-allow-origin")
}

#[test]
fn a_preflight_is_answered_though_there_is_no_cluster() {
    for (version, length) in [(Version::Http11, Some("0")), (Version::Http2, None)] {
        let mut bench = Bench::new(&mk(vec![cors()], vec![]), vec![]);
        let reply = bench.replies(asks(version));
        assert_eq!((reply.head.status, allowed(&reply)), (200, Some(PAGE.1)));
        let fields = &reply.head.fields;
        assert_eq!(fields.get_str("access-control-allow-methods"), Some("PUT"));
        assert_eq!(fields.get_str("content-length"), length);
        assert!(bench.exchange.is_preflight());
    }
}

#[test]
fn answers_and_failures_alike_name_the_page_that_asked() {
    let mut bench = Bench::new(&mk(vec![cors()], vec![]), two());
    bench.connects_to(arrives(Version::Http11, "reviews", &[PAGE]));
    bench.sends(fresh());
    let own = ("access-control-allow-origin", "*");
    let reply = bench.replies(answer(200, &[own]));
    assert_eq!(
        allowed(&reply),
        Some(PAGE.1),
        "in place of the application's"
    );
    let mut bench = Bench::new(&mk(vec![cors()], vec![]), vec![]);
    let reply = bench.replies(arrives(Version::Http11, "reviews", &[PAGE]));
    assert_eq!((reply.head.status, allowed(&reply)), (503, Some(PAGE.1)));
}

#[test]
fn nobody_looks_where_the_listener_has_no_such_filter() {
    let mut bench = Bench::new(&mk(vec![], vec![]), two());
    bench.connects_to(asks(Version::Http11));
    bench.sends(fresh());
    assert_eq!(allowed(&bench.replies(answer(204, &[]))), None);
}

#[test]
fn the_filter_that_stands_first_is_the_first_to_act() {
    let mk_fault_first = || mk(vec![fault(), cors()], vec![abort()]);
    let mk_cors_first = || mk(vec![cors(), fault()], vec![abort()]);
    let status_of = |mk: &Mk, event| {
        let reply = Bench::new(mk, two()).replies(event);
        (reply.head.status, allowed(&reply).is_some())
    };
    let asked = || arrives(Version::Http11, "reviews", &[PAGE]);
    assert_eq!(status_of(&mk_fault_first(), asked()), (555, false));
    assert_eq!(
        status_of(&mk_fault_first(), asks(Version::Http11)),
        (555, false)
    );
    assert_eq!(status_of(&mk_cors_first(), asked()), (555, true));
    assert_eq!(
        status_of(&mk_cors_first(), asks(Version::Http11)),
        (200, true)
    );
}
