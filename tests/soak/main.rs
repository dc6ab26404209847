//! `make soak`: a whole mesh under mixed load for a while, which must lose nothing and not grow.
//!
//! Brings up a local mesh, puts ordinary and odd clients before it and ordinary and odd servers behind
//! it, changes its configuration every second, and looks at its processes every second. Every
//! exchange has an outcome that is known beforehand; any other fails the run.

use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Parser, ValueEnum};
use mesh_model::time::Clock;
use mesh_runtime::{SystemClock, Tasks};
use tokio::time::{MissedTickBehavior, interval};

mod changes;
mod course;
mod http;
mod ledger;
mod raw;
mod report;
mod traffic;
mod watch;
mod world;

use changes::{Changes, Pods};
use ledger::Ledger;
use report::{Results, Run, note};
use traffic::Drivers;
use watch::Watch;
use world::World;

/// How long exchanges may take that have begun when the time is over: more than the longest of them.
const GRACE: Duration = Duration::from_secs(40);
/// Seconds between two lines of progress.
const PROGRESS: u64 = 10;
/// Seconds until a suspicion is looked at again.
const AGAIN: f64 = 60.0;

/// Soaks a whole mesh in mixed load.
#[derive(Debug, Parser)]
#[command(name = "mesh-soak")]
struct Arguments {
    /// How long.
    #[arg(long, default_value_t = 600)]
    seconds: u64,
    /// How long at most, when the memory of a process seems to grow by then: the longer, the surer.
    #[arg(long, default_value_t = 3600)]
    at_most: u64,
    /// What the chances of the load are drawn from; another one each time by default.
    #[arg(long)]
    seed: Option<u64>,
    /// How the results are printed; the document is written in any case.
    #[arg(short, long, value_enum, default_value_t)]
    output: Output,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
enum Output {
    #[default]
    Table,
    Json,
}

fn main() -> Result<ExitCode> {
    let arguments = Arguments::parse();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let results = runtime.block_on(soak(&arguments))?;
    let file = report::results_file()?;
    results.write(&file)?;
    let text = match arguments.output {
        Output::Table => results.table(),
        Output::Json => results.json()? + "\n",
    };
    std::io::stdout().write_all(text.as_bytes())?;
    note(&format!("written to {}", file.display()));
    Ok(if results.passed() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

async fn soak(arguments: &Arguments) -> Result<Results> {
    let seed = arguments.seed.unwrap_or_else(seed);
    note(&format!("seed {seed}, {} s", arguments.seconds));
    let world = World::up();
    let tasks = Tasks::new(&prometheus::Registry::new());
    let changes = Changes::begin(world.mesh.clone(), world.course.clone());
    let drivers = Drivers {
        tasks: tasks.clone(),
        ledger: Ledger::open(),
    };
    drivers.drive("changes", changes::PACE, changes);
    let pods = Pods {
        mesh: world.mesh.clone(),
        up: true,
    };
    drivers.drive("pods", changes::POD_PACE, pods);
    traffic::start(&world, &drivers, seed);

    let mut watch = Watch::over(world.mesh.clone());
    let interrupted = tokio::select! {
        watched = look_on(&mut watch, &drivers.ledger, arguments) => {
            watched?;
            false
        }
        told = tokio::signal::ctrl_c() => {
            told.context("Ctrl-C")?;
            // What ends from now on was ended by us.
            drivers.ledger.close();
            true
        }
    };
    let seconds = drivers.ledger.seconds();
    let mut complaints = Vec::new();
    if !interrupted {
        if !tasks.stop(GRACE).await {
            complaints.push(format!("some exchanges did not end within {GRACE:?}"));
        }
        complaints.extend(watch.complaints().await.map_err(anyhow::Error::msg)?);
    }
    let run = Run {
        seed,
        wanted: arguments.seconds,
        seconds,
        interrupted,
        complaints,
    };
    Ok(Results::new(run, drivers.ledger.books(), &watch))
}

/// Looks at the mesh each second until the time is over, and as long as a process is suspected to leak.
async fn look_on(watch: &mut Watch, ledger: &Arc<Ledger>, arguments: &Arguments) -> Result<()> {
    let mut pace = interval(Duration::from_secs(1));
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut end = arguments.seconds as f64;
    // Once suspected, one look without a suspect may be chance; two in a row are not.
    let mut clear = 2;
    for second in 0.. {
        pace.tick().await;
        let now = ledger.seconds();
        watch.look(now).await.map_err(anyhow::Error::msg)?;
        if second > 0 && second % PROGRESS == 0 {
            let books = ledger.books();
            note(&format!(
                "{now:>5.0} s  {} exchanges, {} unexplained, {} KiB resident",
                books.exchanges(),
                books.unexplained(),
                watch.resident() / 1024,
            ));
        }
        if now >= end {
            let suspects = report::suspects(watch, arguments.seconds);
            clear = if suspects.is_empty() { clear + 1 } else { 0 };
            if clear > 1 || now >= arguments.at_most as f64 {
                break;
            }
            let why = match clear {
                0 => suspects.join(", "),
                _ => "nobody seems to leak any more".to_owned(),
            };
            note(&format!("{now:>5.0} s  going on: {why}"));
            end = now + AGAIN;
        }
    }
    Ok(())
}

/// A seed that differs from run to run.
fn seed() -> u64 {
    let since = SystemClock.wall().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |time| time.as_secs())
}
