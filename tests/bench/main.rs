//! `make bench`: mesh and other proxies side by side on this machine, and the product as a whole.
//!
//! Numbers are shown, never asserted: they depend on the machine and on what else it does. The
//! program is also its own load generator, back end and relay, each started as a process pinned to
//! its core.

use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, Subcommand, ValueEnum};

mod backend;
mod campaign;
mod certificates;
mod hold;
mod load;
mod local;
mod measure;
mod network;
mod peer;
mod process;
mod relay;
mod report;
mod scenario;
mod wire;

use campaign::Campaign;
use peer::Peer;
use process::Cores;
use report::Results;
use scenario::Scenario;

/// Measures mesh and its peers, one core for the proxies and one for everything else.
#[derive(Debug, Parser)]
#[command(name = "mesh-bench", args_conflicts_with_subcommands = true)]
struct Arguments {
    /// Scenarios to run, all by default.
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Scenario>,
    /// Peers to run, all that take part by default.
    #[arg(long, value_enum, value_delimiter = ',')]
    peers: Vec<Peer>,
    /// Seconds of each measurement under load.
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Measurements of each row under load, by turns with the other peers.
    #[arg(long, default_value_t = 3)]
    runs: usize,
    /// Told by itself.
    #[arg(long, hide = true)]
    own_network: bool,
    #[command(subcommand)]
    command: Option<Part>,
}

#[derive(Debug, Subcommand)]
enum Part {
    /// Prints results as Markdown.
    Table {
        /// By default those of the last run.
        file: Option<PathBuf>,
    },
    /// Becomes a program on one core.
    #[command(hide = true)]
    Become {
        #[arg(long)]
        core: usize,
        program: PathBuf,
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// The back end.
    #[command(hide = true)]
    Backend {
        #[arg(long)]
        listen: Vec<SocketAddr>,
    },
    /// The load generator.
    #[command(hide = true)]
    Load(load::Plan),
    /// The byte relay.
    #[command(hide = true)]
    Relay(relay::Relay),
    /// Holds connections.
    #[command(hide = true)]
    Hold(hold::Hold),
}

fn main() -> Result<()> {
    let arguments = Arguments::parse();
    match arguments.command {
        None => campaign(arguments),
        Some(Part::Table { file }) => {
            let file = file.map_or_else(report::results_file, Ok)?;
            say(&report::markdown(&Results::read(&file)?))
        }
        Some(Part::Become {
            core,
            program,
            arguments,
        }) => process::become_program(core, &program, &arguments),
        Some(Part::Backend { listen }) => Ok(backend::serve(&listen)?),
        Some(Part::Load(plan)) => {
            let report = load::run(&plan)?;
            say(&serde_json::to_string(&report)?)
        }
        Some(Part::Relay(relay)) => runtime()?.block_on(relay::run(relay)),
        Some(Part::Hold(hold)) => runtime()?.block_on(hold::run(hold)),
    }
}

fn campaign(arguments: Arguments) -> Result<()> {
    if arguments.own_network {
        network::prepare()?;
    } else {
        network::leave_for_own()?;
    }
    process::raise_file_limit();
    let mut scenarios = arguments.only;
    if scenarios.is_empty() {
        scenarios = Scenario::value_variants().to_vec();
    }
    let campaign = Campaign {
        scenarios,
        peers: arguments.peers,
        seconds: arguments.seconds,
        runs: arguments.runs,
    };
    let file = report::results_file()?;
    let results = campaign.run(Cores::choose()?, &file)?;
    say(&format!(
        "\n{}{}\nwritten to {}\n",
        report::terminal(&results),
        local::table(&results.local),
        file.display()
    ))
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?)
}

fn say(text: &str) -> Result<()> {
    Ok(std::io::stdout().write_all(text.as_bytes())?)
}
