//! `meshctl stop`.

use crate::cli::Global;
use crate::embedded::control::{Answer, Target, Verb, ask};
use crate::embedded::state_dir::StateDir;
use crate::error::CommandError;
use crate::ui::Ui;

/// Hold a workload or component down.
#[derive(Debug, clap::Args)]
#[command(
    after_help = "Examples:\n  meshctl stop pilot\n  meshctl stop reviews-v2\n  meshctl stop reviews-v2-0"
)]
pub(crate) struct StopArgs {
    /// A pod, a deployment or a component
    name: String,
}

/// Asks the supervisor, which answers when everything is down.
pub(crate) async fn run(global: &Global, args: StopArgs, ui: &Ui) -> Result<(), CommandError> {
    let target = Target {
        name: args.name,
        namespace: global.namespace.clone(),
    };
    let dir = StateDir::locate(global.state.as_deref())?;
    if let Answer::Done(names) = ask(&dir, Verb::Stop(target)).await? {
        names
            .iter()
            .for_each(|name| ui.data(&format!("{name} stopped")));
    }
    Ok(())
}
