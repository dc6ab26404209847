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
    /// The peer changed the table's size to these since the last block: the smallest, and the last.
    resized: Option<(usize, usize)>,
}

impl Encoder {
    /// An encoder for a peer whose settings are not known yet.
    pub(crate) fn new() -> Self {
        Self {
            table: Table::new(INITIAL_TABLE_SIZE),
            slots: Slots::default(),
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
        let name_hash = hash::of(name, 0);
        let named = static_table::index_of_name(name_hash, name);
        if let Some(first) = named
            && how != Indexing::Never
            && let Some(index) = static_table::index_of_value(first, value)
        {
            integer::write(out, 0x80, 0x7f, index);
            return;
        }
        if how == Indexing::Indexed && size_of(name, value) <= self.largest_entry() {
            self.indexed(out, (name_hash, named), name, value);
            return;
        }
        let how = match how {
            Indexing::Never => how,
            Indexing::Indexed | Indexing::NotIndexed => Indexing::NotIndexed,
        };
        let named = named.or_else(|| self.index_of_name(name_hash, name));
        literal(out, how, named, name, value);
    }

    /// A field that is in the dynamic table, or goes there.
    #[inline]
    fn indexed(
        &mut self,
        out: &mut Vec<u8>,
        (name_hash, named): (u64, Option<usize>),
        name: &[u8],
        value: &[u8],
    ) {
        let field_hash = hash::of(value, name_hash);
        if let Some(age) = self
            .slots
            .find(&self.table, field_hash, |n, v| v == value && n == name)
        {
            integer::write(out, 0x80, 0x7f, index(age));
            return;
        }
        let known = named.or_else(|| self.index_of_name(name_hash, name));
        literal(out, Indexing::Indexed, known, name, value);
        self.table.insert(name, value);
        self.slots.inserted();
        self.slots.put(field_hash);
        if named.is_none() {
            self.slots.put(name_hash);
        }
    }

    /// The index of the newest entry in the dynamic table that has the name.
    fn index_of_name(&self, name_hash: u64, name: &[u8]) -> Option<usize> {
        self.slots
            .find(&self.table, name_hash, |n, _| n == name)
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
fn literal(out: &mut Vec<u8>, how: Indexing, named: Option<usize>, name: &[u8], value: &[u8]) {
    let (pattern, mask) = how.pattern();
    integer::write(out, pattern, mask, named.unwrap_or(0));
    let coded = how == Indexing::Indexed;
    if named.is_none() {
        string(out, name, coded);
    }
    string(out, value, coded);
}

/// Strings of this length and more are not coded.
const CODED_MAX: usize = 256;

/// A string literal (RFC 7541 5.2).
///
/// Only strings that go to the table are worth the Huffman code, and only if it spares a quarter:
/// they are sent once, whereas what is sent every time would be coded, and decoded by the peer, every
/// time, which costs both of them more than encrypting and sending a few octets more.
fn string(out: &mut Vec<u8>, text: &[u8], may_be_coded: bool) {
    if may_be_coded && text.len() < CODED_MAX {
        let len = huffman::coded_len(text);
        if len <= text.len() - text.len() / 4 && len < text.len() {
            integer::write(out, 0x80, 0x7f, len);
            huffman::encode(text, out);
            return;
        }
    }
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
            .map(|slot| self.age(*slot))
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

    /// How many entries were inserted after the slot's.
    fn age(&self, slot: Slot) -> usize {
        usize::from(self.newest.wrapping_sub(slot.number))
    }
}

fn set(hashed: u64) -> usize {
    hashed as usize % SETS
}

fn tag(hashed: u64) -> u16 {
    (hashed >> 48) as u16
}
