//! The process: flags, logs, a runtime, and signals.

use clap::Parser;
use mesh_pilot::{Settings, app};

fn main() -> anyhow::Result<()> {
    let settings = Settings::parse();
    settings.log.start();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()?;
    runtime.block_on(app::main(settings))
}

/// Proxies are served beside one another, and one snapshot is computed at a time.
const WORKERS: usize = 2;
