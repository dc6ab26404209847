//! The command tree: names, flags and help, nothing else.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::commands::{
    apply, check_inject, child, delete, down, get, kube_inject, logs, start, status, stop,
    uninject, up, version,
};
use crate::ui::Color;

const EXAMPLES: &str = "\
Examples:
  meshctl up -f samples/bookinfo            run Bookinfo in a mesh on this machine
  meshctl status                            what runs, and where
  meshctl apply -f virtual-service.yaml     change the mesh's configuration
  meshctl get virtualservice -o yaml        what is in force
  meshctl logs reviews-v1 -f                follow an application
  meshctl stop pilot                        hold a process down, to see what happens
  meshctl down                              stop everything
  meshctl kube-inject -f app.yaml | kubectl apply -f -
                                            put sidecars into Kubernetes manifests

Exit codes: 0 good, 1 problems found, 2 wrong usage, 3 the mesh cannot be reached.";

/// A service mesh that accepts Istio's API, on one machine.
#[derive(Debug, Parser)]
#[command(name = "meshctl", version, max_term_width = 100, after_help = EXAMPLES)]
#[command(infer_subcommands = false, disable_help_subcommand = false)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags that every command knows.
#[derive(Debug, Args)]
pub(crate) struct Global {
    /// The mesh's state folder [default: mesh in $XDG_STATE_HOME or ~/.local/state]
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
    /// How to print data
    #[arg(
        short,
        long,
        global = true,
        value_enum,
        value_name = "FORMAT",
        default_value = "table"
    )]
    pub(crate) output: Output,
    /// The namespace of objects that do not name theirs
    #[arg(short, long, global = true, value_name = "NAMESPACE")]
    pub(crate) namespace: Option<String>,
    /// When to colour
    #[arg(
        long,
        global = true,
        value_enum,
        value_name = "WHEN",
        default_value = "auto"
    )]
    color: Color,
}

impl Global {
    /// When to colour.
    pub(crate) fn color(&self) -> Color {
        self.color
    }
}

/// How data is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    Table,
    /// For scripts.
    Json,
    /// As the objects are written.
    Yaml,
}

/// The verbs.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a mesh on this machine
    Up(up::UpArgs),
    /// Stop the mesh and everything that it started
    Down(down::DownArgs),
    /// Show what runs, and where
    Status(status::StatusArgs),
    /// Put objects in force, after checking them against everything that is
    Apply(apply::ApplyArgs),
    /// Take objects out of force
    Delete(delete::DeleteArgs),
    /// Show objects that are in force, and what is wrong with those that are not
    Get(get::GetArgs),
    /// Hold a workload or component down
    Stop(stop::StopArgs),
    /// Bring back what `stop` holds down
    Start(start::StartArgs),
    /// Print what a workload or component wrote
    Logs(logs::LogsArgs),
    /// Put sidecars into the workloads of Kubernetes manifests
    KubeInject(kube_inject::KubeInjectArgs),
    /// Take sidecars out of the workloads of Kubernetes manifests
    Uninject(uninject::UninjectArgs),
    /// Explain which pods of manifests get a sidecar, and why
    CheckInject(check_inject::CheckInjectArgs),
    /// Print the version
    Version(version::VersionArgs),
    /// Becomes a process that ends with its parent
    #[command(name = "__child", hide = true)]
    Child(child::ChildArgs),
    /// Ends what a killed meshctl left behind
    #[command(name = "__guard", hide = true)]
    Guard(child::GuardArgs),
}
