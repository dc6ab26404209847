//! What `up` prints when the mesh is up: where it is and what to try next.

use std::ffi::OsString;
use std::path::Path;
use std::time::Duration;

use mesh_api::Object;
use serde_json::Value;

use crate::embedded::input::Input;
use crate::embedded::plan::ingress;
use crate::embedded::state_dir::StateDir;
use crate::embedded::status::Status;
use crate::ui::{Tone, Ui};

/// The name by which an application's file speaks of this program.
const NAME: &str = "meshctl";

/// A mesh that is up.
pub(super) struct Summary<'a> {
    /// What runs.
    pub(super) status: &'a Status,
    /// How long the start took.
    pub(super) took: Duration,
    /// Its state folder.
    pub(super) dir: &'a StateDir,
    /// What it was made from.
    pub(super) input: &'a Input,
    /// The command line that started it.
    pub(super) typed: &'a [OsString],
    /// Whether a Gateway has the ingress listen.
    pub(super) is_served: bool,
}

impl Summary<'_> {
    /// Prints it.
    pub(super) fn print(&self, ui: &Ui) {
        let up = ui.paint(Tone::Good, "the mesh is up");
        let mut lines = vec![format!("\n{up}  ({:.1} s)\n", self.took.as_secs_f64())];
        for url in self.urls() {
            lines.push(format!("  open   {}", ui.paint(Tone::Strong, &url)));
        }
        if !self.is_served {
            lines.push(
                "  open   nothing yet: the ingress serves what a Gateway tells it to".to_owned(),
            );
        }
        lines.push(format!("  look   {}", self.command("meshctl status")));
        let mut next: Vec<&str> = self.input.try_next.iter().map(String::as_str).collect();
        if next.is_empty() {
            next.push("meshctl get all -A");
        }
        lines.extend(
            next.into_iter()
                .map(|command| format!("  try    {}", self.command(command))),
        );
        lines.push(format!(
            "  stop   Ctrl-C, or {}",
            self.command("meshctl down")
        ));
        ui.data(&lines.join("\n"));
    }

    /// A command as it is typed in another terminal: with this program's path and state folder.
    fn command(&self, command: &str) -> String {
        let Some(rest) = command.strip_prefix(NAME) else {
            return command.to_owned();
        };
        let program = self.typed.first().map_or_else(|| NAME.to_owned(), program);
        let default = StateDir::locate(None).is_ok_and(|default| default == *self.dir);
        let state = match default {
            true => String::new(),
            false => format!(" --state {}", self.dir.root().display()),
        };
        format!("{program}{rest}{state}")
    }

    fn urls(&self) -> Vec<String> {
        if !self.is_served {
            return Vec::new();
        }
        let base = &self.status.ingress.http;
        let mut paths = self.input.open.clone();
        if paths.is_empty() {
            paths.extend(self.input.manifests.config.iter().find_map(served_path));
        }
        if paths.is_empty() {
            return vec![base.clone()];
        }
        paths.iter().map(|path| format!("{base}{path}")).collect()
    }
}

/// The program as it was called, relative to where the user is if it is below.
fn program(typed: &OsString) -> String {
    let path = Path::new(typed);
    let here = std::env::current_dir().unwrap_or_default();
    path.strip_prefix(&here)
        .unwrap_or(path)
        .display()
        .to_string()
}

/// A path that a VirtualService serves at a gateway and that a browser may open.
fn served_path(object: &Object) -> Option<String> {
    let spec = object.value.get("spec")?;
    if object.kind.kind != "VirtualService" || spec.get("gateways").is_none() {
        return None;
    }
    let list = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    let rules = list(spec.get("http"));
    let mut matches = rules.iter().flat_map(|rule| list(rule.get("match")));
    matches.find_map(|one| Some(one.pointer("/uri/exact")?.as_str()?.to_owned()))
}

/// Whether any of the objects is a Gateway for the ingress: without one nothing listens there.
pub(super) fn is_served<'a>(configuration: impl IntoIterator<Item = &'a Object>) -> bool {
    let labels = ingress::labels();
    let is_ours = |object: &Object| {
        let selector = object.value.pointer("/spec/selector");
        let selector = selector.and_then(Value::as_object).cloned();
        let selects = |(name, value): (&String, &Value)| {
            let own = labels.value(name).map(|own| own.as_str());
            own.is_some() && own == value.as_str()
        };
        // istio: a Gateway without a selector is every gateway's.
        selector.unwrap_or_default().iter().all(selects)
    };
    configuration
        .into_iter()
        .any(|object| object.kind.kind == "Gateway" && is_ours(object))
}

#[cfg(test)]
mod tests;
