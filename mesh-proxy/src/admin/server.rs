//! What the server says of itself: `/ready`, `/server_info`, `/listeners`, `/logging` and their like.

use std::sync::Arc;

use mesh_runtime::admin::{Page, Query};
use mesh_runtime::log;
use mesh_traffic::Listener;
use serde_json::json;

use crate::admin::Sources;
use crate::admin::config_dump;
use crate::admin::node::node;

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
        "node": node(sources),
    }))
}

pub(super) fn listeners(sources: &Sources, query: &Query) -> Page {
    let config = sources.live.current();
    let listeners = config.listeners.values();
    if query.get("format").is_some_and(|format| format == "json") {
        let statuses: Vec<_> = listeners
            .map(|listener| {
                let more = listener.more_addresses.iter();
                let more: Vec<_> = more.map(|&more| config_dump::address(more)).collect();
                let mut status = json!({
                    "name": &*listener.name,
                    "local_address": config_dump::address(listener.address),
                });
                if let (Some(status), false) = (status.as_object_mut(), more.is_empty()) {
                    status.insert("additional_local_addresses".to_owned(), more.into());
                }
                status
            })
            .collect();
        return Page::json(&json!({ "listener_statuses": statuses }));
    }
    let of_one = |listener: &Arc<Listener>| {
        let lines = listener.addresses();
        let lines = lines.map(|address| format!("{}::{address}\n", listener.name));
        lines.collect::<String>()
    };
    Page::text(200, listeners.map(of_one).collect::<String>())
}

/// There is no runtime: nothing can be set that is not in the configuration.
pub(super) fn runtime(_: &Sources, _: &Query) -> Page {
    Page::json(&json!({ "layers": [], "entries": {} }))
}

/// The bytes that the process holds, in Envoy's words for a heap.
pub(super) fn memory(sources: &Sources, _: &Query) -> Page {
    let bytes = sources.overload.memory().to_string();
    Page::json(&json!({ "allocated": bytes, "total_physical_bytes": bytes }))
}

/// One process runs at a time.
pub(super) fn hot_restart_version(_: &Sources, _: &Query) -> Page {
    Page::text(200, "disabled\n")
}

/// Changes what is logged: `level=debug`, `paths=mesh_proxy:debug,rustls:warn` or `mesh_proxy=debug`;
/// without a word it says what is.
pub(super) fn logging(_: &Sources, query: &Query) -> Page {
    let pairs: Vec<_> = query.iter().collect();
    let wanted = match pairs.as_slice() {
        [] => None,
        [(name, level)] if *name == "level" => Some((*level).clone()),
        [(name, list)] if *name == "paths" => Some(list.replace(':', "=")),
        [(target, level)] => Some(format!("{target}={level}")),
        [..] => return Page::text(400, USAGE),
    };
    if let Some(wanted) = wanted
        && let Err(why) = log::set(&wanted)
    {
        return Page::text(400, format!("{why}\n{USAGE}"));
    }
    let active = log::level().unwrap_or_default();
    Page::text(200, format!("active loggers:\n  {active}\n"))
}

const USAGE: &str = "usage: /logging?level=LEVEL, /logging?paths=TARGET:LEVEL,... or \
                     /logging?TARGET=LEVEL\n";
