//! `cargo xtask descriptors`: writes the descriptors of Envoy's API, which mesh-proto reads and writes JSON by.
//!
//! A test of mesh-proto makes them and says when those that are kept are others; here it is told to write them.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The test that compares, and writes when it is told to.
const TEST: &str = "json::tests::the_descriptors_are_those_of_the_generated_types";

/// Writes them.
pub(crate) fn run(root: &Path) -> Result<()> {
    let mut cargo = Command::new("cargo");
    cargo
        .args(["test", "--release", "--quiet", "-p", "mesh-proto", "--lib"])
        .args([TEST, "--", "--exact"])
        .env("UPDATE", "1")
        .current_dir(root);
    let status = cargo.status().context("cargo")?;
    ensure!(status.success(), "the descriptors could not be made");
    Ok(())
}
