//! Carries a plan out: starts the processes, keeps them running, ends them.
//!
//! Everything happens on one thread, the one that the kernel watches on behalf of the children.
//! The order of the start is in `crew`, the life of one process in `runner`, what others can see
//! of it in `board` and `scribe`.

use std::sync::Arc;
use std::time::Duration;

use mesh_runtime::Tasks;
use parking_lot::Mutex;
use tokio::net::UnixStream;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::guard;
use super::lease::{Lease, Ports};
use super::plan::{Plan, Program};
use super::rooms::rights::Rights;
use super::rooms::{self, Rooms, doors};
use super::state_dir::{self, Held, StateDir};
use super::{cache, control, tokens};
use crate::error::{CommandError, at_path};

mod board;
mod bounds;
mod crew;
mod probe;
mod progress;
mod runner;
mod scribe;
mod server;
mod spawn;
mod trial;

use crew::Crew;
pub(crate) use crew::Roster;
pub(crate) use progress::Progress;
use scribe::Scribe;
use server::Server;
use spawn::{Spawner, locate};
pub(crate) use trial::try_out;

/// How long the supervisor's own tasks may take to end.
const OWN_GRACE: Duration = Duration::from_secs(1);
/// Hexadecimal digits of the number that marks the processes of one run.
const RUN_DIGITS: usize = 32;

/// What a mesh holds of the machine while it runs.
pub(crate) struct Holdings {
    /// The state folder.
    pub(crate) held: Held,
    /// The network; held, never read.
    pub(crate) _lease: Lease,
    /// Ports of 127.0.0.1; held, never read.
    pub(crate) _ports: Ports,
}

/// Runs a mesh until somebody asks for its end.
///
/// `rights` are those by which its namespaces are made, if it has any.
///
/// # Errors
/// When it cannot be started; everything that was started has ended then.
pub(crate) async fn run(
    roster: Roster,
    holdings: Holdings,
    rights: Option<Rights>,
    progress: &Progress<'_>,
) -> Result<(), CommandError> {
    let dir = holdings.held.dir.clone();
    let plan = roster.plan().clone();
    let mut signals = Signals::install()?;
    clear(&dir)?;
    let (rooms, doors) = match rights {
        Some(rights) => {
            let proxy = locate(&Program::Sibling("mesh-proxy"))?;
            let rooms = Rooms::make(&plan, &dir, &proxy, rights)?;
            (Some(Arc::new(rooms)), doors::open(&plan).await?)
        }
        None => (None, Vec::new()),
    };
    let spawner = Spawner {
        dir: dir.clone(),
        rooms: rooms.clone(),
        run: format!("{:0RUN_DIGITS$x}", fastrand::u128(..)),
    };
    let tokens = plan.components.iter().filter_map(|c| c.token.as_ref());
    for token in tokens.chain(plan.workloads.iter().map(|workload| &workload.token)) {
        tokens::issue(&dir, token)?;
    }
    let scribe = Scribe::begin(&dir, &spawner.run, &plan, &roster.board)?;
    let listener = control::listen(&dir)?;

    let tasks = Tasks::new(&prometheus::Registry::new());
    let mut guard = spawner.guard().map_err(CommandError::problem)?;
    // Waiting for a child closes its input, and the guard takes that for the end.
    let leash = guard.stdin.take();
    let crew = Arc::new(roster.start(&spawner, &tasks));
    for (door, rooms) in doors.into_iter().zip(rooms.iter().cycle()) {
        tasks.spawn("door", door.serve(rooms.clone(), tasks.clone()));
    }
    let ending = CancellationToken::new();
    let waiting: Arc<Mutex<Vec<UnixStream>>> = Arc::default();
    tasks.spawn(
        "scribe",
        keep_written(scribe, plan.clone(), crew.clone(), tasks.stopping().clone()),
    );
    tasks.spawn("logs", bounds::keep(dir.clone(), tasks.stopping().clone()));
    let server = Server {
        plan: plan.clone(),
        crew: crew.clone(),
        ending: ending.clone(),
        waiting: waiting.clone(),
    };
    tasks.spawn("control socket", server.serve(listener, tasks.clone()));

    let outcome = tokio::select! {
        failed = progress.follow(&crew.board, &plan, &dir) => failed,
        () = signals.next() => Ok(()),
        () = ending.cancelled() => Ok(()),
        _ = guard.wait() => Err(CommandError::problem("the guard process ended")),
    };
    progress.ending(&outcome);
    end(&crew, &mut signals).await;
    tasks.stop(OWN_GRACE).await;
    guard::sweep(&spawner.run);
    drop(leash);
    leave(&dir)?;
    rooms::leave(&plan, &dir)?;
    drop(holdings);
    // Only now are those let go who asked for the end: whoever asks next finds nothing.
    drop(waiting);
    outcome
}

/// What a run before this one may have left behind, however it ended.
fn clear(dir: &StateDir) -> Result<(), CommandError> {
    // A folder that was copied tells of a mesh that may be running elsewhere: not ours to end.
    let before = dir.summary()?.and_then(|summary| {
        let own = summary.get("root")?.as_str()? == dir.root().to_string_lossy();
        let run = summary.get("run")?.as_str()?.to_owned();
        (own && run.len() == RUN_DIGITS).then_some(run)
    });
    if let Some(run) = before {
        guard::sweep(&run);
    }
    tokens::revoke_all(dir)?;
    cache::forget_all(dir)?;
    for log in state_dir::files(&dir.path("logs"))? {
        if log.extension().is_some_and(|end| end == "log") {
            let old = log.with_extension("log.old");
            std::fs::rename(&log, old).map_err(|error| at_path(&log, &error))?;
        }
    }
    Ok(())
}

/// Ends everything in order; another signal ends it at once.
async fn end(crew: &Crew, signals: &mut Signals) {
    tokio::select! {
        () = crew.end() => return,
        () = signals.next() => {}
    }
    // What `end` still had in mind is dropped: it would give those it comes to later their time.
    crew.kill();
    crew.all_down().await;
}

fn leave(dir: &StateDir) -> Result<(), CommandError> {
    tokens::revoke_all(dir)?;
    cache::forget_all(dir)?;
    state_dir::remove(&dir.path("run/control.sock"))?;
    scribe::nothing_runs(dir)
}

async fn keep_written(
    mut scribe: Scribe,
    plan: Arc<Plan>,
    crew: Arc<Crew>,
    stopping: CancellationToken,
) {
    let mut changes = crew.board.watch();
    changes.mark_changed();
    loop {
        tokio::select! {
            changed = changes.changed() => if changed.is_err() { return },
            () = stopping.cancelled() => return,
        }
        if let Err(error) = scribe.update(&plan, &crew.board) {
            tracing::warn!(%error, "state folder not written");
        }
    }
}

/// The signals that ask for the end. A closed terminal asks for it too.
struct Signals {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
    hang_up: tokio::signal::unix::Signal,
}

impl Signals {
    fn install() -> Result<Self, CommandError> {
        let install = |kind| signal(kind).map_err(CommandError::problem);
        Ok(Self {
            terminate: install(SignalKind::terminate())?,
            interrupt: install(SignalKind::interrupt())?,
            hang_up: install(SignalKind::hangup())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
            _ = self.hang_up.recv() => {}
        }
    }
}
