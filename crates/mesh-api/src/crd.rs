//! The CustomResourceDefinitions of every kind that is Istio's, made of the registry of kinds and of
//! the tables of fields that decoding uses.
//!
//! An API server holds objects against the structure alone. Whatever Istio knows it takes, also what
//! mesh does not support yet, so that an object is refused with reasons by the webhook, and not by a
//! server that knows no such field.

use serde_json::{Value, json};

use crate::kinds::{self, Content, Kind};

mod names;
mod structure;

/// Every definition, in the order of [`kinds::all`].
#[must_use]
pub fn definitions() -> Vec<Value> {
    defined().map(definition).collect()
}

/// The kinds that an API server has to be told of.
pub fn defined() -> impl Iterator<Item = &'static Kind> {
    let kinds = kinds::all().iter();
    kinds.filter(|kind| kind.group.ends_with(".istio.io"))
}

/// The definition of a kind.
#[must_use]
pub fn definition(kind: &Kind) -> Value {
    let versions = kind
        .versions
        .iter()
        .map(|version| of_version(kind, version));
    let mut names = json!({
        "kind": kind.kind,
        "listKind": format!("{}List", kind.kind),
        "plural": kind.plural,
        "singular": kind.singular(),
        "categories": names::categories(kind),
        "shortNames": kind.short_names,
    });
    if let Some(names) = names
        .as_object_mut()
        .filter(|_| kind.short_names.is_empty())
    {
        names.remove("shortNames");
    }
    json!({
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {
            "name": format!("{}.{}", kind.plural, kind.group),
            // An uninstalled chart must not take the users' objects with it.
            "annotations": {"helm.sh/resource-policy": "keep"},
            "labels": {"app.kubernetes.io/part-of": "mesh"},
        },
        "spec": {
            "group": kind.group,
            "scope": if kind.namespaced { "Namespaced" } else { "Cluster" },
            "names": names,
            "versions": versions.collect::<Vec<_>>(),
        },
    })
}

fn of_version(kind: &Kind, version: &str) -> Value {
    json!({
        "name": version,
        "served": true,
        "storage": version == storage_version(kind),
        "additionalPrinterColumns": names::columns(kind),
        "schema": {"openAPIV3Schema": structure::of_object(kind.content)},
        "subresources": {"status": {}},
    })
}

/// istio: its definitions keep objects in the newest version, but Telemetry in the oldest.
fn storage_version(kind: &Kind) -> &'static str {
    let versions = kind.versions;
    let stored = match kind.kind {
        "Telemetry" => versions.last(),
        _ => versions.first(),
    };
    stored.copied().unwrap_or_default()
}

#[cfg(test)]
mod tests;
