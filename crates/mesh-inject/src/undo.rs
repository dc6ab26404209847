//! Takes an injection out again, by the record that it left in `sidecar.istio.io/status`.
//!
//! The record has Istio's members, so that what Istio injected can be taken out as well, and ours
//! for what Istio forgets: labels, annotations, probes as they were, and the lists that were not
//! there before.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};

use crate::annotations::STATUS;
use crate::codes;
use crate::pod::probes;
use crate::problem::{Problem, annotation};

/// What an injection put in.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Record {
    #[serde(deserialize_with = "or_none")]
    pub(crate) init_containers: Vec<String>,
    #[serde(deserialize_with = "or_none")]
    pub(crate) containers: Vec<String>,
    #[serde(deserialize_with = "or_none")]
    pub(crate) volumes: Vec<String>,
    #[serde(deserialize_with = "or_none")]
    pub(crate) image_pull_secrets: Vec<String>,
    pub(crate) revision: String,
    /// Labels that were not there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) labels: Vec<String>,
    /// Annotations that were not there.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) annotations: Vec<String>,
    /// Annotations that had other values.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) replaced: BTreeMap<String, Value>,
    /// Probes and hooks that go through the sidecar now, by its path for them.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) probes: BTreeMap<String, Value>,
    /// Maps and lists that were not there, by JSON pointer, outer ones first. An injection by Istio
    /// has none: then what becomes empty goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) created: Option<Vec<String>>,
    /// The same that were null.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) nulls: Vec<String>,
}

/// Istio writes null where there is no list.
fn or_none<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    Option::<Vec<String>>::deserialize(from).map(Option::unwrap_or_default)
}

/// Takes an earlier injection out of a pod; answers whether there was one.
pub(crate) fn undo(pod: &mut Value) -> Result<bool, Problem> {
    let Some(record) = record(pod)? else {
        return Ok(false);
    };
    let sidecar = sidecar(pod, &record);
    let names = [
        ("/spec/initContainers", &record.init_containers),
        ("/spec/containers", &record.containers),
        ("/spec/volumes", &record.volumes),
        ("/spec/imagePullSecrets", &record.image_pull_secrets),
    ];
    for (pointer, names) in names {
        without_named(pod, pointer, names);
    }
    probes::restore(pod, &probes_of(&record, sidecar.as_ref()));
    metadata(pod, &record, sidecar.as_ref());
    emptied(pod, &record);
    Ok(true)
}

fn record(pod: &Value) -> Result<Option<Record>, Problem> {
    let status = pod
        .pointer("/metadata/annotations")
        .and_then(|all| all.get(STATUS));
    let Some(status) = status else {
        return Ok(None);
    };
    let text = status.as_str().unwrap_or_default();
    serde_json::from_str(text).map(Some).map_err(|_| {
        let message = "is no record of an injection";
        Problem::error(codes::INVALID_ANNOTATION, annotation(STATUS), message)
            .with_hint("begin again with the manifest as it was before it was injected")
    })
}

/// The injected container, whose environment says what Istio's record does not.
fn sidecar(pod: &Value, record: &Record) -> Option<Value> {
    let lists = ["/spec/containers", "/spec/initContainers"];
    lists
        .iter()
        .filter_map(|pointer| pod.pointer(pointer)?.as_array())
        .flatten()
        .find(|container| container["name"] == "istio-proxy")
        .filter(|_| record.created.is_none())
        .cloned()
}

/// An environment variable of a container that holds JSON.
fn environment(sidecar: Option<&Value>, name: &str) -> Option<Map<String, Value>> {
    let all = sidecar?.get("env")?.as_array()?;
    let variable = all.iter().find(|one| one["name"] == name)?;
    serde_json::from_str(variable.get("value")?.as_str()?).ok()
}

fn probes_of(record: &Record, sidecar: Option<&Value>) -> BTreeMap<String, Value> {
    let Some(probers) = environment(sidecar, probes::VARIABLE) else {
        return record.probes.clone();
    };
    probers
        .into_iter()
        .map(|(path, mut prober)| {
            if let Some(members) = prober.as_object_mut() {
                members.remove("timeoutSeconds");
            }
            (path, prober)
        })
        .collect()
}

fn without_named(pod: &mut Value, pointer: &str, names: &[String]) {
    if let Some(list) = pod.pointer_mut(pointer).and_then(Value::as_array_mut) {
        list.retain(|item| {
            let name = item.get("name").and_then(Value::as_str);
            !name.is_some_and(|name| names.iter().any(|one| one == name))
        });
    }
}

fn metadata(pod: &mut Value, record: &Record, sidecar: Option<&Value>) {
    if let Some(labels) = members(pod, "/metadata/labels") {
        labels.retain(|name, _| !record.labels.contains(name));
    }
    let Some(annotations) = members(pod, "/metadata/annotations") else {
        return;
    };
    annotations.remove(STATUS);
    annotations.retain(|name, _| !record.annotations.contains(name));
    let replaced = record.replaced.iter();
    annotations.extend(replaced.map(|(name, value)| (name.clone(), value.clone())));
    if record.created.is_some() {
        return;
    }
    // What Istio writes without a word in its record.
    for name in [
        "istio.io/rev",
        "kubectl.kubernetes.io/default-container",
        "kubectl.kubernetes.io/default-logs-container",
    ] {
        annotations.remove(name);
    }
    if annotations
        .get("prometheus.io/path")
        .is_some_and(|path| path == "/stats/prometheus")
    {
        annotations.retain(|name, _| !name.starts_with("prometheus.io/"));
        let own = environment(sidecar, "ISTIO_PROMETHEUS_ANNOTATIONS").unwrap_or_default();
        let own = own.into_iter().filter(|(_, value)| value != "");
        annotations.extend(own.map(|(name, value)| (format!("prometheus.io/{name}"), value)));
    }
    if let Some(labels) = members(pod, "/metadata/labels") {
        for name in [
            "security.istio.io/tlsMode",
            "service.istio.io/canonical-name",
            "service.istio.io/canonical-revision",
        ] {
            labels.remove(name);
        }
    }
}

fn members<'a>(pod: &'a mut Value, pointer: &str) -> Option<&'a mut Map<String, Value>> {
    pod.pointer_mut(pointer).and_then(Value::as_object_mut)
}

/// Maps and lists that the injection had made go when nothing is left in them.
fn emptied(pod: &mut Value, record: &Record) {
    const OF_ISTIO: [&str; 5] = [
        "/metadata/labels",
        "/metadata/annotations",
        "/spec/initContainers",
        "/spec/volumes",
        "/spec/imagePullSecrets",
    ];
    let of_istio = || OF_ISTIO.map(str::to_owned).to_vec();
    let created = record.created.clone().unwrap_or_else(of_istio);
    for pointer in created.iter().rev() {
        let empty = match pod.pointer(pointer) {
            Some(Value::Array(list)) => list.is_empty(),
            Some(Value::Object(members)) => members.is_empty(),
            _ => false,
        };
        let Some((parent, name)) = pointer.rsplit_once('/').filter(|_| empty) else {
            continue;
        };
        if record.nulls.contains(pointer) {
            if let Some(value) = pod.pointer_mut(pointer) {
                *value = Value::Null;
            }
        } else if let Some(parent) = members(pod, parent) {
            parent.remove(name);
        }
    }
}

#[cfg(test)]
mod tests;
