//! `meshctl install`, `upgrade` and `manifest generate`: the charts without Helm.

use std::path::PathBuf;
use std::time::Duration;

use mesh_api::nearest;
use mesh_runtime::settings::parse_duration;
use serde_json::{Value, json};

use crate::chart::files::{Chart, MESH, MESH_INIT};
use crate::chart::{Lookups, Release, Rendered, render, values};
use crate::cli::{Global, Output};
use crate::embedded::config::yaml;
use crate::embedded::input;
use crate::error::CommandError;
use crate::plane::kube::text;
use crate::plane::{ISTIO_NAMESPACE, Where};
use crate::ui::Ui;

pub(crate) mod applied;
mod ready;

/// Who installs: the manager of fields, and the label of what was installed.
pub(crate) const MANAGER: &str = "meshctl";
/// What the charts are installed as; Helm's users call them so, too.
pub(crate) const RELEASE: &str = "mesh";

const HELP: &str = "\
Examples:
  meshctl check --pre
  meshctl install
  meshctl install --profile demo --set gateways.istio-ingressgateway.type=NodePort
  meshctl install -i mesh-system -f values.yaml --context prod

Objects and values are those of the charts (docs/install.md). Values are not remembered: `upgrade` is given
them again. What Helm has installed is left to Helm.";

/// Install the mesh in a cluster, or bring it in line with other values.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct InstallArgs {
    #[command(flatten)]
    values: Values,
    /// How long to wait until everything is ready
    #[arg(long, value_name = "DURATION", default_value = "300s", value_parser = parse_duration)]
    timeout: Duration,
    /// Return when everything is applied
    #[arg(long)]
    no_wait: bool,
    /// Only say what would be applied
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    at: Where,
}

/// What is installed.
#[derive(Debug, clap::Args)]
pub(crate) struct Values {
    /// A set of values: default, demo or minimal
    #[arg(long, value_name = "NAME", default_value = "default")]
    profile: String,
    /// A file of values, laid over the profile; may be given several times
    #[arg(short = 'f', long = "values", value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Single values, laid over all others: A.B=VALUE,C=VALUE; may be given several times
    #[arg(short = 's', long = "set", value_name = "NAME=VALUE")]
    sets: Vec<String>,
}

/// Print the objects that would be installed.
#[derive(Debug, clap::Args)]
pub(crate) struct ManifestArgs {
    #[command(subcommand)]
    what: Manifest,
}

#[derive(Debug, clap::Subcommand)]
enum Manifest {
    /// Print the objects that `install` applies, in its order
    Generate(GenerateArgs),
}

/// Which of them.
#[derive(Debug, clap::Args)]
struct GenerateArgs {
    #[command(flatten)]
    values: Values,
    /// Without the definitions of Istio's kinds
    #[arg(long)]
    skip_crds: bool,
    /// The namespace of the mesh [default: istio-system]
    #[arg(
        short = 'i',
        long = "istioNamespace",
        alias = "istio-namespace",
        value_name = "NAMESPACE"
    )]
    istio_namespace: Option<String>,
}

impl Values {
    /// All of them, laid over one another.
    ///
    /// # Errors
    /// When a profile, a file or a value cannot be read.
    fn read(&self) -> Result<Value, CommandError> {
        let profiles = MESH.profiles.iter();
        let file = format!("profiles/{}.yaml", self.profile);
        let Some((_, profile)) = profiles.clone().find(|(path, _)| *path == file) else {
            let name = |path: &'static str| path.strip_prefix("profiles/")?.strip_suffix(".yaml");
            let known: Vec<&str> = profiles.filter_map(|(path, _)| name(path)).collect();
            let error = CommandError::usage(format!("there is no profile {:?}", self.profile));
            return Err(match nearest(&self.profile, known.iter().copied()) {
                Some(near) => error.hint(format!("did you mean {near}?")),
                None => error.hint(format!("there are {}", known.join(", "))),
            });
        };
        let mut all = tree(&file, profile)?;
        for path in &self.files {
            let name = path.display().to_string();
            values::lay(&mut all, tree(&name, &input::text(path)?)?);
        }
        let mut single = json!({});
        for set in &self.sets {
            values::set(&mut single, set).map_err(|bad| {
                CommandError::usage(bad).hint("for example --set global.mtls.enabled=true")
            })?;
        }
        values::lay(&mut all, single);
        Ok(all)
    }
}

/// The values of a file.
fn tree(name: &str, text: &str) -> Result<Value, CommandError> {
    use mesh_api::decode::documents;
    let Some(document) = documents::split(text).into_iter().next() else {
        return Ok(json!({}));
    };
    match documents::parse(&document) {
        Ok(Value::Null) => Ok(json!({})),
        Ok(tree @ Value::Object(_)) => Ok(tree),
        Ok(_) => Err(CommandError::problem(format!(
            "{name}: no values: it is no mapping"
        ))),
        Err(problem) => Err(CommandError::problem(format!(
            "{name}: {}",
            problem.message
        ))),
    }
}

/// The charts in the order of their installation, each with its own values.
fn charts(own: Value) -> [(Chart, Value); 2] {
    [(MESH_INIT, json!({})), (MESH, own)]
}

fn release(namespace: &str) -> Release<'_> {
    Release {
        name: RELEASE,
        namespace,
        service: MANAGER,
    }
}

/// Installs; `upgrade` wants that something is there.
pub(crate) async fn run(
    global: &Global,
    args: InstallArgs,
    upgrade: bool,
    ui: &Ui,
) -> Result<(), CommandError> {
    let own = args.values.read()?;
    let root = crate::plane::name::checked(args.at.root())?;
    let release = release(root);
    // What the values make wrong is said before anybody is asked.
    for (chart, own) in charts(own.clone()) {
        render(&chart, &release, own, &Lookups::new())?;
    }
    let cluster = args.at.cluster().await?;
    let target = applied::Target::find(&cluster, root).await?;
    target.allows(upgrade)?;
    let mut notes = String::new();
    let mut done = Vec::new();
    for (chart, own) in charts(own) {
        let rendered = target.rendered(&chart, &release, own).await?;
        let applied = target
            .apply(&chart, &rendered, args.dry_run, global, ui)
            .await?;
        done.extend(applied);
        notes = rendered.notes;
        if !args.dry_run && !args.no_wait {
            ready::wait(&cluster, &rendered.objects, args.timeout, ui).await?;
        }
    }
    if !args.dry_run {
        target.prune(&done, global, ui).await?;
    }
    match global.output {
        Output::Json => ui.json(&Value::Array(done)),
        Output::Table | Output::Yaml if args.dry_run => {}
        Output::Table | Output::Yaml => ui.note(&format!("\n{notes}")),
    }
    Ok(())
}

/// Prints what would be installed.
pub(crate) fn generate(global: &Global, args: &ManifestArgs, ui: &Ui) -> Result<(), CommandError> {
    let Manifest::Generate(args) = &args.what;
    let root = args.istio_namespace.as_deref().unwrap_or(ISTIO_NAMESPACE);
    let release = release(crate::plane::name::checked(root)?);
    let mut objects = Vec::new();
    for (chart, own) in charts(args.values.read()?) {
        if chart.name == MESH_INIT.name && args.skip_crds {
            continue;
        }
        let Rendered { objects: more, .. } = render(&chart, &release, own, &Lookups::new())?;
        objects.extend(
            applied::ordered(&more)?
                .into_iter()
                .map(|(_, object)| object.clone()),
        );
    }
    if global.output == Output::Json {
        ui.json(&json!({"apiVersion": "v1", "kind": "List", "items": objects}));
        return Ok(());
    }
    for object in &objects {
        ui.data(&format!("---\n{}", yaml(object)?.trim_end()));
    }
    Ok(())
}

/// `deployment istio-system/istio-pilot`.
pub(crate) fn called(object: &Value) -> String {
    let kind = text(object, "/kind").to_lowercase();
    let name = text(object, "/metadata/name");
    match text(object, "/metadata/namespace") {
        "" => format!("{kind} {name}"),
        namespace => format!("{kind} {namespace}/{name}"),
    }
}
