//! What proxies keep for their next start: it is of one run of a workload instance, as a pod's volume is of the pod.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use crate::embedded::state_dir::StateDir;
use crate::error::{CommandError, at_path};

const FOLDER: &str = "cache";

/// The folder of a proxy in a state folder.
pub(crate) fn folder(state: &Path, name: &str) -> PathBuf {
    state.join(FOLDER).join(name)
}

/// Removes what a proxy has kept.
///
/// # Errors
/// When it cannot be removed.
pub(crate) fn forget(dir: &StateDir, name: &str) -> Result<(), CommandError> {
    let path = folder(dir.root(), name);
    match fs::remove_dir_all(&path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(at_path(&path, &error)),
        Ok(()) | Err(_) => Ok(()),
    }
}

/// The same of all proxies.
///
/// # Errors
/// When something cannot be removed.
pub(crate) fn forget_all(dir: &StateDir) -> Result<(), CommandError> {
    let path = dir.path(FOLDER);
    let folders = fs::read_dir(&path).map_err(|error| at_path(&path, &error))?;
    for entry in folders {
        let entry = entry.map_err(|error| at_path(&path, &error))?;
        forget(dir, &entry.file_name().to_string_lossy())?;
    }
    Ok(())
}
