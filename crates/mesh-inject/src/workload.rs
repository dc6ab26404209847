//! Which objects hold a pod, and where.

use mesh_model::name::ResourceKey;
use serde_json::Value;

/// A kind whose objects are or make pods.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    kind: &'static str,
    versions: &'static [&'static str],
    /// The way from the object to the pod's metadata and specification.
    pub(crate) path: &'static [&'static str],
}

/// All versions that were ever served: manifests outlive them.
const APPS: &[&str] = &[
    "apps/v1",
    "apps/v1beta2",
    "apps/v1beta1",
    "extensions/v1beta1",
];
const TEMPLATE: &[&str] = &["spec", "template"];

// Kinds of the same name in other groups (a batch scheduler's Job) are nobody's business here.
const SHAPES: [Shape; 9] = [
    Shape {
        kind: "Pod",
        versions: &["v1"],
        path: &[],
    },
    Shape {
        kind: "ReplicationController",
        versions: &["v1"],
        path: TEMPLATE,
    },
    Shape {
        kind: "Deployment",
        versions: APPS,
        path: TEMPLATE,
    },
    Shape {
        kind: "DaemonSet",
        versions: APPS,
        path: TEMPLATE,
    },
    Shape {
        kind: "ReplicaSet",
        versions: APPS,
        path: TEMPLATE,
    },
    Shape {
        kind: "StatefulSet",
        versions: APPS,
        path: TEMPLATE,
    },
    Shape {
        kind: "Job",
        versions: &["batch/v1"],
        path: TEMPLATE,
    },
    Shape {
        kind: "CronJob",
        versions: &["batch/v1", "batch/v1beta1", "batch/v2alpha1"],
        path: &["spec", "jobTemplate", "spec", "template"],
    },
    Shape {
        kind: "DeploymentConfig",
        versions: &["apps.openshift.io/v1", "v1"],
        path: TEMPLATE,
    },
];

impl Shape {
    /// The shape of an object; nothing when it is no workload.
    pub(crate) fn of(object: &Value) -> Option<&'static Self> {
        let (version, kind) = (text(object, "apiVersion")?, text(object, "kind")?);
        SHAPES
            .iter()
            .find(|shape| shape.kind == kind && shape.versions.contains(&version))
    }

    /// The path of the pod, for messages.
    pub(crate) fn prefix(&self) -> String {
        self.path.join(".")
    }

    /// Whether its pods are to end by themselves.
    pub(crate) fn ends(&self) -> bool {
        matches!(self.kind, "Job" | "CronJob")
    }

    /// The metadata that Istio reads instead of the pod's own, if there is such.
    ///
    /// istio: a CronJob's annotations are looked for on the template of its Jobs.
    pub(crate) fn second_metadata<'a>(&self, object: &'a Value) -> Option<&'a Value> {
        (self.kind == "CronJob")
            .then(|| object.get("spec")?.get("jobTemplate")?.get("metadata"))
            .flatten()
    }

    /// The pod within an object.
    pub(crate) fn pod<'a>(&self, object: &'a mut Value) -> Option<&'a mut Value> {
        let start = Some(object);
        self.path
            .iter()
            .fold(start, |at, name| at.and_then(|value| value.get_mut(name)))
            .filter(|pod| !pod.is_null())
    }

    /// The object's name for messages.
    pub(crate) fn key(&self, object: &Value, namespace: &str) -> ResourceKey {
        let meta = object.get("metadata").unwrap_or(&Value::Null);
        let group = text(object, "apiVersion").and_then(|version| version.split_once('/'));
        let name = text(meta, "name").or_else(|| text(meta, "generateName"));
        ResourceKey {
            group: group.map_or("", |(group, _)| group).into(),
            kind: self.kind.into(),
            namespace: text(meta, "namespace").unwrap_or(namespace).into(),
            name: name.unwrap_or("(without a name)").into(),
        }
    }
}

/// The name by which telemetry knows the pods of an object.
///
/// A pod says by its owner: the Deployment behind a ReplicaSet, whose name lacks the hash.
pub(crate) fn workload_name(object: &Value) -> String {
    let meta = object.get("metadata").unwrap_or(&Value::Null);
    let owner = meta.get("ownerReferences").and_then(|owners| owners.get(0));
    let hash = meta
        .get("labels")
        .and_then(|labels| text(labels, "pod-template-hash"));
    let owned = owner.and_then(|owner| {
        let name = text(owner, "name")?;
        let short = hash
            .filter(|_| text(owner, "kind") == Some("ReplicaSet"))
            .and_then(|hash| name.strip_suffix(hash))
            .and_then(|name| name.strip_suffix('-'));
        Some(short.unwrap_or(name))
    });
    let own = || text(meta, "name").or_else(|| text(meta, "generateName"));
    let name = owned.or_else(own).unwrap_or_default();
    name.trim_end_matches('-').to_owned()
}

/// The text of a member.
pub(crate) fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name)?.as_str().filter(|text| !text.is_empty())
}
