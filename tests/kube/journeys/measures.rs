//! Measures of mesh on Kubernetes: `cargo xtask bench --kube`.
//!
//! One cluster and one mesh for all, in the order of [`MEASURES`]: what makes the cluster full comes last.
//! Arguments are parts of names. Numbers are shown and never asserted; that a load met an error, or that
//! something could not be measured, is a fault, and ends in exit status 1. How Istio was measured, whose
//! figures docs/performance.md has beside: the same objects, changes and loads.

mod api;
mod container;
mod crowd;
mod inject;
mod lag;
mod load;
mod memory;
mod requests;
mod restart;
mod services;
mod sheet;
mod webhook;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use mesh_test::eventually;
use parking_lot::Mutex;

use crate::app::App;
use crate::evidence;
use crate::install;
use crate::runner::{self, End, Journey, say};
use crate::world::World;
use sheet::{Row, Sheet};

pub(crate) use crowd::ELSEWHERE;

/// The namespace of the pods that nothing happens to but what a measure is about.
const HERE: &str = "measured";
/// How long everybody is left alone before memory is looked at.
const QUIET: Duration = Duration::from_secs(15);

/// What all others stand on.
const PREPARE: Journey<Bench> = Journey::new("prepare", 300, prepare);

/// Every measure, in order.
const MEASURES: &[Journey<Bench>] = &[
    Journey::new("memory", 60, memory::empty),
    Journey::new("lag", 120, lag::empty),
    Journey::new("kube-inject", 60, inject::run),
    Journey::new("webhook", 60, webhook::run),
    Journey::new("requests", 240, requests::run),
    Journey::new("restart", 240, restart::run),
    Journey::new("memory-1000", 120, memory::with_services),
    Journey::new("lag-1000", 180, lag::with_services),
    Journey::new("pods-5000", 420, crowd::run),
];

/// A mesh to be measured, and what was found.
#[derive(Debug)]
struct Bench {
    world: World,
    sheet: Mutex<Sheet>,
}

impl Bench {
    fn start() -> Self {
        Self {
            world: World::start(),
            sheet: Mutex::default(),
        }
    }

    /// Shows a row and keeps it.
    fn row(&self, row: Row) {
        say(&format!("  {}", row.line()));
        self.sheet.lock().rows.push(row);
    }

    /// Shows what must not be, and keeps it.
    fn fault(&self, what: &str) {
        say(&format!("  FAULT: {what}"));
        self.sheet.lock().faults.push(what.to_owned());
    }
}

/// Runs those that are asked for.
pub(crate) fn run(parts: &[String]) -> ExitCode {
    let asked = |name: &str| parts.is_empty() || parts.iter().any(|part| name.contains(part));
    let bench = Arc::new(Bench::start());
    let chosen = MEASURES.iter().filter(|measure| asked(measure.name));
    for measure in [&PREPARE].into_iter().chain(chosen) {
        let name = measure.name;
        say(&format!("\n== {name}"));
        let (end, seconds) = runner::one(measure, &bench);
        if end == End::Arrived {
            say(&format!("  ({seconds} s)"));
            continue;
        }
        let left = evidence::gather(&format!("measure-{name}"), &bench.world);
        bench.fault(&format!("{name}: not measured; see {}", left.display()));
        if end == End::Lost || name == PREPARE.name {
            break;
        }
    }
    let sheet = bench.sheet.lock();
    let file = sheet.write();
    say(&format!(
        "\n{}\nwritten to {}\n",
        sheet.table(),
        file.display()
    ));
    ExitCode::from(u8::from(!sheet.faults.is_empty()))
}

/// The mesh without a log of requests, as it is by default, and a few pods with sidecars.
fn prepare(bench: &Bench) {
    let world = &bench.world;
    install::definitions(world);
    install::mesh_with(world, &["--set", "global.proxy.accessLogFile="]);
    world.meshed(HERE);
    App::new(HERE, "server").replicas(2).apply(world);
    App::new(HERE, "client").apply(world);
    world.all_rolled_out(HERE);
    let client = world.remote(HERE, "client");
    eventually("the mesh's own call", || {
        match client.get("http://server/") {
            Ok(answered) if answered.status == 200 => Ok(()),
            other => Err(other),
        }
    });
}

/// Lets time pass.
#[expect(
    clippy::disallowed_methods,
    reason = "a measure of what is quiet, or of a rate, takes its time"
)]
fn rest(time: Duration) {
    std::thread::sleep(time);
}
