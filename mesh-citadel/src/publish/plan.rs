//! Which namespace gets the roots next. Pure: the moment and chance are passed in.
//!
//! A namespace that is new, and a ConfigMap that was changed or deleted, are due at once. Whoever
//! takes ours away again and again, and an API server that refuses, are met after ever longer pauses.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use mesh_kube::{Objects, RequestError};
use mesh_model::time::Backoff;

/// Pauses before the next write to a namespace, first and longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(300));
/// Pauses before the next write to any, while the API server is away.
const AWAY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_secs(5));
/// A ConfigMap that stays as it was written for so long is at peace: the next change is met at once.
const PEACE: Duration = Duration::from_secs(60);
/// Kinds whose first lists are waited for.
const KINDS: usize = 2;

/// What to do now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Next {
    /// Write to this namespace.
    Write(String),
    /// Nothing for so long, unless something is seen.
    Wait(Duration),
    /// Nothing, unless something is seen.
    Nothing,
}

/// What is known of all namespaces.
#[derive(Debug)]
pub(super) struct Plan {
    places: BTreeMap<String, Place>,
    settled: BTreeSet<Objects>,
    away: Backoff,
    /// Until when nobody is written to.
    quiet: Option<Instant>,
}

/// A namespace.
#[derive(Debug)]
struct Place {
    /// Whether it is to have the roots.
    open: bool,
    /// Whether it has them.
    right: bool,
    /// When it is to be written.
    due: Option<Instant>,
    /// When it was written last.
    written: Option<Instant>,
    /// Whether the last write failed.
    failed: bool,
    /// The earliest moment of the next write, if the last one was not long ago.
    not_before: Option<Instant>,
    pauses: Backoff,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            places: BTreeMap::new(),
            settled: BTreeSet::new(),
            away: Backoff::new(AWAY.0, AWAY.1),
            quiet: None,
        }
    }
}

impl Default for Place {
    fn default() -> Self {
        Self {
            open: false,
            right: false,
            due: None,
            written: None,
            failed: false,
            not_before: None,
            pauses: Backoff::new(PAUSES.0, PAUSES.1),
        }
    }
}

impl Plan {
    /// A namespace is there that is to have the roots.
    pub(super) fn namespace(&mut self, name: String, now: Instant) {
        let place = self.places.entry(name).or_default();
        place.open = true;
        place.look(now);
    }

    /// A namespace is gone, or about to go.
    pub(super) fn no_namespace(&mut self, name: &str) {
        self.places.remove(name);
    }

    /// A ConfigMap is there, and right, or it is wrong or gone.
    pub(super) fn config_map(&mut self, namespace: String, right: bool, now: Instant) {
        let place = self.places.entry(namespace.clone()).or_default();
        place.right = right;
        place.look(now);
        if !place.open && !right {
            self.places.remove(&namespace);
        }
    }

    /// All objects of a kind that are there were told of.
    pub(super) fn settled(&mut self, objects: Objects) {
        self.settled.insert(objects);
    }

    /// Namespaces that lack the roots.
    pub(super) fn missing(&self) -> usize {
        let places = self.places.values();
        places.filter(|place| place.open && !place.right).count()
    }

    /// What to do now. Nothing before it is known what is there already.
    pub(super) fn next(&self, now: Instant) -> Next {
        if self.settled.len() < KINDS {
            return Next::Nothing;
        }
        let due = self.places.iter();
        let due = due.filter_map(|(name, place)| Some((place.due?, name)));
        let Some((due, name)) = due.min() else {
            return Next::Nothing;
        };
        let due = self.quiet.map_or(due, |quiet| due.max(quiet));
        match due.saturating_duration_since(now) {
            Duration::ZERO => Next::Write(name.clone()),
            wait => Next::Wait(wait),
        }
    }

    /// What came of a write. `chance` lies in `0.0..1.0`.
    pub(super) fn wrote(
        &mut self,
        namespace: &str,
        applied: &Result<(), RequestError>,
        now: Instant,
        chance: f64,
    ) {
        match applied {
            Ok(()) => {
                self.away.reset();
                self.quiet = None;
            }
            Err(RequestError::Unreachable(_)) => {
                self.quiet = Some(now + self.away.delay(chance));
                // It is not this namespace's fault.
                return;
            }
            Err(_) => {}
        }
        let Some(place) = self.places.get_mut(namespace) else {
            return;
        };
        place.wrote(applied.is_ok(), now, chance);
    }
}

impl Place {
    /// Something was seen of it: decides whether and when it is to be written.
    fn look(&mut self, now: Instant) {
        if self.right || !self.open {
            self.due = None;
            return;
        }
        if self.due.is_some() {
            return;
        }
        if self.written.is_some_and(|written| now >= written + PEACE) {
            self.pauses.reset();
            self.not_before = None;
        }
        self.due = Some(self.not_before.map_or(now, |moment| moment.max(now)));
    }

    fn wrote(&mut self, applied: bool, now: Instant, chance: f64) {
        if applied && self.failed {
            self.pauses.reset();
        }
        let pause = self.pauses.delay(chance);
        (self.right, self.failed) = (applied, !applied);
        if applied {
            (self.written, self.not_before, self.due) = (Some(now), Some(now + pause), None);
        } else {
            self.due = Some(now + pause);
        }
    }
}

#[cfg(test)]
mod tests;
