//! How a connection learns that it is to end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

/// How far a drain has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Nobody is asked to leave.
    Serving,
    /// Connections are to finish.
    Begun,
    /// Idle ones are to be closed.
    Due,
}

/// The two steps of a drain, of one listener and of the whole process.
///
/// A client that is about to send on an idle connection would meet a closed socket; so connections
/// of HTTP/1 stay open until it is due, and whoever asks for something learns with the answer, in
/// good order, that the connection ends. Those of HTTP/2 finish as soon as it has begun.
#[derive(Debug, Clone, Default)]
pub struct Drain {
    own: Arc<AtomicU8>,
    process: Arc<AtomicU8>,
}

impl Drain {
    /// A drain of its own that follows this one as well.
    #[must_use]
    pub fn child(&self) -> Self {
        Self {
            own: Arc::default(),
            process: self.own.clone(),
        }
    }

    /// Goes on to a phase; there is no way back.
    pub fn reach(&self, phase: Phase) {
        self.own.fetch_max(phase as u8, Ordering::Release);
    }

    /// How far it has come.
    #[must_use]
    pub fn phase(&self) -> Phase {
        let own = self.own.load(Ordering::Acquire);
        match own.max(self.process.load(Ordering::Acquire)) {
            0 => Phase::Serving,
            1 => Phase::Begun,
            _ => Phase::Due,
        }
    }
}
