//! By which right namespaces are made: root's, or those of an ordinary user in a user namespace.

use std::io;

use rustix::process::{getegid, geteuid};
use rustix::thread::UnshareFlags;

use super::space::unshare;
use crate::error::CommandError;

/// By which right.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rights {
    /// Root's.
    Root,
    /// An ordinary user's, who is root in a user namespace that has no other users.
    OwnUser,
}

/// Gets the rights. A user gets them for the whole process, which must have one thread yet.
///
/// # Errors
/// When this machine has no user namespaces for users.
pub(crate) fn gain() -> Result<Rights, CommandError> {
    let (user, group) = (geteuid(), getegid());
    if user.is_root() {
        return Ok(Rights::Root);
    }
    become_root(user.as_raw(), group.as_raw()).map_err(|error| {
        let error = format!("--network namespaces: no user namespace can be made: {error}");
        CommandError::problem(error)
            .hint("run it as root, or let users make them: kernel.unprivileged_userns_clone, kernel.apparmor_restrict_unprivileged_userns")
    })?;
    Ok(Rights::OwnUser)
}

fn become_root(user: u32, group: u32) -> io::Result<()> {
    unshare(UnshareFlags::NEWUSER)?;
    std::fs::write("/proc/self/setgroups", "deny")?;
    std::fs::write("/proc/self/gid_map", format!("0 {group} 1\n"))?;
    std::fs::write("/proc/self/uid_map", format!("0 {user} 1\n"))
}
