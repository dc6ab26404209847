//! Which proxies and namespaces a report is about. Pure.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::error::CommandError;
use crate::plane::name::{Kind, ProxyName, checked};

/// What was chosen on the command line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Scope {
    proxies: Vec<ProxyName>,
    namespace: Option<String>,
    exclude: BTreeSet<String>,
    /// The namespace of the mesh, which belongs to every report.
    root: String,
}

impl Scope {
    /// Reads the command line; `flag` is what `-n` says.
    ///
    /// # Errors
    /// When a name is none, or what is named is excluded.
    pub(super) fn new(
        proxies: &[String],
        flag: Option<&str>,
        exclude: &[String],
        root: &str,
    ) -> Result<Self, CommandError> {
        let names = proxies.iter().map(|name| ProxyName::parse(name, flag));
        let proxies = names.collect::<Result<Vec<_>, _>>()?;
        for name in exclude.iter().map(String::as_str).chain(flag).chain([root]) {
            checked(name)?;
        }
        let said = proxies.iter().filter_map(|name| name.namespace.as_deref());
        if let Some(both) = said
            .chain(flag)
            .find(|name| exclude.iter().any(|one| one == name))
        {
            let error = format!("namespace {both} is named and excluded");
            return Err(CommandError::usage(error).hint("say only one of them"));
        }
        Ok(Self {
            proxies,
            namespace: flag.map(ToOwned::to_owned),
            exclude: exclude.iter().cloned().collect(),
            root: root.to_owned(),
        })
    }

    /// Whether a proxy is of the report, by its namespace, its pod and the workload it is of. `usual` is
    /// the namespace of names that say none; without it they are in any.
    pub(super) fn has_proxy(
        &self,
        namespace: &str,
        pod: &str,
        workload: &str,
        usual: Option<&str>,
    ) -> bool {
        if self.exclude.contains(namespace) {
            return false;
        }
        if self.proxies.is_empty() {
            return self.namespace.as_deref().is_none_or(|own| own == namespace);
        }
        let named = |wanted: &ProxyName| {
            let place = wanted.namespace.as_deref().or(usual);
            let called = match wanted.kind {
                Kind::Any => wanted.name == pod || wanted.name == workload,
                Kind::Pod => wanted.name == pod,
                Kind::Deployment => wanted.name == workload,
            };
            called && place.is_none_or(|place| place == namespace)
        };
        self.proxies.iter().any(named)
    }

    /// The same of one of the named proxies alone.
    pub(super) fn only(&self, name: &ProxyName) -> Self {
        let proxies = vec![name.clone()];
        Self {
            proxies,
            ..self.clone()
        }
    }

    /// The proxies that were named.
    pub(super) fn named(&self) -> &[ProxyName] {
        &self.proxies
    }

    /// The namespaces of which objects are collected, if not of all.
    pub(super) fn namespaces(&self, usual: &str) -> Option<BTreeSet<String>> {
        let said = self.proxies.iter();
        let said = said.map(|name| name.namespace.as_deref().unwrap_or(usual));
        let mut chosen: BTreeSet<String> = said.map(ToOwned::to_owned).collect();
        chosen.extend(self.namespace.clone());
        if chosen.is_empty() {
            return None;
        }
        chosen.insert(self.root.clone());
        Some(chosen)
    }

    /// Whether nothing of a namespace may be collected.
    pub(super) fn excludes(&self, namespace: &str) -> bool {
        self.exclude.contains(namespace)
    }

    /// For the summary.
    pub(super) fn to_json(&self) -> Value {
        let proxies: Vec<String> = self.proxies.iter().map(ToString::to_string).collect();
        json!({"proxies": proxies, "namespace": self.namespace, "excluded": self.exclude})
    }
}

#[cfg(test)]
mod tests;
