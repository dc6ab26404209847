//! Hidden verbs: what meshctl re-executes itself as.

use std::ffi::OsString;

use crate::embedded::guard;
use crate::embedded::rooms::entry::Entry;
use crate::error::CommandError;

/// Becomes a process that ends with its parent.
#[derive(Debug, clap::Args)]
pub(crate) struct ChildArgs {
    /// The process that must be the parent
    #[arg(long)]
    parent: u32,
    #[command(flatten)]
    entry: Entry,
    /// The program and its arguments
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

/// Ends what a killed meshctl left behind.
#[derive(Debug, clap::Args)]
pub(crate) struct GuardArgs {
    /// The run whose processes are meant
    run: String,
}

/// Becomes the program.
pub(crate) fn run(args: &ChildArgs) -> Result<(), CommandError> {
    let Some((program, rest)) = args.command.split_first() else {
        return Err(CommandError::usage("no program to become"));
    };
    args.entry
        .enter()
        .map_err(|error| CommandError::problem(format!("network namespace: {error}")))?;
    let error = guard::become_child(args.parent, program, rest);
    Err(CommandError::problem(format!(
        "{}: {error}",
        program.to_string_lossy()
    )))
}

/// Waits for the end of the supervisor.
pub(crate) fn guard(args: &GuardArgs) -> Result<(), CommandError> {
    guard::watch(&args.run);
    Ok(())
}
