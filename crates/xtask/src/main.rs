//! The gates of the repository: `cargo xtask ci`, `tidy`, `tools`, `kube`, `bench`, `soak` and `fuzz`; and
//! what is made of it: `crds`, `charts`, `images`, `bookinfo` and `dist`.
//!
//! `ci` is what `make test` runs, at home and on a server alike; nothing is checked elsewhere.

mod bench;
mod charts;
mod ci;
mod crds;
mod descriptors;
mod dist;
mod fuzz;
mod images;
mod soak;
mod suites;
mod tidy;
mod tools;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Builds, checks and measures mesh.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs every gate: format, tidy, clippy, tests, documentation.
    Ci,
    /// Checks the never-rules of docs/ARCHITECTURE.md.
    Tidy,
    /// Gets the programs that suites need and that are not ours, and lists what is missing.
    Tools,
    /// Runs the suite of the real Kubernetes; builds its programs once, which takes minutes.
    Kube,
    /// Measures mesh and other proxies side by side; writes target/bench/results.json.
    Bench {
        /// Measures mesh on a real Kubernetes instead, all or what parts of names say; writes
        /// target/bench/kube.json.
        #[arg(long)]
        kube: bool,
        /// What mesh-bench is told: --only, --peers, --seconds, --runs.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Writes the custom resource definitions of charts/mesh-init, which are made of mesh-api's types.
    Crds,
    /// Writes the descriptors of Envoy's API, by which mesh-proto reads and writes JSON.
    Descriptors,
    /// Writes which values the chart mesh knows, from its schema.
    Charts,
    /// Makes a root file system and an OCI archive of each program, without a daemon.
    Images(images::Wish),
    /// Makes the images of samples/bookinfo, in one archive.
    Bookinfo(images::bookinfo::Wish),
    /// Makes the release archive: programs, charts, samples, licence.
    Dist(dist::Wish),
    /// Puts a whole mesh under mixed load for a while; writes target/soak/results.json.
    Soak {
        /// What mesh-soak is told: --seconds, --seed, -o.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Runs the fuzzers of the codecs; needs nightly.
    Fuzz(fuzz::Wish),
}

fn main() -> ExitCode {
    let root = root();
    let done = match Cli::parse().command {
        Command::Ci => ci::run(&root),
        Command::Tidy => tidy::run(&root),
        Command::Tools => {
            suites::report();
            Ok(())
        }
        Command::Kube => ci::kube(&root),
        Command::Bench { kube, arguments } if kube => bench::kube(&root, &arguments),
        Command::Bench { arguments, .. } => bench::run(&root, &arguments),
        Command::Crds => crds::run(&root),
        Command::Descriptors => descriptors::run(&root),
        Command::Charts => charts::run(&root),
        Command::Images(wish) => images::run(&root, &wish),
        Command::Bookinfo(wish) => images::bookinfo::run(&root, &wish),
        Command::Dist(wish) => dist::run(&root, &wish),
        Command::Soak { arguments } => soak::run(&root, &arguments),
        Command::Fuzz(wish) => fuzz::run(&root, &wish),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

/// The top of the repository: of the checkout in which this was started by cargo, be it for another package,
/// and else of the one that built it.
fn root() -> PathBuf {
    let built = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let started =
        std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| built.clone(), PathBuf::from);
    let is_top = |folder: &&Path| folder.join("crates/xtask/Cargo.toml").is_file();
    let top = started.ancestors().chain(built.ancestors()).find(is_top);
    top.map_or_else(|| built.clone(), PathBuf::from)
}

/// Prints a line for whoever watches.
#[expect(clippy::print_stdout, reason = "the one place where the gates speak")]
fn say(line: &str) {
    println!("{line}");
}
