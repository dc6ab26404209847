//! What a client that hears everything each time tells its machine.

use mesh_proto::Any;
use mesh_proto::envoy::google::rpc;

use super::*;

fn response(kind: Kind, nonce: &str, content: &[(&str, &str)]) -> discovery::DiscoveryResponse {
    let resource = |(name, other): &(&str, &str)| {
        let mut value = Named {
            name: (*name).to_owned(),
        }
        .encode_to_vec();
        // Another field, which the name does not depend on.
        value.extend([0x12, u8::try_from(other.len()).unwrap()]);
        value.extend(other.as_bytes());
        Any {
            type_url: kind.type_url().to_owned(),
            value,
        }
    };
    discovery::DiscoveryResponse {
        version_info: format!("v{nonce}"),
        type_url: kind.type_url().to_owned(),
        nonce: nonce.to_owned(),
        resources: content.iter().map(resource).collect(),
        ..Default::default()
    }
}

fn answer(kind: Kind, nonce: &str, refused: bool) -> discovery::DeltaDiscoveryRequest {
    discovery::DeltaDiscoveryRequest {
        type_url: kind.type_url().to_owned(),
        response_nonce: nonce.to_owned(),
        error_detail: refused.then(rpc::Status::default),
        ..Default::default()
    }
}

fn names(delta: &discovery::DeltaDiscoveryResponse) -> Vec<&str> {
    let resources = delta.resources.iter();
    resources.map(|resource| resource.name.as_str()).collect()
}

#[test]
fn only_what_is_new_is_told_and_what_is_missing_is_gone() {
    let mut whole = Whole::default();
    let first = whole.response(response(Kind::Cluster, "1", &[("a", "1"), ("b", "1")]));
    assert_eq!(names(&first), ["a", "b"]);
    assert_eq!(first.resources[0].version, "v1");
    let second = whole.response(response(Kind::Cluster, "2", &[("a", "2"), ("c", "1")]));
    assert_eq!(names(&second), ["a", "c"]);
    assert_eq!(second.removed_resources, ["b"]);
    let third = whole.response(response(Kind::Cluster, "3", &[("a", "2"), ("c", "1")]));
    assert_eq!(names(&third), [""; 0]);
}

#[test]
fn of_what_was_held_before_the_start_all_is_told_and_the_rest_is_gone() {
    let held = |name: &str| (Kind::Cluster, name.to_owned(), "1".to_owned());
    let mut whole = Whole::holding(&[held("a"), held("b")]);
    let delta = whole.response(response(Kind::Cluster, "1", &[("a", "x")]));
    assert_eq!(names(&delta), ["a"]);
    assert_eq!(delta.removed_resources, ["b"]);
}

#[test]
fn after_a_refusal_all_of_it_is_looked_at_again_and_the_version_stays() {
    let mut whole = Whole::default();
    whole.response(response(Kind::Cluster, "1", &[("a", "1")]));
    let ack = whole.request(answer(Kind::Cluster, "1", false));
    assert_eq!((&*ack.version_info, &*ack.response_nonce), ("v1", "1"));
    whole.response(response(Kind::Cluster, "2", &[("a", "2")]));
    let nack = whole.request(answer(Kind::Cluster, "2", true));
    assert_eq!((&*nack.version_info, &*nack.response_nonce), ("v1", "2"));
    let again = whole.response(response(Kind::Cluster, "3", &[("a", "2")]));
    assert_eq!(names(&again), ["a"]);
}

#[test]
fn of_types_that_are_asked_for_by_name_a_response_may_have_some() {
    let mut whole = Whole::default();
    let mut request = answer(Kind::Endpoint, "", false);
    request.resource_names_subscribe = vec!["a".into(), "b".into()];
    let asked = whole.request(request.clone());
    assert_eq!(asked.resource_names, ["a", "b"]);
    let first = whole.response(response(Kind::Endpoint, "1", &[("a", "1"), ("b", "1")]));
    assert_eq!(names(&first), ["a", "b"]);
    let second = whole.response(response(Kind::Endpoint, "2", &[("a", "2")]));
    assert_eq!(names(&second), ["a"]);
    assert_eq!(second.removed_resources, [""; 0]);
    // Given up and asked for again: it is told what it was.
    request.resource_names_unsubscribe = vec!["a".into()];
    request.resource_names_subscribe = Vec::new();
    assert_eq!(whole.request(request.clone()).resource_names, ["b"]);
    request.resource_names_unsubscribe = Vec::new();
    request.resource_names_subscribe = vec!["a".into()];
    let asked = whole.request(request);
    assert_eq!(asked.resource_names, ["a", "b"]);
    assert_eq!(asked.response_nonce, "2");
    let third = whole.response(response(Kind::Endpoint, "3", &[("a", "2"), ("b", "1")]));
    assert_eq!(names(&third), ["a"]);
}

#[test]
fn an_envelope_says_name_and_version() {
    let inner = response(Kind::Cluster, "1", &[("inside", "1")])
        .resources
        .remove(0);
    let envelope = discovery::Resource {
        name: "outside".to_owned(),
        version: "7".to_owned(),
        resource: Some(inner),
        ..Default::default()
    };
    let mut message = response(Kind::Cluster, "1", &[]);
    message.resources.push(any::pack(&envelope));
    let told = Whole::default().response(message);
    assert_eq!(told.resources[0].name, "outside");
    assert_eq!(told.resources[0].version, "7");
}

#[test]
fn a_new_stream_knows_no_nonces() {
    let mut whole = Whole::default();
    whole.response(response(Kind::Cluster, "1", &[("a", "1")]));
    whole.request(answer(Kind::Cluster, "1", false));
    whole.connect();
    let first = whole.request(answer(Kind::Cluster, "", false));
    assert_eq!((&*first.version_info, &*first.response_nonce), ("v1", ""));
}
