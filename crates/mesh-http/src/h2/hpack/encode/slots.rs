//! A small set-associative index over the dynamic table: looking up and inserting touch four slots,
//! whatever the fields are. An entry that lost its slot to others is not found any more, which costs
//! bytes and never correctness. Slots of evicted entries need no cleaning: they lead nowhere, or to
//! an entry that is compared and not taken.

use crate::h2::hpack::table::Table;

const WAYS: usize = 4;
const SETS: usize = 64;

/// Where fields and names are in the dynamic table, by their hash. Empty until something is put.
#[derive(Debug, Default)]
pub(super) struct Slots {
    sets: Vec<[Slot; WAYS]>,
    /// Number of the newest entry; it wraps around.
    newest: u16,
}

#[derive(Debug, Clone, Copy, Default)]
struct Slot {
    /// Bits of the hash that did not choose the set.
    tag: u16,
    /// The entry's number.
    number: u16,
}

impl Slots {
    /// The age of an entry with that hash for which `is` holds.
    #[inline]
    pub(super) fn find(
        &self,
        table: &Table,
        hashed: u64,
        is: impl Fn(&[u8], &[u8]) -> bool,
    ) -> Option<usize> {
        let tag = tag(hashed);
        self.sets
            .get(set(hashed))?
            .iter()
            .filter(|slot| slot.tag == tag)
            .map(|slot| self.age(slot.number))
            .find(|age| {
                table
                    .entry(*age)
                    .is_some_and(|(name, value)| is(name, value))
            })
    }

    /// Counts an entry.
    pub(super) fn inserted(&mut self) {
        self.newest = self.newest.wrapping_add(1);
    }

    /// Notes the newest entry under that hash, in place of the one that had it, or of the oldest.
    pub(super) fn put(&mut self, hashed: u64) {
        if self.sets.is_empty() {
            self.sets.resize(SETS, [Slot::default(); WAYS]);
        }
        let new = Slot {
            tag: tag(hashed),
            number: self.newest,
        };
        let newest = self.newest;
        let replaced = self.sets.get_mut(set(hashed)).and_then(|slots| {
            slots
                .iter_mut()
                .max_by_key(|slot| (slot.tag == new.tag, newest.wrapping_sub(slot.number)))
        });
        if let Some(slot) = replaced {
            *slot = new;
        }
    }

    /// How many entries were inserted after the one with that number.
    #[inline]
    pub(super) fn age(&self, number: u16) -> usize {
        usize::from(self.newest.wrapping_sub(number))
    }

    /// The number of the entry with that age.
    pub(super) fn number(&self, age: usize) -> u16 {
        self.newest.wrapping_sub(age as u16)
    }
}

fn set(hashed: u64) -> usize {
    hashed as usize % SETS
}

fn tag(hashed: u64) -> u16 {
    (hashed >> 48) as u16
}
