//! What is counted while the load runs.

use std::time::Duration;

use super::Report;
use super::histogram::Histogram;

/// More than this, and there is nothing to be measured.
const TOO_MANY: u64 = 100_000;

/// An answer, or that there will be none.
#[derive(Debug)]
pub(super) struct Answer {
    /// When its request was due, in nanoseconds since the start.
    pub(super) due: u64,
    /// What is wrong with it.
    pub(super) fault: Option<String>,
}

/// The counts of one run.
#[derive(Debug)]
pub(super) struct Tally {
    /// When counting begins and ends, in nanoseconds since the start.
    from: u64,
    until: u64,
    times: Histogram,
    answers: u64,
    bytes: u64,
    counted_bytes: u64,
    errors: u64,
    complaint: Option<String>,
}

impl Tally {
    pub(super) fn new(warmup: Duration, counted: Duration) -> Self {
        Self {
            from: nanoseconds(warmup),
            until: nanoseconds(warmup + counted),
            times: Histogram::new(),
            answers: 0,
            bytes: 0,
            counted_bytes: 0,
            errors: 0,
            complaint: None,
        }
    }

    /// Whether the run is over.
    pub(super) fn over(&self, now: u64) -> bool {
        now >= self.until || self.errors > TOO_MANY
    }

    pub(super) fn read(&mut self, now: u64, bytes: usize) {
        self.bytes += bytes as u64;
        if now >= self.from {
            self.counted_bytes += bytes as u64;
        }
    }

    pub(super) fn answered(&mut self, now: u64, answer: Answer) {
        if let Some(fault) = answer.fault {
            self.failed(fault);
            return;
        }
        self.answers += 1;
        if now >= self.from {
            self.times.add(now.saturating_sub(answer.due));
        }
    }

    pub(super) fn failed(&mut self, complaint: String) {
        self.errors += 1;
        self.complaint.get_or_insert(complaint);
    }

    pub(super) fn report(self, now: u64) -> Report {
        let seconds = now.saturating_sub(self.from).max(1) as f64 / 1e9;
        Report {
            rps: self.times.total() as f64 / seconds,
            answers: self.answers,
            bytes: self.bytes,
            gb_s: self.counted_bytes as f64 / 1e9 / seconds,
            errors: self.errors,
            complaint: self.complaint,
            p50_us: self.times.quantile(0.5),
            p99_us: self.times.quantile(0.99),
            p999_us: self.times.quantile(0.999),
            max_us: self.times.longest(),
        }
    }
}

/// Nanoseconds of a span that is shorter than five centuries.
pub(super) fn nanoseconds(span: Duration) -> u64 {
    u64::try_from(span.as_nanos()).unwrap_or(u64::MAX)
}
