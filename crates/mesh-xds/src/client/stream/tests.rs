use mesh_proto::Any;

use super::*;

fn machine() -> Machine {
    let node = Node {
        id: "sidecar~127.0.0.1~a.default~default.svc.cluster.local".into(),
        ..Node::default()
    };
    Machine::new(node, &[Kind::Cluster, Kind::Listener], Vec::new())
}

fn response(
    kind: Kind,
    nonce: &str,
    resources: &[(&str, &str)],
) -> discovery::DeltaDiscoveryResponse {
    let resource = |(name, version): &(&str, &str)| discovery::Resource {
        name: (*name).to_owned(),
        version: (*version).to_owned(),
        resource: Some(Any {
            type_url: kind.type_url().to_owned(),
            value: Vec::new(),
        }),
        ..Default::default()
    };
    discovery::DeltaDiscoveryResponse {
        type_url: kind.type_url().to_owned(),
        nonce: nonce.to_owned(),
        resources: resources.iter().map(resource).collect(),
        ..Default::default()
    }
}

fn take(
    machine: &mut Machine,
    response: discovery::DeltaDiscoveryResponse,
    applied: Applied,
) -> Vec<discovery::DeltaDiscoveryRequest> {
    let (update, received) = machine.on_response(response).unwrap();
    machine.answer(&update.removals, received, applied)
}

fn held(machine: &Machine, kind: Kind) -> Vec<(&str, &str)> {
    machine.held(kind).collect()
}

fn wants(kind: Kind, names: &[&str]) -> Applied {
    Applied {
        wanted: vec![(kind, names.iter().map(|name| (*name).to_owned()).collect())],
        ..Applied::default()
    }
}

fn rejects(resource: &str) -> Applied {
    Applied {
        rejections: vec![Rejection {
            resource: resource.to_owned(),
            field: "lb_policy".into(),
            why: "not known".into(),
        }],
        ..Applied::default()
    }
}

#[test]
fn a_stream_begins_with_clusters_and_listeners_and_names_the_node_once() {
    let first = machine().connect();
    let kinds: Vec<_> = first
        .iter()
        .map(|request| request.type_url.as_str())
        .collect();
    assert_eq!(kinds, [Kind::Cluster.type_url(), Kind::Listener.type_url()]);
    assert!(first[0].node.is_some() && first[1].node.is_none());
    assert!(
        first
            .iter()
            .all(|request| request.resource_names_subscribe.is_empty())
    );
}

#[test]
fn what_clusters_ask_for_is_subscribed_to_before_they_are_acknowledged() {
    let mut machine = machine();
    machine.connect();
    let clusters = response(Kind::Cluster, "1", &[("a", "1")]);
    let requests = take(&mut machine, clusters, wants(Kind::Endpoint, &["a"]));
    assert_eq!(requests[0].type_url, Kind::Endpoint.type_url());
    assert_eq!(requests[0].resource_names_subscribe, ["a"]);
    assert_eq!(requests[1].response_nonce, "1");
    assert_eq!(requests[1].error_detail, None);
}

#[test]
fn subscriptions_change_by_difference() {
    let mut machine = machine();
    machine.connect();
    let step = |machine: &mut Machine, names: &[&str]| {
        let clusters = response(Kind::Cluster, "n", &[]);
        let requests = take(machine, clusters, wants(Kind::Endpoint, names));
        let (_ack, changes) = requests.split_last().unwrap();
        let change = |request: &discovery::DeltaDiscoveryRequest| {
            (
                request.resource_names_subscribe.join(","),
                request.resource_names_unsubscribe.join(","),
            )
        };
        changes.iter().map(change).collect::<Vec<_>>()
    };
    assert_eq!(step(&mut machine, &[]), []);
    assert_eq!(
        step(&mut machine, &["a", "b"]),
        [("a,b".into(), String::new())]
    );
    assert_eq!(step(&mut machine, &["a", "b"]), []);
    assert_eq!(step(&mut machine, &["b", "c"]), [("c".into(), "a".into())]);
}

#[test]
fn a_rejected_resource_is_named_and_not_recorded_as_held() {
    let mut machine = machine();
    machine.connect();
    take(
        &mut machine,
        response(Kind::Cluster, "1", &[("a", "1"), ("b", "1")]),
        Applied::default(),
    );
    let update = response(Kind::Cluster, "2", &[("a", "2"), ("b", "2")]);
    let requests = take(&mut machine, update, rejects("a"));
    let refusal = requests[0].error_detail.as_ref().unwrap();
    assert_eq!(refusal.message, "a: lb_policy: not known");
    let blamed: discovery::ResourceError = any::unpack(&refusal.details[0]).unwrap();
    assert_eq!(blamed.resource_name.unwrap().name, "a");
    assert_eq!(held(&machine, Kind::Cluster), [("a", "1"), ("b", "2")]);
}

#[test]
fn a_new_stream_says_what_is_held() {
    let mut machine = machine();
    machine.connect();
    take(
        &mut machine,
        response(Kind::Cluster, "1", &[("a", "1"), ("b", "1")]),
        wants(Kind::Endpoint, &["a", "b"]),
    );
    take(
        &mut machine,
        response(Kind::Endpoint, "2", &[("a", "5")]),
        Applied::default(),
    );
    let again = machine.connect();
    let versions = |request: &discovery::DeltaDiscoveryRequest| {
        let versions = request.initial_resource_versions.clone();
        versions.into_iter().collect::<BTreeMap<_, _>>()
    };
    assert_eq!(versions(&again[0]).len(), 2);
    assert_eq!(
        versions(&again[1]),
        [("a".to_owned(), "5".to_owned())].into()
    );
    assert_eq!(again[1].resource_names_subscribe, ["a", "b"]);
    assert!(again[0].node.is_some());
}

#[test]
fn what_was_held_before_the_start_is_said_on_the_first_stream() {
    let held = |kind, name: &str| (kind, name.to_owned(), "3".to_owned());
    let names = vec![(Kind::Endpoint, ["a".to_owned()].into())];
    let mut machine = Machine::new(Node::default(), &[Kind::Cluster], names).holding(vec![
        held(Kind::Cluster, "c"),
        held(Kind::Endpoint, "a"),
        held(Kind::Endpoint, "nobody-asks-for-it"),
        held(Kind::Route, "nor-for-its-type"),
    ]);
    let first = machine.connect();
    let versions = first.iter().map(|request| {
        let versions = request.initial_resource_versions.clone();
        versions.into_iter().collect::<BTreeMap<_, _>>()
    });
    let one = |name: &str| BTreeMap::from([(name.to_owned(), "3".to_owned())]);
    assert_eq!(versions.collect::<Vec<_>>(), [one("c"), one("a")]);
}

#[test]
fn removed_resources_are_no_longer_held() {
    let mut machine = machine();
    machine.connect();
    take(
        &mut machine,
        response(Kind::Cluster, "1", &[("a", "1"), ("b", "1")]),
        Applied::default(),
    );
    let mut removal = response(Kind::Cluster, "2", &[]);
    removal.removed_resources = vec!["a".into(), "never-there".into()];
    take(&mut machine, removal, Applied::default());
    assert_eq!(held(&machine, Kind::Cluster), [("b", "1")]);
}

#[test]
fn resources_that_nobody_asked_for_are_passed_over() {
    let mut machine = machine();
    machine.connect();
    take(
        &mut machine,
        response(Kind::Cluster, "1", &[]),
        wants(Kind::Endpoint, &["a"]),
    );
    let (update, _) = machine
        .on_response(response(Kind::Endpoint, "2", &[("a", "1"), ("x", "1")]))
        .unwrap();
    let names: Vec<_> = update
        .upserts
        .iter()
        .map(|upsert| upsert.name.as_str())
        .collect();
    assert_eq!(names, ["a"]);
    assert!(matches!(
        machine.on_response(response(Kind::Secret, "3", &[])),
        Err(Ignored::Type(_))
    ));
}

#[test]
fn malformed_resources_are_refused_without_asking_the_handler() {
    let mut machine = machine();
    machine.connect();
    let mut bad = response(
        Kind::Cluster,
        "1",
        &[
            ("empty", "1"),
            ("other", "1"),
            ("twice", "1"),
            ("twice", "2"),
        ],
    );
    bad.resources[0].resource = None;
    bad.resources[1].resource.as_mut().unwrap().type_url = Kind::Route.type_url().into();
    let (update, received) = machine.on_response(bad).unwrap();
    assert_eq!(update.upserts.len(), 1);
    let requests = machine.answer(&[], received, Applied::default());
    let message = &requests[0].error_detail.as_ref().unwrap().message;
    assert_eq!(
        message,
        "empty: the resource has no content; other: the content is of type \
         \"type.googleapis.com/envoy.config.route.v3.RouteConfiguration\"; \
         twice: the response has it more than once"
    );
    assert_eq!(held(&machine, Kind::Cluster), []);
}

#[test]
fn a_refusal_of_very_many_resources_stays_readable() {
    let mut machine = machine();
    machine.connect();
    let names: Vec<String> = (0..5000).map(|n| format!("cluster-{n}")).collect();
    let mut bad = response(Kind::Cluster, "1", &[]);
    let empty = |name: &String| discovery::Resource {
        name: name.clone(),
        ..Default::default()
    };
    bad.resources = names.iter().map(empty).collect();
    let requests = take(&mut machine, bad, Applied::default());
    let message = &requests[0].error_detail.as_ref().unwrap().message;
    assert!(
        message.len() < 2 * MAX_MESSAGE && message.contains(" more"),
        "{message}"
    );
}
