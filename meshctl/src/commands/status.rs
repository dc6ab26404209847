//! `meshctl status`.

use crate::cli::{Global, Output};
use crate::embedded::control::{Answer, Verb, ask};
use crate::embedded::state_dir::StateDir;
use crate::embedded::status::{State, Status};
use crate::error::CommandError;
use crate::target::{ConfigStatus, ObjectStatus, or_in_cluster};
use crate::ui::table::Table;
use crate::ui::{Tone, Ui};

/// Show what runs, and where.
#[derive(Debug, clap::Args)]
pub(crate) struct StatusArgs {}

/// Asks the supervisor and prints its answer; what is not ready does not make it fail.
pub(crate) async fn run(global: &Global, ui: &Ui) -> Result<(), CommandError> {
    let dir = StateDir::locate(global.state.as_deref())?;
    let instead = "of a mesh in a cluster: `meshctl check`, `meshctl proxy-status`";
    let answer = ask(&dir, Verb::Status).await;
    let answer = answer.map_err(|error| or_in_cluster(error, global, instead))?;
    let Answer::Status(status) = answer else {
        return Err(CommandError::unreachable(
            "the supervisor did not answer with a status",
        ));
    };
    match global.output {
        Output::Json => ui.json(&status.contract()),
        Output::Table | Output::Yaml => {
            if let Some(nobody) = nobody(&status, global.namespace.as_deref()) {
                ui.warning(&nobody);
            }
            let mut text = text(&status, global.namespace.as_deref(), ui);
            let configuration = match status.pilot() {
                Some(pilot) => ConfigStatus::ask(pilot).await,
                None => None,
            };
            if let Some(wrong) = configuration.and_then(|page| wrong(&page, ui)) {
                text = format!("{text}\n\n{wrong}");
            }
            ui.data(&text);
        }
    }
    Ok(())
}

/// What of the configuration is not in force as it was written, or is doubtful, and why; nothing
/// when all is well.
fn wrong(page: &ConfigStatus, ui: &Ui) -> Option<String> {
    let mut table = Table::new(&["configuration", "state", "message"]);
    let told = |one: &&ObjectStatus| !one.is_in_force() || !one.messages.is_empty();
    for one in page.objects.iter().filter(told) {
        let tone = if one.is_in_force() {
            Tone::Warn
        } else {
            Tone::Bad
        };
        let state = ui.paint(tone, &one.state);
        table.row([one.key().to_string(), state, one.why(&one.key())]);
    }
    for one in &page.broken {
        let state = ui.paint(Tone::Bad, "Unreadable");
        table.row([one.origin.clone(), state, one.message.clone()]);
    }
    for one in &page.proxies {
        if let Some(error) = &one.error {
            let state = ui.paint(Tone::Bad, "Refused");
            table.row([format!("proxy {}", one.proxy), state, error.clone()]);
        }
    }
    (!table.is_empty()).then(|| table.render())
}

/// Says so when no workload is in the namespace that was asked for.
fn nobody(status: &Status, namespace: Option<&str>) -> Option<String> {
    let wanted = namespace?;
    let mut names: Vec<&str> = status
        .workloads
        .iter()
        .map(|one| one.namespace.as_str())
        .collect();
    names.sort_unstable();
    names.dedup();
    if names.contains(&wanted) {
        return None;
    }
    let elsewhere = match names.as_slice() {
        [] => "the mesh has none".to_owned(),
        names => format!("there are some in {}", names.join(", ")),
    };
    Some(format!("no workloads in namespace {wanted}; {elsewhere}"))
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
    let mut text = format!("ingress {ingress}\n\n{}", components.render());
    if !workloads.is_empty() {
        text = format!("{text}\n\n{}", workloads.render());
    }
    text
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

#[cfg(test)]
mod tests;
