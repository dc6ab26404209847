//! Drawing one of a pool: in turn, at random, or the least loaded.

use std::ops::Range;

use crate::endpoint::pool::Pool;
use crate::slow_start::Warmth;

/// 2^64 divided by the golden ratio: its multiples fall evenly into any number of intervals.
const GOLDEN: u64 = 0x9E37_79B9_7F4A_7C15;
/// How often another one is drawn instead of one that is too new.
const REDRAWN: u32 = 64;

/// A draw from a pool. Positions are those of its members.
pub(super) struct Draw<'a> {
    pub(super) pool: &'a Pool,
    /// Chances of endpoints that are new.
    pub(super) warmth: Option<&'a Warmth>,
}

impl Draw<'_> {
    /// One after the other; where weights differ, evenly spread in proportion to them.
    pub(super) fn in_turn(&self, turn: u64, random: &mut impl FnMut() -> u64) -> Option<usize> {
        let position = match self.pool.sums.is_empty() {
            true => {
                let count = u64::try_from(self.pool.members.len()).ok()?;
                usize::try_from(turn.checked_rem(count)?).ok()?
            }
            false => self.pool.position(turn.wrapping_mul(GOLDEN))?,
        };
        self.pool.member(self.warm(position, None, random))
    }

    /// In proportion to the weights.
    pub(super) fn at_random(&self, random: &mut impl FnMut() -> u64) -> Option<usize> {
        let position = self.pool.position(random())?;
        self.pool.member(self.warm(position, None, random))
    }

    /// The least loaded of some of one place; load counts in proportion to the weight by drawing heavier endpoints
    /// more often.
    pub(super) fn least_loaded(
        &self,
        choices: u32,
        load: &dyn Fn(usize) -> u32,
        random: &mut impl FnMut() -> u64,
    ) -> Option<usize> {
        let first = self.pool.position(random())?;
        let place = self.pool.place_of(first);
        let mut best = self.pool.member(self.warm(first, Some(&place), random))?;
        if place.len() == 1 {
            return Some(best);
        }
        for _ in 1..choices {
            let other = self.pool.position_in(&place, random())?;
            let other = self.pool.member(self.warm(other, Some(&place), random))?;
            if load(other) < load(best) {
                best = other;
            }
        }
        Some(best)
    }

    /// Draws another one of the same place as long as chance refuses one that is new.
    fn warm(
        &self,
        position: usize,
        place: Option<&Range<usize>>,
        random: &mut impl FnMut() -> u64,
    ) -> usize {
        let Some(warmth) = self.warmth else {
            return position;
        };
        let mut drawn = position;
        for _ in 0..REDRAWN {
            let Some(index) = self.pool.member(drawn) else {
                return position;
            };
            if warmth.lets(index, random) {
                return drawn;
            }
            let own = place.cloned();
            let place = own.unwrap_or_else(|| self.pool.place_of(drawn));
            let Some(other) = self.pool.position_in(&place, random()) else {
                return position;
            };
            drawn = other;
        }
        drawn
    }
}

impl Pool {
    /// A position by a random number, in proportion to the weights.
    fn position(&self, random: u64) -> Option<usize> {
        let Some(total) = self.sums.last() else {
            return scale(random, u64::try_from(self.members.len()).ok()?);
        };
        let point = u64::try_from(scale(random, *total)?).ok()?;
        Some(self.sums.partition_point(|sum| *sum <= point))
    }

    /// The same among some positions.
    fn position_in(&self, place: &Range<usize>, random: u64) -> Option<usize> {
        if self.sums.is_empty() {
            let count = u64::try_from(place.len()).ok()?;
            return Some(place.start + scale(random, count)?);
        }
        let sums = self.sums.get(place.clone())?;
        let before = place.start.checked_sub(1).and_then(|at| self.sums.get(at));
        let before = before.copied().unwrap_or_default();
        let own = sums.last()?.saturating_sub(before);
        let point = before + u64::try_from(scale(random, own)?).ok()?;
        Some(place.start + sums.partition_point(|sum| *sum <= point))
    }

    /// The first endpoint, from a random one on, that was not tried before.
    pub(super) fn untried(&self, random: u64, tried: &[usize]) -> Option<usize> {
        let start = scale(random, u64::try_from(self.members.len()).ok()?)?;
        let (before, after) = self.members.split_at_checked(start)?;
        let mut members = after.iter().chain(before).map(|member| *member as usize);
        members.find(|member| !tried.contains(member))
    }

    fn member(&self, position: usize) -> Option<usize> {
        self.members.get(position).map(|member| *member as usize)
    }
}

/// Maps a random number evenly to `0..below`; `None` when there is nothing to choose from.
fn scale(random: u64, below: u64) -> Option<usize> {
    if below == 0 {
        return None;
    }
    usize::try_from((u128::from(random) * u128::from(below)) >> 64).ok()
}
