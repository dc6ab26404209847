//! The process: flags in, a signal waited for. `mesh-proxy bootstrap` takes what it is to do from a file. Two other
//! programs are in the same file and end: `mesh-proxy capture` prepares a pod's network, `mesh-proxy wait` waits for
//! the proxy of a pod.
//!
//! It allocates with the system's allocator: mimalloc is some percent faster and keeps eleven
//! megabytes more of an idle sidecar.

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use mesh_proxy::bootstrap::flags::{BootstrapFlags, Mode};
use mesh_proxy::settings::Flags;
use mesh_proxy::{Deps, Settings, capture, run, validate};
use mesh_runtime::heap;
use mesh_status::wait;

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    let mut arguments = std::env::args_os().skip(1).peekable();
    if arguments.peek().is_some_and(|first| first == "capture") {
        return Ok(capture::main(arguments).await);
    }
    if arguments.peek().is_some_and(|first| first == "wait") {
        return Ok(wait::main(arguments).await);
    }
    let settings = if arguments.next_if(|first| first == "bootstrap").is_some() {
        let name = OsString::from("mesh-proxy bootstrap");
        let flags = BootstrapFlags::parse_from(std::iter::once(name).chain(arguments));
        flags.log.start();
        let (mode, path) = (flags.mode, flags.config_path.clone());
        let settings = flags.settings()?;
        if mode == Mode::Validate {
            validate(&settings)?;
            let mut out = std::io::stdout();
            writeln!(out, "configuration '{}' OK", path.display())?;
            return Ok(ExitCode::SUCCESS);
        }
        settings
    } else {
        let flags = Flags::parse();
        flags.log.start();
        Settings::try_from(flags)?
    };
    let deps = Deps::of_process(&settings).await?;
    heap::keep_small(&deps.tasks);
    let shutdown = deps.shutdown.clone();
    deps.tasks.spawn("signals", async move {
        match mesh_runtime::shutdown::requested().await {
            Ok(signal) => tracing::info!(signal, "asked to stop"),
            Err(error) => tracing::error!(%error, "signals cannot be received"),
        }
        shutdown.cancel();
    });
    Box::pin(run(settings, deps)).await?;
    Ok(ExitCode::SUCCESS)
}
