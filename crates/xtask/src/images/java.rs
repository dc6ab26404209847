//! Java for images: a runtime of those modules that a program needs, and the program's classes.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::debian::output;
use super::oci::sha256;
use super::{Content, parts};
use crate::tools;

/// Where the runtime is in an image.
const HOME: &str = "opt/java";
/// What starts it.
pub(super) const PROGRAM: &str = "/opt/java/bin/java";
/// The files of it that are linked to all the libraries which it needs.
const LINKED: [&str; 2] = ["bin/java", "lib/server/libjvm.so"];

/// A runtime, made by `jlink` of this machine's JDK, with the libraries it needs. It is kept in the
/// folder of the tools.
pub(super) fn runtime(modules: &[&str]) -> Result<Content> {
    let version = output(Command::new("java").arg("--version"))
        .context("Debian's package openjdk-17-jdk-headless has it")?;
    let modules = modules.join(",");
    let key = sha256(format!("{version}{modules}").as_bytes())?;
    let home = tools::folder().join("java").join(key);
    if !home.exists() {
        let part = home.with_extension(format!("part.{}", std::process::id()));
        link(&part, &modules)?;
        fs::rename(&part, &home).or_else(|error| {
            fs::remove_dir_all(&part)?;
            home.exists().then_some(()).ok_or(error)
        })?;
    }
    let mut content = Content::folder(&home, |_| true)?.below(HOME);
    for library in parts::needed(&LINKED.map(|file| home.join(file)))? {
        if !library.starts_with(&home) {
            content.copy(&parts::place(&library)?, &library)?;
        }
    }
    Ok(content)
}

fn link(part: &Path, modules: &str) -> Result<()> {
    let mut jlink = Command::new("jlink");
    jlink.args([
        "--no-header-files",
        "--no-man-pages",
        "--add-modules",
        modules,
    ]);
    output(jlink.arg("--output").arg(part))?;
    // The archive of classes with which it starts in half the time.
    output(Command::new(part.join("bin/java")).arg("-Xshare:dump"))?;
    Ok(())
}

/// The classes of a source.
pub(super) fn classes(source: &Path) -> Result<Content> {
    let folder = tools::folder().join(format!("classes.{}", std::process::id()));
    fs::create_dir_all(&folder)?;
    let mut javac = Command::new("javac");
    let compiled = output(
        javac
            .args(["-Xlint:all", "-Werror", "-d"])
            .arg(&folder)
            .arg(source),
    );
    let classes = compiled.and_then(|_| Content::folder(&folder, |_| true));
    fs::remove_dir_all(&folder)?;
    classes
}
