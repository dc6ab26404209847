//! An object as it was written: its kind, its key, its metadata, and its whole value.

use std::collections::BTreeMap;
use std::fmt;

use mesh_model::Str;
use mesh_model::labels::Labels;
use mesh_model::name::ResourceKey;
use serde_json::Value;

use crate::kinds::Kind;
use crate::timestamp::Timestamp;

/// What every object says about itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ObjectMeta {
    /// Name within the namespace.
    pub name: Str,
    /// Namespace; empty for objects of the whole cluster.
    pub namespace: Str,
    /// Labels, by which selectors find it.
    pub labels: Labels,
    /// Annotations.
    pub annotations: BTreeMap<Str, Str>,
    /// When it came to be; unknown for files that do not say it.
    pub creation_timestamp: Option<Timestamp>,
    /// Whether somebody has deleted it, though it is still there: a pod that ends.
    pub is_ending: bool,
    /// What it belongs to.
    pub owner_references: Vec<OwnerReference>,
}

/// A pointer to an owner.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnerReference {
    /// Kind of the owner.
    pub kind: Str,
    /// Name of the owner, in the same namespace.
    pub name: Str,
}

/// A decoded document: kind and name are known, the rest is as written.
#[derive(Clone, PartialEq, Eq)]
pub struct Object {
    /// `apiVersion` as written.
    pub api_version: Str,
    /// Its kind.
    pub kind: &'static Kind,
    /// Which object it is.
    pub key: ResourceKey,
    /// Its metadata, as far as they could be read.
    pub meta: ObjectMeta,
    /// The whole document, `metadata.namespace` filled in.
    pub value: Value,
    /// Where it came from: `<file> document <number> line <number>`.
    pub origin: Str,
}

impl Object {
    /// Whether both mean the same object with the same content.
    ///
    /// What a server writes does not count: creation time, version, generation, managed fields, status.
    #[must_use]
    pub fn same_content(&self, other: &Self) -> bool {
        self.key == other.key && self.canonical() == other.canonical()
    }

    /// The value without what a server writes.
    #[must_use]
    pub fn canonical(&self) -> Value {
        let mut value = self.value.clone();
        if let Some(top) = value.as_object_mut() {
            top.remove("status");
        }
        if let Some(meta) = value.get_mut("metadata").and_then(Value::as_object_mut) {
            for name in SERVER_SIDE {
                meta.remove(*name);
            }
        }
        value
    }

    /// A short text that changes with [`Object::canonical`] and only with it, by which two
    /// processes tell whether they speak of the same content.
    #[must_use]
    pub fn content_hash(&self) -> String {
        // FNV-1a: the same in every process and build. Maps of JSON values print in sorted order.
        let text = self.canonical().to_string();
        let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        format!("{:016x}", text.bytes().fold(0xcbf2_9ce4_8422_2325, step))
    }
}

/// The content of a Secret is not shown, not even as an annotation of kubectl's.
impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut shown = f.debug_struct("Object");
        shown.field("api_version", &self.api_version);
        shown.field("key", &self.key);
        if !(self.kind.group.is_empty() && self.kind.kind == "Secret") {
            shown.field("meta", &self.meta).field("value", &self.value);
        }
        shown.field("origin", &self.origin).finish_non_exhaustive()
    }
}

/// Members of `metadata` that a server fills in.
const SERVER_SIDE: &[&str] = &[
    "creationTimestamp",
    "generation",
    "managedFields",
    "resourceVersion",
    "selfLink",
    "uid",
];

/// Reads `metadata` as far as it makes sense; what does not is left out here and reported by
/// the schema of the kind.
pub(crate) fn read(value: &Value) -> ObjectMeta {
    let text = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
    ObjectMeta {
        name: text("name").into(),
        namespace: text("namespace").into(),
        labels: pairs(value.get("labels")).collect(),
        annotations: pairs(value.get("annotations")).collect(),
        creation_timestamp: Timestamp::parse(text("creationTimestamp")),
        is_ending: !text("deletionTimestamp").is_empty(),
        owner_references: value
            .get("ownerReferences")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(owner)
            .collect(),
    }
}

fn pairs(value: Option<&Value>) -> impl Iterator<Item = (Str, Str)> {
    value
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .filter_map(|(key, value)| Some((key.as_str().into(), value.as_str()?.into())))
}

fn owner(value: &Value) -> Option<OwnerReference> {
    Some(OwnerReference {
        kind: value.get("kind")?.as_str()?.into(),
        name: value.get("name")?.as_str()?.into(),
    })
}
