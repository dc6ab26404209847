//! `/stats` and `/stats/prometheus`: everything that is counted.

use std::borrow::Cow;
use std::fmt::Write;

use mesh_runtime::admin::{Page, Query};
use mesh_traffic::{Config, Pattern};
use prometheus::Registry;
use serde_json::json;

use crate::admin::{Sources, authorizations, guards, health, limits};
use crate::worker::overload::{Action, Overload};

/// A number that this proxy tells of itself.
struct Stat {
    /// Name in Prometheus.
    name: &'static str,
    /// Name in Envoy's `/stats`.
    envoy: &'static str,
    help: &'static str,
    kind: &'static str,
    value: u64,
}

/// A number under Envoy's name.
pub(super) struct Shown {
    pub(super) name: Cow<'static, str>,
    pub(super) kind: &'static str,
    pub(super) value: u64,
}

pub(super) fn prometheus(sources: &Sources, query: &Query) -> Page {
    match Wanted::of(query) {
        Ok(wanted) => of_prometheus(sources, &wanted),
        Err(refused) => refused,
    }
}

fn of_prometheus(sources: &Sources, wanted: &Wanted) -> Page {
    let all = text(sources);
    let lines = all.split_inclusive('\n');
    let lines = lines.filter(|line| wanted.takes_line(line));
    Page {
        status: 200,
        content_type: mesh_runtime::metrics::CONTENT_TYPE,
        body: lines.collect::<String>().into(),
    }
}

pub(super) fn text(sources: &Sources) -> String {
    let mut out = sources.metrics.text();
    for stat in stats(sources) {
        let Stat {
            name,
            envoy: _,
            help,
            kind,
            value,
        } = stat;
        // Writing to a string does not fail.
        let _always = write!(
            out,
            "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n"
        );
    }
    out.push_str(&counted(&sources.live.current()));
    out.push_str(&mesh_runtime::metrics::text(&sources.registry));
    out
}

/// What parts of the configuration count.
fn counted(config: &Config) -> String {
    let pages: [fn(&Registry, &Config) -> prometheus::Result<()>; 4] = [
        guards::fill,
        limits::fill,
        health::fill,
        authorizations::fill,
    ];
    let registry = Registry::new();
    for fill in pages {
        // None of these can fail: names and labels are constants that fit.
        let _never = fill(&registry, config);
    }
    mesh_runtime::metrics::text(&registry)
}

pub(super) fn page(sources: &Sources, query: &Query) -> Page {
    let wanted = match Wanted::of(query) {
        Ok(wanted) => wanted,
        Err(refused) => return refused,
    };
    let own = stats(sources).into_iter().map(|stat| Shown {
        name: stat.envoy.into(),
        kind: stat.kind,
        value: stat.value,
    });
    let config = sources.live.current();
    let of_config = guards::shown(&config).into_iter();
    let of_config = of_config.chain(limits::shown(&config));
    let of_config = of_config.chain(health::shown(&config));
    let of_config = of_config.chain(authorizations::shown(&config));
    let mut found: Vec<Shown> = own.chain(of_config).collect();
    found.retain(|shown| wanted.takes(shown));
    found.sort_unstable_by(|one, other| one.name.cmp(&other.name));
    match query.get("format").map(String::as_str) {
        None | Some("" | "text") => {
            let lines = found
                .iter()
                .map(|shown| format!("{}: {}\n", shown.name, shown.value));
            Page::text(200, lines.collect::<String>())
        }
        Some("json") => {
            let stats = found
                .iter()
                .map(|shown| json!({ "name": shown.name, "value": shown.value }));
            Page::json(&json!({ "stats": stats.collect::<Vec<_>>() }))
        }
        Some("prometheus") => of_prometheus(sources, &wanted),
        Some(_) => Page::text(400, "usage: /stats?format=(json|prometheus|text)\n"),
    }
}

/// Which numbers are asked for.
struct Wanted {
    /// A part of their names.
    filter: Option<Pattern>,
    /// Only those that something was counted in.
    used: bool,
    kind: Option<&'static str>,
}

impl Wanted {
    /// Reads `filter`, `usedonly` and `type`; else the page that says what is wrong.
    fn of(query: &Query) -> Result<Self, Page> {
        let filter = query.get("filter").filter(|filter| !filter.is_empty());
        let filter = filter.map(|filter| Pattern::part(filter)).transpose();
        let filter = filter.map_err(|why| Page::text(400, format!("filter: {why}\n")))?;
        let kind = match query.get("type").map(String::as_str) {
            None | Some("" | "All") => None,
            Some("Counters") => Some("counter"),
            Some("Gauges") => Some("gauge"),
            Some("Histograms") => Some("histogram"),
            Some("TextReadouts") => Some("text"),
            Some(_) => return Err(Page::text(400, "invalid &type= param\n")),
        };
        Ok(Self {
            filter,
            used: query.contains_key("usedonly"),
            kind,
        })
    }

    fn takes_name(&self, name: &str) -> bool {
        let filter = self.filter.as_ref();
        filter.is_none_or(|filter| filter.is_match(name.as_bytes()))
    }

    fn takes(&self, shown: &Shown) -> bool {
        self.takes_name(&shown.name)
            && self.kind.is_none_or(|kind| kind == shown.kind)
            && (!self.used || shown.value > 0)
    }

    /// Whether a line of Prometheus' text is of a metric that is asked for.
    fn takes_line(&self, line: &str) -> bool {
        let words = line.strip_prefix("# HELP ");
        let words = words.or_else(|| line.strip_prefix("# TYPE "));
        let name = words.unwrap_or(line);
        let end = name.find(['{', ' ']).unwrap_or(name.len());
        let unused = words.is_none() && self.used && line.trim_end().ends_with(" 0");
        self.takes_name(name.get(..end).unwrap_or(name)) && !unused
    }
}

fn stats(sources: &Sources) -> Vec<Stat> {
    let config = sources.live.current();
    let mut stats = of_config(sources, &config);
    stats.extend(of_overload(&sources.overload));
    let xds = sources
        .xds
        .get()
        .map(|client| client.state().borrow().clone());
    let xds = xds.unwrap_or_default();
    stats.extend([
        Stat {
            name: "mesh_proxy_xds_connected",
            envoy: "control_plane.connected_state",
            help: "Whether the stream from pilot is open",
            kind: "gauge",
            value: xds.connected.into(),
        },
        Stat {
            name: "mesh_proxy_xds_updates_total",
            envoy: "cluster_manager.cds.update_attempt",
            help: "Responses taken from pilot",
            kind: "counter",
            value: xds.updates,
        },
        Stat {
            name: "mesh_proxy_xds_refused_total",
            envoy: "cluster_manager.cds.update_rejected",
            help: "Responses of which something was refused",
            kind: "counter",
            value: xds.refused,
        },
    ]);
    let log = sources.logs.lines();
    let telemetry = sources.telemetry.get().map(|state| state.borrow().clone());
    let telemetry = telemetry.unwrap_or_default();
    stats.extend([
        Stat {
            name: "mesh_proxy_access_log_lines_total",
            envoy: "access_log_file.write_buffered",
            help: "Lines of the access log that were accepted for writing",
            kind: "counter",
            value: log.accepted,
        },
        Stat {
            name: "mesh_proxy_access_log_dropped_total",
            envoy: "access_log_file.write_dropped",
            help: "Lines of the access log that were dropped because writing did not keep up",
            kind: "counter",
            value: log.dropped,
        },
        Stat {
            name: "mesh_proxy_telemetry_connected",
            envoy: "telemetry.connected_state",
            help: "Whether the stream to mixer is open",
            kind: "gauge",
            value: telemetry.connected.into(),
        },
        Stat {
            name: "mesh_proxy_telemetry_batches_total",
            envoy: "telemetry.acknowledged",
            help: "Batches that mixer has acknowledged",
            kind: "counter",
            value: telemetry.acknowledged,
        },
    ]);
    stats
}

fn of_overload(overload: &Overload) -> [Stat; 12] {
    let gauge = |name, envoy, help, value| Stat {
        name,
        envoy,
        help,
        kind: "gauge",
        value,
    };
    let counter = |name, envoy, help, action| Stat {
        name,
        envoy,
        help,
        kind: "counter",
        value: overload.counted(action),
    };
    let bounds = overload.bounds();
    [
        gauge(
            "mesh_proxy_memory_bytes",
            "server.memory_physical_size",
            "Resident memory of the process",
            overload.memory(),
        ),
        gauge(
            "mesh_proxy_memory_limit_bytes",
            "overload.memory_limit",
            "Limit of the process's memory, 0 for none",
            overload.limit().unwrap_or_default(),
        ),
        gauge(
            "mesh_proxy_overload_level",
            "overload.level",
            "How short of memory the process is, from 0 to 4",
            overload.level() as u64,
        ),
        counter(
            "mesh_proxy_overload_links_closed_total",
            "overload.links_closed",
            "Idle connections to endpoints that were closed for want of memory",
            Action::LinkClosed,
        ),
        counter(
            "mesh_proxy_overload_requests_refused_total",
            "overload.requests_refused",
            "Requests that were answered 503 for want of memory",
            Action::RequestRefused,
        ),
        counter(
            "mesh_proxy_overload_clients_closed_total",
            "overload.clients_closed",
            "Idle clients that were disconnected for want of memory",
            Action::ClientClosed,
        ),
        counter(
            "mesh_proxy_overload_requests_reset_total",
            "overload.requests_reset",
            "Requests that were given up for the memory that they held",
            Action::RequestReset,
        ),
        counter(
            "mesh_proxy_overload_tunnels_closed_total",
            "overload.tunnels_closed",
            "Connections passed on that were closed for want of memory",
            Action::TunnelClosed,
        ),
        gauge(
            "mesh_proxy_connections",
            "server.total_connections",
            "Connections of clients that are open",
            bounds.open() as u64,
        ),
        gauge(
            "mesh_proxy_connections_limit",
            "overload.connections_limit",
            "How many connections of clients there may be",
            bounds.most().total as u64,
        ),
        counter(
            "mesh_proxy_accept_pauses_total",
            "overload.accept_pauses",
            "Times that a listener stopped accepting",
            Action::AcceptPaused,
        ),
        counter(
            "mesh_proxy_connections_refused_total",
            "overload.connections_refused",
            "Connections of clients that had too many",
            Action::ClientRefused,
        ),
    ]
}

fn of_config(sources: &Sources, config: &Config) -> Vec<Stat> {
    let gauge = |name, envoy, help, value: usize| Stat {
        name,
        envoy,
        help,
        kind: "gauge",
        value: value as u64,
    };
    let live = sources.state() == "LIVE";
    let up = sources
        .clock
        .now()
        .saturating_duration_since(sources.started);
    vec![
        gauge(
            "mesh_proxy_live",
            "server.live",
            "Whether requests are taken",
            live.into(),
        ),
        gauge(
            "mesh_proxy_uptime_seconds",
            "server.uptime",
            "Time since the process started",
            usize::try_from(up.as_secs()).unwrap_or(usize::MAX),
        ),
        gauge(
            "mesh_proxy_config_clusters",
            "cluster_manager.active_clusters",
            "Clusters in force",
            config.clusters.len(),
        ),
        gauge(
            "mesh_proxy_config_listeners",
            "listener_manager.total_listeners_active",
            "Listeners in force",
            config.listeners.len(),
        ),
        gauge(
            "mesh_proxy_config_routes",
            "http.rds.config_tables",
            "Route tables in force",
            config.routes.len(),
        ),
        gauge(
            "mesh_proxy_config_refused",
            "control_plane.resources_refused",
            "Resources whose last version could not be used",
            sources.catalog.refused(),
        ),
    ]
}
