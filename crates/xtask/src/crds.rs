//! `cargo xtask crds`: writes the custom resource definitions into the chart.
//!
//! mesh-api makes them, and a test of it says when the chart has others; here that test is told to
//! write them, so that the gates need none of what mesh-api is made of.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// The test that compares, and writes when it is told to.
const TEST: &str = "crd::tests::the_chart_has_exactly_these_definitions";

/// Writes them.
pub(crate) fn run(root: &Path) -> Result<()> {
    let mut cargo = Command::new("cargo");
    cargo
        .args(["test", "--release", "--quiet", "-p", "mesh-api", "--lib"])
        .args([TEST, "--", "--exact"])
        .env("UPDATE", "1")
        .current_dir(root);
    let status = cargo.status().context("cargo")?;
    ensure!(status.success(), "the definitions could not be made");
    Ok(())
}
