use super::*;
use crate::snapshot::{ProxyId, ProxyKind};
use mesh_model::name::NamespacedName;

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

#[test]
fn equal_views_give_equal_resources() {
    let text = crate::testing::pod("a", "a");
    let (one, other) = (view(&text), view(&text));
    assert_eq!(one, other);
    assert_eq!(translate(&one), translate(&other));
}

#[test]
fn a_workload_without_listeners_still_has_clusters() {
    let made = translate(&view(&crate::testing::pod("a", "a")));
    assert_eq!(made.listeners.len(), 0);
    let names: Vec<_> = made.clusters.keys().collect();
    assert_eq!(names, ["outbound|80||a.default.svc.cluster.local"]);
    assert_eq!(names, made.endpoints.keys().collect::<Vec<_>>());
}
