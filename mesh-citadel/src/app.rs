//! What runs in citadel, in the order in which it starts.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mesh_identity::tls_incoming;
use mesh_kube::{AccessError, Cluster};
use mesh_model::time::Clock;
use mesh_pki::bundle::TrustBundle;
use mesh_pki::live::LiveIdentity;
use mesh_pki::tls::{ALPN_H2, ClientAuth, TrustPolicy, server_config};
use mesh_runtime::{SystemClock, Tasks};
use prometheus::Registry;
use tokio::net::TcpListener;
use tonic::transport::Server;

use crate::authenticate::Tokens;
use crate::authenticate::file_token::{FileTokens, WatchError};
use crate::authenticate::token_review::{Accepted, TokenReviews};
use crate::authority::Authority;
use crate::health::Health;
use crate::metrics::Metrics;
use crate::own::{self, OwnError};
use crate::publish;
use crate::serve::csr_grpc::CsrService;
use crate::settings::{Access, Settings};
use crate::signer::Signer;
use crate::signer::file::{self, FileError};
use crate::signer::secret::{Keeper, SecretError};

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
    /// The CA's Secret.
    #[error("the CA in the cluster")]
    Secret(#[from] SecretError),
    /// There is neither a directory nor a cluster for the CA.
    #[error("there is no place for the CA")]
    NoPlace,
    /// The directory of tokens.
    #[error("the accepted tokens")]
    Tokens(#[from] WatchError),
    /// The cluster.
    #[error("the cluster")]
    Cluster(#[from] AccessError),
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
    /// The cluster that is asked about tokens and gets the roots, if there is one.
    pub cluster: Option<Cluster>,
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
    /// [`RunError::Bind`], [`RunError::Cluster`].
    pub async fn of_process(settings: &Settings) -> Result<Self, RunError> {
        let registry = Registry::new();
        let cluster = match &settings.cluster {
            Access::None => None,
            Access::Kubeconfig(file) => Some(Cluster::from_kubeconfig(file).await?),
            Access::ThisPod => Some(Cluster::of_this_pod()?),
        };
        Ok(Self {
            cluster,
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
        cluster,
        clock,
        tasks,
        registry,
    } = deps;
    let metrics = Metrics::new(&registry)?;
    let health = Health::new();
    let pages = health.clone().pages(registry);
    tasks.spawn("admin", pages.serve(admin, tasks.clone()));
    let house = House {
        settings,
        cluster,
        clock,
        metrics,
        health,
        tasks,
    };
    let served = house.serve(csr).await;
    house.health.stopping();
    if !house.tasks.stop(GRACE).await {
        tracing::warn!("some tasks did not end in time");
    }
    served
}

/// What all parts of citadel share.
struct House {
    settings: Settings,
    cluster: Option<Cluster>,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
    health: Health,
    tasks: Tasks,
}

impl House {
    async fn serve(&self, csr: TcpListener) -> Result<(), RunError> {
        let stopping = self.tasks.stopping();
        let Some(signer) = stopping.run_until_cancelled(self.signer()).await else {
            return Ok(());
        };
        let signer = signer?;
        let roots = signer.bundle().clone();
        self.metrics
            .set_expiries(first_expiry(&roots), signer.certificate().not_after);
        let tokens = self.tokens()?;
        let authority = Authority::new(signer, self.clock.clone());
        let authority = authority.of_namespace(&self.settings.namespace);
        let authority = authority.with_dns_names(self.settings.dns_names.clone());
        let lifetimes = self.settings.lifetimes;
        let live = own::start(&authority, lifetimes.default(), &self.tasks)?;
        if let Some(cluster) = &self.cluster {
            let (clock, metrics) = (self.clock.clone(), self.metrics.publish.clone());
            publish::start(cluster, roots.to_pem(), clock, metrics, &self.tasks);
        }
        let service = CsrService::new(authority, tokens, lifetimes, self.metrics.clone());
        self.health.ready();
        serve(&self.settings, service, &live, csr, &self.tasks).await
    }

    /// The files that were given; else what the cluster keeps, or the files that are made.
    async fn signer(&self) -> Result<Signer, RunError> {
        let (trust_domain, now) = (&self.settings.trust_domain, self.clock.wall());
        let directory = self.settings.ca_dir.as_deref();
        match (directory, &self.cluster) {
            (Some(directory), None) => Ok(file::open_or_create(directory, trust_domain, now)?),
            (None, None) => Err(RunError::NoPlace),
            (directory, Some(cluster)) => {
                let given = directory.map(|files| file::open(files, trust_domain, now));
                if let Some(signer) = given.transpose()?.flatten() {
                    return Ok(signer);
                }
                let keeper = Keeper {
                    cluster: cluster.clone(),
                    namespace: self.settings.namespace.clone(),
                    trust_domain: trust_domain.clone(),
                    clock: self.clock.clone(),
                };
                Ok(keeper.open_or_create(&self.health).await?)
            }
        }
    }

    fn tokens(&self) -> Result<Tokens, RunError> {
        let tokens = files(&self.settings, &self.tasks)?;
        let Some(cluster) = self.cluster.clone() else {
            return Ok(tokens);
        };
        let accepted = Accepted {
            audiences: self.settings.token_audiences.clone(),
            trust_domain: self.settings.trust_domain.clone(),
        };
        let (clock, metrics) = (self.clock.clone(), self.metrics.reviews.clone());
        Ok(tokens.with_reviews(TokenReviews::new(cluster, accepted, clock, metrics)))
    }
}

fn files(settings: &Settings, tasks: &Tasks) -> Result<Tokens, RunError> {
    let Some(directory) = settings.accepted_tokens.clone() else {
        return Ok(Tokens::none());
    };
    // The supervisor makes it; a citadel that is started first must not fail for want of it.
    std::fs::create_dir_all(&directory).map_err(|error| RunError::Directory {
        path: directory.clone(),
        error,
    })?;
    let tokens = FileTokens::read(directory, settings.trust_domain.clone());
    tokens.watch(tasks)?;
    Ok(Tokens::none().with_files(tokens))
}

fn first_expiry(bundle: &TrustBundle) -> SystemTime {
    let expiries = bundle.roots().iter().map(|root| root.not_after);
    expiries.min().unwrap_or(SystemTime::UNIX_EPOCH)
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
