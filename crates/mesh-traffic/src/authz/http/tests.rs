use mesh_http::ResponseHead;
use mesh_proto::envoy::envoy::config::core::v3::HeaderValue;
use mesh_proto::envoy::envoy::extensions::filters::http::ext_authz::v3 as pb;

use super::super::Check;
use super::super::tests::{by_http, check, known, prefixes};
use super::*;
use crate::testing::{call, facts};

fn asked(check: &Check, text: &str, body: Option<Body>) -> (Box<RequestHead>, Vec<u8>) {
    let head = call(text);
    match check.question(&known(&head, facts()), body) {
        Question::Http { head, body } => (head, body),
        Question::Grpc { .. } => panic!("a call of gRPC"),
    }
}

fn answered(check: &Check, status: u16, fields: &[(&str, &str)], body: &str) -> Judged {
    let mut head = ResponseHead {
        status,
        ..Default::default()
    };
    for (name, value) in fields {
        head.fields.append(name, value).unwrap();
    }
    check.judge(Some(Answer {
        head: &head,
        body: body.as_bytes(),
    }))
}

fn told(judged: &Judged) -> Vec<(String, String)> {
    let (mut head, request) = (ResponseHead::default(), call("GET http://a/"));
    judged.tell(&mut head, &request);
    judged.show(&mut head);
    let fields = head.fields.iter();
    fields
        .map(|(name, value)| (name.to_owned(), String::from_utf8_lossy(value).into_owned()))
        .collect()
}

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[test]
fn the_question_is_like_the_request() {
    let check = check(&by_http(|http| {
        http.path_prefix = "/check".into();
        http.authorization_request = Some(pb::AuthorizationRequest {
            headers_to_add: vec![HeaderValue {
                key: "x-from".into(),
                value: "%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%".into(),
                ..Default::default()
            }],
            ..Default::default()
        });
    }));
    let text =
        "PUT http://shop/a?b=1\nauthorization: basic\nx-from: me\ncookie: c\ncontent-length: 5";
    let (head, body) = asked(&check, text, None);
    assert_eq!((&*head.method, &*head.authority), ("PUT", "shop"));
    assert_eq!(head.path, "/check/a?b=1");
    let fields: Vec<_> = head.fields.iter().collect();
    let expected: [(&str, &[u8]); 3] = [
        ("authorization", b"basic"),
        ("x-from", b"10.0.0.7"),
        ("content-length", b"0"),
    ];
    assert_eq!(fields, expected);
    assert!(body.is_empty());
}

#[test]
fn it_has_what_is_allowed_and_the_body() {
    let mut pb = by_http(|http| http.path_override = "/auth".into());
    pb.allowed_headers = Some(prefixes(&["x-", "te"]));
    pb.disallowed_headers = Some(prefixes(&["x-secret", "authorization"]));
    let text = "POST http://a/b\nauthorization: a\nx-a: 1\nx-secret: 2\nte: trailers";
    let body = Body {
        bytes: b"abc".to_vec(),
        whole: false,
    };
    let (head, bytes) = asked(&check(&pb), text, Some(body));
    assert_eq!((&*head.path, bytes.as_slice()), ("/auth", &b"abc"[..]));
    let fields: Vec<_> = head.fields.iter().collect();
    let expected: [(&str, &[u8]); 3] = [
        ("x-a", b"1"),
        ("content-length", b"3"),
        ("x-envoy-auth-partial-body", b"true"),
    ];
    assert_eq!(fields, expected);
}

#[test]
fn an_answer_of_200_lets_pass_and_says_what_is_changed() {
    let check = check(&by_http(|http| {
        http.authorization_response = Some(pb::AuthorizationResponse {
            allowed_upstream_headers: Some(prefixes(&["x-user"])),
            allowed_upstream_headers_to_append: Some(prefixes(&["x-group"])),
            allowed_client_headers_on_success: Some(prefixes(&["set-cookie"])),
            ..Default::default()
        });
    }));
    let fields = [
        ("x-user", "alice"),
        ("x-group", "b"),
        ("x-other", "1"),
        ("set-cookie", "s=1"),
        ("x-envoy-auth-headers-to-remove", "Authorization, x-old"),
    ];
    let judged = answered(&check, 200, &fields, "ignored");
    assert_eq!(judged.outcome, Outcome::Passes);
    assert_eq!(told(&judged), [pair("set-cookie", "s=1")]);
    let mut head = call("GET http://a/\nx-user: m\nx-group: a\nauthorization: x\nx-old: y");
    assert!(judged.change(&mut head));
    let fields: Vec<_> = head.fields.iter().collect();
    let expected: [(&str, &[u8]); 3] = [("x-group", b"a"), ("x-user", b"alice"), ("x-group", b"b")];
    assert_eq!(fields, expected);
}

#[test]
fn any_other_answer_is_what_the_client_gets() {
    let fields = [
        ("location", "/login"),
        ("x-reason", "none"),
        ("content-length", "4"),
        ("x-envoy-upstream-service-time", "1"),
    ];
    let judged = answered(&check(&by_http(|_| ())), 302, &fields, "body");
    assert_eq!((judged.outcome, judged.status), (Outcome::Denied, 302));
    assert_eq!(judged.body, b"body");
    let all = [pair("location", "/login"), pair("x-reason", "none")];
    assert_eq!(told(&judged), all);
    let some = check(&by_http(|http| {
        http.authorization_response = Some(pb::AuthorizationResponse {
            allowed_client_headers: Some(prefixes(&["x-none"])),
            ..Default::default()
        });
    }));
    let judged = answered(&some, 302, &fields, "body");
    assert_eq!(told(&judged), [pair("location", "/login")]);
}

#[test]
fn an_error_of_the_service_is_no_answer() {
    let check = check(&by_http(|_| ()));
    let judged = answered(&check, 503, &[], "overloaded");
    assert_eq!((judged.outcome, judged.status), (Outcome::Unknown, 403));
    assert!(judged.body.is_empty());
    assert_eq!(check.failed(), 1);
}
