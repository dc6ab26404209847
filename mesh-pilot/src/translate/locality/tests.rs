use mesh_api::networking::destination_rule::OutlierDetection;

use super::*;
use crate::snapshot::rules::{Balancer, Balancing};
use crate::snapshot::view::{MeshConstants, Role, RouterView, Software};
use std::sync::Arc;

fn mk_locality(text: &str) -> Locality {
    let mut parts = text.split('/').map(Str::from);
    Locality {
        region: parts.next().unwrap_or_default(),
        zone: parts.next().unwrap_or_default(),
        sub_zone: parts.next().unwrap_or_default(),
    }
}

fn mk_labels(text: &str) -> Labels {
    text.split(',')
        .filter_map(|pair| pair.split_once('='))
        .collect()
}

fn mk_view(at: &str, labels: &str, mesh: LocalityLb) -> View {
    View {
        mesh: Arc::new(MeshConstants {
            locality: mesh,
            ..(*crate::testing::mesh()).clone()
        }),
        namespace: "default".into(),
        labels: mk_labels(labels),
        locality: mk_locality(at),
        services: Arc::new([]),
        role: Role::Router(RouterView::default()),
        software: Software::default(),
    }
}

fn mk_setting(text: &str) -> LocalityLb {
    let text = format!(
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: a}}\n\
         spec: {{host: a, trafficPolicy: {{loadBalancer: {{localityLbSetting: {{{text}}}}}}}}}\n"
    );
    let (objects, found) = mesh_api::decode::objects("in.yaml", &text);
    assert_eq!(found, [], "{text}");
    let (set, _warnings) = mesh_api::ResourceSet::build(objects);
    let rule = &set.destination_rules[0].spec;
    let balancer = rule.traffic_policy.clone().unwrap().load_balancer.unwrap();
    balancer.locality_lb_setting.unwrap()
}

/// Blocks that eject, with what a rule says of localities.
fn mk_blocks(setting: Option<&str>) -> PolicyBlocks {
    let balancing = setting.map(|text| {
        Arc::new(Balancing {
            balancer: Balancer::LeastRequest,
            locality: Some(mk_setting(text)),
            warmup: None,
        })
    });
    PolicyBlocks {
        balancing,
        outliers: Some(Arc::new(OutlierDetection::default())),
        ..PolicyBlocks::default()
    }
}

fn mk_endpoint(at: &str, labels: &str) -> Endpoint {
    Endpoint {
        address: ([127, 0, 0, 1], 80).into(),
        port_name: "http".into(),
        labels: mk_labels(labels),
        service_account: None,
        mutual_tls: false,
        health: mesh_model::service::Health::Healthy,
        locality: mk_locality(at),
        workload: None,
        canonical: (Str::default(), Str::default()),
    }
}

/// Groups as `priority region/zone/sub-zone weight`.
fn told(view: &View, blocks: &PolicyBlocks, endpoints: &[(&str, &str)]) -> Vec<String> {
    let endpoints = endpoints.iter().map(|(at, labels)| mk_endpoint(at, labels));
    let endpoints: Vec<_> = endpoints.collect();
    let groups = groups(view, blocks, endpoints.iter());
    let text = |group: &Group<'_>| {
        let at = group.locality;
        let (priority, weight) = (group.priority, group.weight);
        format!(
            "{priority} {}/{}/{} {weight}",
            at.region, at.zone, at.sub_zone
        )
    };
    groups.iter().map(text).collect()
}

const EVERYWHERE: [(&str, &str); 6] = [
    ("eu/a/x", ""),
    ("eu/a/y", ""),
    ("eu/b/x", ""),
    ("eu/b/x", ""),
    ("us/c/z", ""),
    ("asia/d/z", ""),
];

#[track_caller]
fn check(at: &str, setting: Option<&str>, expected: &[&str]) {
    let view = mk_view(at, "", LocalityLb::default());
    assert_eq!(
        told(&view, &mk_blocks(setting), &EVERYWHERE),
        expected,
        "{setting:?}"
    );
}

#[test]
fn the_nearer_is_used_first_where_somebody_ejects() {
    let near = [
        "0 eu/a/x 1",
        "1 eu/a/y 1",
        "2 eu/b/x 2",
        "3 asia/d/z 1",
        "3 us/c/z 1",
    ];
    check("eu/a/x", None, &near);
    // Nothing is left out.
    check(
        "asia/e",
        None,
        &[
            "0 asia/d/z 1",
            "1 eu/a/x 1",
            "1 eu/a/y 1",
            "1 eu/b/x 2",
            "1 us/c/z 1",
        ],
    );
    let alike = [
        "0 asia/d/z 1",
        "0 eu/a/x 1",
        "0 eu/a/y 1",
        "0 eu/b/x 2",
        "0 us/c/z 1",
    ];
    check("eu/a/x", Some("enabled: false"), &alike);
    let view = mk_view("eu/a/x", "", LocalityLb::default());
    assert_eq!(told(&view, &PolicyBlocks::default(), &EVERYWHERE), alike);
    let off = mk_view("eu/a/x", "", mk_setting("enabled: false"));
    assert_eq!(told(&off, &mk_blocks(None), &EVERYWHERE), alike);
    // What a rule says takes the place of what the mesh says.
    let rule = mk_blocks(Some("enabled: true"));
    assert_eq!(told(&off, &rule, &EVERYWHERE), near);
}

#[test]
fn a_region_may_be_named_that_comes_next() {
    let setting = Some("failover: [{from: us, to: asia}, {from: eu, to: asia}]");
    let expected = [
        "0 eu/a/x 1",
        "1 eu/a/y 1",
        "2 eu/b/x 2",
        "3 asia/d/z 1",
        "4 us/c/z 1",
    ];
    check("eu/a/x", setting, &expected);
}

#[test]
fn localities_get_the_shares_that_they_are_given() {
    let setting =
        "distribute: [{from: us/*, to: {us: 100}}, {from: eu/a/*, to: {eu/*: 80, us: 20}}]";
    // 80 for four endpoints, rounded up.
    let shares = ["0 eu/a/x 20", "0 eu/a/y 20", "0 eu/b/x 40", "0 us/c/z 20"];
    check("eu/a/x", Some(setting), &shares);
    check("us/q", Some(setting), &["0 us/c/z 100"]);
    let alike = [
        "0 asia/d/z 1",
        "0 eu/a/x 1",
        "0 eu/a/y 1",
        "0 eu/b/x 2",
        "0 us/c/z 1",
    ];
    check("asia", Some(setting), &alike);
    let thirds = Some("distribute: [{from: '*', to: {eu/a/*: 99, us: 1}}]");
    check(
        "asia",
        thirds,
        &["0 eu/a/x 50", "0 eu/a/y 50", "0 us/c/z 1"],
    );
    // Nobody needs to eject for that.
    let view = mk_view("us/q", "", mk_setting(setting));
    let told = told(&view, &PolicyBlocks::default(), &EVERYWHERE);
    assert_eq!(told, ["0 us/c/z 100"]);
}

#[test]
fn labels_decide_who_comes_first() {
    let endpoints = [
        ("eu/a", "version=v1,tier=x"),
        ("eu/a", "version=v2,tier=x"),
        ("eu/b", "version=v1"),
        ("us/c", "version=v1,tier=x"),
    ];
    let check = |setting: &str, expected: &[&str]| {
        let view = mk_view("eu/a", "version=v1,tier=x", LocalityLb::default());
        let blocks = mk_blocks(Some(setting));
        assert_eq!(told(&view, &blocks, &endpoints), expected, "{setting}");
    };
    check(
        "failoverPriority: [version, tier]",
        &["0 eu/a/ 1", "0 us/c/ 1", "1 eu/b/ 1", "2 eu/a/ 1"],
    );
    check(
        "failoverPriority: [topology.kubernetes.io/region, version=v2]",
        &["0 eu/a/ 1", "1 eu/a/ 1", "1 eu/b/ 1", "2 us/c/ 1"],
    );
    // Beside labels regions count where they are named.
    check(
        "failoverPriority: [version], failover: [{from: eu, to: asia}]",
        &["0 eu/a/ 1", "1 eu/b/ 1", "2 us/c/ 1", "3 eu/a/ 1"],
    );
}

#[test]
fn shares_are_said_to_the_cluster_where_they_are_asked_for() {
    let view = mk_view("eu", "", LocalityLb::default());
    for (setting, expected) in [
        (None, false),
        (Some("enabled: true"), false),
        (Some("failover: [{from: eu, to: us}]"), true),
        (Some("failoverPriority: [version]"), true),
        (Some("distribute: [{from: eu, to: {us: 100}}]"), true),
        (
            Some("enabled: false, failover: [{from: eu, to: us}]"),
            false,
        ),
    ] {
        assert_eq!(
            has_shares(&view, &mk_blocks(setting)),
            expected,
            "{setting:?}"
        );
    }
}
