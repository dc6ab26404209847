//! What runs in citadel, in the order in which it starts.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use mesh_identity::tls_incoming;
use mesh_model::time::Clock;
use mesh_pki::bundle::TrustBundle;
use mesh_pki::live::LiveIdentity;
use mesh_pki::tls::{ALPN_H2, ClientAuth, TrustPolicy, server_config};
use mesh_runtime::admin::{Admin, Page};
use mesh_runtime::{SystemClock, Tasks};
use prometheus::Registry;
use tokio::net::TcpListener;
use tonic::transport::Server;

use crate::authenticate::file_token::{FileTokens, WatchError};
use crate::authority::Authority;
use crate::metrics::Metrics;
use crate::own::{self, OwnError};
use crate::serve::csr_grpc::CsrService;
use crate::settings::Settings;
use crate::signer::file::{self, FileError};

/// Deadline of a call.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
/// Calls at once on one connection.
const CALLS_PER_CONNECTION: u32 = 16;
/// How long a client may keep a connection; agents make one for each certificate.
const CONNECTION_AGE: Duration = Duration::from_secs(300);
/// How long calls may still run after the stop was asked for.
const GRACE: Duration = Duration::from_secs(5);

/// Why citadel does not run.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The CA's files.
    #[error("the CA's files")]
    Signer(#[from] FileError),
    /// The directory of tokens.
    #[error("the accepted tokens")]
    Tokens(#[from] WatchError),
    /// A directory cannot be made.
    #[error("{}", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        error: std::io::Error,
    },
    /// Its own certificate.
    #[error(transparent)]
    Own(#[from] OwnError),
    /// The TLS library.
    #[error("the TLS configuration")]
    Tls(#[from] rustls::Error),
    /// A metric.
    #[error("the metrics")]
    Metrics(#[from] prometheus::Error),
    /// The gRPC server ended.
    #[error("the gRPC server")]
    Serve(#[from] tonic::transport::Error),
    /// An address cannot be bound.
    #[error("{address} cannot be listened on")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        error: std::io::Error,
    },
}

/// What citadel is given by its surroundings.
pub struct Deps {
    /// Where certificates are asked for.
    pub csr: TcpListener,
    /// Where health and metrics are served.
    pub admin: TcpListener,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Its tasks; cancelling their token ends [`run`].
    pub tasks: Tasks,
    /// Where its metrics go.
    pub registry: Registry,
}

impl Deps {
    /// Those of a process of its own.
    ///
    /// # Errors
    /// [`RunError::Bind`].
    pub async fn of_process(settings: &Settings) -> Result<Self, RunError> {
        let registry = Registry::new();
        Ok(Self {
            csr: bind(settings.address).await?,
            admin: bind(settings.admin).await?,
            clock: Arc::new(SystemClock),
            tasks: Tasks::new(&registry),
            registry,
        })
    }

    /// Has SIGTERM and SIGINT end [`run`].
    pub fn stop_on_signals(&self) {
        let stopping = self.tasks.stopping().clone();
        self.tasks.spawn("signals", async move {
            let requested = mesh_runtime::shutdown::requested();
            match stopping.run_until_cancelled(requested).await {
                Some(Ok(signal)) => tracing::info!(signal, "asked to stop"),
                Some(Err(error)) => tracing::error!(%error, "signals cannot be received"),
                None => {}
            }
            stopping.cancel();
        });
    }
}

async fn bind(address: SocketAddr) -> Result<TcpListener, RunError> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|error| RunError::Bind { address, error })
}

/// Runs until the tasks are asked to stop; calls under way may finish.
///
/// # Errors
/// When something that it needs is missing or broken at the start.
pub async fn run(settings: Settings, deps: Deps) -> Result<(), RunError> {
    let Deps {
        csr,
        admin,
        clock,
        tasks,
        registry,
    } = deps;
    let metrics = Metrics::new(&registry)?;
    let signer = file::open_or_create(&settings.ca_dir, &settings.trust_domain, clock.wall())?;
    metrics.set_expiries(
        first_expiry(signer.bundle()),
        signer.certificate().not_after,
    );
    let tokens = tokens(&settings, &tasks)?;
    let authority = Authority::new(signer, clock).with_dns_names(settings.dns_names.clone());
    let lifetime = settings.lifetimes.default();
    let live = own::start(&authority, lifetime, &tasks)?;
    let service = CsrService::new(authority, tokens, settings.lifetimes, metrics);

    let ready = Arc::new(AtomicBool::new(true));
    tasks.spawn(
        "admin",
        pages(ready.clone(), registry).serve(admin, tasks.clone()),
    );
    let served = serve(&settings, service, &live, csr, &tasks).await;
    ready.store(false, Ordering::Relaxed);
    if !tasks.stop(GRACE).await {
        tracing::warn!("some tasks did not end in time");
    }
    served
}

fn tokens(settings: &Settings, tasks: &Tasks) -> Result<FileTokens, RunError> {
    let directory = settings.accepted_tokens.clone();
    // The supervisor makes it; a citadel that is started first must not fail for want of it.
    std::fs::create_dir_all(&directory).map_err(|error| RunError::Directory {
        path: directory.clone(),
        error,
    })?;
    let tokens = FileTokens::read(directory, settings.trust_domain.clone());
    tokens.watch(tasks)?;
    Ok(tokens)
}

fn first_expiry(bundle: &TrustBundle) -> SystemTime {
    let expiries = bundle.roots().iter().map(|root| root.not_after);
    expiries.min().unwrap_or(SystemTime::UNIX_EPOCH)
}

fn pages(ready: Arc<AtomicBool>, registry: Registry) -> Admin {
    Admin::new()
        .page("/healthz", |_| Page::text(200, "ok\n"))
        .page("/readyz", move |_| {
            if ready.load(Ordering::Relaxed) {
                Page::text(200, "ok\n")
            } else {
                Page::text(503, "stopping\n")
            }
        })
        .page("/metrics", move |_| Page::metrics(&registry))
}

async fn serve(
    settings: &Settings,
    service: CsrService,
    live: &LiveIdentity,
    listener: TcpListener,
    tasks: &Tasks,
) -> Result<(), RunError> {
    let policy = TrustPolicy {
        trust_domain: settings.trust_domain.clone(),
    };
    // Callers prove themselves by tokens; a certificate that one shows must be valid all the same.
    let tls = server_config(live, policy, ClientAuth::Optional, &[ALPN_H2])?;
    let incoming = tls_incoming(listener, Arc::new(tls), tasks);
    tracing::info!(address = %settings.address, trust_domain = %settings.trust_domain, "serving");
    Server::builder()
        .timeout(CALL_TIMEOUT)
        .max_concurrent_streams(CALLS_PER_CONNECTION)
        .max_connection_age(CONNECTION_AGE)
        .http2_keepalive_interval(Some(Duration::from_secs(30)))
        .serve_with_incoming_shutdown(
            service.into_server(),
            incoming,
            tasks.stopping().clone().cancelled_owned(),
        )
        .await?;
    Ok(())
}
