use mesh_model::name::NamespacedName;
use mesh_proto::any;

use super::*;
use crate::push::what_changed::refresh;
use crate::snapshot::{ProxyId, ProxyKind, World};

fn view(world: &World, pod: &str, kind: ProxyKind) -> View {
    let workload = NamespacedName {
        namespace: "default".into(),
        name: pod.into(),
    };
    world.view(&ProxyId { workload, kind }).unwrap()
}

fn service(name: &str, port: u16, address: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: default}}\n\
         spec: {{clusterIP: {address}, ports: [{{name: http, port: {port}}}]}}\n---\n"
    )
}

fn rule(host: &str, to: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\n\
         metadata: {{name: {host}, namespace: default}}\n\
         spec: {{hosts: [{host}], http: [{{route: [{{destination: {{host: {to}}}}}]}}]}}\n---\n"
    )
}

fn alias(name: &str, to: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}, namespace: default}}\n\
         spec: {{type: ExternalName, externalName: {to}.default.svc.cluster.local}}\n---\n"
    )
}

fn pods() -> String {
    crate::testing::pod("a", "a") + &crate::testing::pod("b", "b").replace("7.1.1", "7.2.1")
}

#[test]
fn a_service_is_packed_once_for_all_proxies() {
    let world = crate::testing::world(&pods(), 1);
    let mut shelf = Shelf::default();
    let mut told = |pod| {
        let mut out = ByType::new();
        shelf.add_services(&view(&world, pod, ProxyKind::Sidecar), &mut out);
        out
    };
    let (first, second) = (told("a"), told("b"));
    assert_eq!(first, second);
    for (kind, of_type) in &first {
        for (name, resource) in of_type {
            assert!(
                Arc::ptr_eq(&resource.any, &second[kind][name].any),
                "{name}"
            );
        }
    }
    assert!(first[any::CLUSTER].len() == 2 && first[any::ENDPOINT].len() == 2);
}

#[test]
fn what_nobody_has_is_forgotten() {
    let world = crate::testing::world(&pods(), 1);
    let mut shelf = Shelf::default();
    shelf.add_services(&view(&world, "a", ProxyKind::Sidecar), &mut ByType::new());
    shelf.sweep();
    assert_eq!(shelf.services.len(), 2);
    drop(world);
    shelf.sweep();
    assert_eq!(shelf.services.len(), 0);
}

/// Through a history of worlds each proxy is told what it would be told if it came just then.
#[test]
fn what_is_kept_is_what_would_be_made() {
    let tail = service("late", 90, "10.0.0.9");
    let services = service("c", 80, "10.0.0.3")
        + &service("d", 8000, "10.0.0.4")
        + &service("e", 8000, "10.0.0.5");
    let base = pods() + &services;
    let history = [
        base.clone(),
        base.clone() + &rule("c", "d"),
        base.clone() + &rule("c", "e") + &rule("elsewhere.example", "c"),
        base.clone() + &rule("d", "e"),
        base.clone() + &rule("d", "late") + &tail,
        base.clone() + &tail,
        base.clone() + &alias("near", "d"),
        base.clone() + &alias("near", "e"),
        base.clone() + &alias("near", "e") + &alias("far", "near"),
        base.clone() + &alias("near", "c") + &alias("far", "near"),
        base.clone() + &alias("near", "c") + &rule("near", "d"),
        base.clone() + &alias("near", "c") + &rule("near", "e") + &rule("d", "near"),
        base.clone() + &alias("near", "d") + &rule("near", "late"),
        base.clone() + &alias("near", "d") + &rule("near", "late") + &tail,
        base.clone() + &alias("near", "nobody"),
        pods() + &service("c", 80, "None") + &service("d", 8000, "10.0.0.7"),
        pods() + &services.replace("8000", "80"),
        base,
    ];
    let mut shelf = Shelf::default();
    let mut held = std::collections::BTreeMap::new();
    let mut before: Option<World> = None;
    for (version, text) in (1..).zip(&history) {
        let mut world = crate::testing::world(text.trim_end_matches("---\n"), version);
        if let Some(before) = &before {
            world.keep(before);
        }
        let kinds = [ProxyKind::Captured, ProxyKind::Sidecar, ProxyKind::Router];
        for (pod, kind) in ["a", "b"]
            .iter()
            .flat_map(|pod| kinds.map(|kind| (pod, kind)))
        {
            let told = refresh(
                held.get(&(pod, kind)),
                view(&world, pod, kind),
                version,
                &mut shelf,
            );
            let anew = crate::testing::world(text.trim_end_matches("---\n"), version);
            let anew = view(&anew, pod, kind);
            let anew = refresh(None, anew, version, &mut Shelf::default());
            let (told, anew) = (told.held, anew.held);
            assert_eq!(
                versions(&told.resources),
                versions(&anew.resources),
                "{pod} {kind:?} {text}"
            );
            held.insert((pod, kind), told);
        }
        shelf.sweep();
        before = Some(world);
    }
}

fn versions(all: &mesh_xds::Resources) -> Vec<(&str, &str)> {
    let all = all.by_type.values().flatten();
    all.map(|(name, one)| (&**name, &*one.version)).collect()
}

#[test]
fn proxies_are_told_apart_by_where_they_are_where_that_counts() {
    let pod = |name: &str, zone: &str, address: &str| {
        let pod = crate::testing::pod(name, name).replace("7.1.1", address);
        pod.replace("labels: {", &format!("labels: {{istio-locality: {zone}, "))
    };
    let rule = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\n\
                metadata: {name: a, namespace: default}\n\
                spec: {host: a, trafficPolicy: {outlierDetection: {}}}\n---\n";
    let pods = pod("a", "eu", "7.1.1") + &pod("b", "us", "7.1.2") + &pod("c", "us", "7.1.3");
    let world = crate::testing::world(&(pods + rule), 1);
    let mut shelf = Shelf::default();
    for pod in ["a", "b", "c"] {
        let mut out = ByType::new();
        shelf.add_services(&view(&world, pod, ProxyKind::Sidecar), &mut out);
    }
    // One in each region, and two services for all.
    assert_eq!(shelf.services.len(), 4);
}
