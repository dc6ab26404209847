//! State-of-the-world discovery in the words of delta discovery.

use std::sync::Arc;

use mesh_proto::Any;

use super::*;

fn snapshot(kind: Kind, names: &[&str]) -> Resources {
    let resource = |name: &&str| {
        let any = Any {
            type_url: kind.type_url().to_owned(),
            value: name.as_bytes().to_vec(),
        };
        ((*name).to_owned(), Resource::new(any))
    };
    Resources {
        version: 1,
        by_type: [(kind.type_url(), names.iter().map(resource).collect())].into(),
    }
}

fn ask(kind: Kind, names: &[&str], nonce: &str) -> discovery::DiscoveryRequest {
    discovery::DiscoveryRequest {
        type_url: kind.type_url().to_owned(),
        resource_names: names.iter().map(|name| (*name).to_owned()).collect(),
        response_nonce: nonce.to_owned(),
        ..Default::default()
    }
}

fn difference(
    kind: Kind,
    nonce: &str,
    new: &[&str],
    gone: &[&str],
) -> discovery::DeltaDiscoveryResponse {
    let resource = |name: &&str| discovery::Resource {
        name: (*name).to_owned(),
        resource: Some(Any {
            type_url: kind.type_url().to_owned(),
            value: name.as_bytes().to_vec(),
        }),
        ..Default::default()
    };
    discovery::DeltaDiscoveryResponse {
        type_url: kind.type_url().to_owned(),
        nonce: nonce.to_owned(),
        resources: new.iter().map(resource).collect(),
        removed_resources: gone.iter().map(|name| (*name).to_owned()).collect(),
        ..Default::default()
    }
}

fn heard(response: &discovery::DiscoveryResponse) -> Vec<String> {
    let bodies = response.resources.iter();
    let text = bodies.map(|any| String::from_utf8(any.value.clone()).unwrap());
    text.collect()
}

#[test]
fn what_a_response_does_not_have_is_gone_so_it_has_all() {
    let mut speech = StateOfTheWorld::default();
    speech.request(ask(Kind::Cluster, &[], "")).unwrap();
    let now = snapshot(Kind::Cluster, &["a", "b", "c"]);
    // A first part, of what is too large for one message.
    let first = speech.response(difference(Kind::Cluster, "1", &["a"], &[]), &now);
    assert_eq!(heard(&first), ["a", "b", "c"]);
    let now = snapshot(Kind::Cluster, &["b", "d"]);
    // What is new comes before what was is taken away.
    let second = speech.response(difference(Kind::Cluster, "2", &["d"], &[]), &now);
    assert_eq!(heard(&second), ["a", "b", "c", "d"]);
    let third = speech.response(difference(Kind::Cluster, "3", &[], &["a", "c"]), &now);
    assert_eq!(heard(&third), ["b", "d"]);
}

#[test]
fn who_asks_by_name_gets_these_alone() {
    let mut speech = StateOfTheWorld::default();
    let asked = speech.request(ask(Kind::Listener, &["a"], "")).unwrap();
    assert_eq!(asked.resource_names_subscribe, ["a"]);
    let now = snapshot(Kind::Listener, &["a", "b"]);
    let got = speech.response(difference(Kind::Listener, "1", &["a"], &[]), &now);
    assert_eq!(heard(&got), ["a"]);
}

#[test]
fn a_star_stands_for_all() {
    let mut speech = StateOfTheWorld::default();
    let asked = speech.request(ask(Kind::Cluster, &["*"], "")).unwrap();
    assert_eq!(asked.resource_names_subscribe, ["*"]);
    let now = snapshot(Kind::Cluster, &["a", "b"]);
    let got = speech.response(difference(Kind::Cluster, "1", &["a", "b"], &[]), &now);
    assert_eq!(heard(&got), ["a", "b"]);
}

#[test]
fn who_names_some_after_all_wants_all_no_more() {
    let mut speech = StateOfTheWorld::default();
    speech.request(ask(Kind::Cluster, &[], "")).unwrap();
    let now = snapshot(Kind::Cluster, &["a", "b"]);
    let got = speech.response(difference(Kind::Cluster, "1", &["a", "b"], &[]), &now);
    assert_eq!(heard(&got), ["a", "b"]);
    let asked = speech.request(ask(Kind::Cluster, &["a"], "1")).unwrap();
    assert_eq!(asked.resource_names_subscribe, ["a"]);
    assert_eq!(asked.resource_names_unsubscribe, ["*"]);
    let got = speech.response(difference(Kind::Cluster, "2", &["a"], &[]), &now);
    assert_eq!(heard(&got), ["a"]);
    // Then none: that is not all.
    let asked = speech.request(ask(Kind::Cluster, &[], "2")).unwrap();
    assert_eq!(asked.resource_names_unsubscribe, ["a"]);
    let got = speech.response(difference(Kind::Cluster, "3", &[], &["a"]), &now);
    assert_eq!(heard(&got), [""; 0]);
}

#[test]
fn names_that_come_and_go_are_told_apart_and_old_nonces_say_nothing() {
    let mut speech = StateOfTheWorld::default();
    speech
        .request(ask(Kind::Endpoint, &["a", "b"], ""))
        .unwrap();
    let now = snapshot(Kind::Endpoint, &["a", "b", "c"]);
    let got = speech.response(difference(Kind::Endpoint, "1", &["a", "b"], &[]), &now);
    assert_eq!(heard(&got), ["a", "b"]);
    let asked = speech
        .request(ask(Kind::Endpoint, &["b", "c"], "1"))
        .unwrap();
    assert_eq!(asked.response_nonce, "1");
    assert_eq!(asked.resource_names_subscribe, ["c"]);
    assert_eq!(asked.resource_names_unsubscribe, ["a"]);
    let got = speech.response(difference(Kind::Endpoint, "2", &["c"], &[]), &now);
    assert_eq!(heard(&got), ["c"]);
    assert_eq!(speech.request(ask(Kind::Endpoint, &["b"], "1")), None);
    let asked = speech
        .request(ask(Kind::Endpoint, &["b", "c"], "2"))
        .unwrap();
    assert_eq!(asked.resource_names_subscribe, [""; 0]);
    assert_eq!(asked.response_nonce, "2");
}

#[test]
fn content_is_shared_not_copied() {
    let mut speech = StateOfTheWorld::default();
    speech.request(ask(Kind::Cluster, &[], "")).unwrap();
    let now = snapshot(Kind::Cluster, &["a"]);
    speech.response(difference(Kind::Cluster, "1", &["a"], &[]), &now);
    let of_type = &now.by_type[Kind::Cluster.type_url()];
    assert_eq!(Arc::strong_count(&of_type["a"].any), 2);
}
