//! Proxies and components of a mesh in a cluster.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt;

use mesh_kube::{AccessError, Cluster, RequestError};
use serde_json::Value;

use super::Proxy;
use super::name::{Kind, ProxyName};
use super::pages::Pages;
use crate::error::CommandError;

/// Admin port of a sidecar or gateway.
pub(crate) const PROXY_ADMIN: u16 = 15000;
/// Admin port of the control plane's components.
pub(crate) const COMPONENT_ADMIN: u16 = 15014;
/// Where mixer shows the whole mesh.
pub(crate) const MIXER_PAGES: u16 = 42422;

/// The label of everything that the charts install.
const PART_OF: &str = "app.kubernetes.io%2Fpart-of%3Dmesh";

/// A mesh in a cluster.
pub(crate) struct Installed {
    /// The cluster.
    pub(crate) cluster: Cluster,
    /// The namespace in which the mesh is installed.
    pub(crate) root: String,
}

impl Installed {
    /// The mesh in that namespace of a cluster; nobody is asked yet.
    pub(crate) fn new(cluster: Cluster, root: &str) -> Self {
        let root = root.to_owned();
        Self { cluster, root }
    }

    /// The Deployments of the mesh; none where it is not installed.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub(crate) async fn deployments(&self) -> Result<Vec<Value>, CommandError> {
        let root = &self.root;
        let path = format!("/apis/apps/v1/namespaces/{root}/deployments?labelSelector={PART_OF}");
        let listed = self.cluster.get(&path).await;
        let asked = Asked::new("list", "deployments", root, "");
        Ok(items(listed.map_err(|error| asked.failed(&error))?))
    }

    /// That no mesh is installed where it was looked for; and where one is, if this account may see it.
    pub(crate) async fn absent(&self) -> CommandError {
        let path = format!("/apis/apps/v1/deployments?labelSelector={PART_OF}");
        let listed = self.cluster.get(&path).await;
        let all = listed.map(items).unwrap_or_default();
        let places = all.iter().map(|one| text(one, "/metadata/namespace"));
        not_installed(&self.root, &places.collect())
    }

    /// The proxy of that name.
    ///
    /// # Errors
    /// When there is none, or it does not run.
    pub(super) async fn proxy(&self, wanted: &ProxyName) -> Result<Proxy, CommandError> {
        let namespace = wanted.namespace.as_deref();
        let namespace = namespace.unwrap_or_else(|| self.cluster.namespace());
        let none = || {
            no_such(wanted, namespace).hint(
                "`meshctl proxy-status` lists what is connected; NAME.NAMESPACE is in another namespace",
            )
        };
        let name = &wanted.name;
        if wanted.kind != Kind::Deployment {
            let asked = Asked::new("get", "pods", namespace, name);
            let path = format!("/api/v1/namespaces/{namespace}/pods/{name}");
            match self.cluster.get(&path).await {
                Ok(pod) => return self.proxy_of(&pod),
                Err(RequestError::Missing) if wanted.kind == Kind::Any => {}
                Err(RequestError::Missing) => return Err(none()),
                Err(error) => return Err(asked.failed(&error)),
            }
        }
        let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments/{name}");
        let deployment = match self.cluster.get(&path).await {
            Ok(deployment) => deployment,
            Err(RequestError::Missing) => return Err(none()),
            Err(error) => {
                let asked = Asked::new("get", "deployments", namespace, name);
                return Err(asked.failed(&error));
            }
        };
        let pods = self.pods(namespace, &selector(&deployment)).await?;
        match pods.iter().find(|pod| is_running(pod)) {
            Some(pod) => self.proxy_of(pod),
            None => {
                let error = format!("deployment {namespace}/{name}: none of its pods runs");
                Err(CommandError::unreachable(error).hint(what_pods_wait_for(&deployment)))
            }
        }
    }

    /// The pages on a port of the mesh's pods that a selector takes and that run.
    ///
    /// # Errors
    /// When there is none.
    pub(super) async fn components(
        &self,
        selector: &str,
        port: u16,
    ) -> Result<Vec<(String, Pages)>, CommandError> {
        let pods = self.pods(&self.root, selector).await?;
        let running = pods.iter().filter(|pod| is_running(pod));
        let found: Vec<(String, Pages)> = running
            .map(|pod| {
                let name = text(pod, "/metadata/name");
                let cluster = self.cluster.clone();
                let pages = Pages::in_pod(cluster, &self.root, name, port);
                (name.to_owned(), pages)
            })
            .collect();
        if found.is_empty() {
            let error = format!("no pod with {selector} runs in namespace {}", self.root);
            return Err(CommandError::unreachable(error).hint(
                "-i NAMESPACE says where the mesh is installed; `meshctl check` says what is wrong",
            ));
        }
        Ok(found)
    }

    /// Pods of a namespace that a selector takes.
    ///
    /// # Errors
    /// When they cannot be listed.
    pub(crate) async fn pods(
        &self,
        namespace: &str,
        selector: &str,
    ) -> Result<Vec<Value>, CommandError> {
        let selector = selector.replace('=', "%3D").replace(',', "%2C");
        let path = format!("/api/v1/namespaces/{namespace}/pods?labelSelector={selector}");
        let listed = self.cluster.get(&path).await;
        let listed =
            listed.map_err(|error| Asked::new("list", "pods", namespace, "").failed(&error))?;
        Ok(items(listed))
    }

    fn proxy_of(&self, pod: &Value) -> Result<Proxy, CommandError> {
        let (namespace, name) = (
            text(pod, "/metadata/namespace"),
            text(pod, "/metadata/name"),
        );
        if !has_proxy(pod) {
            let error = format!("pod {namespace}/{name} has no sidecar");
            let hint = format!("meshctl check-inject {name}.{namespace} says why");
            return Err(CommandError::problem(error).hint(hint));
        }
        Ok(Proxy {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
            pages: Pages::in_pod(self.cluster.clone(), namespace, name, PROXY_ADMIN),
        })
    }
}

/// No mesh in `root`, but perhaps in other namespaces.
fn not_installed(root: &str, elsewhere: &BTreeSet<&str>) -> CommandError {
    let error = format!("there is no Deployment of mesh in namespace {root}");
    let error = CommandError::unreachable(error);
    match elsewhere.first() {
        Some(place) => error.hint(format!("there is a mesh in {place}: -i {place}")),
        None => error.hint(
            "-i NAMESPACE says where it is; `meshctl check --pre` whether it can be installed",
        ),
    }
}

/// Nothing has the name that was given for a proxy.
pub(crate) fn no_such(wanted: &ProxyName, namespace: &str) -> CommandError {
    let what = match wanted.kind {
        Kind::Any => "pod or deployment",
        Kind::Pod => "pod",
        Kind::Deployment => "deployment",
    };
    CommandError::problem(format!("{wanted}: no such {what} in namespace {namespace}"))
}

/// The items of a list.
pub(crate) fn items(mut list: Value) -> Vec<Value> {
    match list.get_mut("items").map(Value::take) {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    }
}

/// A text of an object, or none.
pub(crate) fn text<'v>(object: &'v Value, pointer: &str) -> &'v str {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
}

/// Whether a pod's containers run and it is not about to go.
pub(crate) fn is_running(pod: &Value) -> bool {
    text(pod, "/status/phase") == "Running" && pod.pointer("/metadata/deletionTimestamp").is_none()
}

/// Whether a pod is a gateway or has a sidecar.
pub(crate) fn has_proxy(pod: &Value) -> bool {
    let of = |list: &str| {
        let containers = pod.pointer(list).and_then(Value::as_array);
        containers
            .into_iter()
            .flatten()
            .any(|one| text(one, "/name") == "istio-proxy")
    };
    of("/spec/containers") || of("/spec/initContainers")
}

/// The labels by which a Deployment finds its pods, as a selector.
fn selector(deployment: &Value) -> String {
    let labels = deployment.pointer("/spec/selector/matchLabels");
    let labels = labels.and_then(Value::as_object).into_iter().flatten();
    let pairs: Vec<String> = labels
        .map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default()))
        .collect();
    pairs.join(",")
}

/// The command that shows what a Deployment's pods wait for: events are those of pods.
pub(crate) fn what_pods_wait_for(deployment: &Value) -> String {
    let namespace = text(deployment, "/metadata/namespace");
    let selector = selector(deployment);
    format!("kubectl -n {namespace} describe pods -l {selector}")
}

/// What was asked of the API server, for the message when it was not granted.
pub(crate) struct Asked<'a> {
    verb: &'a str,
    resource: &'a str,
    namespace: &'a str,
    name: &'a str,
}

impl<'a> Asked<'a> {
    /// `namespace` and `name` may be empty.
    pub(crate) fn new(verb: &'a str, resource: &'a str, namespace: &'a str, name: &'a str) -> Self {
        Self {
            verb,
            resource,
            namespace,
            name,
        }
    }

    /// Why it failed, and what to do.
    pub(crate) fn failed(&self, error: &RequestError) -> CommandError {
        match error {
            RequestError::Unreachable(_) => CommandError::unreachable(error)
                .hint("is it the right cluster? --kubeconfig FILE and --context NAME say which"),
            RequestError::Missing => {
                let error = CommandError::problem(format!("{self}: there is none"));
                match self.resource.split('/').next() {
                    None | Some("") => error,
                    Some(kind) => error.hint(format!(
                        "kubectl get {kind}{} lists what there is",
                        self.place()
                    )),
                }
            }
            RequestError::Forbidden => {
                let (Self { verb, resource, .. }, place) = (self, self.place());
                CommandError::problem(format!("{self}: the API server forbids it to this account"))
                    .hint(format!("kubectl auth can-i {verb} {resource}{place}"))
            }
            RequestError::Refused { code: 401, .. } => CommandError::unreachable(format!(
                "{self}: the API server does not know who you are"
            ))
            .hint("renew the credentials of the kubeconfig's context"),
            RequestError::Conflict | RequestError::Refused { .. } => {
                CommandError::problem(format!("{self}: {error}"))
            }
        }
    }

    /// The namespace as kubectl wants it said.
    fn place(&self) -> String {
        match self.namespace {
            "" => String::new(),
            namespace => format!(" -n {namespace}"),
        }
    }
}

impl fmt::Display for Asked<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.verb, self.resource)?;
        match (self.namespace, self.name) {
            ("", "") => Ok(()),
            ("", name) => write!(f, " {name}"),
            (namespace, "") => write!(f, " in {namespace}"),
            (namespace, name) => write!(f, " {namespace}/{name}"),
        }
    }
}

/// No cluster can be asked.
pub(super) fn access(error: &AccessError) -> CommandError {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(deeper) = cause {
        let more = deeper.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = deeper.source();
    }
    CommandError::unreachable(text).hint("--kubeconfig FILE and --context NAME say which cluster")
}

#[cfg(test)]
mod tests;
