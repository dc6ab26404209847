//! Packages of Debian with all that they depend on, as a machine would have them that has nothing else.
//!
//! apt solves and fetches them against the record of a machine without packages; what this machine has
//! installed does not matter. They are unpacked, not set up: no script of theirs is run.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::oci::sha256;
use super::{Content, parts};
use crate::tools;

/// What programs do not read.
const TEXTS: [&str; 6] = [
    "usr/share/doc/",
    "usr/share/info/",
    "usr/share/lintian/",
    "usr/share/locale/",
    "usr/share/man/",
    "usr/include/",
];

/// The files of packages. They are fetched once for each set of versions, into the folder of the tools.
pub(super) fn tree(packages: &[&str]) -> Result<Content> {
    let home = tools::folder().join("debian");
    fs::create_dir_all(&home).with_context(|| home.display().to_string())?;
    // Nothing is installed.
    fs::write(home.join("status"), "")?;
    let versions = versions(&home, packages)?;
    let tree = home.join(sha256(versions.as_bytes())?);
    if !tree.exists() {
        let part = home.join(format!("part.{}", std::process::id()));
        let made = fetch(&home, packages, &part).and_then(|()| unpack(&part));
        let moved = made.and_then(|()| Ok(fs::rename(part.join("root"), &tree)?));
        fs::remove_dir_all(&part)?;
        // Another process may have been first.
        moved.or_else(|error| tree.exists().then_some(()).ok_or(error))?;
    }
    Content::folder(&tree, |path| {
        !TEXTS.iter().any(|texts| path.starts_with(texts))
    })
}

/// Every package with its version, a line each.
fn versions(home: &Path, packages: &[&str]) -> Result<String> {
    let simulate = || output(apt(home, home).arg("--simulate").args(packages));
    let said = simulate().or_else(|_| {
        output(Command::new("apt-get").args(["update", "-qq"]))?;
        simulate()
    })?;
    let lines = said.lines().filter(|line| line.starts_with("Inst "));
    let lines: Vec<&str> = lines.collect();
    ensure!(!lines.is_empty(), "apt-get would install nothing");
    Ok(lines.join("\n"))
}

fn fetch(home: &Path, packages: &[&str], part: &Path) -> Result<()> {
    fs::create_dir_all(part.join("partial"))?;
    let mut fetch = apt(home, part);
    output(fetch.arg("--download-only").args(packages))?;
    Ok(())
}

/// apt-get as on a machine without packages, which puts what it fetches into `archives`.
fn apt(home: &Path, archives: &Path) -> Command {
    let mut apt = Command::new("apt-get");
    apt.args(["install", "-y", "-qq", "--no-install-recommends"]);
    for (name, value) in [
        ("Dir::State::status", home.join("status")),
        ("Dir::Cache::archives", archives.to_owned()),
        // Its caches are of the machine, and stay so.
        ("Dir::Cache::pkgcache", PathBuf::new()),
        ("Dir::Cache::srcpkgcache", PathBuf::new()),
        ("Debug::NoLocking", PathBuf::from("true")),
        ("APT::Sandbox::User", PathBuf::from("root")),
    ] {
        apt.arg("-o").arg(format!("{name}={}", value.display()));
    }
    apt.env("DEBIAN_FRONTEND", "noninteractive");
    apt
}

/// Unpacks every archive of a folder into `root` of it.
fn unpack(part: &Path) -> Result<()> {
    let root = part.join("root");
    for (folder, to) in parts::MERGED {
        fs::create_dir_all(root.join(to))?;
        symlink(to, root.join(folder))?;
    }
    for entry in fs::read_dir(part)? {
        let file = entry?.path();
        if file.extension().is_some_and(|end| end == "deb") {
            extract(&file, &root).with_context(|| file.display().to_string())?;
        }
    }
    Ok(())
}

fn extract(package: &Path, root: &Path) -> Result<()> {
    let mut files = Command::new("dpkg-deb")
        .arg("--fsys-tarfile")
        .arg(package)
        .stdout(Stdio::piped())
        .spawn()
        .context("dpkg-deb")?;
    let input = files.stdout.take().context("no output")?;
    // /lib and others are links here, which packages take for folders.
    let mut tar = Command::new("tar");
    let tar = tar.args(["-x", "--keep-directory-symlink", "--no-same-owner", "-C"]);
    let unpacked = output(tar.arg(root).stdin(input));
    let read = files.wait()?;
    unpacked?;
    ensure!(read.success(), "dpkg-deb: {read}");
    Ok(())
}

/// What a program prints, when it succeeds.
pub(super) fn output(command: &mut Command) -> Result<String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.output().with_context(|| name.clone())?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{name}: {}: {errors}",
        output.status
    );
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
