//! `meshctl kube-inject`: sidecars into manifests, without a cluster.

use std::path::{Path, PathBuf};

use mesh_inject::{Settings, inject_stream};

use crate::cli::Global;
use crate::commands::apply::Files;
use crate::embedded::input;
use crate::error::CommandError;
use crate::ui::Ui;

pub(crate) mod streams;

const HELP: &str = "\
Examples:
  meshctl kube-inject -f bookinfo.yaml | kubectl apply -f -
  kubectl get deployment web -o yaml | meshctl kube-inject -f - | kubectl apply -f -
  meshctl kube-inject -f web.yaml --meshConfigFile mesh.yaml > injected.yaml

Documents that are no workloads pass unchanged, byte for byte; comments and order are kept. What was
injected before is replaced. Nothing is printed when any object cannot be injected.";

/// Put sidecars into the workloads of manifests.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct KubeInjectArgs {
    #[command(flatten)]
    pub(crate) files: Files,
    #[command(flatten)]
    pub(crate) with: With,
}

/// What is injected.
#[derive(Debug, clap::Args)]
pub(crate) struct With {
    /// The injector's settings: what the chart writes into its ConfigMap
    #[arg(
        long = "injectConfigFile",
        alias = "inject-config-file",
        value_name = "FILE"
    )]
    inject_config_file: Option<PathBuf>,
    /// Istio's mesh configuration, of which sidecars follow `defaultConfig` and some more
    #[arg(
        long = "meshConfigFile",
        alias = "mesh-config-file",
        value_name = "FILE"
    )]
    mesh_config_file: Option<PathBuf>,
    /// The namespace in which the mesh is installed [default: istio-system]
    #[arg(
        short = 'i',
        long = "istioNamespace",
        alias = "istio-namespace",
        value_name = "NAMESPACE"
    )]
    istio_namespace: Option<String>,
    /// The revision of the control plane
    #[arg(short, long, value_name = "REVISION")]
    revision: Option<String>,
    /// The sidecar's image
    #[arg(long, value_name = "IMAGE")]
    image: Option<String>,
    /// Whether sidecars are init containers that go on running (Kubernetes 1.29)
    #[arg(long, value_name = "BOOL")]
    native_sidecars: Option<bool>,
}

/// Injects files.
pub(crate) fn run(global: &Global, args: &KubeInjectArgs, ui: &Ui) -> Result<(), CommandError> {
    let settings = args.with.settings(ui)?;
    let texts = streams::read(&args.files, "kube-inject")?;
    let namespace = streams::namespace(global);
    let streams = texts.iter().map(|text| {
        let rewritten = inject_stream(&text.source(namespace), &settings);
        (text, rewritten)
    });
    streams::print(streams.collect(), global, ui)
}

impl With {
    /// The namespace in which the mesh is, if it was said.
    pub(crate) fn root(&self) -> Option<&str> {
        self.istio_namespace.as_deref()
    }

    /// The settings that the flags make.
    pub(crate) fn settings(&self, ui: &Ui) -> Result<Settings, CommandError> {
        let mut settings = match (&self.inject_config_file, &self.istio_namespace) {
            (Some(_), Some(_)) => {
                let error =
                    "--istioNamespace: the file of --injectConfigFile says where the mesh is";
                return Err(CommandError::usage(error).hint("leave one of them out"));
            }
            (Some(file), None) => {
                Settings::from_yaml(&input::text(file)?).map_err(|bad| wrong(file, &bad))?
            }
            (None, Some(namespace)) => Settings::of_mesh(namespace),
            (None, None) => Settings::default(),
        };
        if let Some(file) = &self.mesh_config_file {
            let (changed, without_effect) = settings
                .with_mesh_config(&input::text(file)?)
                .map_err(|bad| wrong(file, &bad))?;
            settings = changed;
            let file = file.display();
            for field in without_effect {
                ui.warning(&format!(
                    "{file}: defaultConfig.{field}: has no effect in mesh"
                ));
            }
        }
        if let Some(revision) = &self.revision {
            settings.revision.clone_from(revision);
        }
        if let Some(image) = &self.image {
            settings.proxy.image.clone_from(image);
        }
        if let Some(native) = self.native_sidecars {
            settings.native_sidecars = native;
        }
        Ok(settings)
    }
}

fn wrong(file: &Path, why: &dyn std::fmt::Display) -> CommandError {
    CommandError::problem(format!("{}: {why}", file.display()))
        .hint("docs/injection.md lists the settings")
}
