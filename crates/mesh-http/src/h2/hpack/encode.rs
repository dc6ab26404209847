//! The encoder (RFC 7541 3.2): fields to header blocks.
//!
//! A field is first compared with the one that came at this point of the blocks before, then looked
//! for by hash. Both are guesses: what they find is compared, and what they miss is encoded again.

mod slots;
mod trail;

use self::slots::Slots;
use self::trail::{Place, Trail};
use super::hash::{self, same};
use super::table::{Note, Table, size_of};
use super::{INITIAL_TABLE_SIZE, huffman, integer, static_table};

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
        self.trail.restart();
        let Some((smallest, last)) = self.resized.take() else {
            return;
        };
        if smallest < last {
            integer::write(out, 0x20, 0x1f, smallest);
        }
        integer::write(out, 0x20, 0x1f, last);
    }

    /// What comes now are trailers: they are like other trailers, and not like heads.
    pub(crate) fn begin_trailers(&mut self) {
        self.trail.restart_at_trailers();
    }

    /// Appends a field to the header block.
    pub(crate) fn field(&mut self, out: &mut Vec<u8>, name: &[u8], value: &[u8], how: Indexing) {
        if how != Indexing::Indexed {
            return self.unindexed(out, name, value, how);
        }
        let is = |found: &[u8]| {
            let found = found.split_at_checked(name.len());
            found.is_some_and(|(n, v)| same(v, value) && same(n, name))
        };
        if !self.expected(out, name, value, is) {
            self.indexed(out, name, value);
        }
    }

    /// Appends a field if it was sent before as one to be indexed, and followed the same one then:
    /// so it is with most fields, and it saves asking how they are to be encoded. Its value stands
    /// behind its name.
    #[inline]
    pub(crate) fn again(&mut self, out: &mut Vec<u8>, field: &[u8], name_len: usize) -> bool {
        let Some((name, value)) = field.split_at_checked(name_len) else {
            return false;
        };
        self.expected(out, name, value, |found| same(found, field))
    }

    /// Appends a field if it is the one that followed the last one before; `is` compares it with
    /// a name and a value that are as long.
    #[inline]
    fn expected(
        &mut self,
        out: &mut Vec<u8>,
        name: &[u8],
        value: &[u8],
        is: impl FnOnce(&[u8]) -> bool,
    ) -> bool {
        let Some(place) = self.trail.next() else {
            return false;
        };
        let (index, is_same) = match place.index() {
            Some(index) => {
                let is = |(n, v): (&[u8], &[u8])| same(v, value) && same(n, name);
                (index, static_table::entry(index).is_some_and(is))
            }
            None => {
                let age = self.slots.age(place.number());
                let found = self.table.whole(age, name.len(), value.len());
                (index(age), found.is_some_and(is))
            }
        };
        if !is_same {
            return false;
        }
        self.trail.go_on(place);
        integer::write(out, 0x80, 0x7f, index);
        true
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
        self.table.insert(name, value, Note::default());
        self.slots.inserted();
        self.slots.put(field_hash);
        if named.is_none() {
            self.slots.put(name_hash); // What has a static index is never looked for by name.
        }
        self.trail.add(Place::of_number(self.slots.number(0)));
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

#[cfg(test)]
mod tests;
