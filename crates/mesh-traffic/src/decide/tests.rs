#![expect(
    deprecated,
    reason = "older forms of header matchers are still received"
)]

use mesh_proto::envoy::envoy::config::route::v3 as pb;
use mesh_proto::envoy::envoy::config::route::v3::header_matcher::HeaderMatchSpecifier as Header;
use mesh_proto::envoy::envoy::config::route::v3::route_match::PathSpecifier as Path;
use mesh_proto::envoy::envoy::r#type::matcher::v3::string_matcher::MatchPattern;
use mesh_proto::envoy::envoy::r#type::v3::Int64Range;
use mesh_proto::envoy::google::protobuf::BoolValue;
use proptest::prelude::*;

use super::*;
use crate::testing::{
    call, cluster_action, host, path, prefix, regex, string, table, to, weighted_action,
    with_header,
};

/// Where a request goes, as text.
fn outcome(table: &pb::RouteConfiguration, request: &str, draw: u64) -> String {
    let table = RouteTable::compile(table).unwrap();
    let head = call(request);
    let decision = decide_route(&table, &head, || draw);
    match decision.action {
        Action::Forward(forward) => forward.cluster.to_string(),
        Action::Redirect(redirect) => format!("{} {}", redirect.status, redirect.location(&head)),
        Action::Respond(respond) => format!("{}", respond.status),
        Action::NotFound => "NR".to_owned(),
    }
}

/// Whether a request with this match goes through.
#[track_caller]
fn check(matched: &pb::RouteMatch, request: &str, expect: bool) {
    let route = to(matched.clone(), cluster_action("c"));
    let got = outcome(&table(vec![host(&["*"], vec![route])]), request, 0);
    assert_eq!(got == "c", expect, "{matched:?} {request}");
}

fn headers(list: Vec<pb::HeaderMatcher>) -> pb::RouteMatch {
    pb::RouteMatch {
        headers: list,
        ..prefix("/")
    }
}

#[test]
fn paths_match_without_their_query() {
    check(&prefix("/a"), "GET http://h/ab", true);
    check(&prefix("/a"), "GET http://h/b", false);
    let exact = path(Path::Path("/a".into()));
    check(&exact, "GET http://h/a?x=/b", true);
    check(&exact, "GET http://h/a/", false);
    check(&exact, "GET http://h/A", false);
    let folded = pb::RouteMatch {
        case_sensitive: Some(BoolValue { value: false }),
        ..exact
    };
    check(&folded, "GET http://h/A", true);
    let segments = path(Path::PathSeparatedPrefix("/a".into()));
    check(&segments, "GET http://h/a", true);
    check(&segments, "GET http://h/a/b", true);
    check(&segments, "GET http://h/a?b", true);
    check(&segments, "GET http://h/ab", false);
    let pattern = path(Path::SafeRegex(regex("/a/[0-9]+")));
    check(&pattern, "GET http://h/a/12?x", true);
    check(&pattern, "GET http://h/a/12/b", false);
}

#[test]
fn headers_match_as_the_matcher_says() {
    let of = |specifier| headers(vec![with_header("X-User", Some(specifier))]);
    let exact = of(Header::StringMatch(string(MatchPattern::Exact(
        "jason".into(),
    ))));
    check(&exact, "GET http://h/\nx-user: jason", true);
    check(&exact, "GET http://h/\nx-user: Jason", false);
    check(&exact, "GET http://h/", false);
    // Of several fields of one name one is enough.
    check(&exact, "GET http://h/\nx-user: tom\nx-user: jason", true);
    check(&exact, "GET http://h/\nx-user: tom\nx-user: tim", false);
    let list = of(Header::ExactMatch("jason,tom".into()));
    check(&list, "GET http://h/\nx-user: jason\nx-user: tom", false);
    let mut other = with_header("x-user", Some(Header::ExactMatch("jason".into())));
    other.invert_match = true;
    let other = headers(vec![other]);
    check(&other, "GET http://h/\nx-user: tom\nx-user: jason", false);
    check(&other, "GET http://h/\nx-user: tom\nx-user: tim", true);
    check(
        &of(Header::PresentMatch(true)),
        "GET http://h/\nx-user:",
        true,
    );
    check(&of(Header::PresentMatch(false)), "GET http://h/", true);
    check(
        &of(Header::SafeRegexMatch(regex("ja.*"))),
        "GET http://h/\nx-user: jason",
        true,
    );
    let range = of(Header::RangeMatch(Int64Range { start: -1, end: 5 }));
    check(&range, "GET http://h/\nx-user: -1", true);
    check(&range, "GET http://h/\nx-user: 5", false);
    check(&range, "GET http://h/\nx-user: x", false);
}

#[test]
fn an_inverted_match_still_needs_the_header_unless_missing_is_empty() {
    let not_jason = pb::HeaderMatcher {
        invert_match: true,
        ..with_header("x-user", Some(Header::ExactMatch("jason".into())))
    };
    let strict = headers(vec![not_jason.clone()]);
    check(&strict, "GET http://h/\nx-user: tom", true);
    check(&strict, "GET http://h/\nx-user: jason", false);
    check(&strict, "GET http://h/", false);
    let lenient = headers(vec![pb::HeaderMatcher {
        treat_missing_header_as_empty: true,
        ..not_jason
    }]);
    check(&lenient, "GET http://h/", true);
    let absent = headers(vec![pb::HeaderMatcher {
        invert_match: true,
        ..with_header("x-user", Some(Header::PresentMatch(true)))
    }]);
    check(&absent, "GET http://h/", true);
    check(&absent, "GET http://h/\nx-user: a", false);
}

#[test]
fn pseudo_headers_are_headers() {
    let of = |name: &str, value: &str| {
        headers(vec![with_header(
            name,
            Some(Header::ExactMatch(value.into())),
        )])
    };
    check(&of(":method", "POST"), "POST http://h/", true);
    check(&of(":authority", "h:81"), "GET http://h:81/", true);
    check(&of("host", "h"), "GET http://h/", true);
    check(&of(":scheme", "https"), "GET http://h/", false);
    check(&of(":path", "/a?b"), "GET http://h/a?b", true);
}

#[test]
fn query_parameters_match_by_their_first_value() {
    use pb::query_parameter_matcher::QueryParameterMatchSpecifier as Query;
    let of = |specifier| pb::RouteMatch {
        query_parameters: vec![pb::QueryParameterMatcher {
            name: "v".into(),
            query_parameter_match_specifier: Some(specifier),
        }],
        ..prefix("/")
    };
    let exact = of(Query::StringMatch(string(MatchPattern::Exact("2".into()))));
    check(&exact, "GET http://h/?u=1&v=2", true);
    check(&exact, "GET http://h/?v=1&v=2", false);
    check(&exact, "GET http://h/", false);
    check(&of(Query::PresentMatch(true)), "GET http://h/?v", true);
    check(&of(Query::PresentMatch(true)), "GET http://h/?vv=1", false);
}

#[test]
fn all_conditions_of_a_route_must_hold_and_the_first_route_counts() {
    let jason = headers(vec![with_header(
        "end-user",
        Some(Header::ExactMatch("jason".into())),
    )]);
    let table = table(vec![host(
        &["reviews", "reviews.default"],
        vec![
            to(jason, cluster_action("v2")),
            to(prefix("/"), cluster_action("v1")),
        ],
    )]);
    assert_eq!(
        outcome(&table, "GET http://reviews/x\nend-user: jason", 0),
        "v2"
    );
    assert_eq!(outcome(&table, "GET http://reviews.default/x", 0), "v1");
    assert_eq!(outcome(&table, "GET http://ratings/x", 0), "NR");
}

#[test]
fn a_host_without_a_matching_route_is_not_left_for_another_host() {
    let table = table(vec![
        host(&["a"], vec![to(prefix("/x"), cluster_action("a"))]),
        host(&["*"], vec![to(prefix("/"), cluster_action("rest"))]),
    ]);
    assert_eq!(outcome(&table, "GET http://a/y", 0), "NR");
    assert_eq!(outcome(&table, "GET http://b/y", 0), "rest");
}

#[test]
fn direct_responses_and_redirects_are_actions() {
    let route = |action| pb::Route {
        r#match: Some(prefix("/")),
        action: Some(action),
        ..Default::default()
    };
    let respond = route(pb::route::Action::DirectResponse(
        pb::DirectResponseAction {
            status: 502,
            ..Default::default()
        },
    ));
    let redirect = route(pb::route::Action::Redirect(pb::RedirectAction {
        host_redirect: "b".into(),
        response_code: 3,
        ..Default::default()
    }));
    let of = |route| table(vec![host(&["*"], vec![route])]);
    assert_eq!(outcome(&of(respond), "GET http://a/", 0), "502");
    assert_eq!(
        outcome(&of(redirect), "GET http://a/x", 0),
        "307 http://b/x"
    );
}

#[test]
fn a_host_that_asks_for_tls_sends_others_there() {
    let strict = pb::VirtualHost {
        require_tls: 2,
        ..host(&["a"], vec![to(prefix("/"), cluster_action("c"))])
    };
    let table = table(vec![strict]);
    assert_eq!(outcome(&table, "GET http://a/x", 0), "301 https://a/x");
    assert_eq!(outcome(&table, "GET https://a/x", 0), "c");
}

#[test]
fn a_decision_is_found_again_where_it_stood() {
    let action = weighted_action(&[("v1", 1), ("v3", 1)]);
    let pb = table(vec![
        host(&["x"], vec![]),
        host(
            &["*"],
            vec![
                to(prefix("/no"), cluster_action("no")),
                to(prefix("/"), action),
            ],
        ),
    ]);
    let table = RouteTable::compile(&pb).unwrap();
    let at = decide_route(&table, &call("GET http://h/"), || 1)
        .at()
        .unwrap();
    let again = table.at(at).unwrap();
    assert!(matches!(again.action, Action::Forward(f) if f.cluster == "v3"));
    assert_eq!(again.at(), Some(at));
}

proptest! {
    /// Each cluster gets exactly its weight of every full round of draws.
    #[test]
    fn weights_share_the_draws(weights in proptest::collection::vec(0u32..50, 1..6)) {
        let total: u32 = weights.iter().sum();
        let mut hits = vec![0; weights.len()];
        for draw in 0..u64::from(total) {
            hits[weighted(weights.iter().copied(), || draw).unwrap()] += 1;
        }
        prop_assert_eq!(&hits, &weights);
        prop_assert_eq!(weighted(std::iter::repeat_n(0, 3), || 5), None);
    }

    /// Whatever a client sends, there is a decision.
    #[test]
    fn no_request_makes_the_decision_panic(authority in ".{0,20}", path in ".{0,20}", draw: u64) {
        let list = table(vec![host(&["*.a", "b.*", "*"], vec![
            to(path_regex(), cluster_action("r")),
            to(prefix("/a"), weighted_action(&[("x", 3), ("y", 4)])),
        ])]);
        let table = RouteTable::compile(&list).unwrap();
        let head = RequestHead { authority, path, ..RequestHead::default() };
        let mut shaped = head.clone();
        decide_route(&table, &head, || draw).shape_request(&mut shaped, &crate::testing::facts());
    }
}

fn path_regex() -> pb::RouteMatch {
    path(Path::SafeRegex(regex("/r(.*)")))
}
