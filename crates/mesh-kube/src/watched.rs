//! Which kinds are followed, where the API server has them, and what is made of their objects.

use std::borrow::Cow;

use mesh_api::kinds::{self, Content, Kind};
use mesh_model::Str;
use serde_json::{Value, json};

use crate::keep::Keep;

/// Objects per page of a list: what a page takes is held at once.
const PAGE: usize = 250;
/// How long the server shall keep a watch, in seconds. Each starts somewhere in the second half of
/// it, so that not all end together.
const WATCH_SECONDS: u32 = 290;

/// A kind that is followed, in all namespaces or in one.
#[derive(Debug, Clone)]
pub(crate) struct Watched {
    /// The kind.
    pub(crate) kind: &'static Kind,
    /// The only namespace that is looked at; `None` for all.
    pub(crate) namespace: Option<Str>,
    /// Which objects by their fields; empty for all.
    fields: Cow<'static, str>,
    /// Whether nothing may be said to be known before its objects are: without Services or their
    /// endpoints every proxy would be told that there are none.
    pub(crate) essential: bool,
    /// Whether it is enough to look at it now and then: what is not understood is only named.
    pub(crate) glanced_at: bool,
}

/// What a source of Kubernetes shall follow besides services, workloads and the mesh's own kinds.
#[derive(Debug, Clone, Default)]
pub struct Scope {
    /// Namespaces whose Secrets are credentials of gateways. No other Secret is ever asked for.
    pub secrets_in: Vec<Str>,
}

/// Kubernetes' kinds that are always followed, by group and name.
const OF_KUBERNETES: &[(&str, &str)] = &[
    ("", "Namespace"),
    ("", "Node"),
    ("", "Pod"),
    ("", "Service"),
    ("", "ServiceAccount"),
    ("discovery.k8s.io", "EndpointSlice"),
    ("networking.k8s.io", "Ingress"),
    ("networking.k8s.io", "IngressClass"),
];

/// Everything that is followed.
pub(crate) fn all(scope: &Scope) -> Vec<Watched> {
    let of_the_mesh = kinds::all()
        .iter()
        .filter(|kind| kind.group.ends_with(".istio.io"));
    let of_kubernetes = OF_KUBERNETES
        .iter()
        .filter_map(|(group, kind)| kinds::find(group, kind));
    let secrets = kinds::find("", "Secret");
    let secrets = secrets.into_iter().flat_map(|kind| {
        let namespaces = scope.secrets_in.iter();
        namespaces.map(|namespace| Watched::secrets(kind, namespace.clone()))
    });
    of_kubernetes
        .chain(of_the_mesh)
        .map(Watched::everywhere)
        .chain(secrets)
        .collect()
}

impl Watched {
    fn everywhere(kind: &'static Kind) -> Self {
        Self {
            kind,
            namespace: None,
            fields: Cow::Borrowed(""),
            essential: matches!(
                kind.content,
                Content::Service | Content::EndpointSlice | Content::Pod
            ),
            glanced_at: kind.content == Content::Later,
        }
    }

    /// Helm's releases and tokens of accounts are neither credentials nor small.
    fn secrets(kind: &'static Kind, namespace: Str) -> Self {
        Self {
            namespace: Some(namespace),
            fields: Cow::Borrowed(
                "type!=helm.sh/release.v1,type!=kubernetes.io/service-account-token",
            ),
            ..Self::everywhere(kind)
        }
    }

    /// One Secret and no other; `None` where nobody knows of Secrets.
    pub(crate) fn secret(namespace: &Str, name: &Str) -> Option<Self> {
        let kind = kinds::find("", "Secret")?;
        Some(Self {
            namespace: Some(namespace.clone()),
            fields: Cow::Owned(format!("metadata.name={name}")),
            ..Self::everywhere(kind)
        })
    }

    /// Those objects that a selector of fields leaves, for other ends than configuration.
    pub(crate) fn selected(kind: &'static Kind, fields: &'static str) -> Self {
        Self {
            fields: Cow::Borrowed(fields),
            ..Self::everywhere(kind)
        }
    }

    /// What is kept of its objects.
    pub(crate) fn keep(&self) -> &'static Keep {
        Keep::of(self.kind)
    }

    /// `virtualservices.networking.istio.io`, and the namespace if there is only one.
    pub(crate) fn name(&self) -> String {
        let Kind { plural, group, .. } = self.kind;
        let mut name = (*plural).to_owned();
        if !group.is_empty() {
            name = format!("{plural}.{group}");
        }
        match &self.namespace {
            Some(namespace) => format!("{name} of namespace {namespace}"),
            None => name,
        }
    }

    /// Path and query of a page of the list.
    pub(crate) fn list(&self, version: &str, token: Option<&str>, whole: bool) -> String {
        let mut path = self.path(version);
        if !whole {
            append(&mut path, "limit", &PAGE.to_string());
        }
        if let Some(token) = token {
            append(&mut path, "continue", token);
        }
        path
    }

    /// Path and query of a watch; `chance` lies in `0.0..1.0`.
    pub(crate) fn watch(&self, version: &str, from: &str, chance: f64) -> String {
        let share = 0.5 + chance.clamp(0.0, 1.0) / 2.0;
        let seconds = f64::from(WATCH_SECONDS) * share;
        let mut path = self.path(version);
        append(&mut path, "watch", "true");
        append(&mut path, "allowWatchBookmarks", "true");
        append(&mut path, "timeoutSeconds", &format!("{seconds:.0}"));
        append(&mut path, "resourceVersion", from);
        path
    }

    fn path(&self, version: &str) -> String {
        let Kind { plural, group, .. } = self.kind;
        let mut path = match *group {
            "" => format!("/api/{version}"),
            group => format!("/apis/{group}/{version}"),
        };
        if let Some(namespace) = &self.namespace {
            path = format!("{path}/namespaces/{namespace}");
        }
        path = format!("{path}/{plural}?");
        if !self.fields.is_empty() {
            append(&mut path, "fieldSelector", &self.fields);
        }
        path
    }

    /// Adds what the objects of a list do not say of themselves, and takes out what is left of the
    /// parts that nobody reads.
    pub(crate) fn complete(&self, value: &mut Value, version: &str) {
        let Some(members) = value.as_object_mut() else {
            return;
        };
        let api_version = match self.kind.group {
            "" => version.to_owned(),
            group => format!("{group}/{version}"),
        };
        members.insert("apiVersion".to_owned(), json!(api_version));
        members.insert("kind".to_owned(), json!(self.kind.kind));
        if self.kind.content == Content::Pod {
            only_readiness(value);
        }
    }

    /// Whether the object has come to its end though it is still shown: the address of a pod that has
    /// finished may be another's by now.
    pub(crate) fn is_over(&self, value: &Value) -> bool {
        let phase = value.pointer("/status/phase").and_then(Value::as_str);
        self.kind.content == Content::Pod && matches!(phase, Some("Succeeded" | "Failed"))
    }
}

/// Of a pod's conditions the mesh reads one; the others change several times while it starts.
fn only_readiness(pod: &mut Value) {
    let conditions = pod.pointer_mut("/status/conditions");
    if let Some(conditions) = conditions.and_then(Value::as_array_mut) {
        conditions.retain(|condition| condition.get("type").is_some_and(|kind| kind == "Ready"));
    }
}

/// Appends a parameter, its value escaped.
fn append(path: &mut String, name: &str, value: &str) {
    if !path.ends_with('?') {
        path.push('&');
    }
    path.push_str(name);
    path.push('=');
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            path.push(char::from(byte));
        } else {
            path.push_str(&format!("%{byte:02X}"));
        }
    }
}

#[cfg(test)]
mod tests;
