//! The wiring: what runs in a hub, in the order of its start.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mesh_identity::{Agent, StartError};
use mesh_model::time::Clock;
use mesh_runtime::{Tasks, shutdown};
use prometheus::Registry;
use tokio::net::TcpListener;

use crate::http::{self, Ready};
use crate::hub::Hub;
use crate::serve::aggregates::{self, ServeError};
use crate::settings::Settings;
use crate::store::Limits;

/// How long tasks may take to end.
const GRACE: Duration = Duration::from_secs(5);

/// What the hub takes from outside.
#[derive(Clone)]
pub struct Deps {
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Where its tasks run; stopping them ends the hub.
    pub tasks: Tasks,
    /// Where its own metrics are.
    pub registry: Registry,
}

/// Why a hub ended or did not start.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address} (flag --{flag})")]
    Listen {
        /// The flag that named it.
        flag: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// The hub's own counters cannot be registered.
    #[error("cannot register metrics")]
    Metrics(#[from] prometheus::Error),
    /// The system gives no signals.
    #[error("cannot receive signals")]
    Signals(#[source] std::io::Error),
    /// The telemetry service broke.
    #[error(transparent)]
    Serve(#[from] ServeError),
}

/// Runs a hub until its tasks are asked to stop.
///
/// Metrics, graph and health are served at once; telemetry as soon as citadel has issued a
/// certificate.
///
/// # Errors
/// When an address is taken or the telemetry service breaks.
pub async fn run(settings: Settings, deps: Deps) -> Result<(), RunError> {
    let Deps {
        clock,
        tasks,
        registry,
    } = deps;
    let admin = listen("admin", settings.admin).await?;
    let http = listen("http", settings.http).await?;
    let telemetry = listen("address", settings.address).await?;
    let hub = Hub::new(Limits::default(), clock.clone(), &registry)?;
    hub.start_sweeping(&tasks);
    let ready = Ready::default();
    let pages = http::admin(&hub, registry, ready.clone());
    tasks.spawn("admin", pages.serve(admin, tasks.clone()));
    tasks.spawn("http", http::mesh(&hub).serve(http, tasks.clone()));

    let (identity, _status) = match Agent::start(settings.identity, clock, &tasks).await {
        Ok(started) => started,
        Err(why @ StartError::Stopped { .. }) => {
            tracing::info!(error = %why, "ended before it was ready");
            return Ok(());
        }
    };
    ready.set();
    tracing::info!(address = %settings.address, http = %settings.http, "ready");
    aggregates::serve(hub, &identity, telemetry, &tasks).await?;
    Ok(())
}

/// Runs a hub until the process is asked to end, and lets what is under way finish.
///
/// # Errors
/// As [`run`], and when signals cannot be received.
pub async fn run_until_signal(settings: Settings, deps: Deps) -> Result<(), RunError> {
    let tasks = deps.tasks.clone();
    let mut running = std::pin::pin!(run(settings, deps));
    let ended = tokio::select! {
        ended = running.as_mut() => ended,
        signal = shutdown::requested() => {
            tracing::info!(signal = signal.map_err(RunError::Signals)?, "stopping");
            tasks.stopping().cancel();
            running.await
        }
    };
    if !tasks.stop(GRACE).await {
        tracing::warn!("some tasks were still running");
    }
    ended
}

async fn listen(flag: &'static str, address: SocketAddr) -> Result<TcpListener, RunError> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|source| RunError::Listen {
        flag,
        address,
        source,
    })
}

#[cfg(test)]
mod tests;
