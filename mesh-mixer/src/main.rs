//! The telemetry hub as a process.

use std::sync::Arc;

use clap::Parser as _;
use mesh_mixer::app::{Deps, run_until_signal};
use mesh_mixer::settings::{Flags, Settings};
use mesh_runtime::{SystemClock, Tasks, heap};

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let flags = Flags::parse();
    flags.log.start();
    let settings = Settings::try_from(flags)?;
    let registry = prometheus::Registry::new();
    let deps = Deps {
        clock: Arc::new(SystemClock),
        tasks: Tasks::new(&registry),
        registry,
    };
    heap::keep_small(&deps.tasks);
    Ok(run_until_signal(settings, deps).await?)
}
