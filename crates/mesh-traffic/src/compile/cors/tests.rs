use mesh_proto::any::pack;
use mesh_proto::envoy::envoy::config::core::v3::RuntimeFractionalPercent;
use mesh_proto::envoy::envoy::r#type::matcher::v3::string_matcher::MatchPattern;
use mesh_proto::envoy::envoy::r#type::v3::FractionalPercent;
use mesh_proto::envoy::google::protobuf::BoolValue;

use super::*;
use crate::cors::Asked;
use crate::testing::{call, cluster_action, host, prefix, string, table, to};
use crate::{Action, RouteTable, decide_route};

fn origin(origin: &str) -> CorsPolicy {
    CorsPolicy {
        allow_origin_string_match: vec![string(MatchPattern::Exact(origin.into()))],
        ..Default::default()
    }
}

fn config(policy: &CorsPolicy) -> HashMap<String, Any> {
    HashMap::from([(FILTER.to_owned(), pack(policy))])
}

fn said(policy: &CorsPolicy) -> Said {
    Said::of(&config(policy), None).unwrap()
}

fn asks(said: Said, from: &str, draw: u64) -> Asked {
    let head = call(&format!("GET http://a/\norigin: {from}"));
    said.policy()
        .map_or(Asked::Nothing, |cors| cors.look(&head, || draw))
}

#[test]
fn what_a_route_does_not_say_its_host_says() {
    let own = CorsPolicy {
        allow_methods: "GET".into(),
        allow_credentials: Some(BoolValue { value: false }),
        ..Default::default()
    };
    let of_host = CorsPolicy {
        allow_methods: "PUT".into(),
        max_age: "5".into(),
        allow_credentials: Some(BoolValue { value: true }),
        ..origin("a")
    };
    let policy = said(&own).within(&said(&of_host)).policy().unwrap();
    assert_eq!((&*policy.methods, &*policy.max_age), ("GET", "5"));
    assert_eq!((policy.credentials, policy.origins.len()), (Some(false), 1));
}

#[test]
fn older_fields_count_where_no_place_has_the_filters_configuration() {
    let field = older::CorsPolicy {
        allow_origin_string_match: origin("a").allow_origin_string_match,
        ..Default::default()
    };
    let older = || Said::of(&HashMap::new(), Some(&field)).unwrap();
    assert_eq!(asks(older(), "a", 0), Asked::ByPage);
    let newer = older().within(&said(&origin("b")));
    assert_eq!(asks(newer.clone(), "a", 0), Asked::Nothing);
    assert_eq!(asks(newer, "b", 0), Asked::ByPage);
}

#[test]
fn a_share_of_requests_is_heeded() {
    let half = CorsPolicy {
        filter_enabled: Some(RuntimeFractionalPercent {
            default_value: Some(FractionalPercent {
                numerator: 50,
                denominator: 0,
            }),
            runtime_key: "anything".into(),
        }),
        ..origin("a")
    };
    assert_eq!(asks(said(&half), "a", 49), Asked::ByPage);
    assert_eq!(asks(said(&half), "a", 50), Asked::Nothing);
}

#[test]
fn every_place_of_a_table_may_say_it() {
    let route = || to(prefix("/"), cluster_action("a"));
    let mut in_route = table(vec![host(&["*"], vec![route()])]);
    in_route.virtual_hosts[0].routes[0].typed_per_filter_config = config(&origin("a"));
    let mut in_host = table(vec![host(&["*"], vec![route()])]);
    in_host.virtual_hosts[0].typed_per_filter_config = config(&origin("a"));
    let mut in_table = table(vec![host(&["*"], vec![route()])]);
    in_table.typed_per_filter_config = config(&origin("a"));
    let field = older::CorsPolicy {
        allow_origin_string_match: origin("a").allow_origin_string_match,
        ..Default::default()
    };
    let mut by_action = cluster_action("a");
    by_action.cors = Some(field.clone());
    let by_action = table(vec![host(&["*"], vec![to(prefix("/"), by_action)])]);
    let mut by_host = table(vec![host(&["*"], vec![route()])]);
    by_host.virtual_hosts[0].cors = Some(field);
    for pb in [in_route, in_host, in_table, by_action, by_host] {
        let table = RouteTable::compile(&pb).unwrap();
        let head = call("GET http://a/\norigin: a");
        let Action::Forward(forward) = decide_route(&table, &head, || 0).action else {
            panic!("it is not forwarded");
        };
        let cors = forward.policy.cors.as_ref().expect("the place is heeded");
        assert_eq!(cors.look(&head, || 0), Asked::ByPage);
    }
}

#[test]
fn what_cannot_be_done_is_refused_by_its_field() {
    let refused = |policy: &CorsPolicy, field: &str| {
        let fault = Said::of(&config(policy), None).unwrap_err();
        let text = fault.of("route configuration", "a").to_string();
        let place = format!("typed_per_filter_config[{FILTER:?}].{field}: ");
        assert!(text.contains(&place), "{text}");
    };
    refused(
        &CorsPolicy {
            max_age: "1\r\nset-cookie: a".into(),
            ..Default::default()
        },
        "max_age",
    );
    refused(
        &CorsPolicy {
            filter_enabled: Some(RuntimeFractionalPercent::default()),
            ..Default::default()
        },
        "filter_enabled.default_value",
    );
    refused(
        &CorsPolicy {
            allow_origin_string_match: vec![string(MatchPattern::Exact("a".into())), {
                mesh_proto::envoy::envoy::r#type::matcher::v3::StringMatcher::default()
            }],
            ..Default::default()
        },
        "allow_origin_string_match[1]",
    );
}
