//! The environment of a container: what its manifest says, and above it what the image map says.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use mesh_api::kubernetes::{Container, EnvVar};
use mesh_model::Str;

use crate::embedded::images::Rule;
use crate::embedded::manifests::WorkloadManifest;
use crate::embedded::substitute::{Names, fill_in};
use crate::error::CommandError;

/// What a variable may ask of its pod.
pub(super) struct Pod<'a> {
    /// Its name.
    pub(super) name: &'a str,
    /// What it was made from.
    pub(super) manifest: &'a WorkloadManifest,
    /// Its address.
    pub(super) ip: Ipv4Addr,
}

/// Builds the environment of one container.
pub(super) fn build(
    pod: &Pod<'_>,
    container: &Container,
    rule: &Rule,
    names: &Names,
) -> Result<BTreeMap<String, String>, CommandError> {
    let mut variables = BTreeMap::from([("HOSTNAME".to_owned(), pod.name.to_owned())]);
    for variable in &container.env {
        // The image map is stronger, so a value that only Kubernetes has may be given there.
        if !rule.rule.env.contains_key(&variable.name) {
            variables.insert(variable.name.clone(), value(pod, container, variable)?);
        }
    }
    for (name, text) in &rule.rule.env {
        let value = fill_in(text, names).map_err(|error| {
            CommandError::problem(format!("{}: {error}", rule.place(&format!("env.{name}"))))
        })?;
        variables.insert(name.clone(), value);
    }
    Ok(variables)
}

fn value(pod: &Pod<'_>, container: &Container, variable: &EnvVar) -> Result<String, CommandError> {
    let Some(source) = &variable.value_from else {
        return Ok(variable.value.clone().unwrap_or_default());
    };
    let path = source
        .field_ref
        .as_ref()
        .map(|field| field.field_path.as_str());
    path.and_then(|path| field(pod, path)).ok_or_else(|| {
        let (title, name, key) = (&pod.manifest.title, &container.name, &variable.name);
        let from = path.map_or_else(
            || "its source".to_owned(),
            |path| format!("fieldRef {path}"),
        );
        CommandError::problem(format!(
            "{title}: container {name:?}: env {key}: a local mesh has no value for {from}"
        ))
        .hint(format!("give {key} in `env` of the image map"))
    })
}

fn field(pod: &Pod<'_>, path: &str) -> Option<String> {
    let meta = &pod.manifest.template.metadata;
    let key = |start: &str| path.strip_prefix(start)?.strip_suffix("']");
    match path {
        "metadata.name" => Some(pod.name.to_owned()),
        "metadata.namespace" => Some(pod.manifest.namespace.clone()),
        "spec.serviceAccountName" => Some(pod.manifest.template.spec.service_account().to_owned()),
        "spec.nodeName" => Some("localhost".to_owned()),
        "status.podIP" | "status.podIPs" => Some(pod.ip.to_string()),
        "status.hostIP" | "status.hostIPs" => Some(Ipv4Addr::LOCALHOST.to_string()),
        _ => {
            let label =
                key("metadata.labels['").map(|key| meta.labels.value(key).map(Str::to_string));
            let annotation =
                || key("metadata.annotations['").map(|key| meta.annotations.get(key).cloned());
            label.or_else(annotation).map(Option::unwrap_or_default)
        }
    }
}
