//! `meshctl start`.

use crate::cli::Global;
use crate::embedded::control::{Answer, Target, Verb, ask};
use crate::embedded::state_dir::StateDir;
use crate::error::CommandError;
use crate::ui::Ui;

/// Bring back what `stop` holds down.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  meshctl start pilot\n  meshctl start reviews-v2")]
pub(crate) struct StartArgs {
    /// A pod, a deployment or a component
    name: String,
}

/// Asks the supervisor, which answers when everything is ready.
pub(crate) async fn run(global: &Global, args: StartArgs, ui: &Ui) -> Result<(), CommandError> {
    let target = Target {
        name: args.name,
        namespace: global.namespace.clone(),
    };
    let dir = StateDir::locate(global.state.as_deref())?;
    if let Answer::Done(names) = ask(&dir, Verb::Start(target)).await? {
        names
            .iter()
            .for_each(|name| ui.data(&format!("{name} started")));
    }
    Ok(())
}
