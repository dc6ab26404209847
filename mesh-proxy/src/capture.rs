//! Traffic capture: `mesh-proxy capture`, which the init container of an injected pod runs.
//!
//! Options become a plan, a value that lists every chain and rule in Istio's layout. What decides
//! is pure (`options`, `plan`, `render`, `state`, `summary`); `apply` hands the rendered text to
//! iptables or nft. The listeners that captured connections arrive at are not here.

mod apply;
mod backend;
mod family;
mod flags;
mod loopback;
mod options;
mod plan;
mod programs;
mod render;
mod state;
mod summary;

use std::ffi::OsString;
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use crate::capture::family::Ipv6;
use crate::capture::flags::CaptureFlags;
use crate::capture::options::{BadOption, Options};
use crate::capture::plan::Plan;

/// Exit code for a plan that could not be applied.
const FAILED: u8 = 1;
/// Exit code for options that are wrong, as clap's.
const WRONG_USAGE: u8 = 2;

/// Runs the subcommand; `arguments` begin with its own name.
pub async fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let flags = CaptureFlags::parse_from(arguments);
    match run(&flags).await {
        Ok(said) => {
            // A reader that has gone away does not undo the rules.
            let _unheard = std::io::stdout().write_all(said.as_bytes());
            ExitCode::SUCCESS
        }
        Err(Failure { code, text }) => {
            let _unheard = std::io::stderr().write_all(text.as_bytes());
            ExitCode::from(code)
        }
    }
}

/// Why it failed, as it is printed.
struct Failure {
    code: u8,
    text: String,
}

async fn run(flags: &CaptureFlags) -> Result<String, Failure> {
    let options = Options::try_from(flags).map_err(wrong)?;
    let ipv6 = apply::ipv6_here();
    if flags.dry_run {
        return Ok(dry_run(flags, &options, ipv6));
    }
    let done = if flags.clean_up {
        apply::clean_up(flags.backend).await
    } else {
        apply::apply(flags, &options, ipv6).await
    };
    done.map_err(|error| Failure {
        code: FAILED,
        text: explain(&error.to_string(), error.hint()),
    })
}

/// What `--dry-run` prints: the text that the back end would be given.
///
/// It looks at no rule that is there, so it needs no privilege: what a real run removes of an
/// earlier one is not in it.
fn dry_run(flags: &CaptureFlags, options: &Options, ipv6: Ipv6) -> String {
    if flags.clean_up {
        return summary::clean_up_plan();
    }
    let wanted = family::wanted(flags.ip_version, ipv6);
    let families = wanted.iter().map(|wanted| wanted.family);
    let plan = Plan::of(options, families);
    match flags.backend {
        flags::BackendChoice::Nft => render::nft(&plan, &[]),
        flags::BackendChoice::Auto | flags::BackendChoice::Iptables => plan
            .families
            .iter()
            .map(|rules| render::iptables(rules, &state::Existing::default()))
            .collect(),
    }
}

fn wrong(bad: BadOption) -> Failure {
    Failure {
        code: WRONG_USAGE,
        text: explain(&bad.to_string(), &bad.way_out),
    }
}

fn explain(error: &str, hint: &str) -> String {
    format!("error: {error}\nhint: {hint}\n")
}

#[cfg(test)]
mod tests;
