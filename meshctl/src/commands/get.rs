//! `meshctl get`.

use mesh_api::kinds::{self, Content, Kind};
use mesh_api::{Object, decode, nearest};
use serde_json::{Value, json};

use crate::cli::{Global, Output};
use crate::embedded::config::{Store, yaml};
use crate::embedded::{findings, images};
use crate::error::CommandError;
use crate::target::{ConfigStatus, Mesh};
use crate::ui::Ui;

mod tables;

const HELP: &str = "\
Examples:
  meshctl get virtualservices
  meshctl get vs reviews -o yaml
  meshctl get all -A

STATE is what pilot made of an object; MESSAGE says why it is not in force.";

/// Show objects.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct GetArgs {
    /// Kind of the objects, for example virtualservice or vs; or all
    kind: String,
    /// Name of one object
    name: Option<String>,
    /// Of all namespaces
    #[arg(short = 'A', long)]
    all_namespaces: bool,
}

/// Shows objects.
pub(crate) async fn run(global: &Global, args: GetArgs, ui: &Ui) -> Result<(), CommandError> {
    let (typed, name) = match args.kind.split_once('/') {
        Some((kind, name)) if args.name.is_none() => (kind.to_owned(), Some(name.to_owned())),
        _ => (args.kind.clone(), args.name.clone()),
    };
    let wanted = if typed == "all" {
        None
    } else {
        Some(kind(&typed)?)
    };
    let mesh = Mesh::local(global, &in_cluster(wanted)).await?;
    let (config, cluster) = mesh.stores()?;
    config
        .findings()
        .for_each(|finding| ui.warning(&findings::line(finding)));
    let namespace = match args.all_namespaces {
        true => None,
        false => Some(
            global
                .namespace
                .as_deref()
                .unwrap_or(decode::DEFAULT_NAMESPACE),
        ),
    };
    let found = find(wanted, name.as_deref(), namespace, &config, &cluster);
    if let (Some(name), Some(kind), true) = (&name, wanted, found.is_empty()) {
        let place = namespace.map_or_else(String::new, |namespace| format!("{namespace}/"));
        let error = format!("{} {place}{name}: not found", kind.singular());
        let all = || format!("`meshctl get {} -A` shows what is there", kind.plural);
        let hint = not_kept(kind).unwrap_or_else(all);
        return Err(CommandError::problem(error).hint(hint));
    }
    match global.output {
        Output::Table => {
            let status = match mesh.pilot() {
                Some(pilot) => ConfigStatus::ask(pilot).await,
                None => None,
            };
            print_table(
                wanted,
                &found,
                status.as_ref(),
                args.all_namespaces,
                namespace,
                ui,
            );
            Ok(())
        }
        Output::Json => {
            ui.json(&value(&found, name.is_some()));
            Ok(())
        }
        Output::Yaml => {
            ui.data(yaml(&value(&found, name.is_some()))?.trim_end());
            Ok(())
        }
    }
}

/// What shows the same of a mesh in a cluster.
fn in_cluster(wanted: Option<&Kind>) -> String {
    // All of Istio's kinds are of this category.
    let kind = wanted.map_or_else(|| "istio-io".to_owned(), Kind::qualified);
    format!(
        "of a mesh in a cluster `kubectl get {kind} -A` shows them, and `meshctl check` what is not in force"
    )
}

/// Why a local mesh has no objects of a kind, whatever it was started with.
fn not_kept(kind: &Kind) -> Option<String> {
    match kind.content {
        _ if kind.kind == images::KIND => Some(format!(
            "{} are read by `meshctl up` alone and not kept",
            kind.plural
        )),
        Content::Deployment | Content::OtherWorkload => Some(format!(
            "a local mesh runs {} and keeps their pods only: see `meshctl get pods`, `meshctl status`",
            kind.plural
        )),
        Content::Node | Content::Tolerated => Some(format!(
            "{} have no effect in a local mesh and are not kept",
            kind.plural
        )),
        Content::Later => Some(format!(
            "{} are known to Istio but not supported by this version of mesh",
            kind.plural
        )),
        Content::VirtualService
        | Content::DestinationRule
        | Content::Gateway
        | Content::PeerAuthentication
        | Content::Namespace
        | Content::Service
        | Content::ServiceAccount
        | Content::Pod
        | Content::EndpointSlice
        | Content::Secret
        | Content::Ingress
        | Content::IngressClass => None,
    }
}

/// The kind that was typed.
///
/// # Errors
/// When there is none of that name, with the nearest one.
pub(crate) fn kind(typed: &str) -> Result<&'static Kind, CommandError> {
    kinds::by_typed_name(typed).ok_or_else(|| {
        let error = CommandError::usage(format!("unknown kind {typed:?}"));
        match nearest(
            typed,
            kinds::all()
                .iter()
                .flat_map(|kind| [kind.plural, kind.kind]),
        ) {
            Some(near) => error.hint(format!("did you mean {}?", near.to_lowercase())),
            None => error.hint("for example virtualservices, destinationrules, gateways, or all"),
        }
    })
}

/// `all` means the mesh's own configuration; a kind may also be one of Kubernetes'.
fn find<'a>(
    kind: Option<&'static Kind>,
    name: Option<&str>,
    namespace: Option<&str>,
    config: &'a Store,
    cluster: &'a Store,
) -> Vec<&'a Object> {
    let of_cluster = cluster.objects().filter(|_| kind.is_some());
    let mut found: Vec<&Object> = config
        .objects()
        .chain(of_cluster)
        .filter(|object| kind.is_none_or(|kind| kind == object.kind))
        .filter(|object| name.is_none_or(|name| object.key.name == name))
        .filter(|object| {
            !object.kind.namespaced || namespace.is_none_or(|space| object.key.namespace == space)
        })
        .collect();
    found.sort_by(|a, b| a.key.cmp(&b.key));
    found
}

fn print_table(
    kind: Option<&'static Kind>,
    found: &[&Object],
    status: Option<&ConfigStatus>,
    all_namespaces: bool,
    namespace: Option<&str>,
    ui: &Ui,
) {
    if found.is_empty() {
        let place = namespace.map_or_else(String::new, |name| format!(" in namespace {name}"));
        ui.note(&format!("no objects found{place}"));
        if let Some(why) = kind.and_then(not_kept) {
            ui.note(&why);
        }
        return;
    }
    ui.data(&tables::render(kind, found, status, all_namespaces, ui));
}

/// One object as it is, several as a `List`, which `apply` reads too.
fn value(found: &[&Object], single: bool) -> Value {
    match found {
        [one] if single => one.value.clone(),
        several => {
            let items: Vec<&Value> = several.iter().map(|object| &object.value).collect();
            json!({"apiVersion": "v1", "kind": "List", "items": items})
        }
    }
}
