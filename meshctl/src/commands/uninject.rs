//! `meshctl uninject`: sidecars out of manifests.

use mesh_inject::uninject_stream;

use super::kube_inject::streams;
use crate::cli::Global;
use crate::commands::apply::Files;
use crate::error::CommandError;
use crate::ui::Ui;

const HELP: &str = "\
Examples:
  kubectl get deployment web -o yaml | meshctl uninject -f - | kubectl apply -f -
  meshctl uninject -f injected.yaml > web.yaml

What `meshctl kube-inject` put in goes, and what it changed is as it was before. Sidecars of Istio are
taken out by the record that Istio left.";

/// Take sidecars out of the workloads of manifests.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct UninjectArgs {
    #[command(flatten)]
    files: Files,
}

/// Uninjects files.
pub(crate) fn run(global: &Global, args: &UninjectArgs, ui: &Ui) -> Result<(), CommandError> {
    let texts = streams::read(&args.files, "uninject")?;
    let namespace = streams::namespace(global);
    let streams = texts
        .iter()
        .map(|text| (text, uninject_stream(&text.source(namespace))));
    streams::print(streams.collect(), global, ui)
}
