//! The course of following one kind: what to ask for next, and after which pause.
//!
//! A state machine without I/O: list page by page, watch from the list's version, list anew when
//! the server has forgotten that version. It waits between failures and says what is wrong.

use std::time::Duration;

use mesh_model::time::Backoff;

use crate::fault::Fault;

/// Waiting after a lost connection: short, so that what happened meanwhile is known soon.
const QUICK: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(3));
/// Waiting for somebody to install a kind or to grant a permission.
const SLOW: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(15));
/// Failures in a row from which on it is said: a connection may break now and then.
const SAID_FROM: u32 = 2;
/// Refusals in a row after which the version of a watch is doubted: a restored store counts anew.
const DOUBTED_FROM: u32 = 3;
/// Answers in a row that nobody serves the kind, after which its objects are gone: a server that is
/// starting may not know yet what it serves.
const BELIEVED_FROM: u32 = 3;
/// Refusals in a row after which others need not wait for this kind.
const GIVEN_UP_FROM: u32 = 8;

/// What to ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// A page of the list of all objects.
    List {
        /// Version of the API.
        version: &'static str,
        /// What the page before gave.
        token: Option<String>,
        /// Whether to ask for everything at once.
        whole: bool,
    },
    /// What happens from a version on.
    Watch {
        /// Version of the API.
        version: &'static str,
        /// The version of the objects.
        from: String,
    },
}

/// What keeps a kind from being followed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// We are not allowed to.
    Forbidden {
        /// What we are not allowed to do.
        verb: &'static str,
    },
    /// Nobody serves it.
    Missing,
    /// The server cannot be reached.
    Unreachable(String),
    /// The server answers with an error.
    Refused {
        /// HTTP's status, or 0 when the answer cannot be read.
        code: u16,
        /// What the server says.
        text: String,
    },
}

/// What follows from a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reaction {
    /// How long to wait before the next step.
    pub(crate) wait: Duration,
    /// What is wrong, where it shall be said.
    pub(crate) trouble: Option<Trouble>,
    /// Whether others need not wait for this kind's first list.
    pub(crate) settled: bool,
    /// Whether all objects of the kind are gone.
    pub(crate) vanished: bool,
}

/// How far the following of one kind has come.
#[derive(Debug)]
pub(crate) struct Course {
    versions: &'static [&'static str],
    version: usize,
    place: Place,
    whole: bool,
    quick: Backoff,
    slow: Backoff,
    failures: u32,
    missing: u32,
}

#[derive(Debug)]
enum Place {
    Listing { token: Option<String> },
    Watching { from: String },
}

impl Course {
    /// Starts with a list; of `versions` the first that is served is used.
    pub(crate) fn new(versions: &'static [&'static str]) -> Self {
        Self {
            versions,
            version: 0,
            place: Place::Listing { token: None },
            whole: false,
            quick: Backoff::new(QUICK.0, QUICK.1),
            slow: Backoff::new(SLOW.0, SLOW.1),
            failures: 0,
            missing: 0,
        }
    }

    /// What to ask for now.
    pub(crate) fn step(&self) -> Step {
        let version = self.versions.get(self.version).copied().unwrap_or("v1");
        match &self.place {
            Place::Listing { token } => Step::List {
                version,
                token: token.clone(),
                whole: self.whole,
            },
            Place::Watching { from } => Step::Watch {
                version,
                from: from.clone(),
            },
        }
    }

    /// A page came; `token` leads to the next one, without it the list is complete.
    pub(crate) fn on_page(&mut self, version: String, token: Option<String>) {
        (self.failures, self.missing) = (0, 0);
        self.place = match token {
            Some(token) => Place::Listing { token: Some(token) },
            None => {
                self.whole = false;
                Place::Watching { from: version }
            }
        };
    }

    /// The list is complete and nothing is watched: it is listed again, after a while.
    pub(crate) fn on_glance(&mut self) {
        self.on_watching();
        self.list_anew();
    }

    /// The server has begun to answer a watch.
    pub(crate) fn on_watching(&mut self) {
        self.failures = 0;
        self.slow.reset();
    }

    /// The watch has told of everything up to `version`.
    pub(crate) fn on_event(&mut self, version: String) {
        self.quick.reset();
        self.failures = 0;
        if matches!(self.place, Place::Watching { .. }) {
            self.place = Place::Watching { from: version };
        }
    }

    /// The watch has ended: by time, or because the connection broke.
    pub(crate) fn on_end(&mut self, chance: f64) -> Duration {
        self.quick.delay(chance)
    }

    /// A request failed, or the watch ended with a fault. `chance` lies in `0.0..1.0`.
    pub(crate) fn on_fault(&mut self, fault: Fault, chance: f64) -> Reaction {
        self.failures = self.failures.saturating_add(1);
        let watching = matches!(self.place, Place::Watching { .. });
        match fault {
            Fault::Gone => {
                // A token that has expired: what is listed at once needs none.
                self.whole = !watching;
                self.list_anew();
                Reaction::after(self.quick.delay(chance))
            }
            Fault::Missing => self.on_missing(watching, chance),
            Fault::Forbidden => {
                // Without the permission to watch, lists are better than nothing.
                self.list_anew();
                let verb = if watching { "watch" } else { "list" };
                Reaction {
                    settled: true,
                    ..Reaction::after(self.slow.delay(chance)).saying(Trouble::Forbidden { verb })
                }
            }
            Fault::Unreachable(text) => {
                let reaction = Reaction::after(self.quick.delay(chance));
                if self.failures < SAID_FROM {
                    return reaction;
                }
                reaction.saying(Trouble::Unreachable(text))
            }
            Fault::Conflict => self.on_refusal(409, String::new(), Duration::ZERO, chance),
            Fault::Refused { code, text, wait } => self.on_refusal(code, text, wait, chance),
        }
    }

    fn on_missing(&mut self, watching: bool, chance: f64) -> Reaction {
        self.list_anew();
        if watching {
            self.version = 0;
            return Reaction::after(self.quick.delay(chance));
        }
        self.version += 1;
        if self.version < self.versions.len() {
            return Reaction::after(Duration::ZERO);
        }
        self.version = 0;
        self.missing = self.missing.saturating_add(1);
        Reaction {
            settled: true,
            vanished: self.missing >= BELIEVED_FROM,
            ..Reaction::after(self.slow.delay(chance)).saying(Trouble::Missing)
        }
    }

    fn on_refusal(&mut self, code: u16, text: String, wish: Duration, chance: f64) -> Reaction {
        if self.failures >= DOUBTED_FROM {
            self.list_anew();
        }
        let reaction = Reaction {
            settled: self.failures >= GIVEN_UP_FROM,
            ..Reaction::after(self.quick.delay(chance).max(wish))
        };
        if self.failures < SAID_FROM {
            return reaction;
        }
        reaction.saying(match code {
            // It is starting or has too much to do, which is no matter of one kind.
            429 | 503 | 504 => Trouble::Unreachable(format!("it answers {code} {text}")),
            _ => Trouble::Refused { code, text },
        })
    }

    fn list_anew(&mut self) {
        self.place = Place::Listing { token: None };
    }
}

impl Reaction {
    const fn after(wait: Duration) -> Self {
        Self {
            wait,
            trouble: None,
            settled: false,
            vanished: false,
        }
    }

    fn saying(self, trouble: Trouble) -> Self {
        Self {
            trouble: Some(trouble),
            ..self
        }
    }
}

#[cfg(test)]
mod tests;
