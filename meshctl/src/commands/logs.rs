//! `meshctl logs`.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::Duration;

use mesh_api::nearest;

use crate::cli::Global;
use crate::embedded::plan::aliases;
use crate::embedded::state_dir::{StateDir, files};
use crate::error::{CommandError, at_path};
use crate::ui::Ui;

/// Between two looks at a file that is followed.
const PAUSE: Duration = Duration::from_millis(100);

const HELP: &str = "\
Examples:
  meshctl logs pilot
  meshctl logs reviews-v1 -f
  meshctl logs reviews-v1-0 --proxy --tail 20";

/// Print what a workload or component wrote.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct LogsArgs {
    /// A pod, a deployment or a component
    name: String,
    /// Go on printing what is added
    #[arg(short, long)]
    follow: bool,
    /// What the application wrote (the default for workloads)
    #[arg(long, conflicts_with = "proxy")]
    app: bool,
    /// What the sidecar wrote: its access log, too
    #[arg(long)]
    proxy: bool,
    /// Only so many lines of what is there
    #[arg(long, value_name = "LINES")]
    tail: Option<usize>,
}

/// A log that is printed.
struct Source {
    path: PathBuf,
    /// Stands before each line when there are several.
    prefix: String,
    /// How far it has been read.
    position: u64,
    /// The beginning of a line that is not finished.
    rest: Vec<u8>,
}

/// Prints logs; they outlive the mesh, so none needs to run.
pub(crate) async fn run(global: &Global, args: LogsArgs, ui: &Ui) -> Result<(), CommandError> {
    let dir = StateDir::locate(global.state.as_deref())?;
    let folder = dir.path("logs");
    let paths = select(&files(&folder)?, &args).ok_or_else(|| unknown(&dir, &args))?;
    let several = paths.len() > 1;
    let mut sources: Vec<Source> = paths
        .into_iter()
        .map(|path| {
            let prefix = if several {
                format!("[{}] ", stem(&path))
            } else {
                String::new()
            };
            Source {
                path,
                prefix,
                position: 0,
                rest: Vec::new(),
            }
        })
        .collect();
    for source in &mut sources {
        source.print(args.tail, ui)?;
    }
    if !args.follow {
        sources.iter_mut().for_each(|source| source.finish(ui));
        return Ok(());
    }
    loop {
        tokio::time::sleep(PAUSE).await;
        for source in &mut sources {
            source.print(None, ui)?;
        }
    }
}

/// The logs that a name means: those of one pod or component, or of all pods of a deployment.
fn select(logs: &[PathBuf], args: &LogsArgs) -> Option<Vec<PathBuf>> {
    let current: Vec<&PathBuf> = logs
        .iter()
        .filter(|path| path.extension().is_some_and(|end| end == "log"))
        .collect();
    let of = |fits: &dyn Fn(&str) -> bool| -> Vec<PathBuf> {
        current
            .iter()
            .filter(|path| fits(&stem(path)))
            .map(|path| (*path).clone())
            .collect()
    };
    let name = &args.name;
    let is_pod = |stem: &str| {
        if aliases(stem).contains(name) {
            return true;
        }
        let ordinal = stem
            .strip_prefix(name.as_str())
            .and_then(|rest| rest.strip_prefix('-'));
        stem == name || ordinal.is_some_and(|rest| rest.parse::<u32>().is_ok())
    };
    let apps = of(&|stem| {
        stem.strip_suffix(".app")
            .is_some_and(|stem| is_pod(stem.split_once('.').map_or(stem, |(pod, _)| pod)))
    });
    let proxies = of(&|stem| !stem.ends_with(".app") && is_pod(stem));
    let chosen = if args.proxy || (apps.is_empty() && !args.app) {
        proxies
    } else {
        apps
    };
    Some(chosen).filter(|chosen| !chosen.is_empty())
}

fn stem(path: &Path) -> String {
    path.file_stem()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

fn unknown(dir: &StateDir, args: &LogsArgs) -> CommandError {
    let logs = files(&dir.path("logs")).unwrap_or_default();
    let name = &args.name;
    let either = LogsArgs {
        app: false,
        proxy: false,
        name: name.clone(),
        ..*args
    };
    if let Some(other) = select(&logs, &either).filter(|_| args.app || args.proxy) {
        let (missing, flag) = match args.app {
            true => ("application's", "--app"),
            false => ("sidecar's", "--proxy"),
        };
        let other = other.iter().map(|path| stem(path)).collect::<Vec<_>>();
        let error = format!(
            "{name}: there is no {missing} log, but {}",
            other.join(", ")
        );
        return CommandError::problem(error).hint(format!("leave out {flag}"));
    }
    let stems: Vec<String> = logs.iter().map(|path| stem(path)).collect();
    let error = CommandError::problem(format!(
        "{name}: no such log in {}",
        dir.path("logs").display()
    ));
    let names = stems.iter().map(|stem| stem.trim_end_matches(".app"));
    match nearest(name, names).filter(|near| near != name) {
        Some(near) => error.hint(format!(
            "did you mean {near:?}? `meshctl status` shows all names"
        )),
        None => error.hint("`meshctl status` shows all names"),
    }
}

impl Source {
    /// Prints the whole lines that were added; only the last `tail` of them if it is given.
    fn print(&mut self, tail: Option<usize>, ui: &Ui) -> Result<(), CommandError> {
        let mut fresh = std::mem::take(&mut self.rest);
        self.read(&mut fresh)
            .map_err(|error| at_path(&self.path, &error))?;
        let whole = fresh
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        self.rest = fresh.split_off(whole);
        let lines: Vec<&[u8]> = fresh.split_inclusive(|byte| *byte == b'\n').collect();
        let skipped = tail.map_or(0, |tail| lines.len().saturating_sub(tail));
        let mut text = Vec::with_capacity(fresh.len());
        for line in lines.into_iter().skip(skipped) {
            text.extend_from_slice(self.prefix.as_bytes());
            text.extend_from_slice(line);
        }
        if !text.is_empty() {
            ui.raw(&text);
        }
        Ok(())
    }

    /// Prints a last line that has no end.
    fn finish(&mut self, ui: &Ui) {
        let rest = std::mem::take(&mut self.rest);
        if !rest.is_empty() {
            ui.raw(&[self.prefix.as_bytes(), &rest, b"\n"].concat());
        }
    }

    fn read(&mut self, into: &mut Vec<u8>) -> std::io::Result<()> {
        let mut file = match File::open(&self.path) {
            // Between two runs a log is away for a moment.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
            opened => opened?,
        };
        if file.metadata()?.len() < self.position {
            self.position = 0;
        }
        file.seek(SeekFrom::Start(self.position))?;
        self.position += file.read_to_end(into)? as u64;
        Ok(())
    }
}
