//! The life of one process: waits for its turn, runs, dies, is started again, is held down.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mesh_model::time::{Backoff, Clock};
use mesh_runtime::SystemClock;
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::process::Child;
use tokio::sync::watch;

use super::board::{Board, Slot};
use super::probe::keep_watch;
use super::spawn::Spawner;
use crate::embedded::plan::Process;
use crate::embedded::status::State;

/// The pause before the first new start.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause before a new start.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// A process that ran this long starts over with the first pause.
const LONG_RUN: Duration = Duration::from_secs(10);

/// What is wanted of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// It shall run.
    Up,
    /// It shall end within this time, and be killed after it.
    Down(Duration),
}

/// Runs one process.
pub(super) struct Runner {
    pub(super) slot: Slot,
    pub(super) process: Process,
    pub(super) program: PathBuf,
    pub(super) spawner: Spawner,
    pub(super) board: Arc<Board>,
    pub(super) wanted: watch::Receiver<Wanted>,
    /// Those that must have been ready once before the first start.
    pub(super) after: Vec<Slot>,
}

impl Runner {
    /// Runs the process as often as it takes; ends when nobody can want anything any more.
    pub(super) async fn run(mut self) {
        let mut pauses = Backoff::new(FIRST_PAUSE, LONGEST_PAUSE);
        while self.is_due().await {
            let began = SystemClock.now();
            let Some(death) = self.live().await else {
                self.note(State::Stopped, None);
                continue;
            };
            if SystemClock.now().duration_since(began) > LONG_RUN {
                pauses.reset();
            }
            let pause = pauses.delay(fastrand::f64());
            self.spawner.remark(
                &self.process,
                &format!("{death}; starts again in {pause:.1?}"),
            );
            self.board.update(self.slot, |doing| {
                doing.state = State::Restarting;
                doing.pid = None;
                doing.restarts += 1;
            });
            // Whatever changes what is wanted also ends the pause.
            drop(tokio::time::timeout(pause, self.wanted.changed()).await);
        }
    }

    /// Waits until the process shall run; false when nobody can want it any more.
    async fn is_due(&mut self) -> bool {
        loop {
            let wanted = *self.wanted.borrow_and_update();
            if wanted != Wanted::Up {
                self.note(State::Stopped, None);
                if self.wanted.changed().await.is_err() {
                    return false;
                }
                continue;
            }
            let after = self.after.clone();
            let ready = self
                .board
                .until(|board| after.iter().all(|slot| board.doing(*slot).was_ready));
            tokio::select! {
                () = ready => return true,
                changed = self.wanted.changed() => if changed.is_err() { return false },
            }
        }
    }

    /// Lives one life: nothing when it was asked to end, otherwise how it died.
    async fn live(&mut self) -> Option<String> {
        self.note(State::Starting, None);
        let mut child = match self.spawner.spawn(&self.process, &self.program) {
            Ok(child) => child,
            Err(error) => return Some(format!("cannot be started: {error}")),
        };
        let group = child
            .id()
            .and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?));
        self.note(State::Starting, child.id());
        loop {
            tokio::select! {
                status = child.wait() => {
                    // Whatever it started and left behind would hold its ports.
                    signal_orphans(group);
                    return Some(status.map_or_else(|e| e.to_string(), |status| format!("ended with {status}")));
                }
                () = keep_watch(&self.process, &self.spawner, &self.board, self.slot) => {}
                changed = self.wanted.changed() => {
                    let wanted = *self.wanted.borrow_and_update();
                    match (changed, wanted) {
                        (Ok(()), Wanted::Up) => {}
                        (Ok(()), Wanted::Down(grace)) => {
                            self.end(&mut child, group, grace).await;
                            return None;
                        }
                        (Err(_), _) => {
                            self.end(&mut child, group, Duration::ZERO).await;
                            return None;
                        }
                    }
                }
            }
        }
    }

    async fn end(&mut self, child: &mut Child, group: Option<Pid>, grace: Duration) {
        self.note(State::Stopping, child.id());
        signal(group, Signal::TERM);
        let deadline = tokio::time::sleep(grace);
        tokio::pin!(deadline);
        loop {
            tokio::select! {
                // An error means that there is nothing to wait for.
                _ = child.wait() => break,
                () = &mut deadline => break,
                changed = self.wanted.changed() => match (changed, *self.wanted.borrow_and_update()) {
                    (Ok(()), Wanted::Down(shorter)) => {
                        if shorter < grace { break }
                    }
                    (Ok(()), Wanted::Up) => {}
                    (Err(_), _) => break,
                },
            }
        }
        signal(group, Signal::KILL);
        drop(child.wait().await);
    }

    fn note(&self, state: State, pid: Option<u32>) {
        self.board.update(self.slot, |doing| {
            doing.state = state;
            doing.pid = pid;
        });
    }
}

/// Signals a process that was not waited for yet, and all that it started.
fn signal(group: Option<Pid>, signal: Signal) {
    if let Some(pid) = group
        && kill_process_group(pid, signal).is_err()
    {
        // It leads no group yet in the first moment of its life.
        let _gone_already = kill_process(pid, signal);
    }
}

/// Kills what is left of the group of a process that has ended.
fn signal_orphans(group: Option<Pid>) {
    if let Some(group) = group {
        let _nobody_left = kill_process_group(group, Signal::KILL);
    }
}
