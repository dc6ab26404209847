//! What the configuration says, and which of its versions an exchange may have met.

use std::sync::Arc;

use parking_lot::Mutex;

/// What can be seen of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State {
    /// A mark that the route of `web` sets on requests and answers.
    pub(crate) stamp: u8,
    /// Which versions of `web` it goes to, with weights; none for the whole service.
    pub(crate) split: &'static [(&'static str, u32)],
    /// Whether requests that take longer than [`ROUTE_TIMEOUT_MS`] are given up.
    pub(crate) timeout: bool,
    /// Whether version 1 of `web` takes mutual TLS alone.
    pub(crate) strict: bool,
    /// Whether the gateway has the host of [`EXTRA_HOST`].
    pub(crate) extra: bool,
}

/// The time-out of the route of slow requests to `web`, while there is one.
pub(crate) const ROUTE_TIMEOUT_MS: u64 = 300;
/// A host of the gateway that comes and goes.
pub(crate) const EXTRA_HOST: &str = "extra.soak.test";

impl State {
    /// What is in force before the first change.
    pub(crate) const FIRST: Self = Self {
        stamp: 0,
        split: &[],
        timeout: false,
        strict: false,
        extra: false,
    };

    /// Whether a version of `web` may answer.
    pub(crate) fn reaches(&self, version: &str) -> bool {
        let weighted = |(name, weight): &(&str, u32)| *name == version && *weight > 0;
        self.split.is_empty() || self.split.iter().any(weighted)
    }
}

/// All versions, in their order.
#[derive(Debug)]
pub(crate) struct Course(Mutex<History>);

#[derive(Debug)]
struct History {
    states: Vec<State>,
    /// The newest that everybody is known to have.
    in_force: usize,
}

/// When an exchange began.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Begun(usize);

impl Course {
    /// Begins with what is in force at the start.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(Mutex::new(History {
            states: vec![State::FIRST],
            in_force: 0,
        })))
    }

    /// What was wanted last.
    pub(crate) fn newest(&self) -> State {
        self.0.lock().states.last().cloned().unwrap_or(State::FIRST)
    }

    /// From now on some may have a new version.
    pub(crate) fn begin(&self, state: State) {
        self.0.lock().states.push(state);
    }

    /// From now on everybody has the newest version.
    pub(crate) fn settle(&self) {
        let mut history = self.0.lock();
        history.in_force = history.states.len() - 1;
    }

    /// An exchange begins.
    pub(crate) fn now(&self) -> Begun {
        Begun(self.0.lock().in_force)
    }

    /// The versions that an exchange may have met that ends now.
    pub(crate) fn since(&self, begun: Begun) -> Vec<State> {
        let history = self.0.lock();
        history.states.get(begun.0..).unwrap_or_default().to_vec()
    }
}
