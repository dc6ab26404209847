//! The state folder of a local mesh: its layout, whose it is, and who holds it.
//!
//! docs/local-mesh.md describes the folder, which is a contract. Files appear by rename, so that
//! a watcher never reads half of one.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::error::{CommandError, at_path};

/// The version of the contract that this meshctl writes.
pub(crate) const VERSION: u64 = 1;
/// The folders that a state folder has.
const FOLDERS: [&str; 8] = [
    "config",
    "cluster",
    "ca",
    "tokens",
    "tokens/accepted",
    "cache",
    "logs",
    "run",
];

/// A state folder, whether it exists or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StateDir {
    root: PathBuf,
}

/// A state folder that belongs to this process as long as this value lives.
#[derive(Debug)]
pub(crate) struct Held {
    /// The folder.
    pub(crate) dir: StateDir,
    _lock: File,
}

impl StateDir {
    /// The folder that the user named, or the default one.
    ///
    /// # Errors
    /// When neither is known.
    pub(crate) fn locate(named: Option<&Path>) -> Result<Self, CommandError> {
        let root = named
            .map(Path::to_path_buf)
            .or_else(default_root)
            .ok_or_else(|| {
                CommandError::usage("neither XDG_STATE_HOME nor HOME is set")
                    .hint("name a folder with --state DIR")
            })?;
        let root = std::path::absolute(&root).map_err(|error| at_path(&root, &error))?;
        Ok(Self { root })
    }

    /// The folder itself.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// A place in the folder.
    pub(crate) fn path(&self, relative: impl AsRef<Path>) -> PathBuf {
        self.root.join(relative)
    }

    /// What `mesh.json` says; nothing when there is none.
    ///
    /// # Errors
    /// When the folder is not a mesh's, or one of a newer version.
    pub(crate) fn summary(&self) -> Result<Option<Value>, CommandError> {
        let path = self.path("mesh.json");
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(at_path(&path, &error)),
        };
        let foreign = || {
            CommandError::problem(format!("{}: this is no mesh.json", path.display()))
                .hint("name another folder with --state DIR")
        };
        let value: Value = serde_json::from_str(&text).map_err(|_| foreign())?;
        match value
            .get("version")
            .and_then(Value::as_u64)
            .ok_or_else(foreign)?
        {
            VERSION => Ok(Some(value)),
            version => Err(CommandError::problem(format!(
                "{}: the folder has version {version}, this meshctl knows version {VERSION}",
                self.root.display()
            ))
            .hint("use the meshctl that made it, or name another folder with --state DIR")),
        }
    }

    /// Makes the folder if need be, makes sure it is ours, and takes hold of it.
    ///
    /// # Errors
    /// When it is another program's, of a newer version, or held by a running mesh.
    pub(crate) fn hold(self) -> Result<Held, CommandError> {
        self.refuse_foreign()?;
        make_folder(&self.root)?;
        let owner =
            fs::symlink_metadata(&self.root).map_err(|error| at_path(&self.root, &error))?;
        if owner.uid() != rustix::process::geteuid().as_raw() {
            let error = format!(
                "{}: the folder belongs to another user",
                self.root.display()
            );
            return Err(CommandError::problem(error).hint("name another folder with --state DIR"));
        }
        let path = self.path("lock");
        let lock = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&path);
        let lock = lock.map_err(|error| at_path(&path, &error))?;
        if !try_lock(&lock) {
            return Err(self.in_use());
        }
        // Again, under the lock: another meshctl may have been faster.
        if self.summary()?.is_none() {
            self.write(
                "mesh.json",
                format!("{:#}\n", json!({"version": VERSION})).as_bytes(),
            )?;
        }
        for folder in FOLDERS {
            make_folder(&self.path(folder))?;
        }
        Ok(Held {
            dir: self,
            _lock: lock,
        })
    }

    fn refuse_foreign(&self) -> Result<(), CommandError> {
        if self.summary()?.is_some() {
            return Ok(());
        }
        let entries = match fs::read_dir(&self.root) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(at_path(&self.root, &error)),
        };
        // An `up` that was killed in its first moments leaves nothing but its lock.
        let foreign = entries.flatten().find(|entry| entry.file_name() != "lock");
        foreign.map_or(Ok(()), |entry| {
            let (root, name) = (self.root.display(), entry.file_name());
            let error =
                format!("{root}: not a mesh's state folder: it holds {name:?} but no mesh.json");
            Err(CommandError::problem(error).hint("name an empty or new folder with --state DIR"))
        })
    }

    fn in_use(&self) -> CommandError {
        let pid = self
            .summary()
            .ok()
            .flatten()
            .and_then(|summary| summary.get("pid")?.as_u64());
        let by = pid.map_or_else(String::new, |pid| format!(" (process {pid})"));
        CommandError::problem(format!("a mesh is running in {}{by}", self.root.display()))
            .hint("stop it with `meshctl down`, or run a second one with --state DIR")
    }

    /// Writes a file of the folder, readable by its owner alone.
    pub(crate) fn write(
        &self,
        relative: impl AsRef<Path>,
        bytes: &[u8],
    ) -> Result<(), CommandError> {
        write(&self.path(relative), bytes)
    }
}

/// The name of the file that holds an object: `<kind>.<namespace>.<name>.yaml` in lower case.
pub(crate) fn object_file(kind: &str, namespace: &str, name: &str) -> String {
    let parts = [kind, namespace, name];
    let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    format!("{}.yaml", parts.join(".").to_lowercase())
}

/// Writes a file so that nobody sees half of it.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> Result<(), CommandError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    // The dot keeps it out of what watchers look at.
    let fresh = path.with_file_name(format!(".{name}.{}.new", std::process::id()));
    let written = (|| {
        let mut options = OpenOptions::new();
        let mut file = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&fresh)?;
        file.write_all(bytes)?;
        fs::rename(&fresh, path)
    })();
    written.map_err(|error| at_path(path, &error))
}

/// Removes a file; one that is gone already is fine.
pub(crate) fn remove(path: &Path) -> Result<(), CommandError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(at_path(path, &error)),
        _ => Ok(()),
    }
}

/// Names of the files of a folder, sorted; hidden ones and folders are left out.
pub(crate) fn files(folder: &Path) -> Result<Vec<PathBuf>, CommandError> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(at_path(folder, &error)),
    };
    let visible = entries.flatten().filter(|entry| {
        let hidden = entry.file_name().to_string_lossy().starts_with('.');
        !hidden && entry.file_type().is_ok_and(|kind| !kind.is_dir())
    });
    let mut paths: Vec<PathBuf> = visible.map(|entry| entry.path()).collect();
    paths.sort();
    Ok(paths)
}

fn make_folder(path: &Path) -> Result<(), CommandError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    let private = made.and_then(|()| fs::set_permissions(path, fs::Permissions::from_mode(0o700)));
    private.map_err(|error| at_path(path, &error))
}

fn try_lock(file: &File) -> bool {
    rustix::fs::flock(file, rustix::fs::FlockOperation::NonBlockingLockExclusive).is_ok()
}

fn default_root() -> Option<PathBuf> {
    let variable = mesh_runtime::settings::environment;
    let base = variable("XDG_STATE_HOME").map(PathBuf::from);
    let base = base.or_else(|| Some(PathBuf::from(variable("HOME")?).join(".local/state")))?;
    Some(base.join("mesh"))
}

#[cfg(test)]
mod tests;
