//! Slow start: endpoints that are new get few requests at first, and more with every second.
//!
//! All workers of a proxy share since when endpoints are there; each makes of it what chances they have, now and then
//! and only while somebody is new.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use mesh_model::service::Health;
use parking_lot::Mutex;

use crate::endpoint::Endpoints;

/// How many times chances change while an endpoint is new, and the bounds of how often.
const STEPS: u32 = 200;
const SHORTEST: Duration = Duration::from_millis(10);
const LONGEST: Duration = Duration::from_secs(1);
/// The chance of an endpoint that is not new, or is as new as all others.
const CERTAIN: u32 = u32::MAX;

/// How a cluster treats endpoints that are new.
#[derive(Debug, Clone)]
pub struct SlowStart {
    rules: Rules,
    known: Arc<Mutex<HashMap<SocketAddr, Instant>>>,
}

/// How endpoints come to their full share.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rules {
    /// How long they are new.
    pub window: Duration,
    /// At 1 the share grows with time; the more this is, the faster it grows at first.
    pub aggression: f64,
    /// What they get at least, as a part of their full share.
    pub least: f64,
}

impl Rules {
    /// Which part of its full share an endpoint of this age gets: Envoy's formula.
    #[must_use]
    pub fn part(&self, age: Duration) -> f64 {
        if age >= self.window {
            return 1.0;
        }
        let age = age.max(Duration::from_millis(1));
        let time = age.as_secs_f64() / self.window.as_secs_f64();
        time.powf(1.0 / self.aggression).max(self.least).min(1.0)
    }
}

impl SlowStart {
    /// Begins with nobody known.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        let known = Arc::default();
        Self { rules, known }
    }

    /// How endpoints come to their share.
    #[must_use]
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// Goes on with what another one knows.
    #[must_use]
    pub fn following(self, before: &Self) -> Self {
        Self {
            known: before.known.clone(),
            ..self
        }
    }

    /// Notes who is new, and forgets who is gone. An endpoint is new when it is healthy for the first time.
    pub fn note(&self, endpoints: &Endpoints, now: Instant) {
        let mut known = self.known.lock();
        let there: HashSet<_> = endpoints.all.iter().map(|one| one.address).collect();
        known.retain(|address, _| there.contains(address));
        for endpoint in &endpoints.all {
            if endpoint.health == Health::Healthy {
                known.entry(endpoint.address).or_insert(now);
            }
        }
    }

    /// Writes the chances of all endpoints; says whether any is new.
    fn chances(&self, endpoints: &Endpoints, now: Instant, out: &mut Vec<u32>) -> bool {
        let known = self.known.lock();
        let part = |address| {
            let since = known.get(&address).copied().unwrap_or(now);
            self.rules.part(now.saturating_duration_since(since))
        };
        let healthy = endpoints.all.iter().filter(|e| e.health == Health::Healthy);
        let (mut least, mut most) = (1.0f64, 0.0f64);
        for endpoint in healthy {
            let part = part(endpoint.address);
            (least, most) = (least.min(part), most.max(part));
        }
        out.clear();
        if least < most {
            // Where all are new nobody is.
            let chance = |part: f64| (part / most * f64::from(CERTAIN)) as u32;
            let chances = endpoints.all.iter().map(|e| chance(part(e.address)));
            out.extend(chances);
        }
        least < 1.0
    }

    fn step(&self) -> Duration {
        (self.rules.window / STEPS).clamp(SHORTEST, LONGEST)
    }
}

/// They are the same when they have the same rules and know the same.
impl PartialEq for SlowStart {
    fn eq(&self, other: &Self) -> bool {
        self.rules == other.rules && Arc::ptr_eq(&self.known, &other.known)
    }
}

/// What chances the endpoints of a cluster have, as one worker knows it.
#[derive(Debug)]
pub(crate) struct Warmth {
    start: SlowStart,
    of: Weak<Endpoints>,
    /// When chances change; `None` while nobody is new.
    next: Option<Instant>,
    /// By index; empty while all have the same.
    chances: Vec<u32>,
}

impl Warmth {
    pub(crate) fn new(start: SlowStart) -> Self {
        Self {
            start,
            of: Weak::new(),
            next: None,
            chances: Vec::new(),
        }
    }

    pub(crate) fn is_of(&self, start: &SlowStart) -> bool {
        self.start == *start
    }

    /// Brings chances up to date.
    pub(crate) fn refresh(&mut self, endpoints: &Arc<Endpoints>, now: Instant) {
        let same = std::ptr::eq(self.of.as_ptr(), Arc::as_ptr(endpoints));
        if same && self.next.is_none_or(|next| now < next) {
            return;
        }
        if !same {
            self.start.note(endpoints, now);
            self.of = Arc::downgrade(endpoints);
        }
        let any = self.start.chances(endpoints, now, &mut self.chances);
        self.next = any.then(|| now + self.start.step());
    }

    /// Whether chance lets an endpoint be taken.
    pub(crate) fn lets(&self, index: usize, random: &mut impl FnMut() -> u64) -> bool {
        match self.chances.get(index) {
            None | Some(&CERTAIN) => true,
            Some(chance) => (random() >> 32) as u32 <= *chance,
        }
    }
}

#[cfg(test)]
mod tests;
