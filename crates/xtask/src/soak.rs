//! `cargo xtask soak`: builds the binaries and becomes mesh-soak.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use crate::bench::build;

/// Builds the binaries and soaks a mesh of them; that writes target/soak/results.json.
///
/// Comes back only when that cannot be started: Ctrl-C then belongs to mesh-soak alone, which ends
/// everything that it started.
pub(crate) fn run(root: &Path, arguments: &[String]) -> Result<()> {
    build(root)?;
    let soak = std::env::current_exe()?.with_file_name("mesh-soak");
    let failed = Command::new(&soak).args(arguments).exec();
    Err(failed).with_context(|| soak.display().to_string())
}
