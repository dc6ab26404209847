//! The way of a process into its room, before it becomes what it shall be.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use rustix::mount::{MountPropagationFlags, mount_bind, mount_change};
use rustix::process::Gid;
use rustix::thread::{LinkNameSpaceType, UnshareFlags, move_into_link_name_space, set_thread_gid};

use super::space::unshare;

/// What a process needs to get in: flags of the hidden verb `__child`.
#[derive(Debug, Clone, Default, PartialEq, Eq, clap::Args)]
pub(crate) struct Entry {
    /// The network namespace
    #[arg(long)]
    pub(crate) space: Option<PathBuf>,
    /// What it sees as /etc/hosts
    #[arg(long)]
    pub(crate) hosts: Option<PathBuf>,
    /// What it sees as /etc/resolv.conf
    #[arg(long)]
    pub(crate) resolver: Option<PathBuf>,
    /// The group as which it runs
    #[arg(long)]
    pub(crate) group: Option<u32>,
}

impl Entry {
    /// As flags.
    pub(crate) fn args(&self) -> Vec<String> {
        let path = |name: &str, path: &Option<PathBuf>| {
            let path = path.as_ref()?;
            Some(format!("--{name}={}", path.display()))
        };
        let paths = [
            path("space", &self.space),
            path("hosts", &self.hosts),
            path("resolver", &self.resolver),
            self.group.map(|group| format!("--group={group}")),
        ];
        paths.into_iter().flatten().collect()
    }

    /// Goes in. The process must have one thread.
    ///
    /// # Errors
    /// When the room is gone, or this process may not.
    pub(crate) fn enter(&self) -> io::Result<()> {
        if let Some(space) = &self.space {
            let namespace = File::open(space)?;
            let network = Some(LinkNameSpaceType::Network);
            move_into_link_name_space(namespace.as_fd(), network)?;
        }
        if self.hosts.is_some() || self.resolver.is_some() {
            unshare(UnshareFlags::NEWNS)?;
            // What is mounted here is seen by nobody else.
            let slave = MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC;
            mount_change("/", slave)?;
            cover("/etc/hosts", self.hosts.as_deref())?;
            cover("/etc/resolv.conf", self.resolver.as_deref())?;
        }
        if let Some(group) = self.group {
            set_thread_gid(Gid::from_raw(group))?;
        }
        Ok(())
    }
}

/// Lets a file stand where another one is; where there is none nobody looks.
fn cover(place: &str, with: Option<&Path>) -> io::Result<()> {
    match with {
        Some(file) if Path::new(place).exists() => Ok(mount_bind(file, place)?),
        Some(_) | None => Ok(()),
    }
}
