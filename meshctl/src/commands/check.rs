//! `meshctl check`: whether the mesh is as it should be, question by question.

use crate::cli::{Global, Output};
use crate::error::CommandError;
use crate::plane::{Plane, Where};
use crate::ui::Ui;

mod cluster;
mod local;
mod pre;
mod proxies;
pub(crate) mod report;

pub(crate) use cluster::{proxy_image, tag};
use report::Report;

const HELP: &str = "\
Examples:
  meshctl check --pre          may the mesh be installed in this cluster?
  meshctl check                is the mesh, local or in the cluster, as it should be?
  meshctl check -o json

√ is good, ‼ is worth a look, × is wrong. Exit code 1 when anything is wrong, 3 when the API server
cannot be reached.";

/// Check whether the mesh is as it should be.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct CheckArgs {
    /// Whether the mesh may be installed in the cluster
    #[arg(long)]
    pre: bool,
    #[command(flatten)]
    at: Where,
}

/// Checks.
pub(crate) async fn run(global: &Global, args: CheckArgs, ui: &Ui) -> Result<(), CommandError> {
    let report = if args.pre {
        let cluster = args.at.cluster().await?;
        pre::check(&cluster, args.at.root()).await?
    } else {
        report(&Plane::find(global, &args.at).await?).await?
    };
    match global.output {
        Output::Json => ui.json(&report.to_json()),
        Output::Table | Output::Yaml => ui.data(&report.text(ui)),
    }
    report.verdict()
}

/// Whether a mesh is as it should be.
///
/// # Errors
/// When the API server cannot be reached.
pub(crate) async fn report(plane: &Plane) -> Result<Report, CommandError> {
    match plane {
        Plane::Local(mesh) => Ok(local::check(mesh).await),
        Plane::Cluster(installed) => cluster::check(installed).await,
    }
}

/// How many there are, with a word that fits.
pub(crate) fn count(number: usize, one: &str) -> String {
    match number {
        1 => format!("1 {one}"),
        several => format!("{several} {one}s"),
    }
}

/// The report of what all checks share: what pilot made of the configuration, what proxies have.
async fn configuration(plane: &Plane, report: &mut Report) {
    let category = report.category("configuration");
    match plane.pilots().await {
        Ok(pilots) => proxies::check(&pilots, category).await,
        Err(error) => category.bad("pilot can be asked", error.error, error.hints.join("; ")),
    }
}
