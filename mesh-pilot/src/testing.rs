//! What the unit tests of this crate build their worlds from.

use std::sync::Arc;

use mesh_api::ResourceSet;
use mesh_api::decode::objects;
use mesh_api::networking::locality::LocalityLb;
use mesh_model::ident::TrustDomain;

use crate::snapshot::World;
use crate::snapshot::view::{MeshConstants, OutboundPolicy};

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

/// The world of these objects, which must be valid.
pub(crate) fn world(text: &str, version: u64) -> World {
    let (objects, found) = objects("in.yaml", text);
    assert_eq!(found, []);
    let (set, found) = ResourceSet::build(objects);
    assert_eq!(found, []);
    World::build(&set, mesh(), version)
}

/// A pod with a sidecar, `account/name` in the namespace `default`, and a service of its name.
pub(crate) fn pod(name: &str, account: &str) -> String {
    format!(
        "
apiVersion: v1
kind: Pod
metadata: {{name: {name}, namespace: default, labels: {{app: {name}}}}}
spec: {{serviceAccountName: {account}, containers: [{{name: app, image: app}}]}}
status: {{podIP: 127.7.1.1}}
---
apiVersion: v1
kind: Service
metadata: {{name: {name}, namespace: default}}
spec: {{ports: [{{name: http, port: 80}}], selector: {{app: {name}}}}}
---
"
    )
}
