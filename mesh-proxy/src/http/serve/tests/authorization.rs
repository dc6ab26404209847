//! Requests that a service has to allow.

use mesh_proto::Any;
use mesh_proto::any::pack;
use mesh_proto::envoy::envoy::config::core::v3 as core;
use mesh_proto::envoy::envoy::config::route::v3 as route;
use mesh_proto::envoy::envoy::extensions::filters::http::cors::v3::{Cors, CorsPolicy};
use mesh_proto::envoy::envoy::extensions::filters::http::ext_authz::v3::{self as pb, ExtAuthz};
use mesh_proto::envoy::envoy::extensions::filters::http::fault::v3::HttpFault;
use mesh_proto::envoy::envoy::service::auth::v3::check_response::HttpResponse;
use mesh_proto::envoy::envoy::service::auth::v3::{
    CheckRequest, CheckResponse, DeniedHttpResponse, OkHttpResponse,
};
use mesh_proto::envoy::envoy::r#type::matcher::v3::StringMatcher;
use mesh_proto::envoy::envoy::r#type::matcher::v3::string_matcher::MatchPattern;
use mesh_proto::envoy::google::rpc;
use mesh_traffic::authz::Body;
use mesh_traffic::cluster::UpstreamProtocol;
use prost::Message;

use super::*;
use crate::http::call::{Answer, message};
use crate::testing::{LOCAL_LIMIT, local_limit, overwrite};

const AUTHZ: &str = "envoy.filters.http.ext_authz";
const CORS: &str = "envoy.filters.http.cors";
const FAULT: &str = "envoy.filters.http.fault";
const PAGE: (&str, &str) = ("origin", "https://a.example");
const C: ([u8; 4], u16) = ([10, 0, 0, 3], 9080);

fn filter() -> ExtAuthz {
    let envoy = core::grpc_service::EnvoyGrpc {
        cluster_name: "authz".into(),
        ..Default::default()
    };
    let grpc = core::GrpcService {
        target_specifier: Some(core::grpc_service::TargetSpecifier::EnvoyGrpc(envoy)),
        ..Default::default()
    };
    ExtAuthz {
        services: Some(pb::ext_authz::Services::GrpcService(grpc)),
        transport_api_version: 2,
        ..Default::default()
    }
}

fn authz(pb: &ExtAuthz) -> (&'static str, Any) {
    (AUTHZ, pack(pb))
}

fn cors() -> (&'static str, Any) {
    (CORS, pack(&Cors::default()))
}

fn fault() -> (&'static str, Any) {
    (FAULT, pack(&HttpFault::default()))
}

fn limit(most: u32) -> (&'static str, Any) {
    (LOCAL_LIMIT, pack(&local_limit(most)))
}

fn clusters() -> Vec<Cluster> {
    let service = Cluster {
        protocol: UpstreamProtocol::Http2,
        ..mk_cluster("authz", &[C.into()])
    };
    let mut all = two();
    all.extend([mk_cluster("other", &[C.into()]), service]);
    all
}

/// A listener with these filters; its route lets a page in, and requests of alice have a route of their own.
fn bench(filters: Vec<(&'static str, Any)>) -> Bench {
    let origin = StringMatcher {
        match_pattern: Some(MatchPattern::Exact(PAGE.1.into())),
        ..Default::default()
    };
    let policy = CorsPolicy {
        allow_origin_string_match: vec![origin],
        ..Default::default()
    };
    let mut of_alice = to_cluster("other");
    if let Some(matched) = &mut of_alice.r#match {
        matched.headers = vec![route::HeaderMatcher {
            name: "x-user".into(),
            ..Default::default()
        }];
    }
    let mut any = to_cluster("reviews");
    any.typed_per_filter_config = [(CORS.to_owned(), pack(&policy))].into();
    let mk = Mk {
        routes: Some(table("9080", vec![of_alice, any])),
        filters,
        ..Mk::default()
    };
    Bench::new(&mk, clusters())
}

fn asks() -> Event {
    arrives(Version::Http11, "reviews", &[PAGE])
}

fn preflight() -> Event {
    let asked = ("access-control-request-method", "PUT");
    let mut arrival = mk_arrival(Version::Http11, "reviews", &[PAGE, asked]);
    arrival.head.method = "OPTIONS".into();
    Event::Arrived(arrival)
}

/// The service is asked; what it is asked is dropped.
#[track_caller]
fn is_asked(bench: &mut Bench, event: Event) {
    let next = bench.on(event);
    assert!(matches!(next, Next::Wait(Wait::Service)), "{next:?}");
    let call = bench.exchange.take_call().unwrap();
    let asked = CheckRequest::decode(message(&call.body).unwrap()).unwrap();
    assert!(asked.attributes.is_some());
}

fn says(response: &CheckResponse) -> Event {
    Event::Told(Ok(Answer {
        head: ResponseHead::default(),
        body: response.encode_to_vec(),
    }))
}

fn allowed() -> Event {
    let ok = OkHttpResponse {
        headers: vec![overwrite("x-user", "alice")],
        ..Default::default()
    };
    says(&CheckResponse {
        http_response: Some(HttpResponse::OkResponse(ok)),
        ..Default::default()
    })
}

fn denied() -> Event {
    let denied = DeniedHttpResponse {
        body: "go away".into(),
        headers: vec![overwrite("content-type", "text/html")],
        ..Default::default()
    };
    says(&CheckResponse {
        status: Some(rpc::Status {
            code: 7,
            ..Default::default()
        }),
        http_response: Some(HttpResponse::DeniedResponse(denied)),
        ..Default::default()
    })
}

fn kind(bench: &Bench) -> Option<FailureKind> {
    bench.exchange.failure.as_ref().map(|failure| failure.kind)
}

#[test]
fn who_is_allowed_goes_on_as_the_service_wants_it() {
    for filters in [
        vec![authz(&filter()), cors(), fault()],
        vec![cors(), authz(&filter()), fault()],
        vec![cors(), fault(), authz(&filter()), limit(1)],
        vec![cors(), fault(), limit(1), authz(&filter())],
    ] {
        let mut bench = bench(filters);
        is_asked(&mut bench, asks());
        let address = bench.connects_to(allowed());
        assert_ne!(address, C.into());
        let head = bench.sends(fresh());
        assert_eq!(head.fields.get_str("x-user"), Some("alice"));
    }
}

#[test]
fn the_route_is_looked_for_once_more_where_that_is_wanted() {
    let clears = ExtAuthz {
        clear_route_cache: true,
        ..filter()
    };
    for filters in [
        vec![authz(&clears), cors()],
        vec![cors(), authz(&clears), fault()],
        vec![cors(), authz(&clears)],
    ] {
        let mut bench = bench(filters);
        is_asked(&mut bench, asks());
        assert_eq!(bench.connects_to(allowed()), C.into());
    }
}

#[test]
fn who_is_denied_gets_the_words_of_the_service() {
    let mut bench = bench(vec![authz(&filter())]);
    is_asked(&mut bench, asks());
    let reply = bench.replies(denied());
    assert_eq!(kind(&bench), Some(FailureKind::Unauthorized));
    assert_eq!(reply.head.status, 403);
    assert_eq!(reply.body, ReplyBody::Own("go away".into()));
    let content = reply.head.fields.get_str("content-type");
    assert_eq!(content, Some("text/html"));
    // The books know where it would have gone.
    assert_eq!(bench.exchange.cluster_name(), "reviews");
}

#[test]
fn a_call_of_grpc_is_refused_as_one() {
    let mut bench = bench(vec![authz(&filter())]);
    let fields = [("content-type", "application/grpc")];
    is_asked(&mut bench, arrives(Version::Http2, "reviews", &fields));
    let reply = bench.replies(denied());
    let field = |name: &str| reply.head.fields.get_str(name).map(str::to_owned);
    assert_eq!(reply.head.status, 200);
    assert_eq!(field("content-type").as_deref(), Some("application/grpc"));
    assert_eq!(field("grpc-status").as_deref(), Some("7"));
    assert_eq!(field("grpc-message").as_deref(), Some("go away"));
}

#[test]
fn without_an_answer_nobody_passes() {
    let mut strict = bench(vec![authz(&filter())]);
    is_asked(&mut strict, asks());
    let broken = || Event::Told(Err(FailureKind::ConnectFailed.into()));
    assert_eq!(strict.replies(broken()).head.status, 403);
    let failure = strict.exchange.failure.as_ref().unwrap();
    assert_eq!(failure.kind, FailureKind::AuthorizationUnknown);
    let why = failure.reason();
    assert!(why.starts_with("authorization service authz: "), "{why}");
    let open = ExtAuthz {
        failure_mode_allow: true,
        failure_mode_allow_header_add: true,
        ..filter()
    };
    let mut open = bench(vec![authz(&open)]);
    is_asked(&mut open, asks());
    open.connects_to(broken());
    let head = open.sends(fresh());
    let told = head.fields.get_str("x-envoy-auth-failure-mode-allowed");
    assert_eq!(told, Some("true"));
}

#[test]
fn the_order_of_the_filters_tells_who_is_asked_about() {
    // Where it comes first the service is asked about preflights too, and no page may read its refusal.
    let mut first = bench(vec![authz(&filter()), cors()]);
    is_asked(&mut first, preflight());
    let reply = first.replies(denied());
    let allows = |reply: &Reply| reply.head.fields.contains("access-control-allow-origin");
    assert!(!allows(&reply));
    let mut last = bench(vec![cors(), authz(&filter())]);
    assert_eq!(last.replies(preflight()).head.status, 200);
    let mut last = bench(vec![cors(), authz(&filter())]);
    is_asked(&mut last, asks());
    assert!(allows(&last.replies(denied())));
    // What is counted later is counted only if it is allowed.
    let mut limited = bench(vec![cors(), authz(&filter()), limit(0)]);
    is_asked(&mut limited, asks());
    limited.replies(allowed());
    assert_eq!(kind(&limited), Some(FailureKind::RateLimited));
    let mut limited = bench(vec![cors(), limit(0), authz(&filter())]);
    limited.replies(asks());
    assert_eq!(kind(&limited), Some(FailureKind::RateLimited));
}

#[test]
fn bodies_are_waited_for_where_the_service_sees_them() {
    let sees = ExtAuthz {
        with_request_body: Some(pb::BufferSettings {
            max_request_bytes: 4,
            ..Default::default()
        }),
        ..filter()
    };
    let body = || Body {
        bytes: b"abc".to_vec(),
        whole: true,
    };
    let waits = |bench: &mut Bench| {
        let next = bench.on(asks());
        assert!(matches!(next, Next::Wait(Wait::Body(_))), "{next:?}");
    };
    let mut whole = bench(vec![authz(&sees)]);
    waits(&mut whole);
    is_asked(&mut whole, Event::Gathered(Ok(Some(body()))));
    whole.connects_to(allowed());
    let mut long = bench(vec![authz(&sees)]);
    waits(&mut long);
    let failure = Failure::new(FailureKind::BodyTooLarge);
    let reply = long.replies(Event::Gathered(Err(failure)));
    assert_eq!(reply.head.status, 413);
    assert_eq!(reply.body, ReplyBody::Own("Payload Too Large".into()));
}
