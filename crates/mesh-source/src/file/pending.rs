//! What inotify said since the source looked last.
//!
//! Pure apart from one look at a new name, to tell a link, which is complete at once, from a file
//! that somebody is about to write.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind, RenameMode};

/// Events gathered into what has to be looked at.
#[derive(Debug)]
pub(super) struct Pending {
    roots: Vec<PathBuf>,
    change: Change,
    /// Files that are open for writing; looked at when they are closed.
    writing: BTreeSet<PathBuf>,
}

/// What to look at.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Change {
    /// Files that are complete and may have changed.
    pub(super) files: BTreeSet<PathBuf>,
    /// Folders whose every file may have changed.
    pub(super) folders: BTreeSet<PathBuf>,
    /// Folders that came, went, or are others now.
    pub(super) replaced: BTreeSet<PathBuf>,
    /// Files that must not be looked at now.
    pub(super) writing: BTreeSet<PathBuf>,
}

impl Change {
    /// The change that reads everything.
    pub(super) fn everything(roots: &[PathBuf]) -> Self {
        Self {
            folders: roots.iter().cloned().collect(),
            ..Self::default()
        }
    }
}

impl Pending {
    pub(super) fn new(roots: Vec<PathBuf>) -> Self {
        Self {
            roots,
            change: Change::default(),
            writing: BTreeSet::new(),
        }
    }

    /// What to look at now; forgets it.
    pub(super) fn take(&mut self) -> Change {
        let mut change = std::mem::take(&mut self.change);
        change.writing = self.writing.clone();
        change
    }

    /// Events were lost, so nothing is known any more.
    pub(super) fn everything(&mut self) -> bool {
        self.writing.clear();
        self.change.folders.extend(self.roots.iter().cloned());
        self.change.replaced.extend(self.roots.iter().cloned());
        true
    }

    /// Notes an event; true when there is something to look at.
    pub(super) fn note(&mut self, event: &notify::Event) -> bool {
        if event.need_rescan() {
            return self.everything();
        }
        let mut wake = false;
        for path in &event.paths {
            wake |= self.note_path(&event.kind, path);
        }
        wake
    }

    fn note_path(&mut self, kind: &EventKind, path: &Path) -> bool {
        if let Some(root) = self.roots.iter().find(|root| *root == path).cloned() {
            return self.root(kind, root);
        }
        let root = path.parent().and_then(|parent| {
            let mut roots = self.roots.iter();
            roots.find(|root| *root == parent).cloned()
        });
        // The watch on a folder's parent tells of its neighbours too.
        let Some(root) = root else { return false };
        if is_manifest(path) {
            self.file(kind, path)
        } else {
            self.other(kind, path, root)
        }
    }

    fn root(&mut self, kind: &EventKind, root: PathBuf) -> bool {
        let replaced = matches!(
            kind,
            EventKind::Create(_) | EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_))
        );
        if replaced {
            self.writing.retain(|path| path.parent() != Some(&root));
            self.change.folders.insert(root.clone());
            self.change.replaced.insert(root);
        }
        replaced
    }

    fn file(&mut self, kind: &EventKind, path: &Path) -> bool {
        match kind {
            EventKind::Create(_) if !is_link(path) => self.opened(path),
            EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Any) => self.opened(path),
            EventKind::Access(AccessKind::Close(AccessMode::Write))
            | EventKind::Create(_)
            | EventKind::Remove(_)
            | EventKind::Modify(ModifyKind::Name(_)) => self.complete(path),
            EventKind::Modify(ModifyKind::Metadata(_)) if self.writing.contains(path) => false,
            EventKind::Modify(ModifyKind::Metadata(_) | ModifyKind::Other)
            | EventKind::Any
            | EventKind::Other => {
                self.change.files.insert(path.to_owned());
                true
            }
            // We read files ourselves.
            EventKind::Access(_) => false,
        }
    }

    fn opened(&mut self, path: &Path) -> bool {
        self.writing.insert(path.to_owned());
        false
    }

    fn complete(&mut self, path: &Path) -> bool {
        self.writing.remove(path);
        self.change.files.insert(path.to_owned());
        true
    }

    /// Kubernetes mounts a ConfigMap as links through `..data`, which it swaps to change them all.
    fn other(&mut self, kind: &EventKind, path: &Path, root: PathBuf) -> bool {
        let name = path.file_name().unwrap_or_default().as_encoded_bytes();
        let moved_in = matches!(
            kind,
            EventKind::Create(_)
                | EventKind::Modify(ModifyKind::Name(RenameMode::To | RenameMode::Both))
        );
        let swapped = name.starts_with(b"..") && moved_in;
        if swapped {
            self.change.folders.insert(root);
        }
        swapped
    }
}

/// Whether a path is looked at: `*.yaml`, `*.yml`, `*.json`, and not hidden.
pub(super) fn is_manifest(path: &Path) -> bool {
    let hidden = path
        .file_name()
        .is_none_or(|name| name.as_encoded_bytes().starts_with(b"."));
    let extension = path.extension().and_then(|extension| extension.to_str());
    !hidden && matches!(extension, Some("yaml" | "yml" | "json"))
}

/// A symbolic link, or a file that has another name already.
fn is_link(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|meta| meta.is_symlink() || meta.nlink() > 1)
}

#[cfg(test)]
mod tests;
