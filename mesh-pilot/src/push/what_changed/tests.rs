use mesh_model::name::NamespacedName;
use mesh_proto::any;

use super::*;
use crate::snapshot::{ProxyId, ProxyKind};

fn view(text: &str) -> View {
    let proxy = ProxyId {
        workload: NamespacedName {
            namespace: "default".into(),
            name: "a".into(),
        },
        kind: ProxyKind::Sidecar,
    };
    crate::testing::world(text, 1).view(&proxy).unwrap()
}

fn endpoints(name: &str, address: &str) -> String {
    format!(
        "
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {{name: {name}-1, namespace: default, labels: {{kubernetes.io/service-name: {name}}}}}
addressType: IPv4
ports: [{{name: http, port: 80}}]
endpoints: [{{addresses: [{address}]}}]
---
"
    )
}

#[test]
fn an_unchanged_view_sends_nothing_but_a_version() {
    let text = crate::testing::pod("a", "a");
    let first = refresh(None, view(&text), 1, &mut Shelf::default());
    assert_eq!(
        first.changed,
        [
            any::CLUSTER,
            any::ENDPOINT,
            any::LISTENER,
            any::ROUTE,
            any::SECRET
        ]
    );
    let second = refresh(Some(&first.held), view(&text), 2, &mut Shelf::default());
    assert_eq!(second.changed, [] as [&str; 0]);
    assert_eq!(second.held.resources.version, 2);
    assert_eq!(second.held.resources.by_type, first.held.resources.by_type);
}

#[test]
fn a_change_of_endpoints_is_a_change_of_endpoints_alone() {
    let before = crate::testing::pod("a", "a") + &endpoints("a", "192.0.2.1");
    let after = crate::testing::pod("a", "a") + &endpoints("a", "192.0.2.2");
    let first = refresh(None, view(&before), 1, &mut Shelf::default());
    let second = refresh(Some(&first.held), view(&after), 2, &mut Shelf::default());
    assert_eq!(second.changed, [any::ENDPOINT]);
}

#[test]
fn a_change_of_an_alias_is_a_change_of_routes_alone() {
    let workload = NamespacedName {
        namespace: "default".into(),
        name: "a".into(),
    };
    let proxy = ProxyId {
        workload,
        kind: ProxyKind::Captured,
    };
    let both = crate::testing::pod("a", "a") + &crate::testing::pod("b", "b");
    let alias = |to: &str| {
        format!(
            "{both}apiVersion: v1\nkind: Service\nmetadata: {{name: x, namespace: default}}\n\
             spec: {{type: ExternalName, externalName: {to}.default.svc.cluster.local}}\n---\n"
        )
    };
    let history = [both.clone(), alias("a"), alias("b"), both.clone()];
    let mut shelf = Shelf::default();
    let mut before: Option<(crate::snapshot::World, Refreshed)> = None;
    for (version, text) in (1..).zip(&history) {
        let mut world = crate::testing::world(text, version);
        if let Some((known, _)) = &before {
            world.keep(known);
        }
        let held = before.as_ref().map(|(_, refreshed)| &refreshed.held);
        let next = refresh(held, world.view(&proxy).unwrap(), version, &mut shelf);
        if before.is_some() {
            assert_eq!(next.changed, [any::ROUTE], "{text}");
        }
        before = Some((world, next));
    }
}

#[test]
fn resources_made_anew_have_the_versions_they_had() {
    let text = crate::testing::pod("a", "a") + &endpoints("a", "192.0.2.1");
    let first = refresh(None, view(&text), 1, &mut Shelf::default());
    let restarted = refresh(None, view(&text), 1, &mut Shelf::default());
    let versions = |it: &Refreshed| {
        let by_type = it.held.resources.by_type.values();
        let all = by_type.flat_map(|of_type| of_type.iter());
        all.map(|(name, one)| (name.clone(), one.version.clone()))
            .collect::<Vec<_>>()
    };
    assert_eq!(versions(&first), versions(&restarted));
}
