//! What a layer or an archive holds: folders, files and links by path, in one order.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use anyhow::{Context, Result};

/// Something at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Entry {
    /// A folder.
    Folder {
        /// Its permissions.
        mode: u32,
    },
    /// A file.
    File {
        /// Its permissions.
        mode: u32,
        /// What is in it.
        bytes: Vec<u8>,
    },
    /// A symbolic link.
    Link {
        /// Where it points to.
        to: String,
    },
}

/// Entries by their path, which has no slash at either end; folders come before what is in them.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Content(BTreeMap<String, Entry>);

impl Content {
    /// Every entry, in order.
    pub(crate) fn entries(&self) -> impl Iterator<Item = (&str, &Entry)> {
        self.0.iter().map(|(path, entry)| (path.as_str(), entry))
    }

    /// Puts something there, and the folders above it.
    pub(crate) fn put(&mut self, path: &str, entry: Entry) {
        let path = path.trim_matches('/');
        let folders = path
            .match_indices('/')
            .filter_map(|(end, _)| path.get(..end));
        for folder in folders {
            let usual = Entry::Folder { mode: 0o755 };
            self.0.entry(folder.to_owned()).or_insert(usual);
        }
        self.0.insert(path.to_owned(), entry);
    }

    /// Puts a text there, for all to read.
    pub(crate) fn text(&mut self, path: &str, text: &str) {
        let bytes = text.as_bytes().to_vec();
        self.put(path, Entry::File { mode: 0o644, bytes });
    }

    /// Puts a link there.
    pub(crate) fn link(&mut self, path: &str, to: &str) {
        self.put(path, Entry::Link { to: to.to_owned() });
    }

    /// Copies a file of this machine: what a link points to, for all to read, and to run if its owner
    /// may run it.
    pub(crate) fn copy(&mut self, path: &str, from: &Path) -> Result<()> {
        let bytes = fs::read(from).with_context(|| from.display().to_string())?;
        let mode = fs::metadata(from)?.permissions().mode();
        let mode = if mode & 0o100 == 0 { 0o644 } else { 0o755 };
        self.put(path, Entry::File { mode, bytes });
        Ok(())
    }

    /// What a folder of this machine holds of those paths that are wanted.
    pub(crate) fn folder(folder: &Path, wanted: impl Fn(&str) -> bool) -> Result<Self> {
        let mut content = Self::default();
        let mut left = vec![String::new()];
        while let Some(under) = left.pop() {
            let here = folder.join(&under);
            for entry in fs::read_dir(&here).with_context(|| here.display().to_string())? {
                let entry = entry?;
                let name = entry.file_name();
                let name = name.to_str().context("a name that is no text")?;
                let path = format!("{under}{name}");
                let kind = entry.file_type()?;
                if kind.is_dir() {
                    left.push(format!("{path}/"));
                } else if !wanted(&path) {
                    continue;
                } else if kind.is_symlink() {
                    let to = fs::read_link(entry.path())?;
                    content.link(&path, &to.to_string_lossy());
                } else {
                    content.copy(&path, &entry.path())?;
                }
            }
        }
        Ok(content)
    }

    /// The same in a folder.
    pub(crate) fn below(self, folder: &str) -> Self {
        let mut below = Self::default();
        for (path, entry) in self.0 {
            below.put(&format!("{folder}/{path}"), entry);
        }
        below
    }

    /// Leaves out what another one has already.
    pub(crate) fn without(mut self, other: &Self) -> Self {
        self.0.retain(|path, entry| {
            matches!(entry, Entry::Folder { .. }) || other.0.get(path) != Some(entry)
        });
        self
    }

    /// Writes everything below a folder, which is made.
    pub(crate) fn unpack(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder)?;
        for (path, entry) in self.entries() {
            let path = folder.join(path);
            write(&path, entry).with_context(|| path.display().to_string())?;
        }
        Ok(())
    }
}

fn write(path: &Path, entry: &Entry) -> Result<()> {
    match entry {
        Entry::Folder { mode } => {
            fs::create_dir_all(path)?;
            fs::set_permissions(path, fs::Permissions::from_mode(*mode))?;
        }
        Entry::File { mode, bytes } => {
            fs::write(path, bytes)?;
            fs::set_permissions(path, fs::Permissions::from_mode(*mode))?;
        }
        Entry::Link { to } => symlink(to, path)?,
    }
    Ok(())
}
