//! A world from YAML.

use std::sync::Arc;

use mesh_api::ResourceSet;
use mesh_api::decode::objects;
use mesh_api::networking::locality::LocalityLb;
use mesh_api::resources::has_errors;
use mesh_model::ident::TrustDomain;
use mesh_model::name::NamespacedName;
use mesh_pilot::snapshot::view::{MeshConstants, OutboundPolicy};
use mesh_pilot::snapshot::{ProxyId, ProxyKind, World};

/// The world of these objects, which must be valid.
pub(crate) fn of(text: &str) -> World {
    let (objects, mut found) = objects("in.yaml", text);
    let (set, more) = ResourceSet::build(objects);
    found.extend(more);
    assert!(!has_errors(&found), "{found:#?}");
    World::build(&set, mesh(), 1)
}

/// What holds for the whole mesh.
pub(crate) fn mesh() -> Arc<MeshConstants> {
    Arc::new(MeshConstants {
        domain: "cluster.local".into(),
        trust_domain: TrustDomain::parse("cluster.local").unwrap(),
        root_namespace: "istio-system".into(),
        cluster_id: "Kubernetes".into(),
        outbound_policy: OutboundPolicy::default(),
        access_log: None,
        locality: LocalityLb::default(),
    })
}

/// Reads `sidecar reviews-v1.default`.
pub(crate) fn proxy(text: &str) -> ProxyId {
    let (kind, pod) = text.split_once(' ').unwrap();
    let (name, namespace) = pod.rsplit_once('.').unwrap();
    ProxyId {
        workload: NamespacedName {
            namespace: namespace.into(),
            name: name.into(),
        },
        kind: match kind {
            "sidecar" => ProxyKind::Sidecar,
            "captured" => ProxyKind::Captured,
            "router" => ProxyKind::Router,
            "proxyless" => ProxyKind::Proxyless,
            other => panic!("{other:?} is no kind of proxy"),
        },
    }
}
