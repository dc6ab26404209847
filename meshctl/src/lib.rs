//! The command line of mesh: runs a mesh on this machine and speaks with it.
//!
//! One file per verb in `commands/`; what is decided lives in pure modules beside them, what is
//! printed goes through `ui`, and every failure is a `error::CommandError`.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

mod chart;
mod cli;
mod commands;
mod embedded;
mod error;
mod in_force;
mod plane;
mod target;
mod ui;

use ui::Ui;

/// Runs the command line and says how it went: 0 good, 1 problems, 2 usage, 3 mesh not reached.
#[must_use]
pub fn main(args: Vec<OsString>) -> ExitCode {
    let parsed = match cli::Cli::try_parse_from(&args) {
        Ok(parsed) => parsed,
        Err(problem) => return ui::print_usage(&problem),
    };
    let ui = Ui::new(parsed.global.color());
    match commands::run(parsed, &args, &ui) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            ui.error(&error);
            error.exit_code()
        }
    }
}
