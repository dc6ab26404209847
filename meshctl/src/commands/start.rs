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
    /// Return when it is started, ready or not
    #[arg(long)]
    no_wait: bool,
}

/// Asks the supervisor, which answers when everything is ready, unless that is not waited for.
pub(crate) async fn run(global: &Global, args: StartArgs, ui: &Ui) -> Result<(), CommandError> {
    let target = Target {
        name: args.name,
        namespace: global.namespace.clone(),
    };
    let dir = StateDir::locate(global.state.as_deref())?;
    let verb = if args.no_wait {
        Verb::Begin(target)
    } else {
        Verb::Start(target)
    };
    if let Answer::Done(names) = ask(&dir, verb).await? {
        names
            .iter()
            .for_each(|name| ui.data(&format!("{name} started")));
    }
    Ok(())
}
