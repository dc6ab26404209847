//! The one wiring function; reads as the list of what runs.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use mesh_identity::PeerInfo;
use mesh_model::ident::SpiffeId;
use mesh_model::time::Clock;
use mesh_pki::tls::{ALPN_H2, ClientAuth, TrustPolicy, server_config};
use mesh_runtime::{SystemClock, Tasks};
use mesh_source::Snapshot;
use mesh_xds::server::{Hub, KEEPALIVE_INTERVAL, KEEPALIVE_TIMEOUT};
use prometheus::Registry;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tonic::transport::Server;

use crate::Settings;
use crate::debug::Debug;
use crate::push::{Fleet, Metrics, Pusher};

/// How long streams may take to end after the process was asked to.
const GRACE: Duration = Duration::from_secs(3);
/// Largest message of a proxy in bytes: requests name resources and quote errors.
const REQUEST_BYTES: usize = 4 << 20;

/// What a run is given from outside.
pub struct Deps {
    /// Where proxies connect.
    pub discovery: TcpListener,
    /// Where the admin pages are served.
    pub admin: TcpListener,
    /// The configuration.
    pub source: watch::Receiver<Arc<Snapshot>>,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What is started runs here, until these tasks are asked to stop.
    pub tasks: Tasks,
    /// Where metrics are registered.
    pub registry: Registry,
}

/// Runs as a process of its own, until a signal.
///
/// # Errors
/// What keeps it from starting.
pub async fn main(settings: Settings) -> anyhow::Result<()> {
    let registry = Registry::new();
    let tasks = Tasks::new(&registry);
    let bind = |what: &'static str, address| async move {
        TcpListener::bind(address)
            .await
            .with_context(|| format!("cannot listen on {address} for {what}"))
    };
    let dirs = [settings.config_dir.clone(), settings.cluster_dir.clone()];
    let deps = Deps {
        discovery: bind("proxies", settings.address).await?,
        admin: bind("the admin pages", settings.admin).await?,
        source: mesh_source::start(dirs, &tasks)?,
        clock: Arc::new(SystemClock),
        tasks: tasks.clone(),
        registry,
    };
    let stopping = tasks.clone();
    tasks.spawn("signals", async move {
        match mesh_runtime::shutdown::requested().await {
            Ok(signal) => tracing::info!(signal, "stopping"),
            Err(error) => tracing::error!(%error, "signals cannot be received"),
        }
        stopping.stopping().cancel();
    });
    run(settings, deps).await?;
    if !tasks.stop(GRACE).await {
        tracing::warn!("tasks were still running at the end");
    }
    Ok(())
}

/// Runs until the tasks are asked to stop.
///
/// # Errors
/// What keeps it from serving.
pub async fn run(settings: Settings, deps: Deps) -> anyhow::Result<()> {
    let Deps {
        discovery,
        admin,
        source,
        clock,
        tasks,
        registry,
    } = deps;
    let mesh = Arc::new(settings.mesh()?);
    let trust_domain = mesh.trust_domain.clone();
    let fleet = Arc::new(Fleet::new(trust_domain.clone()));
    let hub = Hub::new(fleet.clone(), tasks.clone(), clock.clone(), peer_of);
    let debug = Debug::new(fleet.clone(), hub.clone(), source.clone(), &registry)?;
    tasks.spawn("admin", debug.pages().serve(admin, tasks.clone()));
    let pusher = Pusher {
        hub: hub.clone(),
        fleet,
        mesh,
        clock: clock.clone(),
        metrics: Metrics::new(&registry)?,
    };
    tasks.spawn("push", pusher.run(source, tasks.stopping().clone()));
    let identity = mesh_identity::Agent::start(settings.identity()?, clock, &tasks);
    let (live, _status) = identity.await?;
    let policy = TrustPolicy { trust_domain };
    let tls = server_config(&live, policy, ClientAuth::Required, &[ALPN_H2])?;
    let incoming = mesh_identity::tls_incoming(discovery, Arc::new(tls), &tasks);
    debug.serving();
    tracing::info!(address = %settings.address, "serving proxies");
    let stopping = tasks.stopping().clone();
    Server::builder()
        .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
        .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
        .add_service(hub.service().max_decoding_message_size(REQUEST_BYTES))
        .serve_with_incoming_shutdown(incoming, async move { stopping.cancelled().await })
        .await?;
    Ok(())
}

/// The identity that the client's certificate proved during the handshake.
fn peer_of(extensions: &tonic::Extensions) -> Option<SpiffeId> {
    extensions.get::<PeerInfo>()?.identity.clone()
}
