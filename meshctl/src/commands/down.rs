//! `meshctl down`.

use crate::cli::Global;
use crate::embedded::control;
use crate::embedded::state_dir::StateDir;
use crate::error::CommandError;
use crate::ui::Ui;

/// Stop the mesh and everything that it started.
#[derive(Debug, clap::Args)]
pub(crate) struct DownArgs {}

/// Asks the supervisor to end and waits for it.
pub(crate) async fn run(global: &Global, ui: &Ui) -> Result<(), CommandError> {
    let dir = StateDir::locate(global.state.as_deref())?;
    control::ask_to_end(&dir).await?;
    ui.note(&format!("stopped the mesh in {}", dir.root().display()));
    Ok(())
}
