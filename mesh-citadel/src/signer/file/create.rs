//! Makes the files of a new CA so that a process that is killed on the way leaves none or all.
//!
//! All three are written into a folder of their own, which gets its name `.first` by one rename:
//! from then on this is the CA. Whoever starts next, if need be, links what is missing from there
//! into place and removes the folder. Of two processes that start at once one gets the name, and
//! both end with its CA.

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;
use std::time::SystemTime;

use mesh_model::ident::TrustDomain;
use mesh_model::time::rfc3339;
use mesh_pki::ca::Ca;
use mesh_pki::chain;
use mesh_pki::key::Key;
use mesh_pki::template::Serial;

use super::{CERTIFICATE, FileError, KEY, ROOTS, io_error};

/// A whole CA that is not wholly in place yet.
const FIRST: &str = ".first";
/// How folders begin whose files are not all written; a number follows.
const UNFINISHED: &str = ".unfinished-";

/// Makes a CA in a directory that has none.
pub(super) fn create(
    directory: &Path,
    trust_domain: &TrustDomain,
    now: SystemTime,
) -> Result<(), FileError> {
    make_folder(directory).map_err(io_error(directory))?;
    let key = Key::generate()?;
    let key_pem = key.to_pem();
    let ca = Ca::create_root(trust_domain, key, Serial::random()?, now)?;
    let certificate = chain::to_pem(&ca.facts().der);
    let unfinished = directory.join(format!("{UNFINISHED}{}", std::process::id()));
    let files = [
        (KEY, key_pem.as_str(), 0o600),
        (CERTIFICATE, &certificate, 0o644),
        (ROOTS, &certificate, 0o644),
    ];
    let made = write_all(&unfinished, &files).and_then(|()| name(&unfinished, directory));
    if let Err(error) = made
        // Another process was faster: its CA is as good.
        && !directory.join(FIRST).exists()
        && !directory.join(KEY).exists()
    {
        return Err(io_error(&unfinished)(error));
    }
    finish(directory)?;
    if fs::read_to_string(directory.join(KEY)).is_ok_and(|text| text == *key_pem) {
        tracing::info!(
            directory = %directory.display(),
            %trust_domain,
            not_after = rfc3339(ca.facts().not_after),
            "new root made"
        );
    }
    Ok(())
}

/// Puts in place what a start that was cut short has left, and removes its traces.
///
/// What is there already stays: a file is linked, which never replaces one.
pub(super) fn finish(directory: &Path) -> Result<(), FileError> {
    let first = directory.join(FIRST);
    for name in [KEY, CERTIFICATE, ROOTS] {
        let path = directory.join(name);
        match fs::hard_link(first.join(name), &path) {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            // There is nothing to finish, or another process has finished it.
            Err(error) if error.kind() == ErrorKind::NotFound => break,
            Err(error) => return Err(io_error(&path)(error)),
        }
        if name == KEY && !same(&first.join(KEY), &path).map_err(io_error(&path))? {
            // The key of another CA was there first; ours never was anybody's.
            break;
        }
    }
    remove_traces(directory).map_err(io_error(directory))
}

fn write_all(folder: &Path, files: &[(&str, &str, u32)]) -> io::Result<()> {
    // Of a process that had our number before us.
    remove(folder)?;
    make_folder(folder)?;
    for (name, content, mode) in files {
        let mut options = OpenOptions::new();
        let options = options.write(true).create_new(true).mode(*mode);
        let mut file = options.open(folder.join(name))?;
        file.write_all(content.as_bytes())?;
        file.sync_all()?;
    }
    File::open(folder)?.sync_all()
}

/// Makes the CA the directory's. A folder with content is never replaced by a rename.
fn name(unfinished: &Path, directory: &Path) -> io::Result<()> {
    fs::rename(unfinished, directory.join(FIRST))?;
    File::open(directory)?.sync_all()
}

fn same(one: &Path, other: &Path) -> io::Result<bool> {
    match fs::read(one) {
        Ok(content) => Ok(content == fs::read(other)?),
        // Another process has finished meanwhile.
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

fn remove_traces(directory: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(directory) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name == FIRST || name.starts_with(UNFINISHED) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

fn remove(folder: &Path) -> io::Result<()> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

fn make_folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path)
}

#[cfg(test)]
mod tests;
