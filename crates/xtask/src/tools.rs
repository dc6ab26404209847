//! Gets the programs that suites need and that are not ours, without asking anybody anything.
//!
//! Debian's packages are installed where the user is root; what Go and Python's registries have is
//! built or unpacked into `tools` of the target folder, once. Versions are pinned here.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::suites::runs;

/// Where to get a program from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Origin {
    /// Packages of Debian, separated by spaces.
    Debian(&'static str),
    /// A requirement of pip, for the Python of the tools.
    Pip(&'static str),
    /// The Go module crates/xtask/h2spec.
    H2spec,
    /// Nobody gives it.
    Nowhere,
}

/// Tries to get it; whether it is there then is for the caller to see.
pub(crate) fn get(origin: Origin) {
    match origin {
        Origin::Debian(packages) => debian(packages),
        Origin::Pip(requirement) => pip(requirement),
        Origin::H2spec => h2spec(),
        Origin::Nowhere => {}
    }
}

/// The folder of the tools: in the target folder, so beside the folder of this program.
pub(crate) fn folder() -> PathBuf {
    let own = std::env::current_exe().unwrap_or_default();
    let target = own
        .ancestors()
        .nth(2)
        .map_or_else(|| PathBuf::from("target"), PathBuf::from);
    target.join("tools")
}

/// The Python that has what pip got.
pub(crate) fn python() -> String {
    text(&folder().join("python/bin/python"))
}

/// The program h2spec.
pub(crate) fn h2spec_program() -> String {
    text(&folder().join("bin/h2spec"))
}

/// Builds the programs of the real cluster, unless they are there, with what others leave of the processors.
pub(crate) fn cluster_build() -> Command {
    let mut build = Command::new("nice");
    build
        .args([&cluster("cluster.sh"), "build"])
        .env("CLUSTER_TOOLS", folder().join("kube"));
    build
}

/// A file of the real cluster of the tests.
pub(crate) fn cluster(file: &str) -> String {
    text(&crate::root().join("tests/kube/cluster").join(file))
}

fn debian(packages: &str) {
    let root = runs("id", &["-u"]).is_some_and(|uid| uid.trim() == "0");
    if root && runs("apt-get", &["--version"]).is_some() {
        let _updated = runs("apt-get", &["update", "-qq"]);
        // RUNLEVEL: a server that is installed for tests is not started as a service.
        let mut install = Command::new("apt-get");
        install
            .args(["install", "-y", "-qq", "--no-install-recommends"])
            .args(packages.split(' '))
            .env("DEBIAN_FRONTEND", "noninteractive")
            .env("RUNLEVEL", "1");
        let _installed = install.status();
    }
}

fn pip(requirement: &str) {
    let home = text(&folder().join("python"));
    if runs(&python(), &["-m", "pip", "--version"]).is_none() {
        let make = ["-m", "venv", home.as_str()];
        if runs("python3", &make).is_none() {
            debian("python3-venv");
            let _made = runs("python3", &make);
        }
    }
    let _installed = runs(&python(), &["-m", "pip", "install", "-q", requirement]);
}

fn h2spec() {
    if runs("go", &["version"]).is_none() {
        debian("golang-go");
    }
    let module = crate::root().join("crates/xtask/h2spec");
    let mut build = Command::new("go");
    build
        .args(["build", "-o", &h2spec_program()])
        .arg("github.com/summerwind/h2spec/cmd/h2spec")
        .current_dir(module);
    let _built = build.status();
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
