//! What the kernel says of the process: its resident memory, and the limits that it runs under.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Component, Path, PathBuf};

use rustix::process::{Resource, getrlimit, setrlimit};

/// Reads the resident memory, without allocating any.
pub(super) struct Probe {
    statm: Option<File>,
    page: u64,
}

impl Probe {
    pub(super) fn new() -> Self {
        let statm = File::open("/proc/self/statm");
        if let Err(error) = &statm {
            tracing::warn!(%error, "memory cannot be watched");
        }
        Self {
            statm: statm.ok(),
            page: rustix::param::page_size() as u64,
        }
    }

    /// Bytes that are resident; zero where the kernel does not tell.
    pub(super) fn resident(&self) -> u64 {
        let mut text = [0; 128];
        let read = match &self.statm {
            Some(statm) => statm.read_at(&mut text, 0).unwrap_or(0),
            None => 0,
        };
        resident_pages(text.get(..read).unwrap_or_default()) * self.page
    }
}

/// The second number of `statm` (proc_pid_statm(5)).
fn resident_pages(statm: &[u8]) -> u64 {
    let text = std::str::from_utf8(statm).unwrap_or_default();
    let resident = text.split_ascii_whitespace().nth(1);
    resident
        .and_then(|pages| pages.parse().ok())
        .unwrap_or_default()
}

/// Where the kernel says how much memory the process may use.
#[derive(Debug, Clone)]
pub(super) struct Groups {
    /// Names the groups of the process (cgroups(7)).
    names: PathBuf,
    /// Where they are mounted.
    root: PathBuf,
}

impl Groups {
    /// Those of this process.
    pub(super) fn own() -> Self {
        Self {
            names: "/proc/self/cgroup".into(),
            root: "/sys/fs/cgroup".into(),
        }
    }

    #[cfg(test)]
    pub(super) fn below(folder: &Path) -> Self {
        Self {
            names: folder.join("cgroup"),
            root: folder.to_owned(),
        }
    }

    /// The memory that the process may use: of its groups, or by `RLIMIT_AS`.
    pub(super) fn limit(&self) -> Option<u64> {
        let names = std::fs::read_to_string(&self.names).unwrap_or_default();
        let by_group = limit_of_groups(&names, &self.root);
        let by_process = getrlimit(Resource::As).current;
        by_group.into_iter().chain(by_process).min()
    }
}

/// The strictest limit of the groups that `/proc/self/cgroup` names, and of those above them. Beyond
/// `memory.high` a process is not killed, but it is slowed down until it hardly moves.
fn limit_of_groups(groups: &str, root: &Path) -> Option<u64> {
    let mut strictest: Option<u64> = None;
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else {
            continue;
        };
        let (root, files): (_, &[_]) = match controllers {
            "" => (root.to_owned(), &["memory.max", "memory.high"]),
            old if old.split(',').any(|name| name == "memory") => {
                (root.join("memory"), &["memory.limit_in_bytes"])
            }
            _ => continue,
        };
        for group in path_up(&root, Path::new(path)) {
            let limits = files.iter().filter_map(|file| {
                let text = std::fs::read_to_string(group.join(file)).ok()?;
                limit_in(&text)
            });
            strictest = strictest.into_iter().chain(limits).min();
        }
    }
    strictest
}

/// The folder of a group and those above it. In a container the group's own folder is the root.
fn path_up(root: &Path, group: &Path) -> Vec<PathBuf> {
    let mut folders = vec![root.to_owned()];
    let mut folder = root.to_owned();
    for part in group.components() {
        if let Component::Normal(name) = part {
            folder.push(name);
            folders.push(folder.clone());
        }
    }
    folders
}

/// A limit as cgroups write it: version 2 says `max` for none, version 1 a very large number.
fn limit_in(text: &str) -> Option<u64> {
    /// More than any machine has.
    const NONE: u64 = 1 << 60;
    text.trim().parse().ok().filter(|limit| *limit < NONE)
}

/// Takes as many files as the process may have; how many that is.
pub(super) fn files() -> u64 {
    let mut limit = getrlimit(Resource::Nofile);
    if limit.current != limit.maximum {
        let raised = rustix::process::Rlimit {
            current: limit.maximum,
            maximum: limit.maximum,
        };
        if setrlimit(Resource::Nofile, raised).is_ok() {
            limit.current = limit.maximum;
        }
    }
    limit.current.unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
