//! The parts of a report on a mesh in a cluster: what the API server and, through it, the mesh's pods say.

use mesh_api::kinds;
use mesh_kube::{Cluster, RequestError};
use serde_json::{Value, json};

use super::Report;
use super::collect::{Answer, Form, Item};
use super::parts;
use super::scope::Scope;
use crate::error::CommandError;
use crate::plane::kube::{
    Asked, COMPONENT_ADMIN, Installed, MIXER_PAGES, PROXY_ADMIN, has_proxy, is_running, items, text,
};
use crate::plane::pages::Pages;

mod listed;

use listed::{Listed, of_kubernetes};

/// The most that is asked for of a log.
const LOG: usize = 16 << 20;
/// The ConfigMaps of a mesh; those of others are not asked for.
const CONFIG_MAPS: [&str; 3] = ["istio", "istio-sidecar-injector", "istio-ca-root-cert"];
/// The label of everything that the charts have.
const PART_OF: &str = "app.kubernetes.io/part-of=mesh";

/// Whether the API server answers at all, and knows of a mesh in the namespace.
///
/// # Errors
/// When it does not: then there is nothing to report.
pub(super) async fn reached(mesh: &Installed) -> Result<(), CommandError> {
    if let Err(error @ RequestError::Unreachable(_)) = mesh.cluster.text("/version").await {
        return Err(Asked::new("get", "version", "", "").failed(&error));
    }
    match mesh.deployments().await {
        Ok(found) if found.is_empty() => Err(mesh.absent().await),
        // Who may not list them gets what else is granted.
        Ok(_) | Err(_) => Ok(()),
    }
}

/// Collects everything but what `parts::common` does.
///
/// # Errors
/// When the archive cannot be written, or a proxy that was named is not there.
pub(super) async fn collect(
    report: &mut Report<'_>,
    mesh: &Installed,
    scope: &Scope,
    tail: usize,
) -> Result<(), CommandError> {
    let pods = proxies(report, mesh, scope).await?;
    report.part("objects", objects(mesh, scope)).await?;
    let own = mesh.pods(&mesh.root, PART_OF);
    let own = report.wait("control-plane", own).await;
    let own = own.unwrap_or_default();
    let own = own.iter().filter(|pod| !has_proxy(pod));
    let own = own.flat_map(|pod| component(mesh, pod, tail)).collect();
    report.part("control plane", own).await?;
    let proxies = pods.iter().flat_map(|pod| proxy(mesh, pod, tail));
    report.part("proxies", proxies.collect()).await
}

/// The pods of the proxies that are chosen.
async fn proxies(
    report: &mut Report<'_>,
    mesh: &Installed,
    scope: &Scope,
) -> Result<Vec<Value>, CommandError> {
    let usual = mesh.cluster.namespace();
    let mut pods = Vec::new();
    for path in spread("/api/v1", "pods", scope, usual) {
        let listed = async {
            let listed = mesh.cluster.get(&path).await;
            listed.map_err(|error| Asked::new("list", "pods", "", "").failed(&error))
        };
        let listed = report.wait("proxies", listed).await;
        pods.extend(listed.map(items).unwrap_or_default());
    }
    pods.retain(has_proxy);
    let fits = |pod: &Value, of: &Scope| {
        let (namespace, name) = (
            text(pod, "/metadata/namespace"),
            text(pod, "/metadata/name"),
        );
        of.has_proxy(namespace, name, &workload(pod), Some(usual))
    };
    for name in scope.named() {
        if !pods.iter().any(|pod| fits(pod, &scope.only(name))) {
            let error = CommandError::problem(format!("{name}: no such proxy"));
            return Err(error.hint("`meshctl proxy-status` lists them"));
        }
    }
    pods.retain(|pod| fits(pod, scope));
    Ok(pods)
}

/// The paths by which objects are listed: of all namespaces, or of those that are chosen.
fn spread(group: &str, plural: &str, scope: &Scope, usual: &str) -> Vec<String> {
    match scope.namespaces(usual) {
        None => vec![format!("{group}/{plural}")],
        Some(namespaces) => {
            let of = |namespace: &String| format!("{group}/namespaces/{namespace}/{plural}");
            namespaces.iter().map(of).collect()
        }
    }
}

/// What a pod is of: its Deployment, or whatever else owns it.
fn workload(pod: &Value) -> String {
    let owner = text(pod, "/metadata/ownerReferences/0/name");
    let hash = text(pod, "/metadata/labels/pod-template-hash");
    let deployment = owner
        .strip_suffix(hash)
        .and_then(|rest| rest.strip_suffix('-'));
    deployment
        .filter(|_| !hash.is_empty())
        .unwrap_or(owner)
        .to_owned()
}

fn objects(mesh: &Installed, scope: &Scope) -> Vec<Item<'static>> {
    let of_mesh = kinds::all()
        .iter()
        .filter(|kind| kind.group.ends_with(".istio.io"));
    let of_mesh = of_mesh.map(|kind| Listed {
        group: kind.group,
        versions: kind.versions,
        plural: kind.plural,
        namespaced: kind.namespaced,
    });
    let usual = mesh.cluster.namespace();
    let mut files = Vec::new();
    for kind in of_mesh.chain(of_kubernetes()) {
        let namespaces = scope.namespaces(usual).filter(|_| kind.namespaced);
        match namespaces {
            None => files.push(list(&mesh.cluster, kind, None, scope)),
            Some(all) => {
                let all = all.iter();
                files.extend(all.map(|one| list(&mesh.cluster, kind, Some(one), scope)));
            }
        }
    }
    files.extend(CONFIG_MAPS.map(|name| {
        let (cluster, root) = (mesh.cluster.clone(), mesh.root.clone());
        let path = format!("objects/{root}/configmap-{name}.yaml");
        Item::new(path, Form::Objects, async move {
            let path = format!("/api/v1/namespaces/{root}/configmaps/{name}");
            let asked = Asked::new("get", "configmaps", &root, name);
            granted(cluster.get(&path).await, &asked)
        })
    }));
    files
}

/// All objects of a kind, or those of a namespace, in the newest version that the cluster has.
fn list(cluster: &Cluster, kind: Listed, namespace: Option<&str>, scope: &Scope) -> Item<'static> {
    let (cluster, scope) = (cluster.clone(), scope.clone());
    let place = namespace.map(|name| format!("{name}/")).unwrap_or_default();
    let path = format!("objects/{place}{}", kind.file_name());
    let namespace = namespace.unwrap_or_default().to_owned();
    Item::new(path, Form::Objects, async move {
        let asked = Asked::new("list", kind.plural, &namespace, "");
        for path in kind.paths(&namespace) {
            match cluster.get(&path).await {
                Err(RequestError::Missing) => {}
                answered => {
                    let kept = answered.map(|list| kind.kept(list, &scope));
                    return granted(kept, &asked);
                }
            }
        }
        // The cluster does not know the kind.
        Ok(None)
    })
}

fn granted(answered: Result<Value, RequestError>, asked: &Asked<'_>) -> Answer {
    match answered {
        Ok(value) => Ok(Some(value.to_string().into())),
        Err(RequestError::Missing) => Ok(None),
        Err(error) => Err(asked.failed(&error)),
    }
}

/// Pages and logs of a pod of the control plane.
fn component(mesh: &Installed, pod: &Value, tail: usize) -> Vec<Item<'static>> {
    let (name, which) = (
        text(pod, "/metadata/name"),
        text(pod, "/metadata/labels/istio"),
    );
    let folder = format!("control-plane/{name}");
    let mut items = Vec::new();
    if is_running(pod) {
        let pages = |port| Pages::in_pod(mesh.cluster.clone(), &mesh.root, name, port);
        let own = parts::of_component(which);
        items.extend(parts::pages(&folder, &pages(COMPONENT_ADMIN), own));
        if which == "mixer" {
            items.extend(parts::pages(&folder, &pages(MIXER_PAGES), &parts::HUB));
        }
    }
    items.extend(logs(&mesh.cluster, pod, &folder, |_| true, tail));
    items
}

/// Pages and logs of a proxy; its application's logs are not the mesh's.
fn proxy(mesh: &Installed, pod: &Value, tail: usize) -> Vec<Item<'static>> {
    let (namespace, name) = (
        text(pod, "/metadata/namespace"),
        text(pod, "/metadata/name"),
    );
    let folder = format!("proxies/{namespace}/{name}");
    let mut items = Vec::new();
    if is_running(pod) {
        let pages = Pages::in_pod(mesh.cluster.clone(), namespace, name, PROXY_ADMIN);
        items.extend(parts::pages(&folder, &pages, &parts::PROXY));
    }
    let ours = |container: &str| container.starts_with("istio-");
    items.extend(logs(&mesh.cluster, pod, &folder, ours, tail));
    items
}

/// The logs of a pod's containers, as far as they are wanted, and those from before they were restarted.
fn logs(
    cluster: &Cluster,
    pod: &Value,
    folder: &str,
    wanted: impl Fn(&str) -> bool,
    tail: usize,
) -> Vec<Item<'static>> {
    let (namespace, name) = (
        text(pod, "/metadata/namespace"),
        text(pod, "/metadata/name"),
    );
    let lists = ["/status/initContainerStatuses", "/status/containerStatuses"];
    let lists = lists
        .iter()
        .filter_map(|list| pod.pointer(list)?.as_array());
    let mut items = Vec::new();
    for status in lists.flatten().filter(|one| wanted(text(one, "/name"))) {
        let container = text(status, "/name");
        let restarts = status.get("restartCount").and_then(Value::as_u64);
        let waits = status.pointer("/state/waiting").is_some();
        let mut which = Vec::new();
        if !waits {
            which.push(("", "false"));
        }
        if restarts.is_some_and(|times| times > 0) {
            which.push((".previous", "true"));
        }
        for (end, previous) in which {
            let path = format!(
                "/api/v1/namespaces/{namespace}/pods/{name}/log?container={container}&previous={previous}\
                 &tailLines={tail}&limitBytes={LOG}&timestamps=true"
            );
            let file = format!("{folder}/{container}{end}.log");
            items.push(log(cluster.clone(), file, path, json!([namespace, name])));
        }
    }
    items
}

fn log(cluster: Cluster, file: String, path: String, of: Value) -> Item<'static> {
    Item::new(file, Form::Log, async move {
        let asked = Asked::new("get", "pods/log", text(&of, "/0"), text(&of, "/1"));
        let answer = cluster.text(&path).await;
        answer.map(Some).map_err(|error| asked.failed(&error))
    })
}

#[cfg(test)]
mod tests;
