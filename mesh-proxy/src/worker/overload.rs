//! What is done when memory runs short, and who decides it.
//!
//! The memory of the process is compared with its limit, and the outcome is one of five levels that
//! all workers follow: pools are given up first, clients last. What a worker does at each level is
//! in `relief.rs`; here is only the decision, and what the threads tell one another about it.

pub mod bounds;
mod memory;
pub mod settings;

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use mesh_runtime::Tasks;

use crate::worker::Door;
use crate::worker::overload::bounds::Bounds;
use crate::worker::overload::memory::{Groups, Probe};
use crate::worker::overload::settings::OverloadSettings;

/// How often the memory is looked at.
const EVERY: Duration = Duration::from_millis(100);
/// How many times in a row memory may be found short before the worst is assumed: what is being
/// given up at the present level does not suffice.
const PATIENCE: u32 = 10;
/// How many looks at short memory lie between two times that the allocator gives back what nobody
/// uses.
const TRIMMED: u32 = 5;
/// How many times before what is still in use is taken for free memory that the allocator keeps for
/// want of whole pages, and will use again: then nobody holds it any more.
const FORGIVEN: u32 = 30;
/// How often it is asked whether the machine allows another amount now.
const ASK_LIMIT: Duration = Duration::from_secs(5);
/// Per cent of the limit below a level's mark at which the level ends.
const SLACK: u64 = 3;

/// How short of memory the process is, and so what is done; each level includes those before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
#[repr(u8)]
pub enum Level {
    /// There is enough.
    #[default]
    Calm,
    /// Idle connections to endpoints are closed, and spare buffers given back.
    Shrink,
    /// No connections are accepted, and those of HTTP/1 end with their next answer.
    Pause,
    /// Requests are answered 503, flag `OM`.
    Refuse,
    /// Idle clients are disconnected, and requests that hold the most are given up.
    Shed,
}

impl Level {
    /// The levels with the per cent of the limit from which they hold, the worst first.
    const MARKS: [(Self, u64); 4] = [
        (Self::Shed, 95),
        (Self::Refuse, 90),
        (Self::Pause, 85),
        (Self::Shrink, 80),
    ];

    /// The level that follows this one when `used` of `limit` bytes are in use.
    ///
    /// A level is reached at its mark and left a little below it, so that it does not flutter.
    #[must_use]
    pub fn after(self, used: u64, limit: u64) -> Self {
        let holds = |level: Self, mark: u64| {
            let mark = if level <= self { mark - SLACK } else { mark };
            u128::from(used) * 100 >= u128::from(limit) * u128::from(mark)
        };
        let found = Self::MARKS
            .iter()
            .find(|(level, mark)| holds(*level, *mark));
        found.map_or(Self::Calm, |(level, _)| *level)
    }

    fn of_number(number: u8) -> Self {
        match number {
            0 => Self::Calm,
            1 => Self::Shrink,
            2 => Self::Pause,
            3 => Self::Refuse,
            _ => Self::Shed,
        }
    }
}

/// What was done for want of memory or room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// An idle connection to an endpoint was closed.
    LinkClosed,
    /// Accepting began to wait.
    AcceptPaused,
    /// A request was answered 503.
    RequestRefused,
    /// A client was disconnected.
    ClientClosed,
    /// A request was given up.
    RequestReset,
    /// A connection was closed because its client has too many.
    ClientRefused,
    /// A connection whose bytes are passed on was closed.
    TunnelClosed,
}

impl Action {
    /// How many there are.
    const COUNT: usize = Self::TunnelClosed as usize + 1;
}

/// How often each [`Action`] was taken.
#[derive(Debug, Default)]
struct Counts([AtomicU64; Action::COUNT]);

impl Counts {
    fn of(&self, action: Action) -> Option<&AtomicU64> {
        self.0.get(action as usize)
    }
}

/// More than any machine has.
const NO_LIMIT: u64 = u64::MAX;

/// What the threads of a process know about its memory and its connections.
pub struct Overload {
    /// [`NO_LIMIT`] where there is none.
    limit: AtomicU64,
    /// Who is asked for the limit again.
    groups: Option<Groups>,
    probe: Probe,
    level: AtomicU8,
    /// Bytes that are resident and that nobody uses.
    forgiven: AtomicU64,
    counts: Counts,
    bounds: Bounds,
}

impl Overload {
    /// With these limits, and nothing in use yet.
    #[must_use]
    pub fn new(settings: &OverloadSettings) -> Self {
        Self {
            limit: AtomicU64::new(settings.memory.unwrap_or(NO_LIMIT)),
            groups: settings.of_machine.then(Groups::own),
            probe: Probe::new(),
            level: AtomicU8::new(Level::Calm as u8),
            forgiven: AtomicU64::new(0),
            counts: Counts::default(),
            bounds: Bounds::new(settings.connections),
        }
    }

    /// How short of memory the process is.
    #[must_use]
    pub fn level(&self) -> Level {
        Level::of_number(self.level.load(Ordering::Relaxed))
    }

    /// The connections of clients.
    #[must_use]
    pub fn bounds(&self) -> &Bounds {
        &self.bounds
    }

    /// The limit of the process's memory, if it has one.
    #[must_use]
    pub fn limit(&self) -> Option<u64> {
        let limit = self.limit.load(Ordering::Relaxed);
        Some(limit).filter(|limit| *limit != NO_LIMIT)
    }

    /// Gives the process another limit.
    #[cfg(test)]
    pub(crate) fn set_limit(&self, limit: u64) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// Asks for the limit again; whether it has changed.
    fn ask_limit(&self) -> bool {
        let Some(groups) = &self.groups else {
            return false;
        };
        let (before, now) = (self.limit(), groups.limit());
        if before != now {
            let bytes = |limit: Option<u64>| limit.unwrap_or_default();
            self.limit.store(now.unwrap_or(NO_LIMIT), Ordering::Relaxed);
            tracing::info!(
                before = bytes(before),
                bytes = bytes(now),
                "memory limit changed"
            );
            if now.is_none() {
                self.publish(Level::Calm);
            }
        }
        before != now
    }

    /// What one of so many workers may hold for peers that do not take it: all of them together an
    /// eighth of the limit, which leaves the larger part of what an idle process does not need.
    #[must_use]
    pub fn budget(&self, workers: usize) -> usize {
        /// Less would leave no room for one connection at full speed.
        const LEAST: u64 = 512 * 1024;
        const PART: u64 = 8;
        let Some(limit) = self.limit() else {
            return usize::MAX;
        };
        let workers = u64::try_from(workers).unwrap_or(u64::MAX).max(1);
        let budget = (limit / PART / workers).max(LEAST);
        usize::try_from(budget).unwrap_or(usize::MAX)
    }

    /// The process's resident memory in bytes.
    #[must_use]
    pub fn memory(&self) -> u64 {
        self.probe.resident()
    }

    /// Looks at the memory; whether the level has changed by it.
    pub fn sample(&self) -> bool {
        let Some(limit) = self.limit() else {
            return false;
        };
        let memory = self.memory();
        if memory < limit / 4 * 3 {
            self.forgiven.store(0, Ordering::Relaxed);
        }
        let used = memory.saturating_sub(self.forgiven.load(Ordering::Relaxed));
        self.publish(self.level().after(used, limit))
    }

    /// Everything was given up that could be: what is left may be used again.
    fn forgive(&self) {
        let lowest = self.limit().unwrap_or(NO_LIMIT) / 100 * (80 - SLACK);
        let left = self.memory().saturating_sub(lowest);
        self.forgiven.store(left, Ordering::Relaxed);
        tracing::warn!(bytes = left, "memory is kept by the allocator");
    }

    /// Puts a level in force; whether it is another one.
    pub fn publish(&self, level: Level) -> bool {
        let before = self.level.swap(level as u8, Ordering::Relaxed);
        let changed = before != level as u8;
        if changed {
            tracing::warn!(level = ?level, "level of overload");
            self.bounds.look_again();
        }
        changed
    }

    /// Bytes that are to be freed until requests are served again.
    #[must_use]
    pub fn excess(&self) -> u64 {
        let mark = self.limit().unwrap_or(NO_LIMIT) / 100 * (85 - SLACK);
        let forgiven = self.forgiven.load(Ordering::Relaxed);
        self.memory().saturating_sub(forgiven).saturating_sub(mark)
    }

    /// Waits until a connection of a listener may be accepted.
    pub async fn room(&self, listener: &bounds::Count) {
        let paused = || self.level() >= Level::Pause;
        if paused() || !self.bounds.has_room(listener) {
            self.count(Action::AcceptPaused);
        }
        self.bounds.wait(listener, paused).await;
    }

    /// Counts an action.
    pub fn count(&self, action: Action) {
        if let Some(count) = self.counts.of(action) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How often an action was taken.
    #[must_use]
    pub fn counted(&self, action: Action) -> u64 {
        let count = self.counts.of(action);
        count.map_or(0, |count| count.load(Ordering::Relaxed))
    }
}

/// Looks at the memory from time to time and wakes the workers when its level changes, or its limit.
/// Without a limit, now or later, there is nothing to look at.
pub fn watch(overload: &Arc<Overload>, doors: Vec<Door>, tasks: &Tasks) {
    if overload.limit().is_some() || overload.groups.is_some() {
        let watching = watching(overload.clone(), doors);
        let stopping = tasks.stopping().clone();
        tasks.spawn("overload", async move {
            let _stopped = stopping.run_until_cancelled(watching).await;
        });
    }
}

async fn watching(overload: Arc<Overload>, doors: Vec<Door>) {
    let (mut told, mut short, mut looks) = (Level::Calm, 0, 0);
    let mut since_asked = Duration::ZERO;
    loop {
        let pause = match overload.limit() {
            Some(_) => EVERY,
            None => ASK_LIMIT,
        };
        tokio::time::sleep(pause).await;
        since_asked += pause;
        let asks = since_asked >= ASK_LIMIT;
        if asks {
            since_asked = Duration::ZERO;
        }
        let changed = asks && overload.ask_limit();
        overload.sample();
        looks = match overload.level() {
            Level::Calm => 0,
            _ => looks + 1,
        };
        if looks % TRIMMED == 1 {
            mesh_heap::trim();
            overload.sample();
        }
        short = match overload.level() {
            Level::Calm | Level::Shrink => 0,
            Level::Pause | Level::Refuse | Level::Shed => short + 1,
        };
        if short >= FORGIVEN {
            overload.forgive();
            overload.sample();
            short = 0;
        } else if short >= PATIENCE {
            overload.publish(Level::Shed);
        }
        // A worker may have looked at the memory itself, and told nobody.
        let level = overload.level();
        if std::mem::replace(&mut told, level) != level || changed {
            doors.iter().for_each(Door::wake);
        }
    }
}

#[cfg(test)]
mod tests;
