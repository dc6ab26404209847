//! `cargo xtask dist`: the release archive, with programs, charts, samples and licence.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use crate::bench::build;
use crate::images::{Content, IMAGES, architecture, archive, sha256};
use crate::say;

/// What is asked for.
#[derive(Debug, clap::Args)]
pub(crate) struct Wish {
    /// Where it is put; target/dist if not said.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Takes the programs that were built before.
    #[arg(long)]
    built: bool,
}

/// Programs besides those that have an image: the sample application of the local mesh.
const SAMPLES: [&str; 1] = ["bookinfo"];
/// What of the repository goes along, as Git has it.
const TRACKED: [&str; 3] = ["charts", "samples", "LICENSE"];

/// Makes `mesh-VERSION-linux-ARCHITECTURE.tar.gz` and a file with its sum.
pub(crate) fn run(root: &Path, wish: &Wish) -> Result<()> {
    if !wish.built {
        build(root)?;
    }
    let programs = std::env::current_exe()?;
    let programs = programs.parent().context("no folder of programs")?;
    let top = concat!("mesh-", env!("CARGO_PKG_VERSION"));
    let packed = compressed(root, &content(root, programs, top)?)?;
    let out = wish.out.clone();
    let out = out.unwrap_or_else(|| root.join("target/dist"));
    fs::create_dir_all(&out).with_context(|| out.display().to_string())?;
    let name = format!("{top}-linux-{}.tar.gz", architecture()?);
    let file = out.join(&name);
    fs::write(&file, &packed).with_context(|| file.display().to_string())?;
    let sum = format!("{}  {name}\n", sha256(&packed)?);
    fs::write(out.join(format!("{name}.sha256")), sum)?;
    say(&format!("{} MiB  {}", packed.len() >> 20, file.display()));
    Ok(())
}

fn content(root: &Path, programs: &Path, top: &str) -> Result<Content> {
    let mut content = Content::default();
    let names = IMAGES.iter().map(|image| image.name);
    for name in names.chain(SAMPLES) {
        content.copy(&format!("{top}/bin/{name}"), &programs.join(name))?;
    }
    let mut git = Command::new("git");
    let git = git.args(["ls-files", "-z"]).args(TRACKED);
    let listed = git.current_dir(root).output().context("git")?;
    ensure!(listed.status.success(), "git ls-files: {}", listed.status);
    let listed = String::from_utf8(listed.stdout)?;
    for file in listed.split('\0').filter(|file| !file.is_empty()) {
        content.copy(&format!("{top}/{file}"), &root.join(file))?;
    }
    Ok(content)
}

/// By gzip, which is told to leave out name and time.
fn compressed(root: &Path, content: &Content) -> Result<Vec<u8>> {
    let unpacked = root
        .join("target")
        .join(format!("dist.{}.tar", std::process::id()));
    fs::write(&unpacked, archive(content)?)?;
    let mut gzip = Command::new("gzip");
    let gzip = gzip.args(["-6", "-n", "-c"]).arg(&unpacked);
    let output = gzip.stderr(Stdio::inherit()).output().context("gzip");
    fs::remove_file(&unpacked)?;
    let output = output?;
    ensure!(output.status.success(), "gzip: {}", output.status);
    Ok(output.stdout)
}
