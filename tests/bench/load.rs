//! The load generator: closed loop (as fast as answers come) or a fixed rate.
//!
//! At a fixed rate a request's time counts from when it was due, not from when it could be sent, so
//! that a proxy's pause is seen by every request that it delayed. Every answer's status and length
//! are checked.

use std::io;
use std::net::SocketAddr;

use clap::{Args, ValueEnum};
use serde::{Deserialize, Serialize};

mod engine;
mod histogram;
mod one;
mod pace;
mod request;
mod tally;
mod two;

/// What the load generator says to the proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Protocol {
    /// HTTP/1.1, one request at a time on each connection.
    Http1,
    /// HTTP/2 with prior knowledge: gRPC messages.
    Grpc,
}

/// What to do.
#[derive(Debug, Clone, Args)]
pub(crate) struct Plan {
    /// The proxy.
    #[arg(long)]
    pub(crate) to: SocketAddr,
    /// What to speak.
    #[arg(long, value_enum)]
    pub(crate) protocol: Protocol,
    /// Connections held open.
    #[arg(long)]
    pub(crate) connections: usize,
    /// Requests at a time on one connection.
    #[arg(long, default_value_t = 1)]
    pub(crate) streams: usize,
    /// Requests per second; as many as possible without it.
    #[arg(long)]
    pub(crate) rate: Option<u32>,
    /// Seconds that count.
    #[arg(long)]
    pub(crate) seconds: u64,
    /// Seconds before them.
    #[arg(long, default_value_t = 1)]
    pub(crate) warmup: u64,
    /// The request's path.
    #[arg(long, default_value = "/")]
    pub(crate) path: String,
    /// The service that is called.
    #[arg(long)]
    pub(crate) host: String,
    /// Bytes of every answer's body; any without it.
    #[arg(long)]
    pub(crate) expect: Option<usize>,
    /// A new connection for every request.
    #[arg(long)]
    pub(crate) reconnect: bool,
}

/// What came of it. Times are microseconds.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Report {
    /// Answers within the seconds that count, per second.
    pub(crate) rps: f64,
    /// Answers in all, warm-up included.
    pub(crate) answers: u64,
    /// Bytes read in all.
    pub(crate) bytes: u64,
    /// Bytes read within the seconds that count, in GB per second.
    pub(crate) gb_s: f64,
    /// Requests that were not answered, or not as they should be.
    pub(crate) errors: u64,
    /// The first thing that went wrong.
    pub(crate) complaint: Option<String>,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    pub(crate) p999_us: f64,
    pub(crate) max_us: f64,
}

/// Runs the plan to its end.
pub(crate) fn run(plan: &Plan) -> io::Result<Report> {
    engine::Engine::start(plan)?.run()
}
