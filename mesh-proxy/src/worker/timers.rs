//! A worker's timers: one hierarchical wheel, in milliseconds.
//!
//! Four levels of 64 slots reach four and a half hours; what is due later waits in the last level
//! and is sorted in again. Setting and cancelling a timer costs a few instructions, and time is
//! passed in.

use std::time::{Duration, Instant};

use slotmap::{SlotMap, new_key_type};

new_key_type! {
    /// A timer that was set.
    pub(crate) struct TimerKey;
}

const LEVELS: usize = 4;
const SLOTS: usize = 64;
const BITS: u32 = 6;

/// Timers, each with a value that says what is due.
pub(crate) struct Timers<T> {
    start: Instant,
    /// The tick up to which everything has been handed out.
    tick: u64,
    entries: SlotMap<TimerKey, Entry<T>>,
    levels: [Level; LEVELS],
}

struct Entry<T> {
    due: u64,
    at: Place,
    value: T,
}

/// Where a timer's key stands.
#[derive(Debug, Clone, Copy, Default)]
struct Place {
    level: u8,
    slot: u8,
    index: u32,
}

/// Room that an empty slot keeps.
const KEEP: usize = 64;

struct Level {
    slots: [Vec<TimerKey>; SLOTS],
    /// Which slots may hold something.
    occupied: u64,
}

impl Level {
    fn new() -> Self {
        Self {
            slots: std::array::from_fn(|_| Vec::new()),
            occupied: 0,
        }
    }
}

impl<T> Timers<T> {
    /// No timers; ticks are counted from `now`.
    pub(crate) fn new(now: Instant) -> Self {
        Self {
            start: now,
            tick: 0,
            entries: SlotMap::with_key(),
            levels: std::array::from_fn(|_| Level::new()),
        }
    }

    /// Sets a timer. It is handed out at the deadline or up to a millisecond later, never before.
    pub(crate) fn set(&mut self, deadline: Instant, value: T) -> TimerKey {
        let since = deadline.saturating_duration_since(self.start);
        let due = millis_up(since).max(self.tick + 1);
        let at = Place::default();
        let key = self.entries.insert(Entry { due, at, value });
        self.place(key, due);
        key
    }

    /// Forgets a timer; one that was handed out already is none any more.
    ///
    /// Nothing of it stays: most timers are cancelled, and long before their time.
    pub(crate) fn cancel(&mut self, key: TimerKey) {
        let Some(Entry { at, .. }) = self.entries.remove(key) else {
            return;
        };
        let Some(level) = self.levels.get_mut(usize::from(at.level)) else {
            return;
        };
        let Some(keys) = level.slots.get_mut(usize::from(at.slot)) else {
            return;
        };
        if keys.get(at.index as usize) != Some(&key) {
            return;
        }
        keys.swap_remove(at.index as usize);
        if keys.is_empty() {
            level.occupied &= !(1 << at.slot);
            if keys.capacity() > KEEP {
                *keys = Vec::new();
            }
        }
        let moved = keys.get(at.index as usize).copied();
        if let Some(moved) = moved.and_then(|moved| self.entries.get_mut(moved)) {
            moved.at.index = at.index;
        }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.entries.len()
    }

    /// Keys in all slots, whether their timers are still set or not.
    #[cfg(test)]
    fn placed(&self) -> usize {
        let slots = self.levels.iter().flat_map(|level| &level.slots);
        slots.map(Vec::len).sum()
    }

    /// When [`Timers::expire`] should be called next: not later than the first deadline.
    pub(crate) fn next(&self) -> Option<Instant> {
        if self.entries.is_empty() {
            return None;
        }
        let tick = self.next_tick()?;
        Some(self.start + Duration::from_millis(tick))
    }

    fn next_tick(&self) -> Option<u64> {
        let mut soonest: Option<u64> = None;
        for (level, slots) in (0..).zip(&self.levels) {
            if slots.occupied == 0 {
                continue;
            }
            let shift = BITS * level;
            let at = (self.tick >> shift) & (SLOTS as u64 - 1);
            // The slot of the present moment is one whole turn away.
            let turned = slots
                .occupied
                .rotate_right(u32::try_from((at + 1) & 63).unwrap_or_default());
            let ahead = u64::from(turned.trailing_zeros()) + 1;
            let tick = ((self.tick >> shift) + ahead) << shift;
            soonest = Some(soonest.map_or(tick, |other| other.min(tick)));
        }
        soonest
    }

    /// Takes out what is due at `now`.
    pub(crate) fn expire(&mut self, now: Instant, due: &mut Vec<T>) {
        let until = now.saturating_duration_since(self.start).as_millis();
        let until = u64::try_from(until).unwrap_or(u64::MAX);
        while self.tick < until {
            let Some(next) = self.next_tick().filter(|next| *next <= until) else {
                self.tick = until;
                return;
            };
            self.tick = next;
            self.turn(due);
        }
    }

    /// Empties the slots that begin at the present tick, from the coarsest level down.
    fn turn(&mut self, due: &mut Vec<T>) {
        for level in (0..LEVELS).rev() {
            let shift = BITS * u32::try_from(level).unwrap_or_default();
            if self.tick.trailing_zeros() < shift {
                continue;
            }
            let slot = slot_of(self.tick, shift);
            let Some(keys) = self.take(level, slot) else {
                continue;
            };
            for key in keys {
                match self.entries.get(key).map(|entry| entry.due) {
                    Some(at) if at <= self.tick => {
                        due.extend(self.entries.remove(key).map(|entry| entry.value));
                    }
                    Some(at) => self.place(key, at),
                    None => {}
                }
            }
        }
    }

    fn take(&mut self, level: usize, slot: usize) -> Option<Vec<TimerKey>> {
        let level = self.levels.get_mut(level)?;
        let keys = level.slots.get_mut(slot).filter(|keys| !keys.is_empty())?;
        level.occupied &= !(1 << slot);
        Some(std::mem::take(keys))
    }

    fn place(&mut self, key: TimerKey, due: u64) {
        let ahead = due.saturating_sub(self.tick).max(1);
        let level = usize::try_from((63 - ahead.leading_zeros()) / BITS).unwrap_or_default();
        let level = level.min(LEVELS - 1);
        let shift = BITS * u32::try_from(level).unwrap_or_default();
        // What is beyond the last level waits there for almost a whole turn.
        let furthest = self.tick + ((SLOTS as u64 - 1) << shift);
        let slot = slot_of(due.min(furthest), shift);
        let Some(row) = self.levels.get_mut(level) else {
            return;
        };
        let Some(keys) = row.slots.get_mut(slot) else {
            return;
        };
        if let Some(entry) = self.entries.get_mut(key) {
            entry.at = Place {
                level: u8::try_from(level).unwrap_or_default(),
                slot: u8::try_from(slot).unwrap_or_default(),
                index: u32::try_from(keys.len()).unwrap_or(u32::MAX),
            };
        }
        keys.push(key);
        row.occupied |= 1 << slot;
    }
}

fn slot_of(tick: u64, shift: u32) -> usize {
    usize::try_from((tick >> shift) & (SLOTS as u64 - 1)).unwrap_or_default()
}

fn millis_up(time: Duration) -> u64 {
    let millis = time.as_nanos().div_ceil(1_000_000);
    u64::try_from(millis)
        .unwrap_or(u64::MAX / 2)
        .min(u64::MAX / 2)
}

#[cfg(test)]
mod tests;
