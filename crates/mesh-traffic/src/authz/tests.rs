use std::collections::HashMap;

use mesh_proto::Any;
use mesh_proto::any::pack;
use mesh_proto::envoy::envoy::config::core::v3 as core;
use mesh_proto::envoy::envoy::extensions::filters::http::ext_authz::v3 as pb;
use mesh_proto::envoy::envoy::service::auth::v3::attribute_context::HttpRequest;
use mesh_proto::envoy::envoy::service::auth::v3::{AttributeContext, CheckRequest};
use mesh_proto::envoy::envoy::r#type::matcher::v3::ListStringMatcher;
use mesh_proto::envoy::envoy::r#type::matcher::v3::string_matcher::MatchPattern;
use mesh_proto::envoy::envoy::r#type::v3::FractionalPercent;
use mesh_proto::envoy::google::protobuf as wkt;
use prost::Message;

use super::*;
use crate::compile::{AUTHZ, authorization};
use crate::template::Tls;
use crate::testing::{call, cluster_action, facts, host, prefix, string, table, to};
use crate::{RouteTable, decide_route};

/// A filter that asks the service `authz` by gRPC.
pub(super) fn by_grpc() -> pb::ExtAuthz {
    let envoy = core::grpc_service::EnvoyGrpc {
        cluster_name: "authz".into(),
        ..Default::default()
    };
    with(pb::ext_authz::Services::GrpcService(core::GrpcService {
        target_specifier: Some(core::grpc_service::TargetSpecifier::EnvoyGrpc(envoy)),
        ..Default::default()
    }))
}

/// One that asks it by HTTP.
pub(super) fn by_http(change: impl FnOnce(&mut pb::HttpService)) -> pb::ExtAuthz {
    let mut http = pb::HttpService {
        server_uri: Some(core::HttpUri {
            uri: "http://authz".into(),
            http_upstream_type: Some(core::http_uri::HttpUpstreamType::Cluster("authz".into())),
            ..Default::default()
        }),
        ..Default::default()
    };
    change(&mut http);
    with(pb::ext_authz::Services::HttpService(http))
}

fn with(services: pb::ext_authz::Services) -> pb::ExtAuthz {
    pb::ExtAuthz {
        services: Some(services),
        transport_api_version: 2,
        ..Default::default()
    }
}

pub(super) fn prefixes(list: &[&str]) -> ListStringMatcher {
    let patterns = list.iter().map(|it| MatchPattern::Prefix((*it).into()));
    ListStringMatcher {
        patterns: patterns.map(string).collect(),
    }
}

pub(super) fn check(pb: &pb::ExtAuthz) -> Check {
    Check {
        of: Arc::new(authorization(pb, "in").unwrap()),
        place: None,
    }
}

pub(super) fn known<'a>(head: &'a RequestHead, facts: Facts<'a>) -> Known<'a> {
    Known {
        head,
        facts,
        certificate: Some("-----BEGIN"),
        arrived: Duration::from_millis(1500),
        ended: true,
    }
}

fn attributes(question: Question) -> AttributeContext {
    let Question::Grpc { message, .. } = question else {
        panic!("{question:?}");
    };
    let request = CheckRequest::decode(message.as_slice()).unwrap();
    request.attributes.unwrap()
}

fn http(question: Question) -> HttpRequest {
    attributes(question).request.unwrap().http.unwrap()
}

/// What is to be done about a request to a route that says this, under a table and a host that say that.
fn looked(
    filter: pb::ExtAuthz,
    by_default: bool,
    [of_table, of_host, of_route]: [Option<Any>; 3],
    draw: u64,
) -> Looked {
    let said = |any: Option<Any>| any.map(|any| (AUTHZ.to_owned(), any)).into_iter().collect();
    let mut route = to(prefix("/"), cluster_action("c"));
    route.typed_per_filter_config = said(of_route);
    let mut host = host(&["*"], vec![route]);
    host.typed_per_filter_config = said(of_host);
    let mut pb = table(vec![host]);
    pb.typed_per_filter_config = said(of_table);
    let table = RouteTable::compile(&pb).unwrap();
    let head = call("GET http://a/");
    let decision = decide_route(&table, &head, || 0);
    let at = AuthorizationAt {
        filter: Arc::new(authorization(&filter, "in").unwrap()),
        by_default,
        moment: Moment::First,
    };
    at.look(Some(&decision), || draw)
}

fn disabled(off: bool) -> Option<Any> {
    Some(pack(&pb::ExtAuthzPerRoute {
        r#override: Some(pb::ext_authz_per_route::Override::Disabled(off)),
    }))
}

fn settings(settings: pb::CheckSettings) -> Option<Any> {
    Some(pack(&pb::ExtAuthzPerRoute {
        r#override: Some(pb::ext_authz_per_route::Override::CheckSettings(settings)),
    }))
}

fn extensions(pairs: &[(&str, &str)]) -> pb::CheckSettings {
    pb::CheckSettings {
        context_extensions: pairs
            .iter()
            .map(|(k, v)| ((*k).to_owned(), (*v).to_owned()))
            .collect(),
        ..Default::default()
    }
}

#[test]
fn the_narrowest_place_says_whether_it_is_asked() {
    let asks = |by_default: bool, places: [Option<Any>; 3]| {
        matches!(looked(by_grpc(), by_default, places, 0), Looked::Asks(_))
    };
    assert!(asks(true, [None, None, None]));
    assert!(!asks(false, [None, None, None]));
    assert!(!asks(true, [None, None, disabled(true)]));
    assert!(!asks(true, [disabled(true), None, None]));
    assert!(asks(true, [None, disabled(true), disabled(false)]));
    assert!(asks(false, [None, None, disabled(false)]));
    assert!(asks(false, [None, settings(extensions(&[])), None]));
}

#[test]
fn a_share_may_be_asked_about_and_the_rest_denied() {
    let tenth = |denies: bool| pb::ExtAuthz {
        filter_enabled: Some(core::RuntimeFractionalPercent {
            default_value: Some(FractionalPercent {
                numerator: 10,
                denominator: 0,
            }),
            ..Default::default()
        }),
        deny_at_disable: Some(core::RuntimeFeatureFlag {
            default_value: Some(wkt::BoolValue { value: denies }),
            ..Default::default()
        }),
        ..by_grpc()
    };
    let none = || [None, None, None];
    assert!(matches!(
        looked(tenth(true), true, none(), 9),
        Looked::Asks(_)
    ));
    assert!(matches!(
        looked(tenth(false), true, none(), 10),
        Looked::Passes
    ));
    let Looked::Refused(check) = looked(tenth(true), true, none(), 10) else {
        panic!("passes");
    };
    assert_eq!(check.of.asked().disabled, 1);
    let judged = check.refuse();
    assert_eq!((judged.outcome, judged.status), (Outcome::Unknown, 403));
    // Where a route switches it off nobody is denied.
    let places = [None, None, disabled(true)];
    assert!(matches!(
        looked(tenth(true), true, places, 10),
        Looked::Passes
    ));
}

#[test]
fn texts_for_the_service_come_from_all_places() {
    let places = [
        settings(extensions(&[
            ("a", "table"),
            ("b", "table"),
            ("c", "table"),
        ])),
        settings(extensions(&[("b", "host"), ("c", "host")])),
        settings(extensions(&[("c", "route")])),
    ];
    let Looked::Asks(check) = looked(by_grpc(), true, places, 0) else {
        panic!("not asked");
    };
    let head = call("GET http://a/");
    let told = attributes(check.question(&known(&head, facts()), None));
    let expected = [("a", "table"), ("b", "host"), ("c", "route")];
    let expected = expected.map(|(k, v)| (k.to_owned(), v.to_owned()));
    assert_eq!(told.context_extensions, HashMap::from(expected));
}

#[test]
fn a_route_may_have_a_service_and_bodies_of_its_own() {
    let body = |most: u32| pb::BufferSettings {
        max_request_bytes: most,
        ..Default::default()
    };
    let filter = || pb::ExtAuthz {
        with_request_body: Some(body(7)),
        ..by_grpc()
    };
    let most = |of_host: Option<Any>, of_route: Option<Any>| {
        let Looked::Asks(check) = looked(filter(), true, [None, of_host, of_route], 0) else {
            panic!("not asked");
        };
        check.buffering().map(|it| it.most)
    };
    let none = || {
        settings(pb::CheckSettings {
            disable_request_body_buffering: true,
            ..Default::default()
        })
    };
    assert_eq!(most(None, None), Some(7));
    assert_eq!(most(None, none()), None);
    // The narrowest place counts as a whole.
    assert_eq!(most(none(), settings(extensions(&[]))), Some(7));
    let other = settings(pb::CheckSettings {
        with_request_body: Some(body(9)),
        service_override: match by_http(|_| ()).services.unwrap() {
            pb::ext_authz::Services::HttpService(http) => {
                Some(pb::check_settings::ServiceOverride::HttpService(http))
            }
            pb::ext_authz::Services::GrpcService(_) => None,
        },
        ..Default::default()
    });
    assert_eq!(most(None, other.clone()), Some(9));
    let Looked::Asks(check) = looked(filter(), true, [None, None, other], 0) else {
        panic!("not asked");
    };
    let head = call("GET http://a/");
    let question = check.question(&known(&head, facts()), None);
    assert!(matches!(question, Question::Http { .. }), "{question:?}");
}

#[test]
fn the_service_is_told_who_asks_for_what() {
    let pb = pb::ExtAuthz {
        include_tls_session: true,
        ..by_grpc()
    };
    let facts = Facts {
        peer: Some("spiffe://td/ns/a/sa/b"),
        own: Some("spiffe://td/ns/c/sa/d"),
        sni: Some("a.example"),
        tls: Some(Tls {
            version: "TLSv1.3",
            cipher: "TLS_AES_128_GCM_SHA256",
        }),
        ..facts()
    };
    let text = "POST https://a:80/x?q\nx-request-id: 17\ncookie: a\ncookie: b\nx-envoy-auth-partial-body: no";
    let head = call(text);
    let told = attributes(check(&pb).question(&known(&head, facts), None));
    let (source, destination) = (told.source.unwrap(), told.destination.unwrap());
    assert_eq!(source.principal, "spiffe://td/ns/a/sa/b");
    assert_eq!(destination.principal, "spiffe://td/ns/c/sa/d");
    assert_eq!(source.certificate, "-----BEGIN");
    assert_eq!(source.address, crate::testing::address("10.0.0.7:4711"));
    assert_eq!(destination.address, crate::testing::address("10.0.0.9:80"));
    assert_eq!(told.tls_session.unwrap().sni, "a.example");
    let request = told.request.unwrap();
    let (seconds, nanos) = (1, 500_000_000);
    assert_eq!(request.time, Some(wkt::Timestamp { seconds, nanos }));
    let http = request.http.unwrap();
    let line = [&http.id, &http.method, &http.scheme, &http.host, &http.path];
    assert_eq!(line, ["17", "POST", "https", "a:80", "/x?q"]);
    assert_eq!((&*http.protocol, http.size), ("HTTP/1.1", 0));
    let fields = [
        (":authority", "a:80"),
        (":method", "POST"),
        (":path", "/x?q"),
        (":scheme", "https"),
        ("cookie", "a,b"),
        ("x-request-id", "17"),
    ];
    let fields = fields.map(|(k, v)| (k.to_owned(), v.to_owned()));
    assert_eq!(http.headers, HashMap::from(fields));
}

#[test]
fn it_sees_the_fields_that_it_may_see() {
    let pb = pb::ExtAuthz {
        allowed_headers: Some(prefixes(&["x-"])),
        disallowed_headers: Some(prefixes(&["x-secret"])),
        ..by_grpc()
    };
    let head = call("GET http://a/\nx-a: 1\nx-a: 2\nx-secret: 3\nother: 4");
    let seen = http(check(&pb).question(&known(&head, facts()), None));
    let expected = [("x-a".to_owned(), "1,2".to_owned())];
    assert_eq!(seen.headers, HashMap::from(expected));
    let raw = pb::ExtAuthz {
        encode_raw_headers: true,
        ..pb
    };
    let seen = http(check(&raw).question(&known(&head, facts()), None));
    let map = seen.header_map.unwrap().headers;
    let map: Vec<_> = map.iter().map(|it| (&*it.key, &*it.raw_value)).collect();
    assert_eq!(map, [("x-a", &b"1"[..]), ("x-a", &b"2"[..])]);
    assert!(seen.headers.is_empty());
}

#[test]
fn it_sees_bodies_as_text_or_as_bytes() {
    let asked = |as_bytes: bool, whole: bool| {
        let pb = pb::ExtAuthz {
            with_request_body: Some(pb::BufferSettings {
                max_request_bytes: 4,
                allow_partial_message: true,
                pack_as_bytes: as_bytes,
            }),
            ..by_grpc()
        };
        let head = call("POST http://a/\ncontent-length: 9");
        let bytes = vec![b'a', 0xff];
        http(check(&pb).question(&known(&head, facts()), Some(Body { bytes, whole })))
    };
    let text = asked(false, true);
    assert_eq!((&*text.body, &*text.raw_body), ("a!", &b""[..]));
    assert_eq!(text.headers["x-envoy-auth-partial-body"], "false");
    assert_eq!(text.size, 2);
    let bytes = asked(true, false);
    assert_eq!((&*bytes.body, &*bytes.raw_body), ("", &[b'a', 0xff][..]));
    assert_eq!(bytes.headers["x-envoy-auth-partial-body"], "true");
    assert_eq!(bytes.size, 9);
}

#[test]
fn counts_go_on_where_nothing_changes() {
    let (before, same) = (
        authorization(&by_grpc(), "in").unwrap(),
        authorization(&by_grpc(), "in").unwrap(),
    );
    let before = Arc::new(before);
    let check = Check {
        of: before.clone(),
        place: None,
    };
    assert_eq!(check.judge(None).outcome, Outcome::Unknown);
    assert!(same == *before);
    same.follow(&before);
    assert_eq!(same.asked().failed, 1);
    assert_eq!(&**same.stat_prefix(), "http.in.ext_authz");
}
