//! An ordinary user with an empty home, as whom the mesh is run. Needs root, to become that user.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

use crate::mesh::{binary, samples};

/// `nobody` on every Linux.
const NOBODY: u32 = 65534;

const PRODUCTS: [&str; 6] = [
    "meshctl",
    "mesh-citadel",
    "mesh-pilot",
    "mesh-mixer",
    "mesh-proxy",
    "bookinfo",
];

/// The user, and the folder that has what the user needs.
pub struct Nobody(TempDir);

impl Nobody {
    /// Copies the programs and the sample to where the user may read them.
    #[must_use]
    pub fn new() -> Self {
        let folder = TempDir::new().expect("a folder for the user");
        install(folder.path()).expect("the user has what is needed");
        Self(folder)
    }

    /// Where the sample is.
    #[must_use]
    pub fn bookinfo(&self) -> PathBuf {
        self.0.path().join("bookinfo")
    }

    /// What `meshctl` says to the user.
    #[must_use]
    pub fn meshctl(&self, args: &[&str]) -> Output {
        let (folder, home) = (self.0.path(), self.0.path().join("home"));
        let mut meshctl = Command::new(folder.join("bin/meshctl"));
        let meshctl = meshctl
            .args(args)
            .env_clear()
            .env("HOME", &home)
            .env("PATH", "/usr/bin:/bin")
            .current_dir(&home)
            .uid(NOBODY)
            .gid(NOBODY)
            .stdin(Stdio::null());
        meshctl.output().expect("meshctl runs as nobody")
    }
}

/// Nothing of the user's stays, whatever came of the test.
impl Drop for Nobody {
    fn drop(&mut self) {
        // There may be no mesh any more.
        drop(self.meshctl(&["down"]));
    }
}

impl Default for Nobody {
    fn default() -> Self {
        Self::new()
    }
}

fn install(folder: &Path) -> std::io::Result<()> {
    std::fs::create_dir(folder.join("bin"))?;
    for product in PRODUCTS {
        std::fs::copy(binary(product), folder.join("bin").join(product))?;
    }
    let mut copy = Command::new("cp");
    let copy = copy.arg("-r").arg(samples().join("bookinfo"));
    let copied = copy.arg(folder.join("bookinfo")).status()?;
    assert!(copied.success(), "the sample was not copied");
    std::fs::create_dir(folder.join("home"))?;
    chown(folder.join("home"), Some(NOBODY), Some(NOBODY))?;
    std::fs::set_permissions(folder, Permissions::from_mode(0o755))
}
