//! What `up` prints when the mesh is up: where it is and what to try next.

use std::time::Duration;

use mesh_api::Object;
use serde_json::Value;

use crate::embedded::input::Input;
use crate::embedded::state_dir::StateDir;
use crate::embedded::status::Status;
use crate::ui::{Tone, Ui};

/// How many paths are shown at most.
const MOST_PATHS: usize = 4;

/// Prints it.
pub(super) fn print(status: &Status, took: Duration, dir: &StateDir, input: &Input, ui: &Ui) {
    let up = ui.paint(Tone::Good, "the mesh is up");
    let mut lines = vec![format!("\n{up}  ({:.1} s)\n", took.as_secs_f64())];
    for url in urls(status, input) {
        lines.push(format!("  open      {}", ui.paint(Tone::Strong, &url)));
    }
    let state = state_flag(dir);
    lines.push(format!("  look      meshctl status{state}"));
    let mut next = input.try_next.clone();
    next.push(format!("meshctl get all -A{state}"));
    if let Some(first) = status.workloads.first() {
        next.push(format!("meshctl logs {} -f{state}", first.name));
    }
    lines.extend(next.iter().map(|command| format!("  try       {command}")));
    lines.push(format!("  stop      Ctrl-C, or meshctl down{state}"));
    ui.data(&lines.join("\n"));
}

/// The flag that commands in another terminal need.
fn state_flag(dir: &StateDir) -> String {
    let default = StateDir::locate(None).is_ok_and(|default| default == *dir);
    if default {
        String::new()
    } else {
        format!(" --state {}", dir.root().display())
    }
}

fn urls(status: &Status, input: &Input) -> Vec<String> {
    let base = &status.ingress.http;
    let mut paths = input.open.clone();
    if paths.is_empty() {
        paths = input
            .manifests
            .config
            .iter()
            .flat_map(served_paths)
            .take(MOST_PATHS)
            .collect();
    }
    if paths.is_empty() {
        return vec![base.clone()];
    }
    paths.iter().map(|path| format!("{base}{path}")).collect()
}

/// Paths that a VirtualService serves at a gateway and that a browser may open.
fn served_paths(object: &Object) -> Vec<String> {
    let spec = object.value.get("spec");
    let at_gateway = spec.and_then(|spec| spec.get("gateways")).is_some();
    let list = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    if object.kind.kind != "VirtualService" || !at_gateway {
        return Vec::new();
    }
    let rules = list(spec.and_then(|spec| spec.get("http")));
    let matches = rules.iter().flat_map(|rule| list(rule.get("match")));
    let exact = matches.filter_map(|one| Some(one.pointer("/uri/exact")?.as_str()?.to_owned()));
    exact.take(1).collect()
}
