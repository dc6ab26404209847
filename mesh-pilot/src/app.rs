//! The wiring; reads as the list of what runs.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use mesh_identity::{PeerInfo, StartError};
use mesh_kube::Cluster;
use mesh_model::ident::{SpiffeId, TrustDomain};
use mesh_model::time::Clock;
use mesh_pki::live::LiveIdentity;
use mesh_pki::tls::{ALPN_H2, ClientAuth, TrustPolicy, server_config};
use mesh_runtime::admin::Admin;
use mesh_runtime::{SystemClock, Tasks, heap};
use mesh_source::Snapshot;
use mesh_xds::server::{Hub, KEEPALIVE_INTERVAL, KEEPALIVE_TIMEOUT};
use prometheus::Registry;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tonic::transport::Server;

use crate::Settings;
use crate::debug::Debug;
use crate::push::{Fleet, Metrics, Pusher};
use crate::snapshot::view::MeshConstants;
use crate::sources;
use crate::webhook::{self, LiveInjector, Webhooks};

/// How long streams may take to end after the process was asked to.
const GRACE: Duration = Duration::from_secs(3);
/// Streams on one connection of a proxy, which needs one.
const STREAMS: u32 = 8;
/// Largest message of a proxy in bytes: requests name resources and quote errors.
const REQUEST_BYTES: usize = 4 << 20;

/// What a run is given from outside.
pub struct Deps {
    /// Where proxies connect.
    pub discovery: TcpListener,
    /// Where the admin pages are served.
    pub admin: TcpListener,
    /// Where the API server asks, and what is answered to it.
    pub webhooks: Option<webhook::Server>,
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
    let cluster = sources::cluster(&settings).await?;
    let source = sources::start(&settings, cluster.as_ref(), &tasks)?;
    if let Some(cluster) = cluster.as_ref().filter(|_| !settings.no_statuses) {
        sources::write_statuses(&settings, cluster, source.clone(), &tasks);
    }
    let deps = Deps {
        webhooks: webhooks(&settings, &source, cluster, &registry).await?,
        discovery: bind("proxies", settings.address).await?,
        admin: bind("the admin pages", settings.admin).await?,
        source,
        clock: Arc::new(SystemClock),
        tasks: tasks.clone(),
        registry,
    };
    let stopping = tasks.stopping().clone();
    tasks.spawn("signals", async move {
        match mesh_runtime::shutdown::requested().await {
            Ok(signal) => tracing::info!(signal, "stopping"),
            Err(error) => tracing::error!(%error, "signals cannot be received"),
        }
        stopping.cancel();
    });
    heap::keep_small(&tasks);
    Box::pin(run(settings, deps)).await?;
    if !tasks.stop(GRACE).await {
        tracing::warn!("tasks were still running at the end");
    }
    Ok(())
}

async fn webhooks(
    settings: &Settings,
    source: &watch::Receiver<Arc<Snapshot>>,
    cluster: Option<Cluster>,
    registry: &Registry,
) -> anyhow::Result<Option<webhook::Server>> {
    let Some(address) = settings.webhooks else {
        return Ok(None);
    };
    let judge = Webhooks {
        injector: LiveInjector::open(settings.injector_files())?,
        source: source.clone(),
        domain: settings.domain.clone(),
        metrics: webhook::Metrics::new(registry)?,
    };
    Ok(Some(webhook::Server {
        listener: bind("webhooks", address).await?,
        judge: Arc::new(judge),
        registered: cluster.map(|cluster| (cluster, settings.registration())),
    }))
}

async fn bind(what: &str, address: SocketAddr) -> anyhow::Result<TcpListener> {
    let bound = TcpListener::bind(address).await;
    bound.with_context(|| format!("cannot listen on {address} for {what}"))
}

/// Runs until the tasks are asked to stop.
///
/// # Errors
/// What keeps it from serving.
pub async fn run(settings: Settings, deps: Deps) -> anyhow::Result<()> {
    let identity = settings.identity()?;
    let (clock, tasks) = (deps.clock.clone(), deps.tasks.clone());
    let config = settings.mesh_config()?;
    let mesh = MeshConstants {
        access_log: config.access_log,
        locality: config.locality,
        ..settings.mesh()?
    };
    let discovery = Discovery::start(mesh, deps)?;
    let obtained = mesh_identity::Agent::start(identity, clock, &tasks).await;
    let (live, _status) = match obtained {
        Ok(obtained) => obtained,
        // Asked to stop before citadel was there: nothing went wrong.
        Err(StartError::Stopped { last }) => {
            tracing::info!(error = last, "stopped without a certificate");
            return Ok(());
        }
    };
    discovery.serve(&live).await
}

/// Everything but the server: it reads configuration and answers on the admin port while pilot
/// waits for its certificate.
pub struct Discovery {
    listener: TcpListener,
    trust_domain: TrustDomain,
    hub: Hub,
    debug: Debug,
    webhooks: Option<webhook::Server>,
    tasks: Tasks,
}

impl Discovery {
    /// Starts the tasks.
    ///
    /// # Errors
    /// When metrics cannot be registered.
    pub fn start(mesh: MeshConstants, deps: Deps) -> anyhow::Result<Self> {
        let Deps {
            discovery: listener,
            admin,
            webhooks,
            source,
            clock,
            tasks,
            registry,
        } = deps;
        let trust_domain = mesh.trust_domain.clone();
        let fleet = Arc::new(Fleet::new(trust_domain.clone()));
        let hub = Hub::new(fleet.clone(), tasks.clone(), clock.clone(), peer_of);
        let debug = Debug::new(fleet.clone(), hub.clone(), source.clone(), &registry)?;
        tasks.spawn("admin", debug.pages().serve(admin, tasks.clone()));
        let pusher = Pusher {
            hub: hub.clone(),
            fleet,
            mesh: Arc::new(mesh),
            clock,
            metrics: Metrics::new(&registry)?,
        };
        tasks.spawn("push", pusher.run(source, tasks.stopping().clone()));
        Ok(Self {
            listener,
            trust_domain,
            hub,
            debug,
            webhooks,
            tasks,
        })
    }

    /// The pages of the admin port.
    #[must_use]
    pub fn pages(&self) -> Admin {
        self.debug.pages()
    }

    /// Serves proxies under this identity until the tasks are asked to stop.
    ///
    /// # Errors
    /// When TLS cannot be set up, or the server ends by itself.
    pub async fn serve(self, live: &LiveIdentity) -> anyhow::Result<()> {
        let policy = TrustPolicy {
            trust_domain: self.trust_domain,
        };
        if let Some(webhooks) = self.webhooks {
            webhooks.start(live, policy.clone(), &self.tasks)?;
        }
        let tls = server_config(live, policy, ClientAuth::Required, &[ALPN_H2])?;
        let address = self.listener.local_addr()?;
        let incoming = mesh_identity::tls_incoming(self.listener, Arc::new(tls), &self.tasks);
        self.debug.serving();
        tracing::info!(%address, "serving proxies");
        let stopping = self.tasks.stopping().clone();
        let service = self.hub.service().max_decoding_message_size(REQUEST_BYTES);
        Server::builder()
            .max_concurrent_streams(STREAMS)
            .http2_keepalive_interval(Some(KEEPALIVE_INTERVAL))
            .http2_keepalive_timeout(Some(KEEPALIVE_TIMEOUT))
            .add_service(service)
            .serve_with_incoming_shutdown(incoming, stopping.cancelled_owned())
            .await?;
        Ok(())
    }
}

/// The identity that the client's certificate proved during the handshake.
fn peer_of(extensions: &tonic::Extensions) -> Option<SpiffeId> {
    extensions.get::<PeerInfo>()?.identity.clone()
}
