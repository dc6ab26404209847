use serde_json::json;

use super::*;
use crate::watched::{Scope, all};

fn known(kind: &str) -> Known {
    let watched = all(&Scope::default());
    let watched = watched.into_iter().find(|one| one.kind.kind == kind);
    Known::new(watched.unwrap())
}

fn rule(name: &str, hosts: &[&str]) -> Value {
    json!({"metadata": {"name": name, "namespace": "n"}, "spec": {"hosts": hosts}})
}

/// What the events say, in a line each.
fn told(events: &mut Vec<Event>) -> Vec<String> {
    let line = |event| match event {
        Event::Upsert(object) => format!("+{}", object.key),
        Event::Delete(key) => format!("-{key}"),
        Event::Broken { origin, held, .. } => format!("broken {origin} holds {}", held.len()),
        Event::Mended { origin } => format!("mended {origin}"),
        Event::Synced => "synced".to_owned(),
    };
    events.drain(..).map(line).collect()
}

#[test]
fn only_what_differs_is_told() {
    let mut known = known("VirtualService");
    let events = &mut Vec::new();
    known.applied(rule("a", &["a"]), "v1", events);
    known.applied(rule("a", &["a"]), "v1", events);
    assert_eq!(told(events), ["+virtualservice n/a"]);
    known.applied(rule("a", &["b"]), "v1", events);
    known.deleted(&rule("a", &[]), events);
    known.deleted(&rule("a", &[]), events);
    assert_eq!(told(events), ["+virtualservice n/a", "-virtualservice n/a"]);
}

#[test]
fn what_a_new_list_does_not_hold_is_gone() {
    let mut known = known("VirtualService");
    let events = &mut Vec::new();
    known.begin();
    known.applied(rule("a", &["a"]), "v1", events);
    known.applied(rule("b", &["b"]), "v1", events);
    known.finish(events);
    known.applied(rule("c", &["c"]), "v1", events);
    events.clear();
    known.begin();
    known.applied(rule("a", &["a"]), "v1", events);
    known.applied(rule("c", &["x"]), "v1", events);
    known.finish(events);
    assert_eq!(told(events), ["+virtualservice n/c", "-virtualservice n/b"]);
    known.vanish(events);
    assert_eq!(told(events), ["-virtualservice n/a", "-virtualservice n/c"]);
}

#[test]
fn a_list_that_begins_anew_drops_nothing_that_is_still_there() {
    let mut known = known("VirtualService");
    let events = &mut Vec::new();
    for whole in [false, true] {
        known.begin();
        known.applied(rule("a", &["a"]), "v1", events);
        if whole {
            known.applied(rule("b", &["b"]), "v1", events);
            known.finish(events);
        }
    }
    assert_eq!(told(events), ["+virtualservice n/a", "+virtualservice n/b"]);
}

#[test]
fn an_object_of_a_kind_for_later_is_refused_by_name_until_it_is_gone() {
    let mut known = known("ServiceEntry");
    let events = &mut Vec::new();
    known.applied(rule("a", &["a"]), "v1", events);
    known.applied(rule("a", &["b"]), "v1", events);
    let Some(Event::Broken { diagnostics, .. }) = events.first() else {
        panic!("{events:?}");
    };
    assert!(
        diagnostics[0]
            .to_string()
            .contains("not supported by this version")
    );
    assert_eq!(told(events), ["broken Kubernetes serviceentry n/a holds 0"]);
    known.deleted(&rule("a", &[]), events);
    assert_eq!(told(events), ["mended Kubernetes serviceentry n/a"]);
}

#[test]
fn a_pod_that_has_finished_is_gone() {
    let pod = |phase: &str| {
        json!({"metadata": {"name": "a", "namespace": "n"},
            "status": {"phase": phase, "podIP": "10.0.0.1"}})
    };
    let mut known = known("Pod");
    let events = &mut Vec::new();
    known.begin();
    known.applied(pod("Running"), "v1", events);
    known.applied(pod("Succeeded"), "v1", events);
    known.applied(pod("Succeeded"), "v1", events);
    known.finish(events);
    assert_eq!(told(events), ["+pod n/a", "-pod n/a"]);
}

#[test]
fn objects_have_the_version_that_they_were_asked_for_in() {
    let mut known = known("VirtualService");
    let events = &mut Vec::new();
    known.applied(rule("a", &["a"]), "v1alpha3", events);
    let Some(Event::Upsert(object)) = events.first() else {
        panic!("{events:?}");
    };
    assert_eq!(object.api_version.as_str(), "networking.istio.io/v1alpha3");
    assert_eq!(known.keys(), std::slice::from_ref(&object.key));
}

#[test]
fn what_is_kept_means_the_same_as_the_whole() {
    let wholes = [
        json!({"kind": "Service", "apiVersion": "v1", "metadata": {"name": "a", "namespace": "n", "labels": {"l": "v"}},
            "spec": {"ports": [{"name": "http", "port": 80, "targetPort": "web", "appProtocol": "http"}],
                "selector": {"app": "a"}, "clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1", "fd00::1"],
                "ipFamilies": ["IPv4", "IPv6"], "type": "NodePort", "publishNotReadyAddresses": true},
            "status": {"loadBalancer": {}}}),
        json!({"kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1", "metadata": {"name": "a", "namespace": "n"},
            "addressType": "IPv6", "ports": [{"name": "http", "port": 80, "appProtocol": "http"}],
            "endpoints": [{"addresses": ["fd00::1"], "conditions": {"ready": false, "terminating": true},
                "targetRef": {"kind": "Pod", "name": "p", "namespace": "n", "uid": "u"},
                "nodeName": "n", "zone": "z", "hostname": "h", "hints": {"forZones": []}}]}),
        json!({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": "a", "namespace": "n",
                "ownerReferences": [{"kind": "ReplicaSet", "name": "r", "uid": "u"}]},
            "spec": {"serviceAccountName": "s", "nodeName": "n", "hostNetwork": true, "volumes": [],
                "initContainers": [{"name": "i", "ports": [{"containerPort": 1}]}],
                "containers": [{"name": "c", "ports": [{"name": "http", "containerPort": 80}]}]},
            "status": {"phase": "Running", "podIP": "10.0.0.1", "podIPs": [{"ip": "10.0.0.1"}, {"ip": "fd00::1"}],
                "conditions": [{"type": "Ready", "status": "True", "reason": "x"}]}}),
    ];
    for whole in wholes {
        let mut known = known(whole["kind"].as_str().unwrap());
        let (object, _) = decode::object(whole.clone(), &ORIGIN.into());
        let list = json!({"metadata": {"resourceVersion": "7"}, "items": [whole]}).to_string();
        let page = crate::wire::page(list.as_bytes(), known.watched.keep()).unwrap();
        let events = &mut Vec::new();
        for item in page.items {
            known.applied(item, "v1", events);
        }
        let Some(Event::Upsert(kept)) = events.first() else {
            panic!("{events:?}");
        };
        let read = |object: &Object| mesh_api::resources::read(object);
        assert_eq!(read(kept), read(&object.unwrap()));
    }
}
