//! The admin pages, in the shapes of Envoy's, which tools and scripts read.
//!
//! Pages answer from what is at hand; they never wait for a worker.

mod authorizations;
mod certs;
mod clusters;
mod config_dump;
mod guards;
mod health;
mod limits;
mod node;
mod server;
mod stats;

use std::sync::{Arc, OnceLock};
use std::time::Instant;

use mesh_model::time::Clock;
use mesh_proto::envoy::envoy::config::core::v3::Node;
use mesh_runtime::admin::{Admin, Page};
use mesh_xds::client::Client;
use prometheus::Registry;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::config::{Catalog, LiveConfig, Workload};
use crate::identity::Identity;
use crate::record::access_log::LogFiles;
use crate::record::metrics::Metrics;
use crate::telemetry;
use crate::worker::overload::Overload;

/// What the pages show.
#[derive(Clone)]
pub struct Sources {
    /// Our own workload.
    pub workload: Arc<Workload>,
    /// The node of a bootstrap file, if this proxy runs from one.
    pub node: Option<Arc<Node>>,
    /// The configuration in force.
    pub live: Arc<LiveConfig>,
    /// What is known of its resources.
    pub catalog: Catalog,
    /// The stream from pilot, once it was begun.
    pub xds: Arc<OnceLock<Client>>,
    /// The stream to mixer, once it was begun.
    pub telemetry: Arc<OnceLock<watch::Receiver<telemetry::State>>>,
    /// What was counted.
    pub metrics: Metrics,
    /// The files of access logs.
    pub logs: LogFiles,
    /// Metrics of the process.
    pub registry: Registry,
    /// Our identity, once it was obtained.
    pub identity: Arc<OnceLock<Identity>>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// When the process started.
    pub started: Instant,
    /// Becomes true when the sockets of a complete configuration are open.
    pub bound: watch::Receiver<bool>,
    /// Cancelled when no further requests are wanted.
    pub draining: CancellationToken,
    /// How short of memory the process is.
    pub overload: Arc<Overload>,
}

impl Sources {
    /// The state of the server, in Envoy's words.
    #[must_use]
    pub fn state(&self) -> &'static str {
        if self.draining.is_cancelled() || self.live.fails_health_checks() {
            "DRAINING"
        } else if self.catalog.is_ready() && *self.bound.borrow() {
            "LIVE"
        } else if self.live.current().version > 0 {
            "INITIALIZING"
        } else {
            "PRE_INITIALIZING"
        }
    }

    /// Whether requests are taken, with the state.
    ///
    /// # Errors
    /// The state in which they are not.
    pub fn ready(&self) -> Result<&'static str, &'static str> {
        match self.state() {
            "LIVE" => Ok("LIVE"),
            other => Err(other),
        }
    }
}

/// Everything that is counted, in Prometheus' text.
#[must_use]
pub fn metrics(sources: &Sources) -> String {
    stats::text(sources)
}

/// What POST requests set off.
pub struct Actions {
    /// Ends the process, gracefully.
    pub quit: Box<dyn Fn() + Send + Sync>,
    /// Asks connections to finish.
    pub drain: Box<dyn Fn() + Send + Sync>,
}

/// The pages.
#[must_use]
pub fn pages(sources: Sources, actions: Actions) -> Admin {
    let sources = Arc::new(sources);
    let show = |page: fn(&Sources, &mesh_runtime::admin::Query) -> Page| {
        let sources = sources.clone();
        move |query: &mesh_runtime::admin::Query| page(&sources, query)
    };
    let fail = |failed: bool| {
        let sources = sources.clone();
        Box::new(move || sources.live.fail_health_checks(failed))
    };
    let logs = sources.logs.clone();
    let Actions { quit, drain } = actions;
    Admin::new()
        .page("/ready", show(server::ready))
        .page("/server_info", show(server::info))
        .page("/config_dump", show(config_dump::page))
        .page("/clusters", show(clusters::page))
        .page("/listeners", show(server::listeners))
        .page("/certs", show(certs::page))
        .page("/stats", show(stats::page))
        .page("/stats/prometheus", show(stats::prometheus))
        .page("/runtime", show(server::runtime))
        .page("/memory", show(server::memory))
        .page("/hot_restart_version", show(server::hot_restart_version))
        .action("/logging", show(server::logging))
        .action("/reopen_logs", act(Box::new(move || logs.reopen())))
        .action("/healthcheck/fail", act(fail(true)))
        .action("/healthcheck/ok", act(fail(false)))
        .action("/quitquitquit", act(quit))
        .action("/drain_listeners", act(drain))
}

fn act(
    action: Box<dyn Fn() + Send + Sync>,
) -> impl Fn(&mesh_runtime::admin::Query) -> Page + Send + Sync {
    move |_| {
        action();
        Page::text(200, "OK\n")
    }
}

#[cfg(test)]
mod tests;
