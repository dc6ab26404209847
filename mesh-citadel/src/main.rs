//! The process: flags in, tasks started, a signal waited for.

use std::process::ExitCode;

use clap::Parser;
use mesh_citadel::settings::{Flags, Surroundings};
use mesh_citadel::{Deps, Settings, run};
use mesh_kube::Cluster;
use mesh_runtime::heap;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let flags = Flags::parse();
    flags.log.start();
    let Err(error) = Box::pin(serve(flags)).await else {
        return ExitCode::SUCCESS;
    };
    tracing::error!(error = format!("{error:#}"), "citadel cannot run");
    ExitCode::FAILURE
}

async fn serve(flags: Flags) -> anyhow::Result<()> {
    let surroundings = match Cluster::is_around_us() {
        true => Surroundings::Pod,
        false => Surroundings::Machine,
    };
    let settings = Settings::new(flags, surroundings)?;
    let deps = Deps::of_process(&settings).await?;
    deps.stop_on_signals();
    heap::keep_small(&deps.tasks);
    Ok(run(settings, deps).await?)
}
