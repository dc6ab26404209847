//! The encoder (RFC 7541 3.2): fields to header blocks.
//!
//! Fields are found by hash in a small set-associative index over the dynamic table: looking up and
//! inserting touch four slots, whatever the fields are. An entry that lost its slot to others is not
//! found any more, which costs bytes and never correctness, since what is found is compared.

use super::table::{Table, size_of};
use super::{INITIAL_TABLE_SIZE, hash, huffman, integer, static_table};

/// How a field is to be encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Indexing {
    /// It is likely to be sent again: it goes to the dynamic table.
    Indexed,
    /// Its value is likely to be another next time.
    NotIndexed,
    /// Its value is a secret that must not be guessed from compressed sizes, on this hop and the
    /// following ones (RFC 7541 7.1.3).
    Never,
}

impl Indexing {
    /// The bits before the name's index, and those of the index (RFC 7541 6.2).
    fn pattern(self) -> (u8, u8) {
        match self {
            Self::Indexed => (0x40, 0x3f),
            Self::NotIndexed => (0x00, 0x0f),
            Self::Never => (0x10, 0x0f),
        }
    }
}

/// Encodes the header blocks for one peer.
#[derive(Debug)]
pub(crate) struct Encoder {
    table: Table,
    slots: Slots,
    trail: Trail,
    /// The peer changed the table's size to these since the last block: the smallest, and the last.
    resized: Option<(usize, usize)>,
}

impl Encoder {
    /// An encoder for a peer whose settings are not known yet.
    pub(crate) fn new() -> Self {
        Self {
            table: Table::new(INITIAL_TABLE_SIZE),
            slots: Slots::default(),
            trail: Trail::default(),
            resized: None,
        }
    }

    /// Follows the peer's SETTINGS_HEADER_TABLE_SIZE, as far as our own bound goes.
    pub(crate) fn set_peer_table_size(&mut self, size: usize) {
        let size = size.min(INITIAL_TABLE_SIZE);
        if size == self.table.max() {
            return;
        }
        let smallest = self
            .resized
            .map_or(size, |(smallest, _)| smallest.min(size));
        self.resized = Some((smallest, size));
        self.table.set_max(size);
    }

    /// Begins a header block: says what became of the table's size (RFC 7541 4.2).
    pub(crate) fn begin(&mut self, out: &mut Vec<u8>) {
        self.trail.last = Place::NONE;
        let Some((smallest, last)) = self.resized.take() else {
            return;
        };
        if smallest < last {
            integer::write(out, 0x20, 0x1f, smallest);
        }
        integer::write(out, 0x20, 0x1f, last);
    }

    /// Appends a field to the header block.
    pub(crate) fn field(&mut self, out: &mut Vec<u8>, name: &[u8], value: &[u8], how: Indexing) {
        if how != Indexing::Indexed {
            self.unindexed(out, name, value, how);
        } else if let Some(index) = self.expected(name, value) {
            integer::write(out, 0x80, 0x7f, index);
        } else {
            self.indexed(out, name, value);
        }
    }

    /// The index of the field if it is the one that followed the last one before.
    #[inline]
    fn expected(&mut self, name: &[u8], value: &[u8]) -> Option<usize> {
        let place = self.trail.next()?;
        let (index, (found_name, found_value)) = match place.index() {
            Some(index) => (index, static_table::entry(index)?),
            None => {
                let age = self.slots.age(place.number());
                (index(age), self.table.entry(age)?)
            }
        };
        let expected = same(found_value, value) && same(found_name, name);
        expected.then(|| {
            self.trail.last = place;
            index
        })
    }

    /// A field that is in one of the tables, or goes there.
    fn indexed(&mut self, out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
        let name_hash = hash::of(name, 0);
        let named = static_table::index_of_name(name_hash, name);
        if let Some(index) = named.and_then(|first| static_table::index_of_value(first, value)) {
            self.trail.add(Place::of_index(index));
            integer::write(out, 0x80, 0x7f, index);
            return;
        }
        let field_hash = hash::of(value, name_hash);
        let field = |n: &[u8], v: &[u8]| same(v, value) && same(n, name);
        if let Some(age) = self.slots.find(&self.table, field_hash, field) {
            self.trail.add(Place::of_number(self.slots.number(age)));
            integer::write(out, 0x80, 0x7f, index(age));
            return;
        }
        let known = named.or_else(|| self.index_of_name(name_hash, name));
        if size_of(name, value) > self.largest_entry() {
            literal(out, Indexing::NotIndexed, known, name, value);
            return;
        }
        literal(out, Indexing::Indexed, known, name, value);
        self.table.insert(name, value);
        self.slots.inserted();
        self.slots.put(field_hash);
        if named.is_none() {
            self.slots.put(name_hash);
        }
        self.trail.add(Place::of_number(self.slots.newest));
    }

    /// A field that does not go to a table.
    fn unindexed(&self, out: &mut Vec<u8>, name: &[u8], value: &[u8], how: Indexing) {
        let name_hash = hash::of(name, 0);
        let named = static_table::index_of_name(name_hash, name);
        if let Some(first) = named
            && how == Indexing::NotIndexed
            && let Some(index) = static_table::index_of_value(first, value)
        {
            integer::write(out, 0x80, 0x7f, index);
            return;
        }
        let known = named.or_else(|| self.index_of_name(name_hash, name));
        literal(out, how, known, name, value);
    }

    /// The index of the newest entry in the dynamic table that has the name.
    fn index_of_name(&self, name_hash: u64, name: &[u8]) -> Option<usize> {
        self.slots
            .find(&self.table, name_hash, |n, _| same(n, name))
            .map(index)
    }

    /// Larger fields are not worth what they evict.
    fn largest_entry(&self) -> usize {
        self.table.max() / 4 * 3
    }
}

/// The index of an entry in the dynamic table (RFC 7541 2.3.3).
fn index(age: usize) -> usize {
    static_table::LEN + 1 + age
}

/// A literal (RFC 7541 6.2) with the name's index, if it has one.
///
/// The Huffman code is used for fields of a new name only, which happens once per connection and
/// name. What is sent again and again, since its value changes, goes as it is: coding spares ten of
/// 36 octets of a UUID, but costs us 60 ns and the peer as much, which is more than encrypting
/// and sending them does.
fn literal(out: &mut Vec<u8>, how: Indexing, named: Option<usize>, name: &[u8], value: &[u8]) {
    let (pattern, mask) = how.pattern();
    integer::write(out, pattern, mask, named.unwrap_or(0));
    match (named, how) {
        (None, Indexing::Indexed) => {
            shorter_string(out, name);
            shorter_string(out, value);
        }
        (None, Indexing::NotIndexed | Indexing::Never) => {
            string(out, name);
            string(out, value);
        }
        (Some(_), _) => string(out, value),
    }
}

/// Strings of this length and more are never coded.
const CODED_MAX: usize = 256;

/// A string literal (RFC 7541 5.2), in the Huffman code if that spares a quarter.
fn shorter_string(out: &mut Vec<u8>, text: &[u8]) {
    if text.len() < CODED_MAX {
        let len = huffman::coded_len(text);
        if len < text.len() && len <= text.len() - text.len() / 4 {
            integer::write(out, 0x80, 0x7f, len);
            huffman::encode(text, out);
            return;
        }
    }
    string(out, text);
}

/// A string literal as it is.
#[inline]
fn string(out: &mut Vec<u8>, text: &[u8]) {
    integer::write(out, 0x00, 0x7f, text.len());
    out.extend_from_slice(text);
}

const WAYS: usize = 4;
const SETS: usize = 64;

/// Where fields and names are in the dynamic table, by their hash. Empty until something is put.
#[derive(Debug, Default)]
struct Slots {
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
    fn find(&self, table: &Table, hashed: u64, is: impl Fn(&[u8], &[u8]) -> bool) -> Option<usize> {
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
    fn inserted(&mut self) {
        self.newest = self.newest.wrapping_add(1);
    }

    /// Notes the newest entry under that hash, in place of the one that had it, or of the oldest.
    fn put(&mut self, hashed: u64) {
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
    fn age(&self, number: u16) -> usize {
        usize::from(self.newest.wrapping_sub(number))
    }

    /// The number of the entry with that age.
    fn number(&self, age: usize) -> u16 {
        self.newest.wrapping_sub(age as u16)
    }
}

fn set(hashed: u64) -> usize {
    hashed as usize % SETS
}

fn tag(hashed: u64) -> u16 {
    (hashed >> 48) as u16
}

/// Which field followed which in the blocks before. Blocks of one connection are alike: where a
/// field is expected it is found by one comparison.
#[derive(Debug, Default)]
struct Trail {
    /// By the place of a field, the place of the one after it; empty until there is one.
    next: Vec<Place>,
    /// The last indexed field of the present block.
    last: Place,
}

const TRAIL: usize = 128;

impl Trail {
    /// The place of the field that is expected now.
    #[inline]
    fn next(&self) -> Option<Place> {
        let next = *self.next.get(self.last.0 as usize % TRAIL)?;
        (next != Place::NONE).then_some(next)
    }

    /// Notes the place of the present field.
    fn add(&mut self, place: Place) {
        if self.next.is_empty() {
            self.next.resize(TRAIL, Place::NONE);
        }
        if let Some(next) = self.next.get_mut(self.last.0 as usize % TRAIL) {
            *next = place;
        }
        self.last = place;
    }
}

/// Where a field is: its index in the static table, or the number of its entry in the dynamic one
/// behind these.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Place(u32);

impl Place {
    const NONE: Self = Self(0);
    const FIRST_NUMBER: u32 = 64;

    fn of_index(index: usize) -> Self {
        Self(index as u32)
    }

    fn of_number(number: u16) -> Self {
        Self(Self::FIRST_NUMBER + u32::from(number))
    }

    /// The index in the static table.
    #[inline]
    fn index(self) -> Option<usize> {
        (self.0 < Self::FIRST_NUMBER).then_some(self.0 as usize)
    }

    /// The number in the dynamic table.
    #[inline]
    fn number(self) -> u16 {
        (self.0.wrapping_sub(Self::FIRST_NUMBER)) as u16
    }
}

/// Whether two strings are the same. Fields are short: that needs no call.
#[inline]
fn same(one: &[u8], other: &[u8]) -> bool {
    if one.len() != other.len() {
        return false;
    }
    let (mut one_rest, mut other_rest) = (one, other);
    while let Some((a, one_tail)) = one_rest.split_first_chunk::<8>()
        && let Some((b, other_tail)) = other_rest.split_first_chunk::<8>()
    {
        if a != b {
            return false;
        }
        (one_rest, other_rest) = (one_tail, other_tail);
    }
    match (one.last_chunk::<8>(), other.last_chunk::<8>()) {
        (Some(a), Some(b)) => a == b,
        _ => one_rest.iter().zip(other_rest).all(|(a, b)| a == b),
    }
}

#[cfg(test)]
mod tests;
