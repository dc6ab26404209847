//! `cargo xtask bench`: gets the proxies to compare with, builds ours, hands over to mesh-bench.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::suites::{SUITES, capabilities};

/// Builds the binaries and runs the benchmarks; they write target/bench/results.json.
///
/// What cannot be got is told by the benchmarks, row by row.
pub(crate) fn run(root: &Path, arguments: &[String]) -> Result<()> {
    let _have = capabilities(&SUITES);
    build(root)?;
    let bench = std::env::current_exe()?.with_file_name("mesh-bench");
    let status = Command::new(&bench)
        .args(arguments)
        .status()
        .with_context(|| bench.display().to_string())?;
    ensure!(status.success(), "mesh-bench: {status}");
    Ok(())
}

/// Builds every binary.
pub(crate) fn build(root: &Path) -> Result<()> {
    let arguments = ["build", "--release", "--locked", "--workspace", "--bins"];
    let status = Command::new("cargo")
        .args(arguments)
        .current_dir(root)
        .status()
        .context("cargo")?;
    ensure!(status.success(), "cargo {} failed", arguments.join(" "));
    Ok(())
}
