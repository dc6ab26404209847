//! The dynamic table (RFC 7541 2.3.2, 4): the newest entries whose sizes fit.
//!
//! The bytes of all entries stand in one buffer in the order of insertion. What was evicted is cut
//! off the front once it is more than what is left, so that a byte is moved as often as it was
//! inserted, on average. Nothing is allocated before the first entry.

use std::collections::VecDeque;
use std::fmt;

/// What an entry costs beside its bytes (RFC 7541 4.1).
const OVERHEAD: usize = 32;

/// Evicted bytes that are never worth being cut off.
const SLACK: usize = 256;

/// What an entry of `name` and `value` costs (RFC 7541 4.1).
pub(super) fn size_of(name: &[u8], value: &[u8]) -> usize {
    name.len() + value.len() + OVERHEAD
}

/// The dynamic table.
pub(super) struct Table {
    /// Evicted bytes first, then the entries', oldest first.
    bytes: Vec<u8>,
    /// Newest first.
    entries: VecDeque<Entry>,
    /// Bytes that were cut off so far, which [`Entry::start`] counts, too; it wraps around.
    cut: u32,
    /// The entries' bytes in `bytes`.
    live: usize,
    max: usize,
}

/// What the reader of a field has found out of it, for the next time that it comes.
///
/// It may say nothing but what follows from name and value alone. What it means is the reader's own
/// affair; a field of which nothing is known has the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Note(pub(crate) u8);

#[derive(Debug, Clone, Copy)]
struct Entry {
    /// Position among all bytes that ever were in the table; it wraps around.
    start: u32,
    name_len: u32,
    value_len: u32,
    note: Note,
}

impl Entry {
    fn len(self) -> usize {
        self.name_len as usize + self.value_len as usize
    }
}

impl fmt::Debug for Table {
    /// How full it is; fields may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("entries", &self.entries.len())
            .field("size", &self.size())
            .field("max", &self.max)
            .finish_non_exhaustive()
    }
}

impl Table {
    /// An empty table.
    pub(super) fn new(max: usize) -> Self {
        Self {
            bytes: Vec::new(),
            entries: VecDeque::new(),
            cut: 0,
            live: 0,
            max,
        }
    }

    /// The most that the entries may cost together.
    pub(super) fn max(&self) -> usize {
        self.max
    }

    /// What the entries cost together.
    pub(super) fn size(&self) -> usize {
        self.live + self.entries.len() * OVERHEAD
    }

    /// How many entries there are.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// The entry before which `age` others were inserted last; the newest has age 0.
    #[inline]
    pub(super) fn entry(&self, age: usize) -> Option<(&[u8], &[u8])> {
        let entry = *self.entries.get(age)?;
        let start = self.position(entry);
        self.bytes
            .get(start..start + entry.len())?
            .split_at_checked(entry.name_len as usize)
    }

    /// Name and value, one after the other, of the entry with that age, if they are so long.
    #[inline]
    pub(super) fn whole(&self, age: usize, name_len: usize, value_len: usize) -> Option<&[u8]> {
        let entry = *self.entries.get(age)?;
        // Most that are not the same differ in this.
        if entry.name_len as usize != name_len || entry.value_len as usize != value_len {
            return None;
        }
        let start = self.position(entry);
        self.bytes.get(start..start + entry.len())
    }

    /// As [`Table::entry`], with what was noted of it.
    #[inline]
    pub(super) fn noted(&mut self, age: usize) -> Option<(&[u8], &[u8], &mut Note)> {
        let entry = self.entries.get_mut(age)?;
        let start = entry.start.wrapping_sub(self.cut) as usize;
        let (name, value) = self
            .bytes
            .get(start..start + entry.len())?
            .split_at_checked(entry.name_len as usize)?;
        Some((name, value, &mut entry.note))
    }

    /// Sets what the entries may cost and evicts what is beyond it (RFC 7541 4.3).
    pub(super) fn set_max(&mut self, max: usize) {
        self.max = max;
        self.evict(0);
        self.cut_off(0);
    }

    /// Inserts an entry (RFC 7541 4.4); one that can never fit leaves the table empty.
    pub(super) fn insert(&mut self, name: &[u8], value: &[u8], note: Note) {
        let size = size_of(name, value);
        self.evict(size);
        if size <= self.max {
            self.cut_off(0);
            self.bytes.extend_from_slice(name);
            self.push(name.len(), value, note);
        }
    }

    /// Inserts an entry with the name of the one that has `age`, which may be evicted by it.
    pub(super) fn insert_with_name_of(&mut self, age: usize, value: &[u8], note: Note) {
        let Some(named) = self.entries.get(age).copied() else {
            return; // The caller has seen the entry.
        };
        let name_len = named.name_len as usize;
        let size = name_len + value.len() + OVERHEAD;
        if size > self.max {
            self.evict(size);
            return;
        }
        // Before anything is evicted, for the name may be cut off with it.
        let name_at = self.position(named);
        self.bytes.extend_from_within(name_at..name_at + name_len);
        self.evict(size);
        self.cut_off(name_len);
        self.push(name_len, value, note);
    }

    /// Where the entry's bytes begin.
    fn position(&self, entry: Entry) -> usize {
        entry.start.wrapping_sub(self.cut) as usize
    }

    /// Makes an entry of the name that ends the bytes, and of `value`; it is known to fit.
    fn push(&mut self, name_len: usize, value: &[u8], note: Note) {
        let start = self.bytes.len() - name_len;
        self.bytes.extend_from_slice(value);
        self.live += name_len + value.len();
        self.entries.push_front(Entry {
            start: self.cut.wrapping_add(start as u32),
            name_len: name_len as u32,
            value_len: value.len() as u32,
            note,
        });
    }

    /// Evicts the oldest entries until there is room for `needed`, or nothing left.
    fn evict(&mut self, needed: usize) {
        let mut size = self.size();
        while size + needed > self.max
            && let Some(oldest) = self.entries.pop_back()
        {
            self.live -= oldest.len();
            size -= oldest.len() + OVERHEAD;
        }
    }

    /// Forgets the bytes of evicted entries if they are many; the last `pending` bytes are of an
    /// entry that is being inserted.
    fn cut_off(&mut self, pending: usize) {
        let evicted = self.bytes.len() - self.live - pending;
        if evicted > self.live + SLACK {
            self.bytes.drain(..evicted);
            self.cut = self.cut.wrapping_add(evicted as u32);
        }
    }
}

#[cfg(test)]
mod tests;
