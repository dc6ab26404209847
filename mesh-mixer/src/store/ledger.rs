//! Who uses how much of the store.

use ahash::AHashMap;
use mesh_model::ident::SpiffeId;

use super::{Limits, Refusal};

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Used {
    series: usize,
    bytes: usize,
}

impl Used {
    fn plus(self, series: usize, bytes: usize) -> Self {
        Self {
            series: self.series.saturating_add(series),
            bytes: self.bytes.saturating_add(bytes),
        }
    }

    fn minus(self, series: usize, bytes: usize) -> Self {
        Self {
            series: self.series.saturating_sub(series),
            bytes: self.bytes.saturating_sub(bytes),
        }
    }

    fn fits(self, series: usize, bytes: usize) -> bool {
        self.series <= series && self.bytes <= bytes
    }
}

/// What is used in all and by each identity. A series belongs to whoever declared it first.
#[derive(Debug)]
pub(super) struct Ledger {
    limits: Limits,
    all: Used,
    each: AHashMap<SpiffeId, Used>,
}

impl Ledger {
    pub(super) fn new(limits: Limits) -> Self {
        Self {
            limits,
            all: Used::default(),
            each: AHashMap::new(),
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.all.bytes
    }

    pub(super) fn has_room(&self, owner: &SpiffeId, series: usize, bytes: usize) -> bool {
        let own = self.each.get(owner).copied().unwrap_or_default();
        let Limits { share, .. } = self.limits;
        let share = share.max(1);
        self.all
            .plus(series, bytes)
            .fits(self.limits.series, self.limits.bytes)
            && own
                .plus(series, bytes)
                .fits(self.limits.series / share, self.limits.bytes / share)
    }

    pub(super) fn charge(
        &mut self,
        owner: &SpiffeId,
        series: usize,
        bytes: usize,
    ) -> Result<(), Refusal> {
        if !self.has_room(owner, series, bytes) {
            return Err(Refusal::Limit);
        }
        self.all = self.all.plus(series, bytes);
        let own = self.each.entry(owner.clone()).or_default();
        *own = own.plus(series, bytes);
        Ok(())
    }

    pub(super) fn refund(&mut self, owner: &SpiffeId, series: usize, bytes: usize) {
        self.all = self.all.minus(series, bytes);
        let Some(own) = self.each.get_mut(owner) else {
            return;
        };
        *own = own.minus(series, bytes);
        if *own == Used::default() {
            self.each.remove(owner);
        }
    }
}
