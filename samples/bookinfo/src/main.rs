//! Bookinfo, the book shop of four services, in one small binary: `bookinfo productpage`,
//! `details`, `reviews` or `ratings`.
//!
//! Labels, ports, environment and answers are those of Istio's sample, so that its tasks work
//! word for word; nothing here knows that there is a mesh.

mod client;
mod details;
mod forward;
mod productpage;
mod ratings;
mod reply;
mod reviews;
mod server;
mod settings;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use mesh_runtime::{SystemClock, Tasks, log, shutdown};
use tokio::net::TcpListener;

use crate::server::{Framing, Service};
use crate::settings::Environment;

/// How long requests under way may take once the process was asked to end.
const DRAIN: Duration = Duration::from_secs(15);

#[derive(Parser)]
#[command(
    name = "bookinfo",
    version,
    about = "The services of the Bookinfo sample"
)]
struct Arguments {
    #[command(subcommand)]
    service: Kind,
    /// Port to serve on
    #[arg(long, global = true, default_value_t = 9080)]
    port: u16,
    /// Address to serve on
    #[arg(long, global = true, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    address: IpAddr,
    /// error, warn, info, debug or trace
    #[arg(long, global = true, default_value = "info")]
    log_level: String,
}

#[derive(Clone, Copy, Subcommand)]
enum Kind {
    /// The page of a book, made of what the other services know
    Productpage,
    /// Facts about a book
    Details {
        /// Send answers in chunks, as if their length were not known at the start
        #[arg(long)]
        chunked: bool,
    },
    /// What readers say, with or without stars
    Reviews,
    /// The stars
    Ratings,
}

fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    log::start(&arguments.log_level, log::Format::Text);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(run(&arguments))
}

async fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let address = SocketAddr::new(arguments.address, arguments.port);
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address} (choose another with --port)"))?;
    let tasks = Tasks::new(&prometheus::Registry::new());
    let environment = Environment::of_process();
    match arguments.service {
        Kind::Productpage => start(
            productpage::ProductPage::new(&environment, &tasks)?,
            listener,
            &tasks,
        ),
        Kind::Details { chunked } => {
            let framing = if chunked {
                Framing::Chunked
            } else {
                Framing::Length
            };
            let details = details::Details::new(&environment, framing, &tasks)?;
            start(details, listener, &tasks);
        }
        Kind::Reviews => start(
            reviews::Reviews::new(&environment, &tasks)?,
            listener,
            &tasks,
        ),
        Kind::Ratings => start(
            ratings::Ratings::new(&environment, Arc::new(SystemClock))?,
            listener,
            &tasks,
        ),
    }
    let signal = shutdown::requested().await?;
    tracing::info!(signal, "finishing requests under way");
    if !tasks.stop(DRAIN).await {
        tracing::warn!("some requests were still under way");
    }
    Ok(())
}

fn start(service: impl Service, listener: TcpListener, tasks: &Tasks) {
    tasks.spawn(
        "accept",
        server::serve(Arc::new(service), listener, tasks.clone()),
    );
}

#[cfg(test)]
mod tests;
