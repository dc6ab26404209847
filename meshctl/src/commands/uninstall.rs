//! `meshctl uninstall`: what `meshctl install` has put into a cluster, out of it again.

use mesh_kube::Cluster;
use serde_json::{Value, json};

use super::install::applied::Target;
use crate::chart::{RESOURCES, Resource};
use crate::cli::{Global, Output};
use crate::error::CommandError;
use crate::plane::Where;
use crate::plane::kube::{Asked, has_proxy, items, text};
use crate::ui::Ui;

/// The label of everything that the charts have.
const PART_OF: &str = "app.kubernetes.io%2Fpart-of%3Dmesh";
/// The label of the ConfigMaps with citadel's roots.
const ROOTS: &str = "istio.io%2Fconfig%3Dtrue";

const HELP: &str = "\
Applications keep serving: their sidecars have what they had, until they are restarted. The definitions of
Istio's kinds stay, and with them every object of these kinds, and so does citadel's root; --purge deletes
them as well.";

/// Take the mesh out of a cluster.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct UninstallArgs {
    /// Also delete citadel's root, the definitions of Istio's kinds, and all objects of these kinds
    #[arg(long)]
    purge: bool,
    #[command(flatten)]
    at: Where,
}

/// Uninstalls.
pub(crate) async fn run(global: &Global, args: UninstallArgs, ui: &Ui) -> Result<(), CommandError> {
    let cluster = args.at.cluster().await?;
    let root = crate::plane::name::checked(args.at.root())?;
    let target = Target::find(&cluster, root).await?;
    if let Some(release) = target.helm() {
        let error = format!("namespace {root}: Helm has installed this mesh, as {release}");
        return Err(
            CommandError::problem(error).hint(format!("helm uninstall {release} -n {root}"))
        );
    }
    let mut gone = target.installed().await?;
    if args.purge {
        gone.extend(made(&cluster, &target, root).await?);
    }
    if gone.is_empty() {
        let error = format!("namespace {root}: no mesh is installed");
        return Err(CommandError::problem(error).hint("-i NAMESPACE says where the mesh is"));
    }
    attached(&cluster, ui).await?;
    for (resource, object) in &gone {
        target.delete(*resource, object, global, ui).await?;
    }
    if global.output == Output::Json {
        let list = gone.iter().map(|(resource, object)| {
            json!({
                "kind": resource.kind,
                "namespace": text(object, "/metadata/namespace"),
                "name": text(object, "/metadata/name"),
                "outcome": "deleted",
            })
        });
        ui.json(&list.collect());
    }
    Ok(())
}

/// What the mesh has made itself, and the definitions.
async fn made(
    cluster: &Cluster,
    target: &Target<'_>,
    root: &str,
) -> Result<Vec<(Resource, Value)>, CommandError> {
    let mut found = Vec::new();
    for resource in RESOURCES {
        match resource.kind {
            "CustomResourceDefinition" => found.extend(target.listed(resource, "", PART_OF).await?),
            "ConfigMap" => found.extend(target.listed(resource, "", ROOTS).await?),
            _ => {}
        }
    }
    for (resource, name) in [
        (Resource::SECRET, "istio-ca-secret"),
        (Resource::LEASE, "istio-pilot"),
    ] {
        // Whether it is there is all that is wanted of it.
        if cluster.text(&resource.path(root, name)).await.is_ok() {
            found.push((
                resource,
                json!({"metadata": {"namespace": root, "name": name}}),
            ));
        }
    }
    Ok(found)
}

/// Says which pods still have a sidecar.
async fn attached(cluster: &Cluster, ui: &Ui) -> Result<(), CommandError> {
    let pods = cluster.get("/api/v1/pods").await;
    let pods = pods.map_err(|error| Asked::new("list", "pods", "", "").failed(&error))?;
    let ours = |pod: &Value| {
        let label = "/metadata/labels/app.kubernetes.io~1part-of";
        text(pod, label) == "mesh"
    };
    let pods = items(pods);
    let with = pods
        .iter()
        .filter(|pod| has_proxy(pod) && !ours(pod))
        .count();
    if with > 0 {
        ui.warning(&format!(
            "pods that still have a sidecar: {with}; they keep serving, restart them to be rid of it"
        ));
    }
    Ok(())
}
