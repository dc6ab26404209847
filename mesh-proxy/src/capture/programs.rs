//! Runs iptables and nft, each within a deadline.

use std::fmt;
use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// How long a program may take; each needs milliseconds, and may wait for another one's lock.
const DEADLINE: Duration = Duration::from_secs(10);
/// Where iptables-legacy keeps its lock.
const LOCK: &str = "/run/xtables.lock";
/// How much is kept of what a program complains about.
const LONGEST_COMPLAINT: usize = 600;

/// Why a program did not do what it was asked.
#[derive(Debug)]
pub(crate) enum ProgramError {
    /// It is not installed.
    Absent,
    /// It was not done in time, and was ended.
    TooSlow,
    /// It said no.
    Refused(String),
}

impl fmt::Display for ProgramError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("not installed"),
            Self::TooSlow => write!(f, "not done within {} s", DEADLINE.as_secs()),
            Self::Refused(said) => f.write_str(said),
        }
    }
}

/// Runs a program and gives back what it printed.
pub(crate) async fn read(program: &str, args: &[&str]) -> Result<String, ProgramError> {
    feed(program, args, "").await
}

/// Runs a program that reads `input`.
pub(crate) async fn feed(
    program: &str,
    args: &[&str],
    input: &str,
) -> Result<String, ProgramError> {
    let mut command = Command::new(program);
    command
        .args(args)
        // Its words are looked at, in English.
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    if program.contains("tables") && !can_lock() {
        // A read-only file system. The namespace is the pod's own, so nobody else is at its rules.
        command.env("XTABLES_LOCKFILE", "/dev/null");
    }
    let done = tokio::time::timeout(DEADLINE, complete(command, input)).await;
    let output = done.map_err(|_| ProgramError::TooSlow)??;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(ProgramError::Refused(complaint(&output)))
}

async fn complete(mut command: Command, input: &str) -> Result<Output, ProgramError> {
    let mut child = command.spawn().map_err(|error| match error.kind() {
        ErrorKind::NotFound => ProgramError::Absent,
        _ => ProgramError::Refused(format!("cannot be started: {error}")),
    })?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that ends before it has read everything says itself why. Our texts are smaller
        // than a pipe's buffer or are read as they come, so this does not wait for the output.
        let _unread = stdin.write_all(input.as_bytes()).await;
    }
    let output = child.wait_with_output().await;
    output.map_err(|error| ProgramError::Refused(format!("cannot be waited for: {error}")))
}

fn can_lock() -> bool {
    let open = OpenOptions::new().create(true).append(true).open(LOCK);
    open.is_ok()
}

/// What it said on standard error, as one line.
fn complaint(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<_> = said.lines().map(str::trim).collect();
    let said: String = lines.join("; ").chars().take(LONGEST_COMPLAINT).collect();
    if said.is_empty() {
        return format!("ended with {}", output.status);
    }
    said
}
