//! For which requests a line is written.

use std::time::Duration;

use crate::fault::Share;
use crate::flags::Flags;
use crate::matching::header::HeaderMatch;
use crate::template::Subject;

/// Chooses among requests that are over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Filter {
    /// Those of some statuses; 0 stands for none.
    Status(Comparison),
    /// Those that took so many milliseconds.
    Duration(Comparison),
    /// Those with such a header.
    Header(Box<HeaderMatch>),
    /// Those with one of these flags, or with any.
    Flags(Option<Flags>),
    /// Those of some statuses of gRPC, or of all others.
    Grpc { statuses: Vec<u32>, others: bool },
    /// A share of them.
    Sample(Share),
    /// All that are no health checks of this proxy, as the listener's filter says.
    NoHealthChecks,
    /// Those that every one of these takes.
    All(Vec<Self>),
    /// Those that one of these takes.
    Any(Vec<Self>),
}

/// A bound for a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Comparison {
    pub(crate) how: Compare,
    pub(crate) with: u32,
}

/// How a number stands to its bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compare {
    Equal,
    AtLeast,
    AtMost,
    Unequal,
}

/// gRPC's `UNKNOWN`: what a call without a status counts for.
const UNKNOWN: u32 = 2;

impl Comparison {
    fn holds(self, number: u64) -> bool {
        let bound = u64::from(self.with);
        match self.how {
            Compare::Equal => number == bound,
            Compare::AtLeast => number >= bound,
            Compare::AtMost => number <= bound,
            Compare::Unequal => number != bound,
        }
    }
}

impl Filter {
    pub(super) fn takes(&self, subject: &Subject<'_>, draw: &mut dyn FnMut() -> u64) -> bool {
        match self {
            Self::Status(comparison) => comparison.holds(u64::from(subject.status())),
            Self::Duration(comparison) => comparison.holds(millis(subject)),
            Self::Header(rule) => subject.request.is_some_and(|head| rule.matches(head)),
            Self::Flags(None) => !subject.flags().is_empty(),
            Self::Flags(Some(flags)) => subject.flags().meets(*flags),
            Self::Grpc { statuses, others } => {
                let status = subject.grpc_status().unwrap_or(UNKNOWN);
                statuses.contains(&status) != *others
            }
            Self::Sample(share) => share.takes(draw()),
            Self::NoHealthChecks => !subject.ended.is_some_and(|ended| ended.health_check),
            Self::All(filters) => filters.iter().all(|filter| filter.takes(subject, draw)),
            Self::Any(filters) => filters.iter().any(|filter| filter.takes(subject, draw)),
        }
    }
}

fn millis(subject: &Subject<'_>) -> u64 {
    let took = subject.ended.and_then(|ended| ended.points.response_ends);
    let took = took.unwrap_or(Duration::ZERO);
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}
