//! `meshctl bug-report`: the state of a mesh in one archive, for those who shall say what is wrong.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use mesh_api::timestamp::Timestamp;
use mesh_model::time::Clock;
use mesh_runtime::SystemClock;
use mesh_runtime::settings::parse_duration;
use serde_json::{Value, json};

use crate::cli::{Global, Output};
use crate::embedded::state_dir::{self, StateDir};
use crate::error::{CommandError, Kind, at_path};
use crate::plane::{Plane, Where};
use crate::ui::Ui;

mod archive;
mod cluster;
mod collect;
mod local;
mod parts;
mod redact;
mod scope;

use archive::Archive;
use collect::{Collection, Missing};
use scope::Scope;

/// How many failures are told before the rest is counted.
const TOLD: usize = 5;

const HELP: &str = "\
Examples:
  meshctl bug-report                            of everything
  meshctl bug-report -n shop --exclude payments
  meshctl bug-report web-7d4b9c-x2x9k.shop deployment/reviews

The archive holds versions, the objects of the mesh's kinds and those of Kubernetes that it reads, what
`check` says, pages and logs of the control plane and of the proxies, and events. Secrets are not asked for;
private keys, tokens and passwords are replaced by [redacted], and so is what manifests tell applications.
Their logs are not collected. Look through it before you give it away.

Exit codes: 0 the archive is complete, 1 it is written and missing.txt in it says what it has not,
3 there is no mesh or it cannot be reached, and no archive.";

/// Collect the state of the mesh in one archive.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct BugReportArgs {
    /// Only these proxies: NAME, NAME.NAMESPACE, pod/NAME or deployment/NAME
    #[arg(value_name = "PROXY")]
    proxies: Vec<String>,
    /// Nothing of these namespaces
    #[arg(long, value_name = "NAMESPACE", value_delimiter = ',')]
    exclude: Vec<String>,
    /// The last lines of each log
    #[arg(long, value_name = "LINES", default_value_t = 10_000)]
    tail: usize,
    /// How long to collect at most
    #[arg(long, value_name = "DURATION", default_value = "5m", value_parser = parse_duration)]
    timeout: Duration,
    /// The folder of the archive
    #[arg(long, value_name = "DIR", default_value = ".")]
    output_dir: PathBuf,
    #[command(flatten)]
    at: Where,
}

/// What a report is made of.
enum Found {
    /// A mesh that answers.
    Plane(Plane),
    /// What a local mesh that does not run has left, and why nobody answers.
    Folder(StateDir, CommandError),
}

/// A folder's archive while it is written.
type Report<'a> = Collection<'a, BufWriter<File>>;

/// Collects.
pub(crate) async fn run(global: &Global, args: BugReportArgs, ui: &Ui) -> Result<(), CommandError> {
    let scope = Scope::new(
        &args.proxies,
        global.namespace.as_deref(),
        &args.exclude,
        args.at.root(),
    )?;
    let found = find(global, &args.at).await?;
    let now = SystemClock.wall();
    let name = format!("bug-report-{}", stamp(now));
    let path = args.output_dir.join(format!("{name}.tar.gz"));
    // Until it is whole it is not seen.
    let fresh = args.output_dir.join(format!(".{name}.tar.gz.new"));
    let file = create(&path, &fresh)?;
    let seconds = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let archive = Archive::new(BufWriter::new(file), seconds);
    let mut report = Collection::new(archive, &name, ui, end(args.timeout));
    let collected = collect(&mut report, &found, &scope, args.tail).await;
    let about = json!({
        "collected": Timestamp::from(now).to_string(),
        "meshctl": env!("CARGO_PKG_VERSION"),
        "mesh": describe(&found),
        "chosen": scope.to_json(),
    });
    let written = collected.and_then(|()| report.finish(about));
    let written = written.and_then(|(mut out, files, missing)| {
        out.flush().map_err(|error| at_path(&fresh, &error))?;
        std::fs::rename(&fresh, &path).map_err(|error| at_path(&path, &error))?;
        Ok((files, missing))
    });
    match written {
        Ok((files, missing)) => tell(global, &path, files, &missing, ui),
        Err(error) => {
            state_dir::remove(&fresh)?;
            Err(error)
        }
    }
}

/// The mesh that is meant; of a local one that does not run at least its folder.
async fn find(global: &Global, at: &Where) -> Result<Found, CommandError> {
    let error = match Plane::find(global, at).await {
        Ok(plane) => return Ok(Found::Plane(plane)),
        Err(error) => error,
    };
    if error.kind != Kind::Unreachable || at.names_cluster() {
        return Err(error);
    }
    let dir = StateDir::locate(global.state.as_deref())?;
    match dir.summary() {
        Ok(Some(_)) => Ok(Found::Folder(dir, error)),
        Ok(None) | Err(_) => Err(error),
    }
}

async fn collect(
    report: &mut Report<'_>,
    found: &Found,
    scope: &Scope,
    tail: usize,
) -> Result<(), CommandError> {
    match found {
        Found::Plane(plane @ Plane::Local(mesh)) => {
            parts::common(report, plane).await?;
            local::collect(report, &mesh.dir, Some(&mesh.status), scope, tail).await
        }
        Found::Plane(plane @ Plane::Cluster(installed)) => {
            cluster::reached(installed).await?;
            parts::common(report, plane).await?;
            cluster::collect(report, installed, scope, tail).await
        }
        Found::Folder(dir, error) => {
            report.lacks("control-plane and proxies", error.error.clone());
            local::collect(report, dir, None, scope, tail).await
        }
    }
}

fn describe(found: &Found) -> Value {
    match found {
        Found::Plane(Plane::Local(mesh)) => json!({"state": mesh.dir.root(), "runs": true}),
        Found::Plane(Plane::Cluster(installed)) => {
            json!({"cluster": installed.cluster.address(), "namespace": installed.root})
        }
        Found::Folder(dir, _) => json!({"state": dir.root(), "runs": false}),
    }
}

/// Why collecting ends at the latest.
async fn end(timeout: Duration) -> &'static str {
    tokio::select! {
        () = tokio::time::sleep(timeout) => "the time of --timeout was up",
        _ = tokio::signal::ctrl_c() => "it was interrupted",
    }
}

fn create(path: &Path, fresh: &Path) -> Result<File, CommandError> {
    if path.exists() {
        let error = format!("{}: there is one already", path.display());
        return Err(CommandError::problem(error).hint("try again, or name another --output-dir"));
    }
    let mut options = OpenOptions::new();
    let file = options.write(true).create(true).truncate(true).mode(0o600);
    file.open(fresh).map_err(|error| {
        let folder = fresh.parent().unwrap_or(fresh);
        at_path(folder, &error).hint("--output-dir names another folder")
    })
}

/// `20260131T093000Z`.
fn stamp(now: SystemTime) -> String {
    let text = Timestamp::from(now).to_string();
    let whole = text.split(['.', 'Z']).next().unwrap_or_default();
    format!("{}Z", whole.replace(['-', ':'], ""))
}

fn tell(
    global: &Global,
    path: &Path,
    files: usize,
    missing: &[Missing],
    ui: &Ui,
) -> Result<(), CommandError> {
    if global.output == Output::Json {
        let list = missing.iter();
        let list = list.map(|one| json!({"file": one.path, "error": one.why}));
        ui.json(&json!({
            "archive": path,
            "complete": missing.is_empty(),
            "files": files,
            "missing": list.collect::<Vec<_>>(),
        }));
    } else {
        ui.data(&path.display().to_string());
    }
    if missing.is_empty() {
        return Ok(());
    }
    let mut lines: Vec<String> = missing.iter().take(TOLD).map(line).collect();
    if missing.len() > TOLD {
        lines.push(format!("and {} more", missing.len() - TOLD));
    }
    let error = CommandError::problem(lines.join("\n"));
    Err(error.hint("the archive is written without these; its missing.txt names all of them"))
}

fn line(missing: &Missing) -> String {
    format!("{}: {}", missing.path, missing.why)
}
