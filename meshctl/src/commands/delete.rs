//! `meshctl delete`.

use mesh_api::{decode, kinds};
use mesh_model::name::ResourceKey;

use crate::cli::Global;
use crate::commands::apply::{Files, Waiting, is_configuration};
use crate::commands::get::kind;
use crate::embedded::review;
use crate::error::CommandError;
use crate::in_force::{self, Change};
use crate::target::Mesh;
use crate::ui::Ui;

const HELP: &str = "\
Examples:
  meshctl delete virtualservice reviews
  meshctl delete -f networking/virtual-service-all-v1.yaml";

/// Take objects out of force.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct DeleteArgs {
    #[command(flatten)]
    files: Files,
    /// Kind of the objects, for example virtualservice or vs
    #[arg(conflicts_with = "filename")]
    kind: Option<String>,
    /// Their names
    names: Vec<String>,
    /// An object that is not there is no problem
    #[arg(long)]
    ignore_not_found: bool,
    #[command(flatten)]
    waiting: Waiting,
}

/// Deletes objects.
pub(crate) async fn run(global: &Global, args: DeleteArgs, ui: &Ui) -> Result<(), CommandError> {
    let keys = args.keys(global)?;
    refuse_kubernetes(&keys)?;
    let mesh = Mesh::local(global, "from a cluster: `kubectl delete KIND NAME`").await?;
    let _alone = mesh.lock_config()?;
    let (mut store, cluster) = mesh.stores()?;
    let cluster: Vec<_> = cluster.objects().cloned().collect();
    let kept: Vec<_> = store.objects().collect();
    let dangling = review::review_removal(&keys, &kept, &cluster);
    let (mut changes, mut missing) = (Vec::new(), Vec::new());
    for key in keys {
        if store.take_out(&key)? {
            let kind = kinds::find(&key.group, &key.kind)
                .map_or_else(String::new, |kind| kind.qualified());
            ui.data(&format!("{kind} {:?} deleted", key.name.as_str()));
            changes.push(Change::gone(key));
        } else if !args.ignore_not_found {
            missing.push(format!("{key}: not found"));
        }
    }
    if !changes.is_empty() {
        dangling.iter().for_each(|finding| ui.warning(finding));
        if !args.waiting.no_wait {
            in_force::wait(mesh.pilot(), &changes, args.waiting.timeout, ui).await?;
        }
    }
    if missing.is_empty() {
        Ok(())
    } else {
        Err(CommandError::problem(missing.join("\n"))
            .hint("`meshctl get all -A` shows what is there"))
    }
}

/// What stands for Kubernetes is not configuration: it is what runs.
fn refuse_kubernetes(keys: &[ResourceKey]) -> Result<(), CommandError> {
    let foreign = keys.iter().filter(|key| {
        kinds::find(&key.group, &key.kind).is_some_and(|kind| !is_configuration(kind))
    });
    let lines: Vec<String> = foreign
        .map(|key| format!("{key}: a local mesh takes Kubernetes' objects at its start only"))
        .collect();
    if lines.is_empty() {
        return Ok(());
    }
    let hint = "to be without it, leave it out of the files of `meshctl up -f`; \
                `meshctl stop` holds a workload down";
    Err(CommandError::problem(lines.join("\n")).hint(hint))
}

impl DeleteArgs {
    fn keys(&self, global: &Global) -> Result<Vec<ResourceKey>, CommandError> {
        if !self.files.filename.is_empty() {
            let (objects, _) = self.files.objects(global)?;
            return Ok(objects.into_iter().map(|object| object.key).collect());
        }
        let usage = || CommandError::usage("delete: name objects by KIND NAME, or by -f FILE");
        let typed = self.kind.as_deref().ok_or_else(usage)?;
        // kubectl's other spelling: virtualservice/reviews
        let (typed, first) = typed
            .split_once('/')
            .map_or((typed, None), |(kind, name)| (kind, Some(name)));
        let kind = kind(typed)?;
        let names = first
            .into_iter()
            .chain(self.names.iter().map(String::as_str));
        let namespace = match kind.namespaced {
            true => global
                .namespace
                .as_deref()
                .unwrap_or(decode::DEFAULT_NAMESPACE),
            false => "",
        };
        let keys: Vec<ResourceKey> = names
            .map(|name| ResourceKey {
                group: kind.group.into(),
                kind: kind.kind.into(),
                namespace: namespace.into(),
                name: name.into(),
            })
            .collect();
        if keys.is_empty() {
            Err(usage())
        } else {
            Ok(keys)
        }
    }
}
