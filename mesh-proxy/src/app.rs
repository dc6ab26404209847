//! The one wiring function; reads as the list of what runs.

use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use mesh_model::Str;
use mesh_model::time::Clock;
use mesh_runtime::{SystemClock, Tasks};
use mesh_status::{Sockets, Subject};
use mesh_traffic::{AccessLog, Config};
use mesh_xds::client::Asking;
use prometheus::Registry;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::Settings;
use crate::admin::{self, Actions, Sources};
use crate::config::{Cache, Catalog, Feed, LiveConfig, Workload};
use crate::conn::listen::Listeners;
use crate::health::Prober;
use crate::http::observe::Observer;
use crate::identity::{self, Identity};
use crate::record::access_log::LogFiles;
use crate::record::access_log::files::STDOUT;
use crate::record::metrics::Metrics;
use crate::record::observer::{self, Recorder};
use crate::record::peer::own_metadata;
use crate::settings::drain::DrainSettings;
use crate::settings::{MeshSettings, Told};
use crate::telemetry::Reporter;
use crate::worker::overload::{self, Overload};
use crate::worker::{Door, Shared, Workers};

/// How long connections may take to close after the drain time.
const GRACE: Duration = Duration::from_millis(500);
/// How long what is left may take to end after the connections have: the last report to mixer.
const LAST_WORDS: Duration = Duration::from_secs(2);
/// How soon an address that could not be bound is tried again.
const BIND_AGAIN: Duration = Duration::from_secs(1);

/// What a run is given from outside.
pub struct Deps {
    /// Where the admin pages are served, if they are.
    pub admin: Option<TcpListener>,
    /// Where the kubelet and Prometheus are answered.
    pub status: Sockets,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// What is started runs here.
    pub tasks: Tasks,
    /// Where metrics are registered.
    pub registry: Registry,
    /// Cancelled when the proxy is to drain and end.
    pub shutdown: CancellationToken,
}

impl Deps {
    /// What a process of its own has.
    ///
    /// # Errors
    /// When the admin address or one of the status ports cannot be bound.
    pub async fn of_process(settings: &Settings) -> anyhow::Result<Self> {
        let registry = Registry::new();
        let admin = match settings.admin {
            Some(address) => {
                let bound = TcpListener::bind(address).await;
                Some(bound.with_context(|| format!("--admin: cannot listen on {address}"))?)
            }
            None => None,
        };
        let status = Sockets::open(&settings.status)?;
        Ok(Self {
            admin,
            status,
            clock: Arc::new(SystemClock),
            tasks: Tasks::new(&registry),
            registry,
            shutdown: CancellationToken::new(),
        })
    }
}

/// Runs until it is asked to shut down, and has drained.
///
/// # Errors
/// What keeps it from serving.
pub async fn run(settings: Settings, deps: Deps) -> anyhow::Result<()> {
    let Deps {
        admin,
        status,
        clock,
        tasks,
        registry,
        shutdown,
    } = deps;
    let draining = CancellationToken::new();
    let (bound, is_bound) = watch::channel(false);
    let logs = LogFiles::start(&tasks);
    let log = settings.access_log.as_deref();
    let log = log.map(|path| open_log(path, &logs, &tasks)).transpose()?;
    let sources = Sources {
        workload: Arc::new(settings.workload.clone()),
        node: match &settings.told {
            Told::Mesh(_) => None,
            Told::Bootstrap(bootstrap) => Some(Arc::new(bootstrap.node.clone())),
        },
        live: Arc::new(LiveConfig::new(Config::default())),
        catalog: Catalog::new(),
        xds: Arc::default(),
        telemetry: Arc::default(),
        metrics: Metrics::new(),
        logs,
        registry,
        identity: Arc::default(),
        clock: clock.clone(),
        started: clock.now(),
        bound: is_bound,
        draining: draining.clone(),
        overload: Arc::new(Overload::new(&settings.overload)),
    };
    let pages = admin::pages(sources.clone(), actions(&shutdown, &draining));
    if let Some(admin) = admin {
        tasks.spawn("admin", pages.serve(admin, tasks.clone()));
    }
    let subject = subject(&sources, &shutdown);
    let status_settings = settings.status.clone();
    mesh_status::serve(status, status_settings, subject, &sources.registry, &tasks);

    let told = be_told(&settings, &sources, &tasks);
    // Large, and gone once it is clear: no part of what runs for ever.
    let Some(told) = shutdown.run_until_cancelled(Box::pin(told)).await else {
        return Ok(());
    };
    told?;

    let shared = Arc::new(shared(&sources, log, &tasks));
    let workers = Workers::start(settings.concurrency, &shared).context("workers")?;
    check_health(&sources, workers.doors(), &tasks);
    let drain = settings.drain;
    overload::watch(&sources.overload, workers.doors(), &tasks);
    let mut listeners = Listeners::new(
        workers.doors(),
        tasks.clone(),
        drain.time,
        draining.clone(),
        sources.overload.clone(),
    );
    let listening = listen(&mut listeners, &sources.live, &sources.catalog, &bound);
    // Comes to an end only by the shutdown: the configuration outlives it.
    let _ended = shutdown.run_until_cancelled(listening).await;

    tracing::info!(drain_ms = drain.time.as_millis(), "draining");
    draining.cancel();
    if !drained(&workers, drain).await {
        tracing::warn!("connections were cut off at the end of the drain time");
    }
    listeners.close_all();
    workers.stop();
    if !tasks.stop(LAST_WORDS).await {
        tracing::warn!("tasks were still running at the end");
    }
    Ok(())
}

/// Says whether a bootstrap file can be run from: whether all that stands in it can be used.
///
/// # Errors
/// What keeps it from being used, as [`run`] has it.
pub fn validate(settings: &Settings) -> anyhow::Result<()> {
    if let Told::Bootstrap(bootstrap) = &settings.told {
        let live = Arc::new(LiveConfig::new(Config::default()));
        let feed = Feed::new(live, Catalog::new(), Arc::new(SystemClock));
        let feed = feed.with_file(&bootstrap.resources)?;
        if bootstrap.server.is_none() {
            feed.complete()?;
        }
    }
    Ok(())
}

/// Waits as long as a connection may be worth it; false when some were open at the end.
async fn drained(workers: &Workers, drain: DrainSettings) -> bool {
    // Who has not heard that we leave still connects; and an application that was told to end with us
    // may have something to say.
    tokio::time::sleep(drain.minimum).await;
    workers.emptied(drain.then.saturating_add(GRACE)).await
}

fn actions(shutdown: &CancellationToken, draining: &CancellationToken) -> Actions {
    let (shutdown, draining) = (shutdown.clone(), draining.clone());
    Actions {
        quit: Box::new(move || shutdown.cancel()),
        drain: Box::new(move || draining.cancel()),
    }
}

fn subject(sources: &Sources, shutdown: &CancellationToken) -> Subject {
    let (ready, counted, shutdown) = (sources.clone(), sources.clone(), shutdown.clone());
    Subject {
        ready: Box::new(move || ready.ready()),
        metrics: Box::new(move || admin::metrics(&counted)),
        quit: Box::new(move || shutdown.cancel()),
    }
}

/// Begins to follow whoever tells this proxy what to do, with an identity if it belongs to a mesh.
async fn be_told(settings: &Settings, sources: &Sources, tasks: &Tasks) -> anyhow::Result<()> {
    let Sources {
        live,
        catalog,
        clock,
        ..
    } = sources;
    let feed = Feed::new(live.clone(), catalog.clone(), clock.clone());
    match &settings.told {
        Told::Mesh(mesh) => {
            let obtained = Identity::start(mesh.identity.clone(), clock.clone(), tasks).await?;
            let identity = sources.identity.get_or_init(|| obtained);
            let pilot = identity.channel_to(&mesh.xds_address, identity::PILOT_ACCOUNT)?;
            let asking = Asking::of(sources.workload.node());
            let feed = with_cache(feed, settings, &asking, tasks);
            let begin = || feed.start(pilot, asking, tasks);
            sources.xds.get_or_init(begin);
            report_to_mixer(mesh, sources, identity, tasks)
        }
        Told::Bootstrap(bootstrap) => {
            let feed = feed.with_file(&bootstrap.resources)?;
            match &bootstrap.server {
                None => feed.start_alone(tasks),
                Some(server) => {
                    let asking = Asking {
                        node: bootstrap.node.clone(),
                        variant: server.variant,
                        all_of: server.all_of.clone(),
                        names: Vec::new(),
                        held: Vec::new(),
                    };
                    let feed = with_cache(feed, settings, &asking, tasks);
                    let begin = || feed.start(server.channels(), asking, tasks);
                    sources.xds.get_or_init(begin);
                    Ok(())
                }
            }
        }
    }
}

/// Begins with what the last run left, if it was to leave it. A disk that is full keeps no proxy from starting.
fn with_cache(feed: Feed, settings: &Settings, asking: &Asking, tasks: &Tasks) -> Feed {
    let Some(folder) = &settings.config_cache else {
        return feed;
    };
    match Cache::open(folder, &asking.node.id, tasks) {
        Ok((cache, left)) => feed.with_cache(cache, left),
        Err(error) => {
            let error = format!("{error:#}");
            tracing::error!(%error, "the configuration is not kept for the next start");
            feed
        }
    }
}

fn check_health(sources: &Sources, doors: Vec<Door>, tasks: &Tasks) {
    let Sources {
        live, clock, logs, ..
    } = sources;
    let identity = sources.identity.get();
    let identity = identity.map(|identity| identity.live.clone());
    Prober::new(live.clone(), clock.clone(), identity, logs.clone(), doors).follow(tasks);
}

fn report_to_mixer(
    mesh: &MeshSettings,
    sources: &Sources,
    identity: &Identity,
    tasks: &Tasks,
) -> anyhow::Result<()> {
    if let Some(address) = &mesh.telemetry_address {
        let mixer = identity.channel_to(address, identity::MIXER_ACCOUNT)?;
        let begin = || Reporter::start(sources.metrics.clone(), mixer, tasks);
        sources.telemetry.get_or_init(begin);
    }
    Ok(())
}

fn shared(sources: &Sources, log: Option<AccessLog>, tasks: &Tasks) -> Shared {
    let books = observer::Books {
        own: sources.workload.clone(),
        metrics: sources.metrics.clone(),
        log,
        files: sources.logs.clone(),
        host_name: host_name(&sources.workload),
        clock: sources.clock.clone(),
    };
    Shared {
        live: sources.live.clone(),
        identity: sources.identity.get().map(|identity| identity.live.clone()),
        clock: sources.clock.clone(),
        own: own_metadata(&sources.workload),
        observers: Box::new(move || Rc::new(Recorder::new(&books)) as Rc<dyn Observer>),
        tasks: tasks.clone(),
        overload: sources.overload.clone(),
    }
}

/// Keeps the listening sockets as the configuration says.
async fn listen(
    listeners: &mut Listeners,
    live: &LiveConfig,
    catalog: &Catalog,
    bound: &watch::Sender<bool>,
) {
    let mut changes = live.changes();
    let mut complete = catalog.ready();
    loop {
        // What the catalog says counts only for sockets that are opened after it said so.
        let is_complete = *complete.borrow_and_update();
        let again = match listeners.apply(&live.current()) {
            Ok(()) => {
                bound.send_if_modified(|done| is_complete && !std::mem::replace(done, true));
                None
            }
            Err(failed) => {
                for (address, error) in failed {
                    tracing::error!(%address, %error, "listener cannot be opened");
                }
                Some(BIND_AGAIN)
            }
        };
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            changed = complete.changed() => if changed.is_err() { return },
            () = pause(again) => {}
        }
    }
}

async fn pause(time: Option<Duration>) {
    match time {
        Some(time) => tokio::time::sleep(time).await,
        None => std::future::pending().await,
    }
}

/// The log of all requests, which must be there from the start.
fn open_log(path: &Path, files: &LogFiles, tasks: &Tasks) -> anyhow::Result<AccessLog> {
    let name = path.to_string_lossy();
    let path = if name == "-" { STDOUT } else { &*name };
    files
        .open(path, tasks)
        .with_context(|| format!("--access-log {name}"))?;
    Ok(AccessLog::of_all(path))
}

/// The name of our machine; in a pod it is the pod's.
fn host_name(workload: &Workload) -> Str {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname");
    name.map_or_else(|_unknown| workload.name.clone(), |name| name.trim().into())
}

#[cfg(test)]
mod tests;
