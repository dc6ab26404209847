use mesh_proto::envoy::envoy::config::core::v3::QueryParameter;
use mesh_proto::envoy::envoy::extensions::filters::http::ext_authz::v3 as pb;
use mesh_proto::envoy::envoy::r#type::v3::HttpStatus;
use mesh_proto::envoy::google::rpc::Status;

use super::super::tests::{by_grpc, check};
use super::*;
use crate::testing::{call, put};

fn says(code: i32, response: Option<HttpResponse>) -> Vec<u8> {
    let response = CheckResponse {
        status: Some(Status {
            code,
            ..Default::default()
        }),
        http_response: response,
        ..Default::default()
    };
    response.encode_to_vec()
}

fn denied(code: i32) -> DeniedHttpResponse {
    DeniedHttpResponse {
        status: Some(HttpStatus { code }),
        headers: vec![put("x-reason", "no", 0)],
        body: "go away".into(),
    }
}

fn judge(pb: &pb::ExtAuthz, message: &[u8]) -> Judged {
    let head = ResponseHead::default();
    check(pb).judge(Some(Answer {
        head: &head,
        body: message,
    }))
}

#[test]
fn a_message_says_what_becomes_of_the_request() {
    let of = |message: &[u8]| {
        let judged = judge(&by_grpc(), message);
        (judged.outcome, judged.status)
    };
    assert_eq!(of(&says(0, None)).0, Outcome::Passes);
    assert_eq!(of(&says(7, None)), (Outcome::Denied, 403));
    let response = |code: i32| Some(HttpResponse::DeniedResponse(denied(code)));
    assert_eq!(of(&says(16, response(401))), (Outcome::Denied, 401));
    assert_eq!(of(&says(16, response(302))), (Outcome::Denied, 302));
    assert_eq!(of(&says(16, response(0))), (Outcome::Denied, 403));
    let error = Some(HttpResponse::ErrorResponse(denied(503)));
    assert_eq!(of(&says(14, error)), (Outcome::Unknown, 503));
    assert_eq!(of(b"\xff"), (Outcome::Unknown, 403));
}

#[test]
fn what_a_service_says_without_more_replaces_what_a_client_wrote() {
    let ok = OkHttpResponse {
        headers: vec![
            put("X-User", "alice", 0),
            put("x-group", "b", 1),
            put("x-new", "1", 1),
        ],
        headers_to_remove: vec!["Authorization".into()],
        response_headers_to_add: vec![put("set-cookie", "a", 0), put("set-cookie", "b", 0)],
        query_parameters_to_set: vec![QueryParameter {
            key: "q".into(),
            value: "2".into(),
        }],
        query_parameters_to_remove: vec!["token".into()],
        ..Default::default()
    };
    let judged = judge(&by_grpc(), &says(0, Some(HttpResponse::OkResponse(ok))));
    let mut head =
        call("GET http://a/?token=1&q=1\nx-user: mallory\nx-group: a\nauthorization: secret");
    assert!(judged.change(&mut head));
    assert_eq!(head.path, "/?q=2");
    let fields: Vec<_> = head.fields.iter().collect();
    let expected: [(&str, &[u8]); 3] = [("x-group", b"a"), ("x-user", b"alice"), ("x-new", b"1")];
    assert_eq!(fields, expected);
    let mut answer = ResponseHead::default();
    judged.show(&mut answer);
    let cookies: Vec<_> = answer.fields.get_all("set-cookie").collect();
    assert_eq!(cookies, [b"a", b"b"]);
    assert!(!judged.reroutes);
    let clears = pb::ExtAuthz {
        clear_route_cache: true,
        ..by_grpc()
    };
    let ok = OkHttpResponse {
        headers: vec![put("x", "1", 0)],
        ..Default::default()
    };
    assert!(judge(&clears, &says(0, Some(HttpResponse::OkResponse(ok)))).reroutes);
    assert!(!judge(&clears, &says(0, None)).reroutes);
}

#[test]
fn a_refusal_has_the_words_of_the_service() {
    let judged = judge(
        &pb::ExtAuthz {
            max_denied_response_body_bytes: 2,
            ..by_grpc()
        },
        &says(7, Some(HttpResponse::DeniedResponse(denied(403)))),
    );
    assert_eq!(judged.body, b"go");
    let tell = |request: &str| {
        let mut head = ResponseHead::default();
        judged.tell(&mut head, &call(request));
        head.fields.get_str("x-reason").map(str::to_owned)
    };
    assert_eq!(tell("GET http://a/").as_deref(), Some("no"));
}

#[test]
fn requests_pass_without_an_answer_where_that_is_wanted() {
    let mut pb = by_grpc();
    assert_eq!(check(&pb).judge(None).outcome, Outcome::Unknown);
    pb.failure_mode_allow = true;
    let of = |pb: &pb::ExtAuthz| {
        let check = check(pb);
        let judged = check.judge(None);
        let mut head = call("GET http://a/");
        judged.change(&mut head);
        let asked = check.of.asked();
        assert_eq!((asked.failed, asked.let_pass), (1, 1));
        let told = head.fields.get_str("x-envoy-auth-failure-mode-allowed");
        (judged.outcome, told.map(str::to_owned))
    };
    assert_eq!(of(&pb), (Outcome::Passes, None));
    pb.failure_mode_allow_header_add = true;
    assert_eq!(of(&pb), (Outcome::Passes, Some("true".into())));
}

#[test]
fn an_answer_that_cannot_be_carried_out_is_none_where_that_is_looked_at() {
    let ok = |name: &str, value: &str| {
        let ok = OkHttpResponse {
            headers: vec![put(name, value, 0)],
            ..Default::default()
        };
        says(0, Some(HttpResponse::OkResponse(ok)))
    };
    let validates = pb::ExtAuthz {
        validate_mutations: true,
        ..by_grpc()
    };
    assert_eq!(judge(&validates, &ok("x", "1")).outcome, Outcome::Passes);
    for (name, value) in [("x y", "1"), ("x", "a\nb"), (":path", "no")] {
        let judged = judge(&validates, &ok(name, value));
        assert_eq!(judged.outcome, Outcome::Invalid, "{name}: {value}");
        assert_eq!(judge(&by_grpc(), &ok(name, value)).outcome, Outcome::Passes);
    }
}
