use mesh_proto::any::pack;
use mesh_proto::envoy::envoy::extensions::filters::http::cors::v3::CorsPolicy;
use mesh_proto::envoy::envoy::r#type::matcher::v3::string_matcher::MatchPattern;
use mesh_proto::envoy::google::protobuf::BoolValue;

use super::*;
use crate::testing::{call, cluster_action, host, prefix, string, table, to};
use crate::{Action, RouteTable, decide_route};

const PREFLIGHT: &str = "OPTIONS http://shop/cart\norigin: https://a.example\n\
                         access-control-request-method: PUT\naccess-control-request-headers: x-a,x-b";

fn policy() -> CorsPolicy {
    CorsPolicy {
        allow_origin_string_match: vec![
            string(MatchPattern::Exact("https://a.example".into())),
            string(MatchPattern::Suffix(".a.example".into())),
        ],
        allow_methods: "GET,PUT".into(),
        allow_headers: "x-a".into(),
        expose_headers: "x-seen".into(),
        max_age: "86400".into(),
        allow_credentials: Some(BoolValue { value: true }),
        ..Default::default()
    }
}

/// What a request means to a route with this policy, and the headers that its answer gets from here.
fn asks(policy: &CorsPolicy, request: &str) -> (Asked, String) {
    let mut route = to(prefix("/"), cluster_action("shop"));
    let name = crate::compile::CORS.to_owned();
    route.typed_per_filter_config.insert(name, pack(policy));
    let table = RouteTable::compile(&table(vec![host(&["*"], vec![route])])).unwrap();
    let head = call(request);
    let Action::Forward(forward) = decide_route(&table, &head, || 0).action else {
        panic!("it is not forwarded");
    };
    let cors = forward.policy.cors.as_ref().unwrap();
    let asked = cors.look(&head, || 0);
    let mut fields = Fields::new();
    match asked {
        Asked::Nothing => {}
        Asked::ByPage => cors.allow(&head, &mut fields),
        Asked::Preflight { allowed } => cors.answer_preflight(&head, allowed, &mut fields),
    }
    let line = |(name, value): (&str, &[u8])| {
        let name = name.strip_prefix("access-control-").unwrap();
        format!("{name}={}", String::from_utf8_lossy(value))
    };
    let lines: Vec<String> = fields.iter().map(line).collect();
    (asked, lines.join(" "))
}

#[test]
fn a_page_that_is_let_in_may_read_the_answer() {
    let (asked, fields) = asks(&policy(), "GET http://shop/\norigin: https://b.a.example");
    assert_eq!(asked, Asked::ByPage);
    assert_eq!(
        fields,
        "allow-origin=https://b.a.example allow-credentials=true expose-headers=x-seen"
    );
}

#[test]
fn a_preflight_is_told_what_is_allowed() {
    let (asked, fields) = asks(&policy(), PREFLIGHT);
    assert_eq!(asked, Asked::Preflight { allowed: true });
    assert_eq!(
        fields,
        "allow-origin=https://a.example allow-credentials=true expose-headers=x-seen \
         allow-methods=GET,PUT allow-headers=x-a max-age=86400"
    );
}

#[test]
fn an_asterisk_allows_whatever_is_asked_for() {
    let policy = CorsPolicy {
        allow_origin_string_match: vec![string(MatchPattern::Exact("*".into()))],
        allow_methods: "*".into(),
        allow_headers: "*".into(),
        ..Default::default()
    };
    let (_, fields) = asks(&policy, PREFLIGHT);
    assert_eq!(
        fields,
        "allow-origin=https://a.example allow-methods=PUT allow-headers=x-a,x-b"
    );
}

#[test]
fn private_networks_are_open_to_those_who_ask() {
    let policy = CorsPolicy {
        allow_origin_string_match: vec![string(MatchPattern::Prefix(String::new()))],
        allow_private_network_access: Some(BoolValue { value: true }),
        ..Default::default()
    };
    assert!(!asks(&policy, PREFLIGHT).1.contains("private"));
    let asking = format!("{PREFLIGHT}\naccess-control-request-private-network: true");
    let (_, fields) = asks(&policy, &asking);
    assert_eq!(
        fields,
        "allow-origin=https://a.example allow-private-network=true"
    );
}

#[test]
fn what_no_page_sent_is_left_alone() {
    for request in [
        "GET http://shop/",
        "GET http://shop/\norigin:",
        "GET http://shop/\norigin: https://evil.example",
        // Two origins are none that anybody would let in.
        "GET http://shop/\norigin: https://a.example\norigin: https://evil.example",
        "OPTIONS http://shop/\norigin: https://evil.example",
    ] {
        assert_eq!(asks(&policy(), request).0, Asked::Nothing, "{request}");
    }
    let options = "OPTIONS http://shop/\norigin: https://a.example";
    assert_eq!(asks(&policy(), options).0, Asked::ByPage);
}

#[test]
fn a_preflight_of_another_origin_goes_on_unless_it_is_to_be_ignored() {
    let other = PREFLIGHT.replace("a.example", "evil");
    assert_eq!(asks(&policy(), &other).0, Asked::Nothing);
    let ignoring = CorsPolicy {
        forward_not_matching_preflights: Some(BoolValue { value: false }),
        ..policy()
    };
    let (asked, fields) = asks(&ignoring, &other);
    assert_eq!(asked, Asked::Preflight { allowed: false });
    // Envoy tells the rest all the same; without the origin it is of no use.
    assert_eq!(
        fields,
        "allow-credentials=true allow-methods=GET,PUT allow-headers=x-a max-age=86400"
    );
}
