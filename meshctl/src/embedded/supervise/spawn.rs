//! Starting a process so that it ends with meshctl, whatever happens to meshctl.

use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;

use tokio::net::TcpStream;
use tokio::process::{Child, Command};

use crate::embedded::guard::MARK;
use crate::embedded::plan::{Process, Program};
use crate::embedded::rooms::Rooms;
use crate::embedded::rooms::entry::Entry;
use crate::embedded::state_dir::StateDir;
use crate::error::CommandError;

/// This very program, even when its file has been replaced meanwhile.
const SELF: &str = "/proc/self/exe";

/// Starts processes of one run.
///
/// The kernel ends a process with the *thread* that started it, so everything is started from
/// the one thread on which the supervisor's runtime lives.
#[derive(Debug, Clone)]
pub(super) struct Spawner {
    pub(super) dir: StateDir,
    /// The namespaces of processes that have one.
    pub(super) rooms: Option<Arc<Rooms>>,
    pub(super) run: String,
}

impl Spawner {
    /// Starts a process whose program was found before.
    pub(super) fn spawn(&self, process: &Process, program: &Path) -> std::io::Result<Child> {
        let log = self.log(&process.log)?;
        let mut command = Command::new(SELF);
        command
            .arg("__child")
            .arg(format!("--parent={}", std::process::id()))
            .args(self.entry(process).args())
            .arg("--")
            .arg(program)
            .args(&process.args)
            .envs(allocator(&process.program))
            .envs(&process.env)
            .env(MARK, &self.run)
            .current_dir(self.folder(process))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .kill_on_drop(true);
        command.spawn()
    }

    /// Connects to a process where it is.
    pub(super) async fn connect(
        &self,
        process: &Process,
        to: SocketAddr,
    ) -> std::io::Result<TcpStream> {
        match (&self.rooms, process.room) {
            (Some(rooms), Some(room)) => rooms.connect(room, to).await,
            (None, _) | (_, None) => TcpStream::connect(to).await,
        }
    }

    fn entry(&self, process: &Process) -> Entry {
        match (&self.rooms, process.room) {
            (Some(rooms), Some(room)) => rooms.entry(room),
            (None, _) | (_, None) => Entry::default(),
        }
    }

    /// Starts the guard, which lives on until this process has ended.
    pub(super) fn guard(&self) -> std::io::Result<Child> {
        let mut command = Command::new(SELF);
        let streams = command.arg("__guard").arg(&self.run).stdin(Stdio::piped());
        streams
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
    }

    /// Adds a line of the supervisor's own to the log of a process.
    pub(super) fn remark(&self, process: &Process, line: &str) {
        use std::io::Write;
        // A log that cannot be written is no reason to stop.
        if let Ok(mut log) = self.log(&process.log) {
            drop(writeln!(log, "meshctl: {line}"));
        }
    }

    fn log(&self, name: &str) -> std::io::Result<File> {
        let path = self.dir.path("logs").join(name);
        OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)
    }

    fn folder(&self, process: &Process) -> PathBuf {
        match &process.program {
            Program::Sibling(_) => self.dir.root().to_path_buf(),
            Program::Mapped { folder, .. } => folder.clone(),
        }
    }
}

/// What our own programs are told of their heap; applications keep what they inherit.
fn allocator(program: &Program) -> Option<(&'static str, &'static str)> {
    match program {
        Program::Sibling(_) => mesh_runtime::settings::allocator(),
        Program::Mapped { .. } => None,
    }
}

/// Finds the file of a program.
///
/// # Errors
/// When there is none, with the places that were looked at.
pub(super) fn locate(program: &Program) -> Result<PathBuf, CommandError> {
    let own = std::env::current_exe().ok();
    let own = own
        .as_deref()
        .and_then(Path::parent)
        .unwrap_or_else(|| Path::new("."));
    match program {
        Program::Sibling(name) => {
            let path = own.join(name);
            if is_program(&path) {
                return Ok(path);
            }
            let error = format!("{}: the program is missing", path.display());
            Err(CommandError::problem(error).hint(
                "mesh's programs stand beside meshctl; build them with `cargo build --release`",
            ))
        }
        Program::Mapped {
            command,
            folder,
            place,
        } if command.contains('/') => {
            let path = folder.join(command);
            let missing =
                || CommandError::problem(format!("{place}: {}: no such program", path.display()));
            is_program(&path).then(|| path.clone()).ok_or_else(missing)
        }
        Program::Mapped { command, place, .. } => {
            let search = mesh_runtime::settings::environment("PATH").map(OsString::from);
            let search = search.unwrap_or_default();
            let folders = std::iter::once(own.to_path_buf()).chain(std::env::split_paths(&search));
            folders
                .map(|folder| folder.join(command))
                .find(|path| is_program(path))
                .ok_or_else(|| {
                    let error = format!("{place}: {command}: no such program");
                    let hint = format!("looked in {} and on PATH", own.display());
                    CommandError::problem(error).hint(hint)
                })
        }
    }
}

fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path)
        .is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}
