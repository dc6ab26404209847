//! The objects of the test's API server, and what has happened to them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// Where an object of the core group is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// `configmaps`, `secrets`, `namespaces`.
    pub resource: String,
    /// Empty for namespaces.
    pub namespace: String,
    /// The object's name.
    pub name: String,
}

impl Place {
    /// Of an object in a namespace.
    #[must_use]
    pub fn new(resource: &str, namespace: &str, name: &str) -> Self {
        Self {
            resource: resource.to_owned(),
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    /// Of a namespace.
    #[must_use]
    pub fn namespace(name: &str) -> Self {
        Self::new("namespaces", "", name)
    }

    /// Of an object by its path, or of a collection, whose name is empty.
    pub(super) fn of_path(path: &str) -> Option<Self> {
        let parts: Vec<&str> = path.strip_prefix("/api/v1/")?.split('/').collect();
        Some(match parts.as_slice() {
            ["namespaces", namespace, resource, name] => Self::new(resource, namespace, name),
            ["namespaces", namespace, resource] => Self::new(resource, namespace, ""),
            ["namespaces", name] => Self::namespace(name),
            [resource] => Self::new(resource, "", ""),
            _ => return None,
        })
    }

    /// Whether it is one of a collection; an empty namespace there stands for all.
    pub(super) fn is_of(&self, collection: &Self) -> bool {
        self.resource == collection.resource
            && (collection.namespace.is_empty() || self.namespace == collection.namespace)
            && (collection.name.is_empty() || self.name == collection.name)
    }
}

/// Something that happened to an object.
#[derive(Clone)]
pub(super) struct Happening {
    pub(super) version: u64,
    pub(super) place: Place,
    pub(super) kind: &'static str,
    pub(super) object: Value,
}

/// What the server has and does.
#[derive(Default)]
pub(crate) struct Store {
    pub(super) version: u64,
    pub(super) objects: BTreeMap<Place, Value>,
    pub(super) log: Vec<Happening>,
    pub(super) tokens: BTreeMap<String, Value>,
    pub(super) refused: Option<(String, String, u16)>,
    pub(super) held: bool,
    pub(super) requests: Vec<String>,
}

impl Store {
    pub(super) fn object(&self, place: &Place) -> Option<&Value> {
        self.objects.get(place)
    }

    pub(super) fn put(&mut self, place: Place, mut object: Value) {
        let metadata = self.stamp(&place);
        let members = object.as_object_mut().unwrap();
        let own = members.entry("metadata").or_insert_with(|| json!({}));
        merge(own, metadata);
        let before = self.objects.insert(place.clone(), object.clone());
        let kind = if before.is_some() {
            "MODIFIED"
        } else {
            "ADDED"
        };
        self.tell(place, kind, object);
    }

    pub(super) fn delete(&mut self, place: &Place) {
        let is_gone = |other: &Place| {
            other == place || (place.resource == "namespaces" && other.namespace == place.name)
        };
        let gone: Vec<Place> = self
            .objects
            .keys()
            .filter(|p| is_gone(p))
            .cloned()
            .collect();
        for place in gone {
            let metadata = self.stamp(&place);
            let mut object = self.objects.remove(&place).unwrap();
            merge(&mut object["metadata"], metadata);
            self.tell(place, "DELETED", object);
        }
    }

    /// Server-side apply with force: what is said holds, what is not said stays.
    pub(super) fn apply(&mut self, place: Place, said: Value) -> Value {
        let mut object = self
            .objects
            .get(&place)
            .cloned()
            .unwrap_or_else(|| json!({}));
        let before = object.clone();
        merge(&mut object, said);
        if object != before {
            self.put(place.clone(), object);
        }
        self.objects.get(&place).cloned().unwrap()
    }

    fn stamp(&mut self, place: &Place) -> Value {
        self.version += 1;
        let version = self.version.to_string();
        match place.namespace.as_str() {
            "" => json!({"name": place.name, "resourceVersion": version}),
            namespace => {
                json!({"name": place.name, "namespace": namespace, "resourceVersion": version})
            }
        }
    }

    fn tell(&mut self, place: Place, kind: &'static str, object: Value) {
        self.log.push(Happening {
            version: self.version,
            place,
            kind,
            object,
        });
    }
}

fn merge(into: &mut Value, from: Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                merge(into.entry(name).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from,
    }
}
