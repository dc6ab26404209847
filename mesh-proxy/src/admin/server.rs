//! `/ready`, `/server_info` and `/listeners`.

use mesh_runtime::admin::{Page, Query};
use serde_json::json;

use crate::admin::Sources;
use crate::admin::config_dump::node;

pub(super) fn ready(sources: &Sources, _: &Query) -> Page {
    let (status, state) = match sources.ready() {
        Ok(state) => (200, state),
        Err(state) => (503, state),
    };
    Page::text(status, format!("{state}\n"))
}

pub(super) fn info(sources: &Sources, _: &Query) -> Page {
    let now = sources.clock.now();
    let up = now.saturating_duration_since(sources.started).as_secs();
    Page::json(&json!({
        "version": concat!("mesh-proxy/", env!("CARGO_PKG_VERSION")),
        "state": sources.state(),
        "hot_restart_version": "disabled",
        "uptime_current_epoch": format!("{up}s"),
        "uptime_all_epochs": format!("{up}s"),
        "command_line_options": {},
        "node": node(&sources.workload),
    }))
}

pub(super) fn listeners(sources: &Sources, query: &Query) -> Page {
    let config = sources.live.current();
    let listeners = config.listeners.values();
    if query.get("format").is_some_and(|format| format == "json") {
        let statuses: Vec<_> = listeners
            .map(|listener| {
                json!({
                    "name": &*listener.name,
                    "local_address": super::config_dump::address(listener.address),
                })
            })
            .collect();
        return Page::json(&json!({ "listener_statuses": statuses }));
    }
    let lines: String = listeners
        .map(|l| format!("{}::{}\n", l.name, l.address))
        .collect();
    Page::text(200, lines)
}
