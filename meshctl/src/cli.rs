//! The command tree: names, flags and help, nothing else.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::commands::{
    apply, bug_report, check, check_inject, child, completion, dashboard, delete, down, get,
    install, kube_inject, logs, proxy_config, proxy_status, start, status, stop, uninject,
    uninstall, up, validate, version,
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
  meshctl proxy-status                      does every proxy have its configuration?
  meshctl proxy-config routes NAME          what a proxy has in force
  meshctl kube-inject -f app.yaml | kubectl apply -f -
                                            put sidecars into Kubernetes manifests

Exit codes: 0 good, 1 problems found, 2 wrong usage, 3 the mesh cannot be reached.";

/// A service mesh that accepts Istio's API, on one machine and on Kubernetes.
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
    #[value(alias = "short")]
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
    /// Show whether proxies have what pilot sent
    #[command(visible_alias = "ps")]
    ProxyStatus(proxy_status::ProxyStatusArgs),
    /// Show what a proxy has in force
    #[command(visible_alias = "pc")]
    ProxyConfig(proxy_config::ProxyConfigArgs),
    /// Install the mesh in a cluster, or bring it in line with other values
    Install(install::InstallArgs),
    /// Bring a mesh in a cluster to this version, and in line with other values
    Upgrade(install::InstallArgs),
    /// Take the mesh out of a cluster
    Uninstall(uninstall::UninstallArgs),
    /// Print the objects that would be installed
    Manifest(install::ManifestArgs),
    /// Open pages of the mesh on a port of this machine
    #[command(visible_alias = "dash")]
    Dashboard(dashboard::DashboardArgs),
    /// Check whether the mesh is as it should be
    Check(check::CheckArgs),
    /// Collect the state of the mesh in one archive, for those who shall say what is wrong
    BugReport(bug_report::BugReportArgs),
    /// Check manifests without a mesh
    #[command(visible_alias = "v")]
    Validate(validate::ValidateArgs),
    /// Put sidecars into the workloads of Kubernetes manifests
    KubeInject(kube_inject::KubeInjectArgs),
    /// Take sidecars out of the workloads of Kubernetes manifests
    Uninject(uninject::UninjectArgs),
    /// Explain which pods get a sidecar, and why
    CheckInject(check_inject::CheckInjectArgs),
    /// Print the version of meshctl and of the mesh that it finds
    Version(version::VersionArgs),
    /// Print what a shell needs to complete commands and flags
    Completion(completion::CompletionArgs),
    /// Becomes a process that ends with its parent
    #[command(name = "__child", hide = true)]
    Child(child::ChildArgs),
    /// Ends what a killed meshctl left behind
    #[command(name = "__guard", hide = true)]
    Guard(child::GuardArgs),
}

#[cfg(test)]
mod tests;
