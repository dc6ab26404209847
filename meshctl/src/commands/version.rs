//! `meshctl version`: of this program, of the control plane, of the proxies.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::check::{proxy_image, tag};
use crate::cli::{Global, Output};
use crate::embedded::state_dir;
use crate::error::CommandError;
use crate::plane::kube::{Asked, Installed, has_proxy, is_running, items, text};
use crate::plane::{Plane, Where};
use crate::ui::Ui;

/// The label of everything that the charts install.
const PART_OF: &str = "app.kubernetes.io%2Fpart-of%3Dmesh";

/// How long a mesh that nobody named may take to answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// Print the version.
#[derive(Debug, clap::Args)]
pub(crate) struct VersionArgs {
    /// Of this program alone
    #[arg(long)]
    client: bool,
    #[command(flatten)]
    at: Where,
}

/// The versions of a mesh that runs.
#[derive(Debug, Default, PartialEq, Eq)]
struct Running {
    /// By component.
    control_plane: BTreeMap<String, String>,
    /// How many proxies have which.
    data_plane: BTreeMap<String, usize>,
}

/// Prints the version of meshctl and of the state folders that it knows, and those of the mesh that it
/// finds.
pub(crate) async fn run(global: &Global, args: VersionArgs, ui: &Ui) -> Result<(), CommandError> {
    let running = match args.client {
        true => None,
        false if args.at.names_cluster() => running(global, &args.at).await?,
        // Nobody asked for that cluster by name: its silence is no reason to wait.
        false => match tokio::time::timeout(PATIENCE, running(global, &args.at)).await {
            Ok(running) => running?,
            Err(_) => None,
        },
    };
    let version = env!("CARGO_PKG_VERSION");
    match global.output {
        Output::Json => {
            let mut value = json!({"version": version, "state_folder": state_dir::VERSION});
            if let (Some(running), Value::Object(members)) = (running, &mut value) {
                members.insert("control_plane".to_owned(), json!(running.control_plane));
                members.insert("data_plane".to_owned(), json!(running.data_plane));
            }
            ui.json(&value);
        }
        Output::Table | Output::Yaml => {
            ui.data(&format!("meshctl {version}"));
            if let Some(running) = running {
                ui.data(&lines(&running));
            }
        }
    }
    Ok(())
}

fn lines(running: &Running) -> String {
    let control = running.control_plane.iter();
    let control: Vec<String> = control
        .map(|(name, version)| format!("{name} {version}"))
        .collect();
    let data = running.data_plane.iter();
    let data: Vec<String> = data
        .map(|(version, proxies)| match proxies {
            1 => format!("{version} (1 proxy)"),
            several => format!("{version} ({several} proxies)"),
        })
        .collect();
    let or_none = |list: Vec<String>| match list.as_slice() {
        [] => "none".to_owned(),
        list => list.join(", "),
    };
    let data = format!("data plane: {}", or_none(data));
    match control.is_empty() {
        true => data,
        false => format!("control plane: {}\n{data}", control.join(", ")),
    }
}

/// The versions of a mesh that was found.
///
/// # Errors
/// When it does not say them.
pub(crate) async fn of(plane: &Plane) -> Result<Value, CommandError> {
    let running = match plane {
        Plane::Local(mesh) => local(mesh).await,
        Plane::Cluster(mesh) => cluster(mesh).await?,
    };
    Ok(json!({"control_plane": running.control_plane, "data_plane": running.data_plane}))
}

/// A mesh that nobody named need not be there.
async fn running(global: &Global, at: &Where) -> Result<Option<Running>, CommandError> {
    let named = at.names_cluster() || global.state.is_some();
    match Plane::find(global, at).await {
        Ok(Plane::Local(mesh)) => Ok(Some(local(&mesh).await)),
        Ok(Plane::Cluster(mesh)) => match cluster(&mesh).await {
            Ok(running) => Ok(Some(running)),
            Err(error) if named => Err(error),
            Err(_) => Ok(None),
        },
        // A state folder in which nothing runs says nothing of versions.
        Err(error) if at.names_cluster() => Err(error),
        Err(_) => Ok(None),
    }
}

/// The components of a local mesh do not tell theirs: they are what `up` found beside itself.
async fn local(mesh: &crate::target::Mesh) -> Running {
    let mut running = Running::default();
    let proxies = crate::plane::local::proxies(&mesh.status);
    let asked = proxies.iter().map(|pages| pages.json("/server_info"));
    for info in join_all(asked).await.into_iter().flatten() {
        let version = text(&info, "/version")
            .rsplit('/')
            .next()
            .unwrap_or_default();
        *running.data_plane.entry(version.to_owned()).or_default() += 1;
    }
    running
}

async fn cluster(mesh: &Installed) -> Result<Running, CommandError> {
    let root = &mesh.root;
    let path = format!("/apis/apps/v1/namespaces/{root}/deployments?labelSelector={PART_OF}");
    let listed = mesh.cluster.get(&path).await;
    let listed =
        listed.map_err(|error| Asked::new("list", "deployments", root, "").failed(&error))?;
    let mut running = Running::default();
    for one in items(listed) {
        let image = text(&one, "/spec/template/spec/containers/0/image");
        let name = text(&one, "/metadata/name").to_owned();
        running.control_plane.insert(name, tag(image).to_owned());
    }
    let pods = mesh.cluster.get("/api/v1/pods").await;
    let pods = pods.map_err(|error| Asked::new("list", "pods", "", "").failed(&error))?;
    for pod in items(pods)
        .iter()
        .filter(|pod| has_proxy(pod) && is_running(pod))
    {
        let version = tag(proxy_image(pod)).to_owned();
        *running.data_plane.entry(version).or_default() += 1;
    }
    Ok(running)
}
