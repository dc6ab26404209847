//! `cargo xtask ci`: every gate in order, each line of the tools shown as it comes, and at the
//! end a table of what passed, what failed and what was not run and why.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::say;
use crate::suites::{self, KUBE, Need, STEADY, SUITES, Suite};
use crate::tools;

/// What became of one gate.
enum Outcome {
    Passed,
    Failed,
    NotRun(String),
}

/// One line of the closing table.
struct Row {
    name: &'static str,
    outcome: Outcome,
    seconds: u64,
    note: String,
}

#[derive(Default)]
struct Tests {
    passed: u64,
    failed: u64,
}

/// Runs every gate.
pub(crate) fn run(root: &Path) -> Result<()> {
    let suites = || SUITES.iter().chain([&STEADY]);
    let have = suites::capabilities(suites());
    let required = required()?;
    let programs = Programs::begin(&[STEADY], &have);
    let mut rows = Vec::new();
    let mut tests = Tests::default();
    rows.push(gate(
        "format",
        "cargo fmt --check",
        cargo(root, &["fmt", "--all", "--check"]),
    ));
    rows.push(gate(
        "tidy",
        "never-rules, licences, documents",
        own(root, "tidy"),
    ));
    // The later suites run only when they are named, so they are checked and built by name too.
    let named = targets();
    let mut strict = vec![
        "clippy",
        "--release",
        "--workspace",
        "--all-targets",
        "--locked",
    ];
    strict.extend(named.clone());
    strict.extend(["--", "-D", "warnings"]);
    rows.push(gate("clippy", "warnings denied", cargo(root, &strict)));
    // The journeys start the products' own binaries; all targets, so that the tests find the
    // dependencies built with their features.
    let mut build = vec![
        "build",
        "--release",
        "--workspace",
        "--all-targets",
        "--locked",
    ];
    build.extend(named);
    rows.push(gate("build", "the binaries and tests", cargo(root, &build)));
    // Before any suite, which would share the processors with it.
    rows.extend(programs.map(Programs::end));
    for suite in suites() {
        rows.push(run_suite(root, suite, &have, &required, &mut tests));
    }
    let mut doc = cargo(
        root,
        &["doc", "--release", "--workspace", "--no-deps", "--locked"],
    );
    doc.env("RUSTDOCFLAGS", "-D warnings");
    rows.push(gate("doc", "rustdoc, warnings denied", doc));
    close(&rows, &tests)
}

/// Runs the suites of the real cluster.
pub(crate) fn kube(root: &Path) -> Result<()> {
    let have = suites::capabilities(&KUBE);
    let required = required()?;
    let mut tests = Tests::default();
    let mut rows = Vec::new();
    if let Some(programs) = Programs::begin(&KUBE, &have) {
        rows.push(programs.end());
        // Images are packed of the products' own binaries.
        let ours = ["build", "--release", "--workspace", "--bins", "--locked"];
        rows.push(gate("build", "the binaries", cargo(root, &ours)));
    }
    for suite in &KUBE {
        rows.push(run_suite(root, suite, &have, &required, &mut tests));
    }
    close(&rows, &tests)
}

/// The programs of a cluster, which are built once: Kubernetes, etcd, containerd, CoreDNS, Helm.
struct Programs {
    build: Result<Child>,
    started: Instant,
}

impl Programs {
    /// Begins to build them where one of the suites can run. They take what the compiler of Rust leaves
    /// of the processors, which in its long last steps is all but one.
    #[expect(clippy::disallowed_methods, reason = "gates say how long they took")]
    fn begin(suites: &[Suite], have: &BTreeSet<Need>) -> Option<Self> {
        let runs = |suite: &Suite| suite.needs.iter().all(|need| have.contains(need));
        suites.iter().any(runs).then(|| {
            let mut build = tools::cluster_build();
            Self {
                build: build.spawn().with_context(|| format!("{build:?}")),
                started: Instant::now(),
            }
        })
    }

    /// Waits until they are built.
    fn end(self) -> Row {
        let built = self.build.and_then(|mut build| Ok(build.wait()?));
        Row {
            name: "programs",
            outcome: match built {
                Ok(status) if status.success() => Outcome::Passed,
                Ok(_) => Outcome::Failed,
                Err(error) => {
                    say(&format!("{error:#}"));
                    Outcome::Failed
                }
            },
            seconds: self.started.elapsed().as_secs(),
            note: "Kubernetes, etcd, containerd, CoreDNS, Helm: once, beside the gates above"
                .to_owned(),
        }
    }
}

/// The test targets of the suites that have one of their own, each once, as Cargo's arguments.
fn targets() -> impl Iterator<Item = &'static str> + Clone {
    let suites = SUITES.iter().chain(&KUBE);
    let mut targets: Vec<_> = suites.map(|suite| suite.cargo).collect();
    targets.dedup();
    targets.into_iter().flatten().copied()
}

fn run_suite(
    root: &Path,
    suite: &'static Suite,
    have: &BTreeSet<Need>,
    required: &BTreeSet<Need>,
    tests: &mut Tests,
) -> Row {
    let missing: Vec<_> = suite
        .needs
        .iter()
        .filter(|need| !have.contains(need))
        .collect();
    if let Some(first) = missing.first() {
        let words: Vec<_> = missing.iter().map(|need| need.word()).collect();
        let why = format!("needs {}; run: {}", words.join(", "), suite.command());
        let outcome = if missing.iter().any(|need| required.contains(need)) {
            say(&format!(
                "MESH_REQUIRE asks for {}, which is not here",
                first.word()
            ));
            Outcome::Failed
        } else {
            Outcome::NotRun(why)
        };
        return Row {
            name: suite.name,
            outcome,
            seconds: 0,
            note: suite.proves.to_owned(),
        };
    }
    let mut args = vec![
        "test",
        "--release",
        "--workspace",
        "--locked",
        "--no-fail-fast",
    ];
    args.extend(suite.arguments());
    gate_counting(suite.name, suite.proves, cargo(root, &args), tests)
}

fn gate(name: &'static str, note: &str, command: Command) -> Row {
    gate_counting(name, note, command, &mut Tests::default())
}

#[expect(clippy::disallowed_methods, reason = "gates say how long they took")]
fn gate_counting(name: &'static str, note: &str, mut command: Command, tests: &mut Tests) -> Row {
    say(&format!("\n== {name}: {note}"));
    let started = Instant::now();
    let outcome = match stream(&mut command, tests) {
        Ok(true) => Outcome::Passed,
        Ok(false) => Outcome::Failed,
        Err(error) => {
            say(&format!("{error:#}"));
            Outcome::Failed
        }
    };
    Row {
        name,
        outcome,
        seconds: started.elapsed().as_secs(),
        note: note.to_owned(),
    }
}

/// Runs a command, shows its lines, adds up the summaries of Rust's test runner.
fn stream(command: &mut Command, tests: &mut Tests) -> Result<bool> {
    let mut child = command
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("{command:?}"))?;
    let output = child.stdout.take().context("no output")?;
    for line in BufReader::new(output).lines() {
        let line = line?;
        say(&line);
        if let Some(summary) = line.strip_prefix("test result: ") {
            tests.passed += count(summary, " passed");
            tests.failed += count(summary, " failed");
        }
    }
    Ok(child.wait()?.success())
}

fn count(summary: &str, word: &str) -> u64 {
    let before = summary.split(word).next().unwrap_or_default();
    before
        .rsplit([' ', '.'])
        .next()
        .and_then(|number| number.parse().ok())
        .unwrap_or(0)
}

fn close(rows: &[Row], tests: &Tests) -> Result<()> {
    say("\nGATE          RESULT   SECONDS  WHAT");
    for row in rows {
        let (word, note) = match &row.outcome {
            Outcome::Passed => ("passed", row.note.as_str()),
            Outcome::Failed => ("FAILED", row.note.as_str()),
            Outcome::NotRun(why) => ("NOT RUN", why.as_str()),
        };
        say(&format!(
            "{:<13} {word:<8} {:>7}  {note}",
            row.name, row.seconds
        ));
    }
    let failed = rows
        .iter()
        .filter(|row| matches!(row.outcome, Outcome::Failed))
        .count();
    say(&format!(
        "\n{} passed, {} failed",
        tests.passed, tests.failed
    ));
    if failed > 0 {
        bail!("{failed} gates failed");
    }
    Ok(())
}

/// What `MESH_REQUIRE` insists on: a comma list of capabilities whose absence is a failure.
#[expect(
    clippy::disallowed_methods,
    reason = "the gates are told by the environment of CI"
)]
fn required() -> Result<BTreeSet<Need>> {
    let words = std::env::var("MESH_REQUIRE").unwrap_or_default();
    let mut required = BTreeSet::new();
    for word in words
        .split(',')
        .map(str::trim)
        .filter(|word| !word.is_empty())
    {
        let need = Need::ALL.into_iter().find(|need| need.word() == word);
        required.insert(need.with_context(|| format!("MESH_REQUIRE: no such capability: {word}"))?);
    }
    Ok(required)
}

fn cargo(root: &Path, args: &[&str]) -> Command {
    let mut command = Command::new("cargo");
    command.args(args).current_dir(root);
    command
}

fn own(root: &Path, verb: &str) -> Command {
    cargo(root, &["xtask", verb])
}

#[cfg(test)]
mod tests;
