//! What was added lately: sums over a minute that slides in steps of five seconds.

use std::collections::VecDeque;
use std::time::Duration;

/// The length of the window.
pub(crate) const LENGTH: Duration = Duration::from_secs(60);
/// The step by which it slides.
const STEP: Duration = Duration::from_secs(5);
/// Steps that the window holds, the one under way included.
pub(crate) const STEPS: usize = 12;

/// Amounts added within the window, column by column.
///
/// Only steps in which something was added take memory. Time is counted from a moment that all
/// windows of a store share.
#[derive(Debug, Default)]
pub(crate) struct Window {
    steps: VecDeque<Step>,
}

#[derive(Debug)]
struct Step {
    number: u64,
    added: Box<[u64]>,
}

impl Window {
    /// Adds `amounts`, which always has the same length.
    pub(crate) fn add(&mut self, at: Duration, amounts: &[u64]) {
        let number = number(at);
        let forgotten = self.forget(number);
        match self.steps.back_mut() {
            // A clock never goes back; should it, the newest step takes what comes.
            Some(step) if step.number >= number => add(&mut step.added, amounts),
            _ => {
                let mut added = match forgotten {
                    Some(again) if again.len() == amounts.len() => again,
                    _ => vec![0; amounts.len()].into(),
                };
                added.copy_from_slice(amounts);
                self.steps.push_back(Step { number, added });
            }
        }
    }

    /// The sums of the window that ends at `at`, each column by itself.
    pub(crate) fn sums(&self, at: Duration, columns: usize) -> Vec<u64> {
        let oldest = oldest(number(at));
        let mut sums = vec![0; columns];
        for step in self.steps.iter().filter(|step| step.number >= oldest) {
            add(&mut sums, &step.added);
        }
        sums
    }

    /// Drops steps that are over; what the last of them used can be used again.
    fn forget(&mut self, number: u64) -> Option<Box<[u64]>> {
        let oldest = oldest(number);
        let mut forgotten = None;
        while let Some(step) = self.steps.pop_front_if(|step| step.number < oldest) {
            forgotten = Some(step.added);
        }
        forgotten
    }
}

/// How much time the window that ends at `at` covers: 55 to 60 seconds, because the step under
/// way has only begun.
pub(crate) fn covered(at: Duration) -> Duration {
    let begun = Duration::from_nanos((at.as_nanos() % STEP.as_nanos()).try_into().unwrap_or(0));
    LENGTH - STEP + begun
}

fn number(at: Duration) -> u64 {
    at.as_secs() / STEP.as_secs()
}

fn oldest(number: u64) -> u64 {
    (number + 1).saturating_sub(STEPS as u64)
}

pub(crate) fn add(to: &mut [u64], amounts: &[u64]) {
    for (sum, amount) in to.iter_mut().zip(amounts) {
        *sum = sum.saturating_add(*amount);
    }
}

#[cfg(test)]
mod tests;
