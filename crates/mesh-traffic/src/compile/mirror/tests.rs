use mesh_proto::envoy::envoy::config::core::v3::RuntimeFractionalPercent;
use mesh_proto::envoy::envoy::r#type::v3::FractionalPercent;

use super::*;
use crate::testing::{call, cluster_action, host, prefix, table, to};
use crate::{Action, RouteTable, decide_route};

fn policy(cluster: &str) -> RequestMirrorPolicy {
    RequestMirrorPolicy {
        cluster: cluster.into(),
        ..Default::default()
    }
}

fn one(pb: RequestMirrorPolicy) -> Compiled<Mirror> {
    mirrors(&[pb], &Arc::default()).map(|list| list[0].clone())
}

#[test]
fn the_narrowest_place_that_says_something_counts() {
    let copies_go_to = |route: &[&str], of_host: &[&str], of_table: &[&str]| {
        let list = |names: &[&str]| names.iter().map(|name| policy(name)).collect();
        let mut action = cluster_action("a");
        action.request_mirror_policies = list(route);
        let mut pb = table(vec![host(&["*"], vec![to(prefix("/"), action)])]);
        pb.virtual_hosts[0].request_mirror_policies = list(of_host);
        pb.request_mirror_policies = list(of_table);
        let table = RouteTable::compile(&pb).unwrap();
        let head = call("GET http://a/");
        let Action::Forward(forward) = decide_route(&table, &head, || 0).action else {
            panic!("it is not forwarded");
        };
        let mirrors = forward.policy.mirrors.iter();
        let names: Vec<String> = mirrors
            .map(|mirror| mirror.cluster(&head).unwrap().into_owned())
            .collect();
        names.join(" ")
    };
    assert_eq!(copies_go_to(&["b", "c"], &["d"], &["e"]), "b c");
    assert_eq!(copies_go_to(&[], &["d"], &["e"]), "d");
    assert_eq!(copies_go_to(&[], &[], &["e"]), "e");
    assert_eq!(copies_go_to(&[], &[], &[]), "");
}

#[test]
fn a_share_of_requests_is_copied() {
    let mut half = policy("b");
    assert!(one(half.clone()).unwrap().takes(u64::MAX));
    half.runtime_fraction = Some(RuntimeFractionalPercent {
        default_value: Some(FractionalPercent {
            numerator: 50,
            denominator: 0,
        }),
        runtime_key: String::new(),
    });
    let half = one(half).unwrap();
    assert_eq!((half.takes(49), half.takes(50)), (true, false));
}

#[test]
fn what_cannot_be_done_is_refused_by_its_field() {
    let refused = |pb: RequestMirrorPolicy, field: &str| {
        let text = one(pb).unwrap_err().of("route configuration", "a");
        let place = format!("request_mirror_policies[0].{field}: ");
        assert!(text.to_string().contains(&place), "{text}");
    };
    refused(policy(""), "cluster");
    let both = RequestMirrorPolicy {
        cluster_header: "x".into(),
        ..policy("b")
    };
    refused(both, "cluster");
    let space = RequestMirrorPolicy {
        host_rewrite_literal: "a b".into(),
        ..policy("b")
    };
    refused(space, "host_rewrite_literal");
    let unwritten = RequestMirrorPolicy {
        runtime_fraction: Some(RuntimeFractionalPercent::default()),
        ..policy("b")
    };
    refused(unwritten, "runtime_fraction.default_value");
    let mutated = RequestMirrorPolicy {
        request_headers_mutations: vec![Default::default()],
        ..policy("b")
    };
    refused(mutated, "request_headers_mutations");
}
