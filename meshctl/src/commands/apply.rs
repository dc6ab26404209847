//! `meshctl apply`: checks first, then writes, then waits until it is in force everywhere.

use std::path::{Path, PathBuf};
use std::time::Duration;

use mesh_api::kinds::{Content, Kind};
use mesh_api::{Object, decode};
use mesh_runtime::SystemClock;
use mesh_runtime::settings::parse_duration;

use crate::cli::{Global, Output};
use crate::embedded::config::{self, Store};
use crate::embedded::findings::Texts;
use crate::embedded::{input, review};
use crate::error::CommandError;
use crate::in_force::{self, Change};
use crate::target::Mesh;
use crate::ui::Ui;

const HELP: &str = "\
Examples:
  meshctl apply -f virtual-service.yaml
  meshctl apply -f networking/ --dry-run
  cat rule.yaml | meshctl apply -f -

Nothing is written when any object is wrong, or refers to a host or subset that does not exist.";

/// Put objects in force.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct ApplyArgs {
    #[command(flatten)]
    files: Files,
    /// Put it in force although it refers to what does not exist
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    waiting: Waiting,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
}

/// The files of `apply` and `delete`.
#[derive(Debug, clap::Args)]
pub(crate) struct Files {
    /// A file, a folder of files, or - for standard input; may be given several times
    #[arg(short = 'f', long = "filename", value_name = "FILE|DIR", num_args = 1..)]
    pub(crate) filename: Vec<PathBuf>,
}

/// Whether to wait for the proxies, and how long.
#[derive(Debug, clap::Args)]
pub(crate) struct Waiting {
    /// How long to wait until it is in force in every sidecar
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = parse_duration)]
    pub(crate) timeout: Duration,
    /// Return when it is saved
    #[arg(long)]
    pub(crate) no_wait: bool,
}

/// What becomes of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Created,
    Configured,
    Unchanged,
}

impl Outcome {
    fn word(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Configured => "configured",
            Self::Unchanged => "unchanged",
        }
    }
}

/// Applies files.
pub(crate) async fn run(global: &Global, args: ApplyArgs, ui: &Ui) -> Result<(), CommandError> {
    if args.files.filename.is_empty() {
        return Err(CommandError::usage("apply: no file is named").hint("name one with -f FILE"));
    }
    let (objects, texts) = args.files.objects(global)?;
    refuse_kubernetes(&objects)?;
    let instead =
        "into a cluster: `kubectl apply -f FILE`; `meshctl validate -f FILE` checks it before";
    let mesh = Mesh::local(global, instead).await?;
    let _alone = mesh.lock_config()?;
    let (mut store, cluster) = mesh.stores()?;
    let stores = (&store, &cluster);
    check(&objects, &texts, stores, args.force, ui)?;
    let plan: Vec<(Object, Outcome)> = objects
        .into_iter()
        .map(|object| (object.clone(), outcome(&object, &store)))
        .collect();
    if args.dry_run {
        print(&plan, " (dry run)", global, ui);
        return Ok(());
    }
    for (object, outcome) in &plan {
        if *outcome != Outcome::Unchanged {
            let stamped = config::stamped(object, store.find(&object.key), &SystemClock);
            store.put(&stamped)?;
        }
    }
    print(&plan, "", global, ui);
    if args.waiting.no_wait {
        return Ok(());
    }
    // For what is unchanged, too: an earlier apply may have given up waiting.
    let changes: Vec<Change> = plan.iter().map(|(object, _)| Change::put(object)).collect();
    in_force::wait(mesh.pilot(), &changes, args.waiting.timeout, ui).await
}

impl Files {
    /// Decodes all files.
    ///
    /// # Errors
    /// Every finding of every file, and when there is no object at all.
    pub(crate) fn objects(&self, global: &Global) -> Result<(Vec<Object>, Texts), CommandError> {
        let namespace = global
            .namespace
            .as_deref()
            .unwrap_or(decode::DEFAULT_NAMESPACE);
        let mut objects = Vec::new();
        let (mut problems, mut texts) = (Vec::new(), Texts::default());
        for path in &self.filename {
            let files = if path.is_dir() {
                input::manifests_of(path)?
            } else {
                vec![path.clone()]
            };
            for file in files {
                let name = shown(&file);
                let text = input::text(&file)?;
                let (read, found) = decode::objects_in(&name, &text, namespace);
                texts.add(&name, text);
                objects.extend(read);
                problems.extend(found.iter().map(|one| texts.line(one)));
            }
        }
        if !problems.is_empty() {
            return Err(CommandError::problem(problems.join("\n")));
        }
        if objects.is_empty() {
            let names: Vec<String> = self.filename.iter().map(|path| shown(path)).collect();
            return Err(CommandError::problem(format!(
                "{}: there are no objects in it",
                names.join(", ")
            )));
        }
        Ok((objects, texts))
    }
}

fn shown(path: &Path) -> String {
    if path == Path::new("-") {
        "standard input".to_owned()
    } else {
        path.display().to_string()
    }
}

/// Whether objects of a kind are the mesh's own configuration; others are Kubernetes'.
pub(crate) fn is_configuration(kind: &Kind) -> bool {
    matches!(
        kind.content,
        Content::VirtualService
            | Content::DestinationRule
            | Content::Gateway
            | Content::PeerAuthentication
            | Content::Secret
            | Content::Ingress
            | Content::IngressClass
            | Content::Later
    )
}

fn refuse_kubernetes(objects: &[Object]) -> Result<(), CommandError> {
    let foreign = objects
        .iter()
        .filter(|object| !is_configuration(object.kind));
    let lines: Vec<String> = foreign
        .map(|object| {
            let (origin, key) = (&object.origin, &object.key);
            format!("{origin}: {key}: a local mesh takes Kubernetes' objects at its start only")
        })
        .collect();
    if lines.is_empty() {
        return Ok(());
    }
    Err(CommandError::problem(lines.join("\n"))
        .hint("give the file to `meshctl up -f`; apply changes the mesh's own configuration"))
}

fn check(
    objects: &[Object],
    texts: &Texts,
    (store, cluster): (&Store, &Store),
    force: bool,
    ui: &Ui,
) -> Result<(), CommandError> {
    let kept: Vec<&Object> = store.objects().collect();
    let cluster: Vec<Object> = cluster.objects().cloned().collect();
    let review = review::review(objects, texts, &kept, &cluster);
    review
        .warnings
        .iter()
        .for_each(|warning| ui.warning(warning));
    review.refuse(force)?;
    review
        .dangling
        .iter()
        .for_each(|finding| ui.warning(finding));
    Ok(())
}

fn outcome(object: &Object, store: &Store) -> Outcome {
    match store.find(&object.key) {
        None => Outcome::Created,
        Some(old) if old.same_content(object) => Outcome::Unchanged,
        Some(_) => Outcome::Configured,
    }
}

fn print(plan: &[(Object, Outcome)], remark: &str, global: &Global, ui: &Ui) {
    if global.output == Output::Json {
        let entries = plan.iter().map(|(object, outcome)| {
            let key = &object.key;
            serde_json::json!({
                "kind": object.kind.kind,
                "namespace": key.namespace.as_str(),
                "name": key.name.as_str(),
                "outcome": outcome.word(),
            })
        });
        return ui.json(&entries.collect());
    }
    for (object, outcome) in plan {
        let (kind, name) = (object.kind.qualified(), &object.key.name);
        ui.data(&format!("{kind}/{name} {}{remark}", outcome.word()));
    }
}
