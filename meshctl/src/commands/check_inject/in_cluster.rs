//! What the webhook of a cluster makes of a pod or Deployment there.

use mesh_inject::{Explained, Settings, explain_object};
use mesh_kube::{Cluster, RequestError};
use serde_json::{Map, Value};

use super::CheckInjectArgs;
use crate::cli::Global;
use crate::error::CommandError;
use crate::plane::Where;
use crate::plane::kube::{Asked, no_such, text};
use crate::plane::name::{Kind, ProxyName};
use crate::ui::Ui;

/// The ConfigMap of the injector's settings, and its entry.
const SETTINGS: (&str, &str) = ("istio-sidecar-injector", "/data/config");

/// Explains one object of the cluster.
///
/// # Errors
/// When there is none, or it cannot be read.
pub(super) async fn explain(
    global: &Global,
    args: &CheckInjectArgs,
    name: &str,
    ui: &Ui,
) -> Result<Explained, CommandError> {
    let wanted = ProxyName::parse(name, global.namespace.as_deref())?;
    let at = Where {
        kubeconfig: args.kubeconfig.clone(),
        context: args.context.clone(),
        istio_namespace: args.with.root().map(ToOwned::to_owned),
    };
    let cluster = at.cluster().await?;
    let namespace = wanted.namespace.as_deref();
    let namespace = namespace.unwrap_or_else(|| cluster.namespace()).to_owned();
    let object = object(&cluster, &wanted, &namespace).await?;
    let labels = labels(&cluster, &namespace).await?;
    let settings = match settings(&cluster, at.root()).await? {
        Some(settings) => settings,
        None => {
            let root = at.root();
            ui.warning(&format!(
                "no injector's settings in {root}: the defaults are taken"
            ));
            args.with.settings(ui)?
        }
    };
    let explained = explain_object(&object, &settings, &namespace, Some(&labels));
    explained.ok_or_else(|| CommandError::problem(format!("{namespace}/{name}: has no pods")))
}

async fn object(
    cluster: &Cluster,
    wanted: &ProxyName,
    namespace: &str,
) -> Result<Value, CommandError> {
    let name = &wanted.name;
    let pod = format!("/api/v1/namespaces/{namespace}/pods/{name}");
    let deployment = format!("/apis/apps/v1/namespaces/{namespace}/deployments/{name}");
    let (path, resource) = match wanted.kind {
        Kind::Deployment => (deployment, "deployments"),
        Kind::Pod => (pod, "pods"),
        Kind::Any => match cluster.get(&pod).await {
            Err(RequestError::Missing) => (deployment, "deployments"),
            Ok(found) => return Ok(found),
            Err(error) => return Err(Asked::new("get", "pods", namespace, name).failed(&error)),
        },
    };
    let found = cluster.get(&path).await;
    found.map_err(|error| match error {
        RequestError::Missing => no_such(wanted, namespace).hint(format!(
            "kubectl get deployments,pods -n {namespace} lists what there is; NAME.NAMESPACE is in another namespace"
        )),
        error => Asked::new("get", resource, namespace, name).failed(&error),
    })
}

async fn labels(cluster: &Cluster, namespace: &str) -> Result<Map<String, Value>, CommandError> {
    let path = format!("/api/v1/namespaces/{namespace}");
    let found = cluster.get(&path).await;
    let found =
        found.map_err(|error| Asked::new("get", "namespaces", "", namespace).failed(&error))?;
    let labels = found.pointer("/metadata/labels").and_then(Value::as_object);
    Ok(labels.cloned().unwrap_or_default())
}

/// The settings of the mesh's injector; nothing when it has none.
async fn settings(cluster: &Cluster, root: &str) -> Result<Option<Settings>, CommandError> {
    let (name, entry) = SETTINGS;
    let path = format!("/api/v1/namespaces/{root}/configmaps/{name}");
    let asked = Asked::new("get", "configmaps", root, name);
    let found = match cluster.get(&path).await {
        Ok(found) => found,
        Err(RequestError::Missing) => return Ok(None),
        Err(error) => return Err(asked.failed(&error)),
    };
    let read = Settings::from_yaml(text(&found, entry));
    let read =
        read.map_err(|bad| CommandError::problem(format!("configmap {root}/{name}: {bad}")))?;
    Ok(Some(read))
}
