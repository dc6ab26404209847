//! `meshctl completion`: what a shell needs to complete our words.

use clap::CommandFactory;
use clap_complete::Shell;

use crate::cli::Cli;
use crate::ui::Ui;

const HELP: &str = "\
Examples:
  source <(meshctl completion bash)
  meshctl completion zsh > \"${fpath[1]}/_meshctl\"
  meshctl completion fish > ~/.config/fish/completions/meshctl.fish";

/// Print what a shell needs to complete meshctl's commands and flags.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(crate) struct CompletionArgs {
    /// The shell
    shell: Shell,
}

/// Prints the script of a shell.
pub(crate) fn run(args: &CompletionArgs, ui: &Ui) {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "meshctl", &mut script);
    ui.raw(&script);
}
