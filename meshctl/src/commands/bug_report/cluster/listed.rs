//! The kinds of objects that a report on a cluster lists, and what of them is kept. Secrets are none of
//! them. Pure.

use serde_json::Value;

use crate::commands::bug_report::scope::Scope;
use crate::plane::kube::text;

/// The most objects of one kind.
const OBJECTS: usize = 5_000;

/// Kubernetes' kinds: group, version, plural, and whether they are in namespaces.
const OF_KUBERNETES: [(&str, &[&str], &str, bool); 20] = [
    ("", &["v1"], "namespaces", false),
    ("", &["v1"], "nodes", false),
    ("", &["v1"], "services", true),
    ("", &["v1"], "pods", true),
    ("", &["v1"], "serviceaccounts", true),
    ("", &["v1"], "events", true),
    ("discovery.k8s.io", &["v1"], "endpointslices", true),
    ("apps", &["v1"], "deployments", true),
    ("apps", &["v1"], "statefulsets", true),
    ("apps", &["v1"], "daemonsets", true),
    ("batch", &["v1"], "jobs", true),
    ("networking.k8s.io", &["v1"], "ingresses", true),
    ("networking.k8s.io", &["v1"], "ingressclasses", false),
    ("networking.k8s.io", &["v1"], "networkpolicies", true),
    ("autoscaling", &["v2"], "horizontalpodautoscalers", true),
    ("policy", &["v1"], "poddisruptionbudgets", true),
    ("coordination.k8s.io", &["v1"], "leases", true),
    (
        "admissionregistration.k8s.io",
        &["v1"],
        "mutatingwebhookconfigurations",
        false,
    ),
    (
        "admissionregistration.k8s.io",
        &["v1"],
        "validatingwebhookconfigurations",
        false,
    ),
    (
        "apiextensions.k8s.io",
        &["v1"],
        "customresourcedefinitions",
        false,
    ),
];

/// A kind that is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Listed {
    /// Its group; empty for the core group.
    pub(super) group: &'static str,
    /// Its versions, the newest first.
    pub(super) versions: &'static [&'static str],
    /// Its plural.
    pub(super) plural: &'static str,
    /// Whether its objects are in namespaces.
    pub(super) namespaced: bool,
}

/// Kubernetes' kinds that say why a mesh is as it is.
pub(super) fn of_kubernetes() -> impl Iterator<Item = Listed> {
    OF_KUBERNETES
        .into_iter()
        .map(|(group, versions, plural, namespaced)| Listed {
            group,
            versions,
            plural,
            namespaced,
        })
}

impl Listed {
    /// `virtualservices.networking.istio.io.yaml`.
    pub(super) fn file_name(&self) -> String {
        match self.group {
            "" => format!("{}.yaml", self.plural),
            group => format!("{}.{group}.yaml", self.plural),
        }
    }

    /// Where it is listed, version by version; of one namespace unless that is empty.
    pub(super) fn paths(&self, namespace: &str) -> Vec<String> {
        let place = match namespace {
            "" => String::new(),
            name => format!("namespaces/{name}/"),
        };
        let versions = self.versions.iter().map(|version| match self.group {
            "" => format!("/api/{version}"),
            group => format!("/apis/{group}/{version}"),
        });
        let plural = self.plural;
        versions
            .map(|version| format!("{version}/{place}{plural}?limit={OBJECTS}"))
            .collect()
    }

    /// A list without the objects of excluded namespaces and without what says nothing of the mesh.
    pub(super) fn kept(&self, mut list: Value, scope: &Scope) -> Value {
        let Some(Value::Array(items)) = list.get_mut("items") else {
            return list;
        };
        items.retain(|item| match self.plural {
            "namespaces" => !scope.excludes(text(item, "/metadata/name")),
            "customresourcedefinitions" => text(item, "/spec/group").ends_with(".istio.io"),
            _ => !scope.excludes(text(item, "/metadata/namespace")),
        });
        for item in items {
            match self.plural {
                "nodes" => remove(item, "/status", "images"),
                "customresourcedefinitions" => {
                    let versions = item.pointer_mut("/spec/versions");
                    let versions = versions.and_then(Value::as_array_mut);
                    for version in versions.into_iter().flatten() {
                        remove(version, "", "schema");
                    }
                }
                _ => {}
            }
        }
        list
    }
}

fn remove(value: &mut Value, at: &str, member: &str) {
    if let Some(Value::Object(members)) = value.pointer_mut(at) {
        members.remove(member);
    }
}
