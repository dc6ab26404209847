//! `cargo xtask bench`: gets the proxies to compare with, builds ours, hands over to mesh-bench; with
//! `--kube` to the measures of tests/kube/journeys.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::suites::{MEASURES, SUITES, capabilities};
use crate::tools;

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

/// Builds the programs of a cluster, once, and the binaries, and runs the measures; they write
/// target/bench/kube.json.
pub(crate) fn kube(root: &Path, parts: &[String]) -> Result<()> {
    let have = capabilities([&MEASURES]);
    let missing = MEASURES.needs.iter().filter(|need| !have.contains(need));
    let missing: Vec<_> = missing.map(|need| need.word()).collect();
    ensure!(missing.is_empty(), "needs {}", missing.join(", "));
    let programs = tools::cluster_build().status().context("cluster.sh")?;
    ensure!(programs.success(), "cluster.sh build: {programs}");
    // Images are packed of the products' own binaries.
    build(root)?;
    let test = ["test", "--release", "--locked", "--workspace"];
    let measures: Vec<&str> = MEASURES.arguments().collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    cargo(root, &[&test[..], &measures, &parts].concat())
}

/// Builds every binary.
pub(crate) fn build(root: &Path) -> Result<()> {
    let build = ["build", "--release", "--locked", "--workspace", "--bins"];
    cargo(root, &build)
}

fn cargo(root: &Path, arguments: &[&str]) -> Result<()> {
    let status = Command::new("cargo")
        .args(arguments)
        .current_dir(root)
        .status()
        .context("cargo")?;
    ensure!(status.success(), "cargo {} failed", arguments.join(" "));
    Ok(())
}
