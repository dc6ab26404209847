//! `cargo xtask fuzz`: builds the fuzzers of `fuzz/` with nightly and runs each for a while.
//!
//! Builds them by hand, so that nothing but nightly and a C++ compiler is needed; `cargo fuzz` reads
//! the same folder. Without a sanitizer: there is no unsafe code here, and it halves the speed.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::say;

/// What is asked for.
#[derive(Debug, clap::Args)]
pub(crate) struct Wish {
    /// How long each fuzzer runs.
    #[arg(long, default_value_t = 60)]
    seconds: u32,
    /// Takes what earlier runs found into the corpus, as far as it reaches more code; runs nothing.
    #[arg(long)]
    keep: bool,
    /// Which fuzzers; all if there is none.
    targets: Vec<String>,
}

/// How rustc prepares code for libFuzzer.
const FLAGS: [&str; 7] = [
    "--cfg=fuzzing",
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
];
/// Inputs longer than this only cost time; memory and time of one input are bounded.
const BOUNDS: [&str; 4] = [
    "-max_len=4096",
    "-timeout=10",
    "-rss_limit_mb=1024",
    "-malloc_limit_mb=64",
];
/// Files of the corpus of one fuzzer, and bytes of one file.
const MOST_FILES: usize = 50;
const LARGEST_FILE: u64 = 1024;

/// Runs fuzzers, or keeps what they found.
pub(crate) fn run(root: &Path, wish: &Wish) -> Result<()> {
    let fuzz = root.join("fuzz");
    let host = host()?;
    build(&fuzz, &host)?;
    let programs = fuzz.join("target").join(host).join("release");
    let targets = targets(&fuzz, &wish.targets)?;
    let mut failed = Vec::new();
    for target in &targets {
        let program = programs.join(target);
        if wish.keep {
            keep(&fuzz, &program, target)?;
        } else if !fuzz_one(&fuzz, &program, target, wish.seconds)? {
            failed.push(target.as_str());
        }
    }
    ensure!(
        failed.is_empty(),
        "{} found an input that breaks a promise: see fuzz/artifacts",
        failed.join(", ")
    );
    Ok(())
}

/// The machine, as nightly calls it.
fn host() -> Result<String> {
    let said = nightly(&["rustc", "-vV"]).output();
    let said = said.ok().filter(|output| output.status.success());
    let said = said.context("fuzzing needs nightly: rustup toolchain install nightly")?;
    String::from_utf8_lossy(&said.stdout)
        .lines()
        .find_map(|line| line.strip_prefix("host: "))
        .map(str::to_owned)
        .context("rustc -vV names no host")
}

fn nightly(arguments: &[&str]) -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly"]).args(arguments);
    command
}

fn build(fuzz: &Path, host: &str) -> Result<()> {
    let arguments = ["cargo", "build", "--release", "--bins", "--target", host];
    let mut build = nightly(&arguments);
    build
        .current_dir(fuzz)
        .env("RUSTFLAGS", FLAGS.join(" "))
        .env_remove("CARGO_TARGET_DIR");
    let status = build.status().context("rustup")?;
    ensure!(status.success(), "the fuzzers do not build");
    Ok(())
}

/// The targets that were asked for, or all; each has a file.
fn targets(fuzz: &Path, asked: &[String]) -> Result<Vec<String>> {
    let mut all = Vec::new();
    for file in files(&fuzz.join("fuzz_targets"))? {
        let name = file.file_stem().unwrap_or_default();
        all.push(name.to_string_lossy().into_owned());
    }
    if asked.is_empty() {
        return Ok(all);
    }
    for name in asked {
        ensure!(all.contains(name), "no fuzzer {name}; there are {all:?}");
    }
    Ok(asked.to_vec())
}

fn fuzz_one(fuzz: &Path, program: &Path, target: &str, seconds: u32) -> Result<bool> {
    let found = fuzz.join("found").join(target);
    let artifacts = fuzz.join("artifacts").join(target);
    std::fs::create_dir_all(&found)?;
    std::fs::create_dir_all(&artifacts)?;
    say(&format!("{target}: {seconds} s"));
    let status = Command::new(program)
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-artifact_prefix={}/", artifacts.display()))
        .args(BOUNDS)
        .arg("-print_final_stats=1")
        .arg(&found)
        .arg(fuzz.join("corpus").join(target))
        .status()
        .with_context(|| program.display().to_string())?;
    Ok(status.success())
}

/// Adds to the corpus of a target, the shortest first, what reaches code that nothing in it reaches.
fn keep(fuzz: &Path, program: &Path, target: &str) -> Result<()> {
    let corpus = fuzz.join("corpus").join(target);
    let mut candidates = Vec::new();
    for file in files(&fuzz.join("found").join(target))? {
        candidates.push((std::fs::metadata(&file)?.len(), file));
    }
    candidates.sort();
    let mut reached = reach(program, &[&corpus])?;
    let mut count = files(&corpus)?.len();
    for (size, file) in candidates {
        if count >= MOST_FILES || size >= LARGEST_FILE {
            break;
        }
        // Code is shared by the inputs of one run: more with the candidate means new code in it.
        let with_it = reach(program, &[&corpus, &file])?;
        if with_it > reached {
            let name = file.file_name().context("a file without a name")?;
            std::fs::copy(&file, corpus.join(name))?;
            reached = with_it;
            count += 1;
        }
    }
    say(&format!(
        "{target}: {count} files, {reached} places reached"
    ));
    Ok(())
}

/// How many places of the code some inputs reach, all together.
fn reach(program: &Path, inputs: &[&Path]) -> Result<u64> {
    let scratch = program.with_extension("reach");
    if scratch.exists() {
        std::fs::remove_dir_all(&scratch)?;
    }
    std::fs::create_dir_all(&scratch)?;
    for input in inputs {
        let sources = if input.is_dir() {
            files(input)?
        } else {
            vec![input.to_path_buf()]
        };
        for source in sources {
            let name = source.file_name().context("a file without a name")?;
            std::fs::copy(&source, scratch.join(name))?;
        }
    }
    let output = Command::new(program)
        .arg("-runs=0")
        .arg(&scratch)
        .output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let last = said.rsplit_once("cov: ").map(|(_, rest)| rest);
    let last = last.and_then(|rest| rest.split(' ').next());
    last.and_then(|number| number.parse().ok())
        .with_context(|| format!("{} says no coverage", program.display()))
}

fn files(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut files = Vec::new();
    for entry in entries {
        files.push(entry?.path());
    }
    files.sort();
    Ok(files)
}
