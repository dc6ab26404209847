//! Everything that runs, by name: stopping and starting parts of it, and ending all in order.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mesh_api::nearest;
use mesh_runtime::Tasks;
use tokio::sync::watch;

use super::board::{Board, Slot, Unit};
use super::runner::{Runner, Wanted};
use super::spawn::{Spawner, locate};
use crate::embedded::cache;
use crate::embedded::control::Target;
use crate::embedded::plan::{INGRESS, Plan, Process, aliases};
use crate::embedded::state_dir::StateDir;
use crate::embedded::status::State;
use crate::embedded::tokens;
use crate::error::CommandError;

/// How long a process that is stopped by name may take to finish what it has.
const STOP_GRACE: Duration = Duration::from_secs(10);
/// The same for each stage of the end of the mesh.
const END_GRACE: Duration = Duration::from_secs(3);
/// How long `start` waits for readiness.
const START_PATIENCE: Duration = Duration::from_secs(30);

/// The processes of a mesh and what is wanted of each.
pub(super) struct Crew {
    pub(super) board: Arc<Board>,
    dir: StateDir,
    wanted: BTreeMap<Slot, watch::Sender<Wanted>>,
    /// Number of units that are components.
    components: usize,
}

/// A crew before it runs.
pub(crate) struct Roster {
    plan: Arc<Plan>,
    pub(super) board: Arc<Board>,
    processes: Vec<(Slot, Process, PathBuf)>,
}

impl Roster {
    /// Finds every program of a plan before anything starts.
    ///
    /// # Errors
    /// When one is missing.
    pub(crate) fn of(plan: Plan) -> Result<Self, CommandError> {
        let (board, processes) = Board::of(&plan);
        let mut found = Vec::with_capacity(processes.len());
        for (slot, process) in processes {
            let program = locate(&process.program)?;
            found.push((slot, process, program));
        }
        Ok(Self {
            plan: Arc::new(plan),
            board: Arc::new(board),
            processes: found,
        })
    }

    /// What will run.
    pub(crate) fn plan(&self) -> &Arc<Plan> {
        &self.plan
    }

    /// Starts everything, each process when its turn has come.
    pub(super) fn start(self, spawner: &Spawner, tasks: &Tasks) -> Crew {
        let Self {
            plan,
            board,
            processes,
        } = self;
        let mut wanted = BTreeMap::new();
        for (slot, process, program) in processes {
            let (sender, receiver) = watch::channel(Wanted::Up);
            wanted.insert(slot, sender);
            let runner = Runner {
                slot,
                process,
                program,
                spawner: spawner.clone(),
                board: board.clone(),
                wanted: receiver,
                after: prerequisites(&board, slot),
            };
            let stopping = tasks.stopping().clone();
            tasks.spawn("process", async move {
                // Asked only after all processes have ended; whatever lives is killed on the way.
                stopping.run_until_cancelled(runner.run()).await;
            });
        }
        Crew {
            board,
            dir: spawner.dir.clone(),
            wanted,
            components: plan.components.len(),
        }
    }
}

/// Whom a process waits for: everybody for citadel, which makes the root certificate, and
/// proxies for pilot too. Applications wait for nobody.
fn prerequisites(board: &Board, slot: Slot) -> Vec<Slot> {
    let named = |name: &str| {
        board
            .units
            .iter()
            .find(|unit| unit.name == name)
            .map(|unit| unit.first)
    };
    let (citadel, pilot) = (named("citadel"), named("pilot"));
    let is_app = board.units.iter().any(|unit| unit.apps.contains(&slot));
    let wanted: Vec<Option<Slot>> = match slot {
        _ if is_app || Some(slot) == citadel => Vec::new(),
        _ if Some(slot) == pilot || Some(slot) == named("mixer") => vec![citadel],
        _ => vec![citadel, pilot],
    };
    wanted.into_iter().flatten().collect()
}

impl Crew {
    /// Holds down what has this name, and revokes its proof of identity and what its proxy was told; answers with what that is.
    pub(super) async fn stop(&self, target: &Target) -> Result<Vec<String>, CommandError> {
        let units = self.find(target)?;
        futures_util::future::join_all(units.iter().map(|unit| self.hold_down(unit, STOP_GRACE)))
            .await;
        for unit in &units {
            // Whoever asked for its start meanwhile has given it a new token.
            if let Some(token) = &unit.token
                && self.is_held_down(unit)
            {
                tokens::revoke(&self.dir, token)?;
                cache::forget(&self.dir, &token.name)?;
            }
        }
        Ok(units.iter().map(|unit| unit.name.clone()).collect())
    }

    /// Brings back what has this name, with a new proof of identity; answers with what that is.
    pub(super) fn begin(&self, target: &Target) -> Result<Vec<String>, CommandError> {
        let units = self.find(target)?;
        for unit in &units {
            // What runs already keeps its token.
            if let Some(token) = &unit.token
                && self.is_held_down(unit)
            {
                tokens::issue(&self.dir, token)?;
            }
            for slot in unit.slots() {
                self.want(slot, Wanted::Up);
            }
        }
        Ok(units.iter().map(|unit| unit.name.clone()).collect())
    }

    /// Brings back what has this name and waits until it is ready.
    pub(super) async fn start(&self, target: &Target) -> Result<Vec<String>, CommandError> {
        let names = self.begin(target)?;
        let units = self.find(target)?;
        let ready = self
            .board
            .until(|board| units.iter().all(|unit| board.state(unit) == State::Ready));
        if tokio::time::timeout(START_PATIENCE, ready).await.is_err() {
            let seconds = START_PATIENCE.as_secs();
            let name = &target.name;
            return Err(
                CommandError::problem(format!("{name}: not ready within {seconds} s"))
                    .hint(format!("see what it says with `meshctl logs {name}`")),
            );
        }
        Ok(names)
    }

    /// Ends everything: first the way in, then the workloads, then the control plane.
    pub(super) async fn end(&self) {
        let (components, workloads) = self
            .board
            .units
            .split_at(self.components.min(self.board.units.len()));
        let (ways_in, control): (Vec<&Unit>, Vec<&Unit>) =
            components.iter().partition(|unit| unit.name == INGRESS);
        for stage in [ways_in, workloads.iter().collect(), control] {
            futures_util::future::join_all(
                stage
                    .into_iter()
                    .map(|unit| self.hold_down(unit, END_GRACE)),
            )
            .await;
        }
    }

    /// Ends everything at once.
    pub(super) fn kill(&self) {
        for slot in self.wanted.keys() {
            self.want(*slot, Wanted::Down(Duration::ZERO));
        }
    }

    /// Waits until nothing runs any more.
    pub(super) async fn all_down(&self) {
        for slot in self.wanted.keys() {
            self.is_down(*slot).await;
        }
    }

    /// The sidecar goes first: it finishes its requests with an application that still answers.
    /// A start that is asked for meanwhile wins.
    async fn hold_down(&self, unit: &Unit, grace: Duration) {
        self.want(unit.first, Wanted::Down(grace));
        self.is_down(unit.first).await;
        if !self.is_held_down(unit) {
            return;
        }
        for slot in &unit.apps {
            self.want(*slot, Wanted::Down(grace));
        }
        for slot in &unit.apps {
            self.is_down(*slot).await;
        }
    }

    /// Waits until a process is down, or is wanted again: it may be up before anybody looks.
    async fn is_down(&self, slot: Slot) {
        self.board
            .until(|board| board.doing(slot).state == State::Stopped || self.is_wanted(slot))
            .await;
    }

    fn is_held_down(&self, unit: &Unit) -> bool {
        !self.is_wanted(unit.first)
    }

    fn is_wanted(&self, slot: Slot) -> bool {
        let wanted = self.wanted.get(&slot);
        wanted.is_some_and(|sender| *sender.borrow() == Wanted::Up)
    }

    fn want(&self, slot: Slot, wanted: Wanted) {
        if let Some(sender) = self.wanted.get(&slot) {
            // Nobody is told of what was wanted already: a shorter time is news, the same is not.
            sender.send_if_modified(|current| std::mem::replace(current, wanted) != wanted);
        }
    }

    fn find(&self, target: &Target) -> Result<Vec<&Unit>, CommandError> {
        let found = self.fitting(target);
        if found.is_empty() {
            Err(self.unknown(target))
        } else {
            Ok(found)
        }
    }

    fn fitting(&self, target: &Target) -> Vec<&Unit> {
        let fits = |unit: &&Unit| {
            let place = target.namespace.is_none() || target.namespace == unit.namespace;
            let names = [&unit.name, &unit.deployment];
            let named = names.iter().any(|name| **name == target.name);
            place
                && (named || unit.namespace.is_none() && aliases(&unit.name).contains(&target.name))
        };
        self.board.units.iter().filter(fits).collect()
    }

    fn unknown(&self, target: &Target) -> CommandError {
        // Of this name there are none here; there may be elsewhere.
        let elsewhere = Target {
            namespace: None,
            ..target.clone()
        };
        let elsewhere = target.namespace.is_some().then(|| self.fitting(&elsewhere));
        let namespaces = elsewhere.iter().flatten();
        let mut namespaces: Vec<&str> = namespaces
            .filter_map(|unit| unit.namespace.as_deref())
            .collect();
        namespaces.dedup();
        let names = self
            .board
            .units
            .iter()
            .flat_map(|unit| [unit.name.as_str(), &unit.deployment]);
        let near = nearest(&target.name, names).filter(|near| *near != target.name);
        let place = target
            .namespace
            .as_ref()
            .map_or_else(String::new, |name| format!(" in namespace {name}"));
        let name = &target.name;
        let error = format!("{name}: no such pod, deployment or component{place}");
        CommandError::problem(error).hint(match near {
            _ if !namespaces.is_empty() => format!("it is in namespace {}", namespaces.join(", ")),
            Some(near) => format!("did you mean {near:?}? `meshctl status` shows all names"),
            None => "`meshctl status` shows all names".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests;
