//! Programs that are not ours: those that `cargo xtask tools` got, and those of the machine.

use std::path::PathBuf;

/// A program that was built or unpacked for the tests, beside the folder of the binaries.
#[track_caller]
#[must_use]
pub fn tool(name: &str) -> PathBuf {
    folder().join(name)
}

/// Envoy's own program, not the script around it.
#[track_caller]
#[must_use]
pub fn envoy() -> PathBuf {
    let libraries = folder().join("python/lib");
    let versions = std::fs::read_dir(libraries).expect("the tools' Python: cargo xtask tools");
    let found = versions
        .flatten()
        .map(|version| version.path().join("site-packages/envoy/_bin/envoy"))
        .find(|program| program.is_file());
    found.expect("Envoy is among the tools: cargo xtask tools")
}

/// The Python that has gRPC and WebSocket.
#[track_caller]
#[must_use]
pub fn python() -> PathBuf {
    tool("python/bin/python")
}

#[track_caller]
fn folder() -> PathBuf {
    let own = std::env::current_exe().expect("the test knows its own path");
    let mut folders = own.ancestors().map(|folder| folder.join("tools"));
    folders
        .find(|folder| folder.is_dir())
        .expect("the tools are there: cargo xtask tools")
}
