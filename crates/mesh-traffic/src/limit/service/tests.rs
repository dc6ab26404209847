use mesh_proto::any::pack;
use mesh_proto::envoy::envoy::config::core::v3 as core;
use mesh_proto::envoy::envoy::config::ratelimit::v3::RateLimitServiceConfig;
use mesh_proto::envoy::envoy::config::route::v3 as route;
use mesh_proto::envoy::envoy::config::route::v3::rate_limit::Action;
use mesh_proto::envoy::envoy::config::route::v3::rate_limit::action::{
    ActionSpecifier, RequestHeaders,
};
use mesh_proto::envoy::envoy::extensions::filters::http::ratelimit::v3 as pb;
use mesh_proto::envoy::envoy::service::ratelimit::v3::rate_limit_response::RateLimit as Limited;
use mesh_proto::envoy::google::protobuf as wkt;

use super::*;
use crate::compile::global_limit;
use crate::testing::{call, cluster_action, host, prefix, table, to};
use crate::{RouteTable, decide_route};

fn filter() -> pb::RateLimit {
    let grpc = core::GrpcService {
        target_specifier: Some(core::grpc_service::TargetSpecifier::EnvoyGrpc(
            core::grpc_service::EnvoyGrpc {
                cluster_name: "rls".into(),
                ..Default::default()
            },
        )),
        ..Default::default()
    };
    pb::RateLimit {
        domain: "d".into(),
        rate_limit_service: Some(RateLimitServiceConfig {
            grpc_service: Some(grpc),
            transport_api_version: 2,
        }),
        ..Default::default()
    }
}

fn by_header(name: &str) -> route::RateLimit {
    route::RateLimit {
        actions: vec![Action {
            action_specifier: Some(ActionSpecifier::RequestHeaders(RequestHeaders {
                header_name: name.into(),
                descriptor_key: name.into(),
                skip_if_absent: false,
            })),
        }],
        ..Default::default()
    }
}

/// What is asked about a request of a route that says this of the limit.
fn asked(filter: &pb::RateLimit, said: Option<pb::RateLimitPerRoute>, request: &str) -> String {
    let mut action = cluster_action("c");
    action.rate_limits = vec![by_header("x-user")];
    let mut route = to(prefix("/"), action);
    let name = "envoy.filters.http.ratelimit".to_owned();
    let said = said.map(|said| (name, pack(&said)));
    route.typed_per_filter_config = said.into_iter().collect();
    let mut host = host(&["*"], vec![route]);
    host.rate_limits = vec![by_header("x-host")];
    let table = RouteTable::compile(&table(vec![host])).unwrap();
    let head = call(request);
    let decision = decide_route(&table, &head, || 0);
    let known = Known {
        head: &head,
        client: "10.0.0.7".parse().unwrap(),
        source: "s",
        destination: Some("c"),
    };
    let limit = global_limit(filter).unwrap();
    let Some(bytes) = limit.question(&known, &decision, || 0) else {
        return "nothing".to_owned();
    };
    let question = RateLimitRequest::decode(bytes.as_slice()).unwrap();
    let entries = question.descriptors.iter().flat_map(|it| &it.entries);
    let entries = entries.map(|entry| format!(" {}={}", entry.key, entry.value));
    format!("{}{}", question.domain, entries.collect::<String>())
}

const BOTH: &str = "GET http://a/\nx-user: u\nx-host: h";

#[test]
fn requests_are_described_as_route_and_host_say() {
    assert_eq!(asked(&filter(), None, BOTH), "d x-user=u");
    assert_eq!(asked(&filter(), None, "GET http://a/"), "nothing");
    let include = pb::RateLimitPerRoute {
        vh_rate_limits: 1,
        domain: "other".into(),
        ..Default::default()
    };
    assert_eq!(
        asked(&filter(), Some(include), BOTH),
        "other x-user=u x-host=h"
    );
    let own = pb::RateLimitPerRoute {
        rate_limits: vec![by_header("x-host")],
        ..Default::default()
    };
    assert_eq!(asked(&filter(), Some(own), BOTH), "d x-host=h");
    let later = pb::RateLimit {
        stage: 1,
        ..filter()
    };
    assert_eq!(asked(&later, None, BOTH), "nothing");
}

fn judged(filter: &pb::RateLimit, answer: &RateLimitResponse) -> Judged {
    let limit = global_limit(filter).unwrap();
    limit.judge(Some(&answer.encode_to_vec()), || 0)
}

fn over() -> RateLimitResponse {
    RateLimitResponse {
        overall_code: Code::OverLimit.into(),
        ..Default::default()
    }
}

#[test]
fn the_answer_tells_what_becomes_of_a_request() {
    let ok = RateLimitResponse {
        overall_code: Code::Ok.into(),
        ..Default::default()
    };
    assert_eq!(judged(&filter(), &ok).outcome, Outcome::Passes);
    let refused = judged(&filter(), &over());
    assert_eq!(refused.outcome, Outcome::Refused);
    assert_eq!(refused.response.get_str(RATE_LIMITED), Some("true"));
    let silent = pb::RateLimit {
        disable_x_envoy_ratelimited_header: true,
        ..filter()
    };
    assert!(judged(&silent, &over()).response.is_empty());
}

#[test]
fn without_an_answer_requests_pass_unless_that_is_forbidden() {
    let open = global_limit(&filter()).unwrap();
    assert_eq!(open.judge(None, || 0).outcome, Outcome::Passes);
    // No answer, one that is no message, one that decides nothing.
    assert_eq!(open.judge(Some(&[0xff]), || 0).outcome, Outcome::Passes);
    assert_eq!(open.judge(Some(&[]), || 0).outcome, Outcome::Passes);
    let wanted = Asked {
        failed: 3,
        let_pass: 3,
        ..Asked::default()
    };
    assert_eq!(open.asked(), wanted);
    let strict = pb::RateLimit {
        failure_mode_deny: true,
        ..filter()
    };
    let strict = global_limit(&strict).unwrap();
    assert_eq!(strict.judge(None, || 0).outcome, Outcome::Unknown);
    assert_eq!(strict.statuses(Outcome::Unknown), (500, None));
}

#[test]
fn the_service_adds_headers_but_none_of_the_messages_shape() {
    let header = |key: &str, value: &str| HeaderValue {
        key: key.into(),
        value: value.into(),
        ..Default::default()
    };
    let answer = RateLimitResponse {
        request_headers_to_add: vec![header("X-Plan", "free"), header("content-length", "5")],
        response_headers_to_add: vec![header("x-why", "a\r\nb"), header(":status", "200")],
        ..over()
    };
    let judged = judged(&filter(), &answer);
    assert_eq!(judged.request.get_str("x-plan"), Some("free"));
    assert_eq!((judged.request.len(), judged.response.len()), (1, 1));
}

#[test]
fn the_window_is_that_of_the_limit_nearest_to_its_end() {
    let status = |per_unit, unit: Unit, remaining, reset| DescriptorStatus {
        current_limit: Some(Limited {
            name: "n".into(),
            requests_per_unit: per_unit,
            unit: unit.into(),
        }),
        limit_remaining: remaining,
        duration_until_reset: Some(wkt::Duration {
            seconds: reset,
            nanos: 0,
        }),
        ..Default::default()
    };
    let showing = pb::RateLimit {
        enable_x_ratelimit_headers: 1,
        ..filter()
    };
    let answer = RateLimitResponse {
        statuses: vec![
            status(100, Unit::Hour, 60, 1800),
            status(5, Unit::Second, 2, 1),
            DescriptorStatus::default(),
        ],
        ..over()
    };
    let judged = judged(&showing, &answer);
    let found = [LIMIT, REMAINING, RESET].map(|name| judged.response.get_str(name).unwrap());
    let policy = "5, 100;w=3600;name=\"n\", 5;w=1;name=\"n\"";
    assert_eq!(found, [policy, "2", "1"]);
}
