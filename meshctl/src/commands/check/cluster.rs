//! Checks of a mesh in a cluster.

use std::collections::BTreeMap;

use mesh_api::kinds;
use mesh_kube::RequestError;
use serde_json::Value;

use super::report::{Category, Report};
use super::{count, pre, proxies};
use crate::error::CommandError;
use crate::plane::Plane;
use crate::plane::kube::{
    Asked, Installed, PROXY_ADMIN, has_proxy, is_running, items, text, what_pods_wait_for,
};
use crate::plane::pages::Pages;

/// Without these there is no mesh: no configuration, or no certificates.
const NEEDED: [&str; 2] = ["istio-pilot", "istio-citadel"];

/// Checks a mesh in a cluster.
///
/// # Errors
/// When the API server cannot be reached.
pub(super) async fn check(mesh: &Installed) -> Result<Report, CommandError> {
    let mut report = Report::default();
    pre::api(&mesh.cluster, report.category("kubernetes-api")).await?;
    definitions(mesh, report.category("definitions")).await;
    let category = report.category("control plane");
    if !control_plane(mesh, category).await {
        return Ok(report);
    }
    webhooks(mesh, report.category("webhooks")).await;
    let plane = Plane::Cluster(Installed::new(mesh.cluster.clone(), &mesh.root));
    super::configuration(&plane, &mut report).await;
    data_plane(mesh, report.category("data plane")).await;
    Ok(report)
}

async fn definitions(mesh: &Installed, category: &mut Category) {
    let what = "the kinds of Istio's API are defined";
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let there: BTreeMap<String, bool> = match mesh.cluster.get(path).await {
        Ok(listed) => items(listed)
            .iter()
            .map(|one| {
                (
                    text(one, "/metadata/name").to_owned(),
                    is(one, "Established"),
                )
            })
            .collect(),
        Err(error) => {
            let asked = Asked::new("list", "customresourcedefinitions", "", "");
            let error = asked.failed(&error);
            return category.warning(what, error.error, error.hints.join("; "));
        }
    };
    let ours = kinds::all()
        .iter()
        .filter(|kind| kind.group.ends_with(".istio.io"));
    let wrong = ours.filter_map(|kind| {
        let name = format!("{}.{}", kind.plural, kind.group);
        match there.get(&name) {
            Some(true) => None,
            Some(false) => Some(format!("{name} is not Established")),
            None => Some(format!("{name} is missing")),
        }
    });
    let wrong = proxies::few(wrong.collect());
    category.unless(what, &wrong, "install the chart mesh-init: docs/install.md");
}

/// Whether a condition of an object holds.
fn is(object: &Value, condition: &str) -> bool {
    let conditions = object
        .pointer("/status/conditions")
        .and_then(Value::as_array);
    let mut conditions = conditions.into_iter().flatten();
    conditions.any(|one| text(one, "/type") == condition && text(one, "/status") == "True")
}

/// Whether there is one at all.
async fn control_plane(mesh: &Installed, category: &mut Category) -> bool {
    let root = &mesh.root;
    let what = format!("the mesh is installed in namespace {root}");
    let deployments = match mesh.deployments().await {
        Ok(found) => found,
        Err(error) => {
            category.bad(what, error.error, error.hints.join("; "));
            return false;
        }
    };
    if deployments.is_empty() {
        let error = mesh.absent().await;
        category.bad(what, error.error, error.hints.join("; "));
        return false;
    }
    category.good(what);
    for wanted in NEEDED {
        if !deployments
            .iter()
            .any(|one| text(one, "/metadata/name") == wanted)
        {
            let why = "there is no such Deployment";
            category.bad(format!("{wanted} is ready"), why, "docs/install.md");
        }
    }
    let mut versions = Vec::new();
    for one in &deployments {
        let name = text(one, "/metadata/name");
        ready(one, name, root, category);
        let image = text(one, "/spec/template/spec/containers/0/image");
        let tag = tag(image);
        if tag != env!("CARGO_PKG_VERSION") {
            versions.push(format!("{name}: {image}"));
        }
    }
    let what = format!(
        "it is of this meshctl's version ({})",
        env!("CARGO_PKG_VERSION")
    );
    category.better_unless(
        &what,
        &versions,
        "use the meshctl of its version, or upgrade it",
    );
    true
}

fn ready(deployment: &Value, name: &str, root: &str, category: &mut Category) {
    let number = |at: &str| deployment.pointer(at).and_then(Value::as_u64).unwrap_or(0);
    let (wanted, ready) = (number("/spec/replicas"), number("/status/readyReplicas"));
    let what = format!("{name} is ready");
    match (wanted, ready) {
        (0, _) => {
            let why = "it is scaled to no pods";
            let hint = format!("kubectl -n {root} scale deployment {name} --replicas=1");
            match NEEDED.contains(&name) {
                true => category.bad(what, why, hint),
                false => category.warning(what, why, hint),
            }
        }
        (wanted, ready) if ready >= wanted => category.good(what),
        (wanted, ready) => {
            let hint = what_pods_wait_for(deployment);
            category.bad(what, format!("{ready} of {wanted} pods are"), hint);
        }
    }
}

/// What follows the colon of an image's name.
pub(crate) fn tag(image: &str) -> &str {
    let name = image.rsplit('/').next().unwrap_or(image);
    let name = name.split('@').next().unwrap_or(name);
    name.split_once(':').map_or("latest", |(_, tag)| tag)
}

async fn webhooks(mesh: &Installed, category: &mut Category) {
    let suffix = match mesh.root.as_str() {
        "istio-system" => String::new(),
        other => format!("-{other}"),
    };
    let both = [
        (
            "mutatingwebhookconfigurations",
            "istio-sidecar-injector",
            "pods get sidecars",
        ),
        (
            "validatingwebhookconfigurations",
            "istio-validator",
            "configuration is validated",
        ),
    ];
    for (resource, name, what) in both {
        let name = format!("{name}{suffix}");
        let path = format!("/apis/admissionregistration.k8s.io/v1/{resource}/{name}");
        match mesh.cluster.get(&path).await {
            Ok(found) => trusted(&found, what, &name, category),
            Err(RequestError::Missing) => {
                category.warning(
                    what,
                    format!("{name} is not there"),
                    "it may be switched off",
                );
            }
            Err(error) => {
                let error = Asked::new("get", resource, "", &name).failed(&error);
                category.warning(what, error.error, error.hints.join("; "));
            }
        }
    }
}

fn trusted(configuration: &Value, what: &str, name: &str, category: &mut Category) {
    let webhooks = configuration.get("webhooks").and_then(Value::as_array);
    let webhooks = webhooks.into_iter().flatten();
    let without: Vec<String> = webhooks
        .filter(|one| text(one, "/clientConfig/caBundle").is_empty())
        .map(|one| format!("{name}: {} has no caBundle", text(one, "/name")))
        .collect();
    let hint = "pilot fills it in when it runs; its log says why it cannot";
    category.unless(what, &without, hint);
}

async fn data_plane(mesh: &Installed, category: &mut Category) {
    let gateways = mesh
        .pods(&mesh.root, "app.kubernetes.io/part-of=mesh")
        .await;
    let gateways = gateways.unwrap_or_default();
    if let Some(gateway) = gateways
        .iter()
        .find(|pod| has_proxy(pod) && is_running(pod))
    {
        let name = text(gateway, "/metadata/name");
        let pages = Pages::in_pod(mesh.cluster.clone(), &mesh.root, name, PROXY_ADMIN);
        proxies::roots(&pages, category).await;
    }
    match labelled(mesh).await {
        Ok(namespaces) => sidecars(&namespaces, category),
        Err(error) => {
            let what = "pods of namespaces in the mesh have a sidecar";
            category.warning(what, error.error, error.hints.join("; "));
        }
    }
}

/// The namespaces whose pods get sidecars, with the pods that serve there or are about to.
async fn labelled(mesh: &Installed) -> Result<Vec<(String, Vec<Value>)>, CommandError> {
    let path = "/api/v1/namespaces?labelSelector=istio-injection%3Denabled";
    let listed = mesh.cluster.get(path).await;
    let asked = Asked::new("list", "namespaces", "", "");
    let listed = listed.map_err(|error| asked.failed(&error))?;
    let mut namespaces = Vec::new();
    for namespace in items(listed) {
        let namespace = text(&namespace, "/metadata/name").to_owned();
        let mut pods = mesh.pods(&namespace, "").await?;
        pods.retain(is_to_serve);
        namespaces.push((namespace, pods));
    }
    Ok(namespaces)
}

fn sidecars(namespaces: &[(String, Vec<Value>)], category: &mut Category) {
    let (mut looked, mut with) = (0, 0);
    let (mut without, mut unready, mut old) = (Vec::new(), Vec::new(), Vec::new());
    let pods = namespaces.iter();
    let pods = pods.flat_map(|(namespace, pods)| pods.iter().map(move |pod| (namespace, pod)));
    for (namespace, pod) in pods {
        let name = format!("{namespace}/{}", text(pod, "/metadata/name"));
        looked += 1;
        if !has_proxy(pod) {
            if !opted_out(pod) {
                without.push(name);
            }
            continue;
        }
        with += 1;
        if !is(pod, "Ready") {
            unready.push(name.clone());
        }
        let image = proxy_image(pod);
        if tag(image) != env!("CARGO_PKG_VERSION") {
            old.push(format!("{name}: {image}"));
        }
    }
    let (pods, places) = (count(looked, "pod"), count(namespaces.len(), "namespace"));
    let what = format!("pods of namespaces in the mesh have a sidecar ({pods} in {places})");
    let hint = "they are older than the label, or say no: meshctl check-inject NAME.NAMESPACE";
    category.better_unless(&what, &proxies::few(without), hint);
    if with == 0 {
        return;
    }
    category.better_unless(
        "pods with a sidecar are ready",
        &proxies::few(unready),
        "kubectl -n NAMESPACE describe pod NAME",
    );
    let hint = "kubectl rollout restart deployment takes the newer sidecar";
    category.better_unless(
        "sidecars are of this meshctl's version",
        &proxies::few(old),
        hint,
    );
}

/// Whether a pod runs or is about to: one whose sidecar gets no certificate is pending for as long.
fn is_to_serve(pod: &Value) -> bool {
    let ends = pod.pointer("/metadata/deletionTimestamp").is_some();
    matches!(text(pod, "/status/phase"), "Pending" | "Running") && !ends
}

fn opted_out(pod: &Value) -> bool {
    let says = |list: &str| {
        let value = pod.pointer(list)?.get("sidecar.istio.io/inject")?;
        Some(value == "false")
    };
    let host = pod.pointer("/spec/hostNetwork") == Some(&Value::Bool(true));
    host || says("/metadata/labels") == Some(true) || says("/metadata/annotations") == Some(true)
}

/// The image of a pod's sidecar.
pub(crate) fn proxy_image(pod: &Value) -> &str {
    let lists = ["/spec/initContainers", "/spec/containers"];
    let lists = lists
        .into_iter()
        .filter_map(|list| pod.pointer(list)?.as_array());
    let mut containers = lists.flatten();
    let found = containers.find(|one| text(one, "/name") == "istio-proxy");
    found.map_or("", |one| text(one, "/image"))
}

#[cfg(test)]
mod tests;
