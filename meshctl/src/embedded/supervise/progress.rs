//! What the user sees of a start: a line for everything that becomes ready, and what to try then.

use std::time::{Duration, Instant};

use mesh_model::time::Clock;
use mesh_runtime::SystemClock;

use super::board::{Board, Unit};
use super::scribe;
use crate::embedded::plan::Plan;
use crate::embedded::state_dir::StateDir;
use crate::embedded::status::{State, Status};
use crate::error::CommandError;
use crate::in_force;
use crate::ui::{Tone, Ui};

/// A component that dies this often before it was ever ready stops the start.
const HOPELESS: u32 = 3;
/// How long the start may take until the rest is reported and left to itself.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long pilot may take to tell every proxy of the endpoints.
const TELLING: Duration = Duration::from_secs(10);
/// Lines of a log that are shown when its process does not start.
const TAIL: usize = 10;

/// Says that the mesh is up, and how long it took.
type Announce<'a> = Box<dyn Fn(&Status, Duration) + 'a>;

/// Tells the user of a start.
pub(crate) struct Progress<'a> {
    ui: &'a Ui,
    began: Instant,
    announce: Announce<'a>,
}

impl<'a> Progress<'a> {
    /// Begins to measure the time; `announce` is called once, when the mesh is up.
    pub(crate) fn new(ui: &'a Ui, announce: impl Fn(&Status, Duration) + 'a) -> Self {
        Self {
            ui,
            began: SystemClock.now(),
            announce: Box::new(announce),
        }
    }

    /// Follows the start to its end, and tells of whatever dies, then and after it.
    ///
    /// # Errors
    /// When a component of the mesh cannot be started. Otherwise it never ends.
    pub(super) async fn follow(
        &self,
        board: &Board,
        plan: &Plan,
        dir: &StateDir,
    ) -> Result<(), CommandError> {
        let start = async {
            match tokio::time::timeout(PATIENCE, self.lines(board, plan, dir)).await {
                Ok(outcome) => outcome?,
                Err(_) => self.overdue(board),
            }
            self.known_everywhere(board, plan).await;
            let took = SystemClock.now().duration_since(self.began);
            (self.announce)(&board.status(plan), took);
            std::future::pending().await
        };
        tokio::select! {
            failed = start => failed,
            () = self.deaths(board) => Ok(()),
        }
    }

    /// Waits until every proxy has been told of the endpoints that are ready: only then does the
    /// first request find somebody who answers it.
    async fn known_everywhere(&self, board: &Board, plan: &Plan) {
        let (pilot, changes) = (board.status(plan).pilot(), scribe::changes(plan, board));
        if let Err(late) = in_force::wait(pilot, &changes, TELLING, self.ui).await {
            self.ui.error(&late);
        }
    }

    /// Tells of every process that dies, until the board is gone.
    async fn deaths(&self, board: &Board) {
        let restarts = |unit: &Unit| {
            unit.slots()
                .map(|slot| board.doing(slot).restarts)
                .sum::<u32>()
        };
        let mut known: Vec<u32> = board.units.iter().map(restarts).collect();
        let mut changes = board.watch();
        while changes.changed().await.is_ok() {
            for (unit, known) in board.units.iter().zip(&mut known) {
                let now = restarts(unit);
                if now > *known {
                    let name = &unit.name;
                    let text = format!(
                        "{name} died and is started again ({now} in all); see `meshctl logs {name}`"
                    );
                    self.ui.warning(&text);
                }
                *known = now;
            }
        }
    }

    async fn lines(&self, board: &Board, plan: &Plan, dir: &StateDir) -> Result<(), CommandError> {
        let mut waiting: Vec<&Unit> = board.units.iter().collect();
        let mut changes = board.watch();
        loop {
            changes.mark_unchanged();
            waiting.retain(|unit| {
                let ready = board.state(unit) == State::Ready;
                if ready {
                    self.ready(unit);
                }
                !ready
            });
            if waiting.is_empty() {
                return Ok(());
            }
            hopeless(board, plan, dir)?;
            if changes.changed().await.is_err() {
                return Ok(());
            }
        }
    }

    fn ready(&self, unit: &Unit) {
        let took = SystemClock.now().duration_since(self.began).as_secs_f64();
        let ready = self.ui.err_paint(Tone::Good, "ready");
        let took = self.ui.err_paint(Tone::Faint, &format!("{took:.2} s"));
        self.ui
            .note(&format!("  {:<28} {ready}  {took}", unit.name));
    }

    fn overdue(&self, board: &Board) {
        for unit in board
            .units
            .iter()
            .filter(|unit| board.state(unit) != State::Ready)
        {
            let (name, state) = (&unit.name, board.state(unit).word());
            self.ui
                .warning(&format!("{name} is {state} after {} s", PATIENCE.as_secs()));
        }
    }

    /// Says that the end has begun.
    pub(super) fn ending(&self, outcome: &Result<(), CommandError>) {
        if outcome.is_ok() {
            self.ui.note("stopping the mesh");
        }
    }
}

/// Fails when a component dies again and again instead of starting.
fn hopeless(board: &Board, plan: &Plan, dir: &StateDir) -> Result<(), CommandError> {
    for (unit, component) in board.units.iter().zip(&plan.components) {
        let doing = board.doing(unit.first);
        if doing.was_ready || doing.restarts < HOPELESS {
            continue;
        }
        let log = dir.path("logs").join(&component.process.log);
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        let tail = lines
            .get(lines.len().saturating_sub(TAIL)..)
            .unwrap_or_default()
            .join("\n  ");
        let error = format!("{} does not start; its log ends with\n  {tail}", unit.name);
        return Err(
            CommandError::problem(error).hint(format!("the whole log is {}", log.display()))
        );
    }
    Ok(())
}
