//! What one endpoint's probes make of it.

use super::check::Check;

/// What came of a probe, or of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It passed.
    Passed {
        /// Whether the endpoint calls itself degraded.
        degraded: bool,
    },
    /// It did not.
    Failed(Failed),
}

/// A probe that did not pass.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failed {
    /// How it failed.
    pub kind: Kind,
    /// Whether it counts against the threshold, where others would make the endpoint unhealthy at once.
    pub retriable: bool,
    /// Whether the endpoint wants not to be counted at all.
    pub excludes: bool,
    /// The status of the answer by HTTP; 0 when there was none.
    pub status: u16,
}

/// How a probe failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// The answer is not the one that is wanted.
    Active,
    /// An answer to a request said so.
    Passive,
    /// There was no connection, or it broke off.
    Network,
    /// It took too long.
    Timeout,
}

/// What is worth to be written down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Happening {
    /// It is unhealthy from now on.
    Ejected {
        /// Why.
        kind: Kind,
        /// The status of the answer by HTTP; 0 when there was none.
        status: u16,
    },
    /// It is healthy from now on.
    Added {
        /// Whether that was its first probe.
        first: bool,
    },
    /// A probe passed.
    Passed,
    /// A probe failed.
    Failed {
        /// How.
        kind: Kind,
        /// The status of the answer by HTTP; 0 when there was none.
        status: u16,
        /// Whether it was the first.
        first: bool,
    },
    /// It calls itself degraded.
    Degraded,
    /// It does no longer.
    NotDegraded,
}

/// What a probe has done to its endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Step {
    /// Whether it passed.
    pub(super) passed: bool,
    /// Whether more of the same would change the endpoint's health.
    pub(super) pending: bool,
}

/// What is known of an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a flag of Envoy's that comes and goes on its own"
)]
pub(super) struct State {
    /// It does not pass.
    pub(super) failed: bool,
    /// It calls itself degraded.
    pub(super) degraded: bool,
    /// It wants not to be counted.
    pub(super) excluded: bool,
    /// What failed it took too long.
    pub(super) timed_out: bool,
    /// It was probed.
    pub(super) probed: bool,
    passes: u32,
    failures: u32,
}

/// Whether a probe has changed an endpoint's health.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    None,
    /// More of the same would.
    Pending,
    Done,
}

impl Failed {
    /// A failure of which nothing else is known.
    #[must_use]
    pub const fn of(kind: Kind) -> Self {
        Self {
            kind,
            retriable: false,
            excludes: false,
            status: 0,
        }
    }

    /// Whether one alone makes a healthy endpoint unhealthy.
    const fn is_final(&self) -> bool {
        match self.kind {
            Kind::Active | Kind::Passive => !self.retriable,
            Kind::Network | Kind::Timeout => false,
        }
    }
}

impl State {
    /// Nobody has asked it yet.
    pub(super) const NEW: Self = Self {
        failed: true,
        degraded: false,
        excluded: false,
        timed_out: false,
        probed: false,
        passes: 0,
        failures: 0,
    };

    /// Takes what came of a probe. `happens` is told what is worth to be written down.
    pub(super) fn take(
        &mut self,
        outcome: Outcome,
        check: &Check,
        happens: &mut impl FnMut(Happening),
    ) -> Step {
        let first = !std::mem::replace(&mut self.probed, true);
        let change = match outcome {
            Outcome::Passed { degraded } => self.pass(degraded, first, check, happens),
            Outcome::Failed(failed) => self.fail(failed, first, check, happens),
        };
        Step {
            passed: matches!(outcome, Outcome::Passed { .. }),
            pending: change == Change::Pending,
        }
    }

    fn pass(
        &mut self,
        degraded: bool,
        first: bool,
        check: &Check,
        happens: &mut impl FnMut(Happening),
    ) -> Change {
        self.failures = 0;
        let mut change = Change::None;
        if self.failed {
            self.passes = self.passes.saturating_add(1);
            change = Change::Pending;
            if first || self.passes == check.healthy_threshold {
                self.failed = false;
                self.excluded = false;
                self.timed_out = false;
                change = Change::Done;
                happens(Happening::Added { first });
            }
        }
        if change != Change::Done && check.events.successes {
            happens(Happening::Passed);
        }
        if self.degraded != degraded {
            self.degraded = degraded;
            happens(match degraded {
                true => Happening::Degraded,
                false => Happening::NotDegraded,
            });
        }
        change
    }

    fn fail(
        &mut self,
        failed: Failed,
        first: bool,
        check: &Check,
        happens: &mut impl FnMut(Happening),
    ) -> Change {
        let Failed {
            kind,
            status,
            excludes,
            ..
        } = failed;
        self.passes = 0;
        self.excluded |= excludes;
        let mut change = Change::None;
        if !self.failed {
            change = Change::Pending;
            if !failed.is_final() {
                self.failures = self.failures.saturating_add(1);
            }
            if failed.is_final() || self.failures == check.unhealthy_threshold {
                self.failed = true;
                change = Change::Done;
                happens(Happening::Ejected { kind, status });
            }
        }
        self.timed_out = self.failed && kind == Kind::Timeout;
        if first || check.events.failures {
            happens(Happening::Failed {
                kind,
                status,
                first,
            });
        }
        change
    }
}
