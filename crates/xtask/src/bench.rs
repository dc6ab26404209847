//! `cargo xtask bench`: builds what is measured and hands over to the benchmarks of mesh-tests.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// Builds the binaries and runs the benchmarks; they write target/bench/results.json.
pub(crate) fn run(root: &Path) -> Result<()> {
    for args in [
        &[
            "build",
            "--release",
            "--workspace",
            "--all-targets",
            "--locked",
        ][..],
        &[
            "run",
            "--release",
            "--locked",
            "--package",
            "mesh-tests",
            "--bin",
            "mesh-bench",
        ],
    ] {
        let status = Command::new("cargo")
            .args(args)
            .current_dir(root)
            .status()
            .context("cargo")?;
        ensure!(status.success(), "cargo {} failed", args.join(" "));
    }
    Ok(())
}
