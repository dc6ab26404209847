//! `meshctl up --detach`: the mesh runs in a process of its own, this one tells of its start.

use std::ffi::{OsStr, OsString};
use std::process::Stdio;

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;

use crate::error::{CommandError, Kind};
use crate::ui::Ui;

/// One line of the process in the background.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Line {
    /// Data: only the announcement that the mesh is up.
    data: Option<String>,
    note: Option<String>,
    warning: Option<String>,
    error: Option<String>,
    hints: Vec<String>,
    code: u8,
}

/// Starts the background process and returns when the mesh is up.
pub(super) async fn run(typed: &[OsString], ui: &Ui) -> Result<(), CommandError> {
    let args = typed.iter().skip(1).filter(|arg| *arg != "--detach");
    let mut command = Command::new("/proc/self/exe");
    // What `ps` shows, and what the mesh says to type next, is what was typed here.
    command.arg0(
        typed
            .first()
            .map_or_else(|| OsStr::new("meshctl"), OsString::as_os_str),
    );
    command.args(args).arg("--background");
    let child = command
        .stdin(Stdio::inherit())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut child = child.map_err(CommandError::problem)?;
    let Some(output) = child.stdout.take() else {
        return Err(CommandError::problem(
            "the mesh in the background has no output",
        ));
    };
    let mut lines = BufReader::new(output).lines();
    loop {
        let line = tokio::select! {
            line = lines.next_line() => line.map_err(CommandError::problem)?,
            () = interrupted() => {
                end(&child);
                drop(child.wait().await);
                return Err(CommandError::problem("interrupted; the mesh was stopped"));
            }
        };
        let Some(line) = line else {
            let status = child.wait().await.map_err(CommandError::problem)?;
            return Err(CommandError::problem(format!(
                "the mesh did not start: {status}"
            )));
        };
        let line: Line = serde_json::from_str(&line).unwrap_or_default();
        if let Some(error) = line.error {
            return Err(CommandError {
                kind: Kind::from_code(line.code),
                error,
                hints: line.hints,
            });
        }
        if let Some(text) = line.warning {
            ui.warning(&text);
        }
        if let Some(text) = line.note {
            ui.note(&text);
        }
        if let Some(text) = line.data {
            ui.data(&text);
            return Ok(());
        }
    }
}

async fn interrupted() {
    // Without a handler the terminal's own way of ending this process is left.
    if tokio::signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}

fn end(child: &tokio::process::Child) {
    let pid = child
        .id()
        .and_then(|pid| rustix::process::Pid::from_raw(i32::try_from(pid).ok()?));
    if let Some(pid) = pid {
        let _gone_already = rustix::process::kill_process(pid, rustix::process::Signal::TERM);
    }
}
