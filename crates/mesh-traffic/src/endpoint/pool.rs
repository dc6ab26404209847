//! Candidates of a choice.

use std::ops::Range;

use crate::endpoint::Endpoint;

/// What the weights of a pool of several places sum up to: so much that rounding cannot be seen.
const WHOLE: f64 = (1u64 << 40) as f64;

/// Candidates of a choice, with their weights summed up.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Pool {
    /// Indexes into [`Endpoints::all`](super::Endpoints::all), one place after the other.
    pub(crate) members: Vec<u32>,
    /// Running sums of the weights; empty when all weights are equal.
    pub(crate) sums: Vec<u64>,
    /// Where each place ends; empty when they are all in one.
    places: Vec<usize>,
}

/// Candidates of one locality, and how much of the whole they get.
#[derive(Debug)]
pub(super) struct Place {
    /// Indexes of the endpoints.
    pub(super) members: Vec<u32>,
    /// Its weight; more than nought.
    pub(super) weight: f64,
}

impl Pool {
    /// Each gets its share by its own weight.
    pub(super) fn flat(members: Vec<u32>, all: &[Endpoint]) -> Self {
        let weights = weights(&members, all).map(u64::from);
        Self {
            sums: sums(weights),
            members,
            places: Vec::new(),
        }
    }

    /// Each gets its share of what its place gets.
    pub(super) fn of_places(places: &[Place], all: &[Endpoint]) -> Self {
        let total: f64 = places.iter().map(|place| place.weight).sum();
        let shares = places.iter().flat_map(|place| {
            let sum: u64 = weights(&place.members, all).map(u64::from).sum();
            let scale = place.weight / total / sum as f64 * WHOLE;
            let share = move |weight| ((f64::from(weight) * scale).round() as u64).max(1);
            weights(&place.members, all).map(share)
        });
        let end = |end: &mut usize, place: &Place| {
            *end += place.members.len();
            Some(*end)
        };
        let ends: Vec<usize> = places.iter().scan(0, end).collect();
        Self {
            sums: sums(shares),
            members: places.iter().flat_map(|p| &p.members).copied().collect(),
            places: if ends.len() > 1 { ends } else { Vec::new() },
        }
    }

    /// Where the endpoints of a position's place are.
    pub(crate) fn place_of(&self, position: usize) -> Range<usize> {
        if self.places.is_empty() {
            return 0..self.members.len();
        }
        let after = self.places.partition_point(|end| *end <= position);
        let before = after.checked_sub(1).and_then(|at| self.places.get(at));
        let end = self.places.get(after).copied();
        before.copied().unwrap_or_default()..end.unwrap_or(self.members.len())
    }

    /// A share of the requests, from nought to one.
    pub(crate) fn share(&self, position: usize) -> f64 {
        let Some(total) = self.sums.last() else {
            return 1.0 / self.members.len() as f64;
        };
        let sum = |at: usize| self.sums.get(at).copied().unwrap_or_default();
        let before = position.checked_sub(1).map_or(0, sum);
        sum(position).saturating_sub(before) as f64 / *total as f64
    }
}

fn weights<'a>(members: &'a [u32], all: &'a [Endpoint]) -> impl Iterator<Item = u32> + Clone + 'a {
    let endpoints = members.iter().filter_map(|index| all.get(*index as usize));
    endpoints.map(|endpoint| endpoint.weight)
}

/// Running sums; none where all are equal.
fn sums(weights: impl Iterator<Item = u64> + Clone) -> Vec<u64> {
    let first = weights.clone().next();
    if weights.clone().all(|weight| Some(weight) == first) {
        return Vec::new();
    }
    let add = |sum: &mut u64, weight: u64| {
        *sum = sum.saturating_add(weight);
        Some(*sum)
    };
    weights.scan(0, add).collect()
}
