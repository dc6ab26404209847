//! The decoder (RFC 7541 3.2): header blocks to fields.

use std::fmt;

use super::static_table;
use super::table::{Note, Table};
use super::{HpackError, INITIAL_TABLE_SIZE, huffman, integer};

/// A peer that changed its mind says the smallest size it had meanwhile and the last (RFC 7541 4.2).
const UPDATES_PER_BLOCK: u32 = 2;

/// The bits that tell a literal which is never indexed, and what they are then (RFC 7541 6.2.3).
const NEVER: u8 = 0xf0;
const NEVER_INDEXED: u8 = 0x10;

/// Room for decoded strings beyond which it is given back after a block.
const KEEP: usize = 4096;

/// A decoded field.
pub(crate) struct Field<'f> {
    pub(crate) name: &'f [u8],
    pub(crate) value: &'f [u8],
    /// It may never be indexed, on the following hops either (RFC 7541 6.2.3).
    pub(crate) never: bool,
    /// What was noted of it when it came before, and is to be kept for the next time.
    pub(crate) note: &'f mut Note,
}

/// Decodes the header blocks of one peer, in the order in which they were sent.
pub(crate) struct Decoder {
    table: Table,
    /// The most that the peer may set the table's size to.
    max_table: usize,
    /// Strings of the present field that were in the Huffman code.
    decoded: Vec<u8>,
}

impl fmt::Debug for Decoder {
    /// Without decoded strings: they may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder")
            .field("table", &self.table)
            .field("max_table", &self.max_table)
            .finish_non_exhaustive()
    }
}

impl Decoder {
    /// A decoder for a peer that is told `max_table` as SETTINGS_HEADER_TABLE_SIZE.
    ///
    /// The table has its initial size until the peer says otherwise, for its first blocks may have
    /// been sent before it knew the setting.
    pub(crate) fn new(max_table: usize) -> Self {
        Self {
            table: Table::new(INITIAL_TABLE_SIZE),
            max_table,
            decoded: Vec::new(),
        }
    }

    /// Decodes one whole header block: `each` gets every field, in order.
    ///
    /// # Errors
    /// The block breaks a rule: the compression state is lost, and with it the connection.
    pub(crate) fn decode(
        &mut self,
        block: &[u8],
        each: &mut impl FnMut(Field<'_>),
    ) -> Result<(), HpackError> {
        let mut rest = block;
        let mut updates = UPDATES_PER_BLOCK;
        while let Some((&first, tail)) = rest.split_first() {
            rest = tail;
            match first {
                0x80.. => self.indexed(integer::read(first, 0x7f, &mut rest)?, each)?,
                0x40..=0x7f => self.literal(first, 0x3f, &mut rest, each, Table::keep)?,
                0x00..=0x1f => self.literal(first, 0x0f, &mut rest, each, Table::pass)?,
                0x20..=0x3f => {
                    updates = updates
                        .checked_sub(1)
                        .ok_or(HpackError::MisplacedSizeUpdate)?;
                    self.set_table_size(integer::read(first, 0x1f, &mut rest)?)?;
                    continue;
                }
            }
            updates = 0;
        }
        if self.decoded.capacity() > KEEP {
            self.decoded = Vec::new();
        }
        Ok(())
    }

    /// A field that a table has (RFC 7541 6.1).
    #[inline]
    fn indexed(
        &mut self,
        index: usize,
        each: &mut impl FnMut(Field<'_>),
    ) -> Result<(), HpackError> {
        let mut unnoted = Note::default();
        let found = match index.checked_sub(static_table::LEN + 1) {
            Some(age) => self.table.noted(age),
            None => static_table::entry(index).map(|(name, value)| (name, value, &mut unnoted)),
        };
        let (name, value, note) = found.ok_or(HpackError::NoEntry)?;
        each(Field {
            name,
            value,
            never: false,
            note,
        });
        Ok(())
    }

    /// A field with its value, and with its name or the index of one (RFC 7541 6.2).
    fn literal(
        &mut self,
        first: u8,
        mask: u8,
        rest: &mut &[u8],
        each: &mut impl FnMut(Field<'_>),
        insert: impl FnOnce(&mut Table, Name<'_>, &[u8], Note),
    ) -> Result<(), HpackError> {
        self.decoded.clear();
        let never = first & NEVER == NEVER_INDEXED;
        let mut note = Note::default();
        let index = integer::read(first, mask, rest)?;
        if index == 0 {
            let name = string(rest, &mut self.decoded)?;
            let value = string(rest, &mut self.decoded)?;
            let (name, value) = (name.of(&self.decoded), value.of(&self.decoded));
            each(Field {
                name,
                value,
                never,
                note: &mut note,
            });
            insert(&mut self.table, Name::New(name), value, note);
        } else {
            let (name, _) = entry(&self.table, index)?;
            let value = string(rest, &mut self.decoded)?;
            let value = value.of(&self.decoded);
            each(Field {
                name,
                value,
                never,
                note: &mut note,
            });
            insert(&mut self.table, Name::Of(index), value, note);
        }
        Ok(())
    }

    /// RFC 7541 6.3.
    fn set_table_size(&mut self, size: usize) -> Result<(), HpackError> {
        if size > self.max_table {
            return Err(HpackError::SizeUpdateTooLarge);
        }
        self.table.set_max(size);
        Ok(())
    }
}

/// The entry with that index in both tables (RFC 7541 2.3.3).
#[inline]
fn entry(table: &Table, index: usize) -> Result<(&[u8], &[u8]), HpackError> {
    match index.checked_sub(static_table::LEN + 1) {
        Some(age) => table.entry(age),
        None => static_table::entry(index),
    }
    .ok_or(HpackError::NoEntry)
}

/// The name of a literal.
enum Name<'n> {
    /// Its bytes.
    New(&'n [u8]),
    /// The index of an entry that has it.
    Of(usize),
}

impl Table {
    /// Inserts the field of a literal (RFC 7541 6.2.1).
    fn keep(&mut self, name: Name<'_>, value: &[u8], note: Note) {
        match name {
            Name::New(name) => self.insert(name, value, note),
            Name::Of(index) => match index.checked_sub(static_table::LEN + 1) {
                Some(age) => self.insert_with_name_of(age, value, note),
                None => {
                    let (name, _) = static_table::entry(index).unwrap_or_default();
                    self.insert(name, value, note);
                }
            },
        }
    }

    /// Leaves the table as it is (RFC 7541 6.2.2, 6.2.3).
    fn pass(&mut self, _name: Name<'_>, _value: &[u8], _note: Note) {}
}

/// A string literal: as it stands in the block, or where it was decoded to.
enum Text<'b> {
    Plain(&'b [u8]),
    Decoded { start: usize, end: usize },
}

impl Text<'_> {
    #[inline]
    fn of<'t>(&'t self, decoded: &'t [u8]) -> &'t [u8] {
        match self {
            Self::Plain(bytes) => bytes,
            Self::Decoded { start, end } => decoded.get(*start..*end).unwrap_or_default(),
        }
    }
}

/// Takes a string literal from `rest` (RFC 7541 5.2).
#[inline]
fn string<'b>(rest: &mut &'b [u8], decoded: &mut Vec<u8>) -> Result<Text<'b>, HpackError> {
    let (&first, tail) = rest.split_first().ok_or(HpackError::Truncated)?;
    *rest = tail;
    let len = integer::read(first, 0x7f, rest)?;
    let (text, tail) = rest
        .split_at_checked(len)
        .ok_or(HpackError::StringTooLong)?;
    *rest = tail;
    if first < 0x80 {
        return Ok(Text::Plain(text));
    }
    let start = decoded.len();
    huffman::decode(text, decoded)?;
    Ok(Text::Decoded {
        start,
        end: decoded.len(),
    })
}

#[cfg(test)]
mod tests;
