//! `meshctl up`: from the command line to a running mesh, in the foreground or the background.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use mesh_api::Object;
use mesh_api::decode::DEFAULT_NAMESPACE;
use mesh_runtime::SystemClock;

use crate::cli::{Global, Output};
use crate::commands::runtime;
use crate::embedded::config::Opening;
use crate::embedded::input::{self, Input};
use crate::embedded::lease::{Lease, Ports};
use crate::embedded::plan::sets::Sets;
use crate::embedded::plan::{self, Layout, Plan, Settings};
use crate::embedded::rooms::rights::{self, Rights};
use crate::embedded::state_dir::StateDir;
use crate::embedded::status::Status;
use crate::embedded::supervise::{self, Holdings, Progress, Roster};
use crate::embedded::{ca, cluster, review};
use crate::error::CommandError;
use crate::ui::{Tone, Ui};
use summary::Summary;

mod detach;
mod summary;

/// The ingress port when none is named.
const INGRESS_PORT: u16 = 8080;

const HELP: &str = "\
Examples:
  meshctl up -f samples/bookinfo
  meshctl up -f bookinfo.yaml -f images.yaml --ingress-port 9000
  meshctl up -f samples/bookinfo --detach
  meshctl up -f samples/bookinfo --network namespaces
  meshctl up -f samples/bookinfo --set citadel.workload-cert-ttl=1h --set proxy.concurrency=1";

/// Run a mesh on this machine.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct UpArgs {
    /// A manifest, a folder of manifests, or a folder with local.yaml; may be given several times
    #[arg(short, long = "filename", value_name = "FILE|DIR")]
    filename: Vec<PathBuf>,
    /// Return when the mesh is ready, and leave it running
    #[arg(long)]
    detach: bool,
    /// Port of the ingress gateway on 127.0.0.1; 0 is any free one [default: 8080 or one near it]
    #[arg(long, value_name = "PORT")]
    ingress_port: Option<u16>,
    /// How the processes of the mesh find one another
    #[arg(long, value_enum, value_name = "LAYOUT", default_value_t)]
    network: Layout,
    /// A flag for citadel, pilot, mixer or every proxy
    #[arg(long, value_name = "COMPONENT.FLAG=VALUE")]
    set: Vec<String>,
    /// Begin without the objects that `apply` left in the state folder
    #[arg(long)]
    fresh: bool,
    /// This is the process in the background
    #[arg(long, hide = true)]
    background: bool,
}

/// Runs the mesh until somebody asks for its end.
pub(crate) fn run(
    global: &Global,
    args: UpArgs,
    typed: &[OsString],
    ui: &Ui,
) -> Result<(), CommandError> {
    if args.detach {
        return runtime()?.block_on(detach::run(typed, ui));
    }
    // Before there is a second thread: the rights are of the whole process.
    let rights = match args.network {
        Layout::Loopback => None,
        Layout::Namespaces => Some(rights::gain()),
    };
    if !args.background {
        return runtime()?.block_on(foreground(global, &args, rights.transpose()?, typed, ui));
    }
    // A session of its own: signals of the terminal that started it are not meant for it.
    rustix::process::setsid().map_err(CommandError::problem)?;
    let ui = Ui::for_parent();
    let outcome = rights
        .transpose()
        .and_then(|rights| runtime()?.block_on(foreground(global, &args, rights, typed, &ui)));
    if let Err(error) = &outcome {
        ui.error(error);
    }
    outcome
}

async fn foreground(
    global: &Global,
    args: &UpArgs,
    rights: Option<Rights>,
    typed: &[OsString],
    ui: &Ui,
) -> Result<(), CommandError> {
    let dir = StateDir::locate(global.state.as_deref())?;
    let sets = Sets::parse(&args.set)?;
    supervise::try_out(&sets)?;
    let namespace = global.namespace.as_deref().unwrap_or(DEFAULT_NAMESPACE);
    let input = input::read(&args.filename, namespace)?;
    input
        .manifests
        .notes
        .iter()
        .for_each(|note| ui.warning(note));
    let held = dir.clone().hold()?;
    let lease = Lease::take()?;
    let mut ports = Ports::default();
    let settings = Settings {
        layout: args.network,
        network: lease.network,
        low_ports: lease.low_ports(),
        ingress_port: ingress_port(args, &mut ports, ui)?,
        state: dir.root().to_path_buf(),
        ca_root: ca::roots(dir.root(), &sets).map_err(CommandError::problem)?,
        sets,
    };
    let plan = plan::make(&input.manifests, &input.rules, &settings, &mut ports)?;
    let roster = Roster::of(plan)?;
    let is_served = configure(&dir, &input, roster.plan(), args.fresh, ui)?;
    let announce = |status: &Status, took: Duration| match global.output {
        Output::Json => ui.json(&status.contract()),
        Output::Table | Output::Yaml => {
            Summary {
                status,
                took,
                dir: &dir,
                input: &input,
                typed,
                is_served,
            }
            .print(ui);
        }
    };
    let progress = Progress::new(ui, announce);
    let holdings = Holdings {
        held,
        _lease: lease,
        _ports: ports,
    };
    supervise::run(roster, holdings, rights, &progress).await
}

fn ingress_port(args: &UpArgs, ports: &mut Ports, ui: &Ui) -> Result<u16, CommandError> {
    if let Some(named) = args.ingress_port {
        return ports.ingress_named(named);
    }
    let port = ports.ingress_near(INGRESS_PORT)?;
    if port != INGRESS_PORT {
        ui.warning(&format!(
            "port {INGRESS_PORT} is in use; the ingress is at port {port}"
        ));
    }
    Ok(port)
}

/// Checks the configuration against what will run, and puts it in force; whether the ingress
/// serves anything then.
fn configure(
    dir: &StateDir,
    input: &Input,
    plan: &Plan,
    fresh: bool,
    ui: &Ui,
) -> Result<bool, CommandError> {
    let opening = Opening::of(dir, &input.manifests.config, fresh)?;
    let stay: Vec<&Object> = opening.stay().iter().collect();
    let review = review::review(
        &input.manifests.config,
        &input.texts,
        &stay,
        &cluster::decoded(plan),
    );
    review
        .warnings
        .iter()
        .for_each(|warning| ui.warning(warning));
    review.refuse(false)?;
    greet(dir, plan, &stay, ui);
    let is_served = summary::is_served(input.manifests.config.iter().chain(stay));
    opening.carry_out(&SystemClock)?;
    Ok(is_served)
}

fn greet(dir: &StateDir, plan: &Plan, stay: &[&Object], ui: &Ui) {
    let (workloads, root) = (plan.workloads.len(), dir.root().display());
    let many = if workloads == 1 {
        "workload"
    } else {
        "workloads"
    };
    let title = format!("starting a mesh with {workloads} {many}");
    let title = ui.err_paint(Tone::Strong, &title);
    ui.note(&format!("{title}  network {}  state {root}", plan.network));
    if !stay.is_empty() {
        let names: Vec<String> = stay.iter().map(|object| object.key.to_string()).collect();
        let names = names.join(", ");
        ui.note(&format!(
            "still in force from before: {names} (--fresh starts without)"
        ));
    }
}
