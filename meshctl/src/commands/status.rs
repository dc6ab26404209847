//! `meshctl status`.

use crate::cli::{Global, Output};
use crate::embedded::control::{Answer, Verb, ask};
use crate::embedded::state_dir::StateDir;
use crate::embedded::status::{State, Status};
use crate::error::CommandError;
use crate::ui::table::Table;
use crate::ui::{Tone, Ui};

/// Show what runs, and where.
#[derive(Debug, clap::Args)]
pub(crate) struct StatusArgs {}

/// Asks the supervisor and prints its answer; what is not ready does not make it fail.
pub(crate) async fn run(global: &Global, ui: &Ui) -> Result<(), CommandError> {
    let dir = StateDir::locate(global.state.as_deref())?;
    let Answer::Status(status) = ask(&dir, Verb::Status).await? else {
        return Err(CommandError::unreachable(
            "the supervisor did not answer with a status",
        ));
    };
    match global.output {
        Output::Json => ui.json(&status.contract()),
        Output::Table | Output::Yaml => ui.data(&text(&status, global.namespace.as_deref(), ui)),
    }
    Ok(())
}

/// The status for people.
fn text(status: &Status, namespace: Option<&str>, ui: &Ui) -> String {
    let mut components = Table::new(&["component", "state", "pid", "restarts", "admin"]);
    for one in &status.components {
        let state = state(one.state, ui);
        components.row([
            &one.name,
            &state,
            &pid(one.pid),
            &one.restarts.to_string(),
            &one.admin,
        ]);
    }
    let headers = [
        "namespace",
        "workload",
        "version",
        "state",
        "pid",
        "sidecar",
        "restarts",
        "application",
        "inbound",
    ];
    let mut workloads = Table::new(&headers);
    let shown = |name: &str| namespace.is_none_or(|wanted| wanted == name);
    for one in status.workloads.iter().filter(|one| shown(&one.namespace)) {
        workloads.row([
            one.namespace.clone(),
            one.name.clone(),
            dash(Some(one.version.as_str()).filter(|version| !version.is_empty())),
            state(one.state, ui),
            pid(one.pid),
            pid(one.sidecar_pid),
            one.restarts.to_string(),
            dash(one.app_url.as_deref()),
            dash(one.inbound.as_deref()),
        ]);
    }
    let ingress = ui.paint(Tone::Strong, &status.ingress.http);
    format!(
        "ingress {ingress}\n\n{}\n\n{}",
        components.render(),
        workloads.render()
    )
}

fn state(state: Option<State>, ui: &Ui) -> String {
    let Some(state) = state else {
        return dash(None);
    };
    let tone = match state {
        State::Ready => Tone::Good,
        State::Waiting | State::Starting | State::Stopping => Tone::Faint,
        State::Stopped | State::Unready => Tone::Warn,
        State::Restarting => Tone::Bad,
    };
    ui.paint(tone, state.word())
}

fn pid(pid: Option<u32>) -> String {
    pid.map_or_else(|| dash(None), |pid| pid.to_string())
}

fn dash(text: Option<&str>) -> String {
    text.unwrap_or("-").to_owned()
}
