//! `meshctl check-inject`: why the pods of manifests get a sidecar, or why not.

use std::path::PathBuf;

use mesh_inject::decide::{Row, Says};
use mesh_inject::{Explained, explain_object};
use serde_json::{Map, Value, json};

use super::kube_inject::{With, streams};
use crate::cli::{Global, Output};
use crate::commands::apply::Files;
use crate::error::CommandError;
use crate::ui::table::Table;
use crate::ui::{Tone, Ui};

mod in_cluster;

const HELP: &str = "\
Examples:
  meshctl check-inject web-7d4b9c-x2x9k.shop
  meshctl check-inject deployment/web -n shop
  meshctl check-inject -f web.yaml
  meshctl check-inject -f web.yaml -n shop --namespace-label istio-injection=enabled

Rules are asked from top to bottom; the first that does not pass decides. A pod that is to have a sidecar and
cannot get one as it is, because of an annotation for example, is not created at all: exit code 1. Without --namespace-label
the namespace is not asked, as with `meshctl kube-inject`; with it as by the webhook. A NAME is looked up in
the cluster, with its namespace and the injector's settings there.";

/// Explain which pods of manifests get a sidecar, and why.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct CheckInjectArgs {
    /// A pod or Deployment in the cluster: NAME, NAME.NAMESPACE, pod/NAME or deployment/NAME
    #[arg(conflicts_with_all = ["filename", "namespace_labels"])]
    name: Option<String>,
    /// The cluster's kubeconfig file [default: as kubectl finds it]
    #[arg(short = 'c', long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// The context in it [default: the current one]
    #[arg(long, value_name = "NAME")]
    context: Option<String>,
    #[command(flatten)]
    files: Files,
    /// A label of the namespace; repeat for more, `none` for a namespace without labels
    #[arg(long = "namespace-label", value_name = "KEY=VALUE", value_parser = label)]
    namespace_labels: Vec<Label>,
    #[command(flatten)]
    with: With,
}

/// A label, or the word for no label at all.
type Label = Option<(String, String)>;

fn label(text: &str) -> Result<Label, String> {
    if text == "none" {
        return Ok(None);
    }
    let pair = text.split_once('=').filter(|(key, _)| !key.is_empty());
    let (key, value) = pair.ok_or_else(|| format!("{text:?} is no KEY=VALUE"))?;
    Ok(Some((key.to_owned(), value.to_owned())))
}

/// Explains files, or what is in the cluster.
pub(crate) async fn run(
    global: &Global,
    args: &CheckInjectArgs,
    ui: &Ui,
) -> Result<(), CommandError> {
    if let Some(name) = &args.name {
        let explained = in_cluster::explain(global, args, name, ui).await?;
        return print(&[explained], global, ui);
    }
    let settings = args.with.settings(ui)?;
    let texts = streams::read(&args.files, "check-inject")?;
    let labels = args.namespace_labels.iter().flatten();
    let labels: Map<String, Value> = labels
        .map(|(key, value)| (key.clone(), json!(value)))
        .collect();
    let labels = (!args.namespace_labels.is_empty()).then_some(&labels);
    let namespace = streams::namespace(global);
    let values = texts.iter().flat_map(streams::Text::values);
    let explained: Vec<Explained> = values
        .flat_map(items)
        .filter_map(|object| explain_object(&object, &settings, namespace, labels))
        .collect();
    if explained.is_empty() {
        ui.warning("there is no Deployment, Pod or other workload in it");
    }
    print(&explained, global, ui)
}

fn print(explained: &[Explained], global: &Global, ui: &Ui) -> Result<(), CommandError> {
    if global.output == Output::Json {
        ui.json(&explained.iter().map(to_json).collect());
    } else {
        let tables: Vec<String> = explained.iter().map(|one| to_table(one, ui)).collect();
        ui.data(&tables.join("\n\n"));
    }
    let refused = explained.iter().flat_map(|one| &one.refused);
    let refused: Vec<String> = refused.map(ToString::to_string).collect();
    if refused.is_empty() {
        return Ok(());
    }
    let error = CommandError::problem(refused.join("\n"));
    Err(error.hint("as they are the webhook refuses such pods, and `meshctl kube-inject` the file"))
}

/// The objects of a List, or the one object.
fn items(mut object: Value) -> Vec<Value> {
    if object.get("kind").is_none_or(|kind| kind != "List") {
        return vec![object];
    }
    match object.get_mut("items").map(Value::take) {
        Some(Value::Array(inner)) => inner.into_iter().flat_map(items).collect(),
        _ => Vec::new(),
    }
}

fn to_table(explained: &Explained, ui: &Ui) -> String {
    let (sign, tone, word) = match (explained.decision.inject, explained.refused.is_empty()) {
        (true, true) => ("√", Tone::Good, "injected"),
        (true, false) => ("×", Tone::Bad, "cannot be injected as it is"),
        (false, _) => ("×", Tone::Bad, "not injected"),
    };
    let mut table = Table::new(&["rule", "says", "reason"]);
    for row in &explained.rows {
        table.row([row.rule, says(row), &row.why]);
    }
    let sign = ui.paint(tone, sign);
    let (at, why) = (&explained.at, why(explained));
    format!("{sign} {at}: {word}: {why}\n{}", table.render())
}

/// What decides: what is wrong with the pod, or the rule.
fn why(explained: &Explained) -> String {
    let own = format!("{}: ", explained.at);
    let refused = explained.refused.iter().map(ToString::to_string);
    let refused: Vec<String> = refused
        .map(|line| line.strip_prefix(&own).unwrap_or(&line).to_owned())
        .collect();
    match refused.as_slice() {
        [] => explained.decision.why.clone(),
        lines => lines.join("\n  "),
    }
}

fn to_json(explained: &Explained) -> Value {
    let rows = explained.rows.iter();
    let rows: Vec<Value> = rows
        .map(|row| json!({"rule": row.rule, "says": says(row), "reason": row.why}))
        .collect();
    json!({
        "kind": explained.at.kind.as_str(),
        "namespace": explained.at.namespace.as_str(),
        "name": explained.at.name.as_str(),
        "injected": explained.decision.inject && explained.refused.is_empty(),
        "reason": why(explained),
        "rules": rows,
    })
}

fn says(row: &Row) -> &'static str {
    match row.says {
        Says::Inject => "inject",
        Says::Skip => "skip",
        Says::Nothing => "pass",
    }
}
