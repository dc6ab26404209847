//! `meshctl version`.

use serde_json::json;

use crate::cli::{Global, Output};
use crate::embedded::state_dir;
use crate::error::CommandError;
use crate::ui::Ui;

/// Print the version.
#[derive(Debug, clap::Args)]
pub(crate) struct VersionArgs {}

/// Prints the version of meshctl and of the state folders that it knows.
#[expect(clippy::unnecessary_wraps, reason = "every verb answers alike")]
pub(crate) fn run(global: &Global, ui: &Ui) -> Result<(), CommandError> {
    let version = env!("CARGO_PKG_VERSION");
    match global.output {
        Output::Json => ui.json(&json!({"version": version, "state_folder": state_dir::VERSION})),
        Output::Table | Output::Yaml => ui.data(&format!("meshctl {version}")),
    }
    Ok(())
}
