use mesh_proto::envoy::envoy::config::core::v3::HeaderValueOption;
use mesh_proto::envoy::envoy::config::route::v3 as pb;
use mesh_proto::envoy::envoy::r#type::matcher::v3::RegexMatchAndSubstitute;
use mesh_proto::envoy::google::protobuf::UInt32Value;

use super::*;
use crate::testing::{call, cluster_action, facts, host, prefix, put, regex, table, to};
use crate::{RouteTable, decide_route};

const APPEND: i32 = 0;
const IF_ABSENT: i32 = 1;
const OVERWRITE: i32 = 2;
const OVERWRITE_IF_EXISTS: i32 = 3;

/// The fields of a request after the operations of a route.
fn shaped(remove: &[&str], add: Vec<HeaderValueOption>, request: &str) -> Vec<String> {
    let route = pb::Route {
        request_headers_to_remove: remove.iter().map(ToString::to_string).collect(),
        request_headers_to_add: add,
        ..to(prefix("/"), cluster_action("c"))
    };
    shape(&table(vec![host(&["*"], vec![route])]), request).1
}

fn shape(table: &pb::RouteConfiguration, request: &str) -> (RequestHead, Vec<String>) {
    let table = RouteTable::compile(table).unwrap();
    let mut head = call(request);
    decide_route(&table, &head.clone(), || 0).shape_request(&mut head, &facts());
    let lines = head.fields.iter();
    let lines = lines
        .map(|(n, v)| format!("{n}: {}", String::from_utf8_lossy(v)))
        .collect();
    (head, lines)
}

#[test]
fn each_way_to_put_a_header_does_what_it_says() {
    let check = |how: i32, request: &str, expect: &[&str]| {
        assert_eq!(
            shaped(&[], vec![put("A", "2", how)], request),
            expect,
            "{how} {request}"
        );
    };
    check(APPEND, "GET http://h/\na: 1", &["a: 1", "a: 2"]);
    check(APPEND, "GET http://h/", &["a: 2"]);
    check(IF_ABSENT, "GET http://h/\na: 1", &["a: 1"]);
    check(IF_ABSENT, "GET http://h/", &["a: 2"]);
    check(OVERWRITE, "GET http://h/\na: 1\na: 3", &["a: 2"]);
    check(OVERWRITE, "GET http://h/", &["a: 2"]);
    check(OVERWRITE_IF_EXISTS, "GET http://h/\na: 1", &["a: 2"]);
    check(OVERWRITE_IF_EXISTS, "GET http://h/", &[]);
}

#[test]
fn removal_comes_before_what_is_added() {
    let lines = shaped(
        &["a", "b"],
        vec![put("a", "new", APPEND)],
        "GET http://h/\na: 1\nb: 2",
    );
    assert_eq!(lines, ["a: new"]);
}

#[test]
fn an_empty_value_is_left_out_unless_wanted() {
    let empty = put("a", "%REQ(none)%", APPEND);
    assert_eq!(shaped(&[], vec![empty.clone()], "GET http://h/"), [""; 0]);
    let kept = HeaderValueOption {
        keep_empty_value: true,
        ..empty
    };
    assert_eq!(shaped(&[], vec![kept], "GET http://h/"), ["a: "]);
}

/// A table in which every place sets the same header.
fn everywhere(most_specific_wins: bool) -> pb::RouteConfiguration {
    let set = |value: &str| vec![put("from", value, OVERWRITE)];
    let cluster = pb::weighted_cluster::ClusterWeight {
        name: "c".into(),
        weight: Some(UInt32Value { value: 1 }),
        request_headers_to_add: set("cluster"),
        ..Default::default()
    };
    let action = pb::RouteAction {
        cluster_specifier: Some(pb::route_action::ClusterSpecifier::WeightedClusters(
            pb::WeightedCluster {
                clusters: vec![cluster],
                ..Default::default()
            },
        )),
        ..Default::default()
    };
    let route = pb::Route {
        request_headers_to_add: set("route"),
        ..to(prefix("/"), action)
    };
    let host = pb::VirtualHost {
        request_headers_to_add: set("host"),
        ..host(&["*"], vec![route])
    };
    pb::RouteConfiguration {
        request_headers_to_add: set("table"),
        most_specific_header_mutations_wins: most_specific_wins,
        ..table(vec![host])
    }
}

#[test]
fn the_outermost_place_has_the_last_word_unless_turned_round() {
    assert_eq!(
        shape(&everywhere(false), "GET http://h/").1,
        ["from: table"]
    );
    // The weighted cluster comes first, whoever wins.
    assert_eq!(shape(&everywhere(true), "GET http://h/").1, ["from: route"]);
}

#[test]
fn what_one_place_puts_does_not_see_what_else_it_puts() {
    let check = |add: Vec<HeaderValueOption>, request: &str, expect: &[&str]| {
        assert_eq!(shaped(&[], add, request), expect, "{request}");
    };
    // What replaces comes first, wherever it stands.
    let added_first = vec![put("a", "added", APPEND), put("a", "set", OVERWRITE)];
    check(added_first, "GET http://h/\na: 1", &["a: set", "a: added"]);
    let twice = vec![put("a", "1", IF_ABSENT), put("a", "2", IF_ABSENT)];
    check(twice, "GET http://h/", &["a: 1", "a: 2"]);
    let read = vec![put("a", "new", OVERWRITE), put("b", "%REQ(a)%", APPEND)];
    check(read, "GET http://h/\na: 1", &["a: new", "b: 1"]);
    let none = vec![put("a", "new", APPEND), put("a", "no", OVERWRITE_IF_EXISTS)];
    check(none, "GET http://h/", &["a: new"]);
}

#[test]
fn host_and_path_are_rewritten_after_the_headers() {
    let action = pb::RouteAction {
        prefix_rewrite: "/v1".into(),
        append_x_forwarded_host: true,
        host_rewrite_specifier: Some(pb::route_action::HostRewriteSpecifier::HostRewriteLiteral(
            "inner:81".into(),
        )),
        ..cluster_action("c")
    };
    let route = pb::Route {
        request_headers_to_add: vec![put("was", "%REQ(:authority)%", APPEND)],
        ..to(prefix("/api"), action)
    };
    let (head, lines) = shape(
        &table(vec![host(&["*"], vec![route])]),
        "GET http://outer/api/x?q",
    );
    assert_eq!((&*head.authority, &*head.path), ("inner:81", "/v1/x?q"));
    assert_eq!(
        lines,
        [
            "was: outer",
            "x-forwarded-host: outer",
            "x-envoy-original-host: outer",
            "x-envoy-original-path: /api/x?q"
        ]
    );
}

#[test]
fn a_host_may_be_made_from_the_path() {
    let host_after = |request: &str| {
        let rewrite = RegexMatchAndSubstitute {
            pattern: Some(regex("^/([a-z.]*)/.*$")),
            substitution: "\\1".into(),
        };
        let action = pb::RouteAction {
            prefix_rewrite: "/v1".into(),
            host_rewrite_specifier: Some(
                pb::route_action::HostRewriteSpecifier::HostRewritePathRegex(rewrite),
            ),
            ..cluster_action("c")
        };
        let pb = table(vec![host(&["*"], vec![to(prefix("/"), action)])]);
        shape(&pb, request).0.authority
    };
    assert_eq!(
        host_after("GET http://outer/inner.example/a?b"),
        "inner.example"
    );
    assert_eq!(
        host_after("GET http://outer//a"),
        "outer",
        "nothing is left"
    );
}

#[test]
fn a_host_may_be_what_a_header_says() {
    let action = pb::RouteAction {
        host_rewrite_specifier: Some(pb::route_action::HostRewriteSpecifier::HostRewriteHeader(
            "To".into(),
        )),
        ..cluster_action("c")
    };
    let pb = table(vec![host(&["*"], vec![to(prefix("/"), action)])]);
    let host_after = |request: &str| shape(&pb, request).0.authority;
    assert_eq!(host_after("GET http://outer/\nto: inner"), "inner");
    assert_eq!(host_after("GET http://outer/\nto:"), "outer");
    assert_eq!(host_after("GET http://outer/"), "outer");
}

#[test]
fn answers_tell_of_the_request_as_it_was_sent_on() {
    let action = pb::RouteAction {
        prefix_rewrite: "/v1".into(),
        ..cluster_action("c")
    };
    let route = pb::Route {
        request_headers_to_remove: vec!["secret".into()],
        response_headers_to_add: vec![put("was", "%REQ(:path)%%REQ(secret)%", APPEND)],
        ..to(prefix("/api"), action)
    };
    let table = RouteTable::compile(&table(vec![host(&["*"], vec![route])])).unwrap();
    let request = call("GET http://h/api/x\nsecret: 1");
    let mut response = ResponseHead::default();
    decide_route(&table, &request, || 0).shape_response(&mut response, &request, &facts());
    assert_eq!(response.fields.get_str("was"), Some("/v1/x"));
}

#[test]
fn answers_are_shaped_too() {
    let route = pb::Route {
        response_headers_to_add: vec![put("to", "%REQ(end-user)% %RESPONSE_CODE%", APPEND)],
        response_headers_to_remove: vec!["x-secret".into()],
        ..to(prefix("/"), cluster_action("c"))
    };
    let table = RouteTable::compile(&table(vec![host(&["*"], vec![route])])).unwrap();
    let request = call("GET http://h/\nend-user: jason");
    let mut response = ResponseHead {
        status: 200,
        ..ResponseHead::default()
    };
    response.fields.append("x-secret", "1").unwrap();
    decide_route(&table, &request, || 0).shape_response(&mut response, &request, &facts());
    assert_eq!(
        response.fields.iter().collect::<Vec<_>>(),
        [("to", &b"jason 200"[..])]
    );
}
