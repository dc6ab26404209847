//! Header fields in flat storage: one buffer for all bytes, one list of ranges.
//!
//! Names are kept in lower case, and beside it as they were spelled where that differs: HTTP/1
//! applications see the case they were sent. Order is kept; fields of one name stay apart, as they
//! were sent. Clearing keeps the buffers, so that a connection allocates once.

use std::fmt;
use std::ops::Range;

use self::bytes::{has_upper, token_len, trim, value_len};

pub(crate) mod bytes;
mod known;

pub use self::known::{Known, Name, Names};

/// Ordered header fields.
#[derive(Default)]
pub struct Fields {
    bytes: Vec<u8>,
    entries: Vec<Entry>,
    /// Marks of all names that were ever added: most questions are for fields that are not there.
    marks: u64,
}

/// Where a field lies: its name in lower case, its value and, if it was spelled in another way,
/// its name as it came, one after the other.
#[derive(Clone, Copy)]
struct Entry {
    start: u32,
    name_len: u32,
    value_len: u32,
    /// Which of the marks its name has.
    tag: u8,
    spelled: bool,
    /// It came as one that is never indexed, and goes out as one (RFC 7541 7.1.3).
    secret: bool,
}

impl Entry {
    fn name(self) -> Range<usize> {
        let start = self.start as usize;
        start..start + self.name_len as usize
    }

    fn value(self) -> Range<usize> {
        let start = self.start as usize + self.name_len as usize;
        start..start + self.value_len as usize
    }

    fn spelled(self) -> Range<usize> {
        if !self.spelled {
            return self.name();
        }
        let start = self.value().end;
        start..start + self.name_len as usize
    }
}

/// Bytes that a head keeps for the next message. Without a bound every head that is used again would
/// in the end be as large as the largest message ever.
pub(crate) const ROOM: usize = 8 * 1024;

/// Why a field cannot be part of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadField {
    /// The name is empty or has a byte that no token has (RFC 9110 5.6.2).
    #[error("a header name is empty or has a byte that names cannot have")]
    Name,
    /// The value has a control character other than tab (RFC 9110 5.5).
    #[error("a header value has CR, LF, NUL or another control character")]
    Value,
    /// The message's fields have four gigabytes.
    #[error("the header fields are too large")]
    TooLarge,
}

impl Fields {
    /// No fields.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Forgets all fields and keeps the room they took, unless that was unusually much.
    pub fn clear(&mut self) {
        if self.bytes.capacity() > ROOM {
            *self = Self::default();
            return;
        }
        self.bytes.clear();
        self.entries.clear();
        self.marks = 0;
    }

    /// How many fields there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Bytes of all names and values.
    #[must_use]
    pub fn size(&self) -> usize {
        self.entries
            .iter()
            .map(|e| (e.name_len + e.value_len) as usize)
            .sum()
    }

    /// Adds a field at the end; optional white space round the value is dropped (RFC 9110 5.5).
    ///
    /// # Errors
    /// [`BadField`] when name or value cannot be part of a message; nothing is added then.
    pub fn append(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<(), BadField> {
        let (name, value) = (name.as_bytes(), trim(value.as_ref()));
        if name.is_empty() || token_len(name) != name.len() {
            return Err(BadField::Name);
        }
        if value_len(value) != value.len() {
            return Err(BadField::Value);
        }
        self.append_raw(name, value)
    }

    /// Adds a field that a codec has checked: the name is a token, the value is trimmed and has no
    /// control character but tab.
    ///
    /// # Errors
    /// [`BadField::TooLarge`].
    #[inline]
    pub(crate) fn append_raw(&mut self, name: &[u8], value: &[u8]) -> Result<(), BadField> {
        let spelled = has_upper(name);
        if !spelled {
            return self.append_lower(name, value);
        }
        let entry = self.next_entry(name, value, spelled)?;
        self.marks |= 1 << entry.tag;
        self.bytes.extend(name.iter().map(u8::to_ascii_lowercase));
        self.bytes.extend_from_slice(value);
        self.bytes.extend_from_slice(name);
        self.entries.push(entry);
        Ok(())
    }

    /// As [`Fields::append_raw`], of a name that is known to be in lower case.
    ///
    /// # Errors
    /// [`BadField::TooLarge`].
    #[inline]
    pub(crate) fn append_lower(&mut self, name: &[u8], value: &[u8]) -> Result<(), BadField> {
        let entry = self.next_entry(name, value, false)?;
        self.marks |= 1 << entry.tag;
        self.bytes.extend_from_slice(name);
        self.bytes.extend_from_slice(value);
        self.entries.push(entry);
        Ok(())
    }

    fn next_entry(&self, name: &[u8], value: &[u8], spelled: bool) -> Result<Entry, BadField> {
        let (start, name_len, value_len) = (self.bytes.len(), name.len(), value.len());
        // A name may stand there twice.
        if u32::try_from(start + 2 * name_len + value_len).is_err() {
            return Err(BadField::TooLarge);
        }
        Ok(Entry {
            start: start as u32,
            name_len: name_len as u32,
            value_len: value_len as u32,
            tag: tag(name),
            spelled,
            secret: false,
        })
    }

    /// Marks the last field of that name as a secret, which no compression table may learn.
    #[cold]
    pub(crate) fn mark_secret(&mut self, name: &str) {
        let bytes = &self.bytes;
        let mut from_last = self.entries.iter_mut().rev();
        if let Some(entry) = from_last.find(|entry| same_name(bytes, **entry, name)) {
            entry.secret = true;
        }
    }

    /// Puts one field in place of all of that name; what stands for a secret is one.
    ///
    /// # Errors
    /// As [`Fields::append`]; the fields of that name stay then.
    pub fn set(&mut self, name: &str, value: impl AsRef<[u8]>) -> Result<(), BadField> {
        let before = self.entries.len();
        let is_new = !self.may_have(name);
        self.append(name, value)?;
        if is_new {
            return Ok(());
        }
        let (mut index, mut secret) = (0, false);
        let bytes = &self.bytes;
        self.entries.retain(|entry| {
            index += 1;
            let stays = index > before || !same_name(bytes, *entry, name);
            secret |= !stays && entry.secret;
            stays
        });
        if secret {
            self.mark_secret(name);
        }
        Ok(())
    }

    /// Drops every field of that name and says whether there was one.
    #[inline]
    pub fn remove(&mut self, name: &str) -> bool {
        self.may_have(name) && self.remove_found(name)
    }

    fn remove_found(&mut self, name: &str) -> bool {
        let before = self.entries.len();
        let (bytes, tag) = (&self.bytes, tag(name.as_bytes()));
        let mut marks = 0;
        self.entries.retain(|entry| {
            let stays = entry.tag != tag || !same_name(bytes, *entry, name);
            marks |= u64::from(stays) << entry.tag;
            stays
        });
        self.marks = marks;
        before != self.entries.len()
    }

    /// Drops every field for which `drop` says so.
    pub fn remove_if(&mut self, mut drop: impl FnMut(&str, &[u8]) -> bool) {
        let bytes = &self.bytes;
        self.entries
            .retain(|entry| !drop(name_of(bytes, *entry), value_of(bytes, *entry)));
    }

    /// The value of the first field of that name.
    #[must_use]
    #[inline]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        match self.may_have(name) {
            true => self.find(name),
            false => None,
        }
    }

    fn find(&self, name: &str) -> Option<&[u8]> {
        let tag = tag(name.as_bytes());
        let same = |entry: &&Entry| entry.tag == tag && same_name(&self.bytes, **entry, name);
        let found = self.entries.iter().find(same);
        found.map(|entry| value_of(&self.bytes, *entry))
    }

    /// The value of the first field of that name, if it is UTF-8.
    #[must_use]
    #[inline]
    pub fn get_str(&self, name: &str) -> Option<&str> {
        self.get(name)
            .and_then(|value| std::str::from_utf8(value).ok())
    }

    /// The values of all fields of that name, in order.
    #[inline]
    pub fn get_all<'a, 'n>(
        &'a self,
        name: &'n str,
    ) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        let tag = tag(name.as_bytes());
        let same = move |entry: &&Entry| entry.tag == tag && same_name(&self.bytes, **entry, name);
        self.candidates(name)
            .iter()
            .filter(same)
            .map(|entry| value_of(&self.bytes, *entry))
    }

    /// Whether there is a field of that name.
    #[must_use]
    #[inline]
    pub fn contains(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Whether a field of that name may be there; false is certain.
    #[inline]
    fn may_have(&self, name: &str) -> bool {
        self.marks & mark(name.as_bytes()) != 0
    }

    /// The fields among which one of that name would be.
    #[inline]
    fn candidates(&self, name: &str) -> &[Entry] {
        match self.may_have(name) {
            true => &self.entries,
            false => &[],
        }
    }

    /// All fields in order, names in lower case.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.entries
            .iter()
            .map(|entry| (name_of(&self.bytes, *entry), value_of(&self.bytes, *entry)))
    }

    /// All fields in order, names as they were spelled.
    pub fn iter_spelled(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.iter_raw()
            .map(|(name, value)| (std::str::from_utf8(name).unwrap_or_default(), value))
    }

    /// All fields in order: the name in lower case with the value behind it, the length of the name,
    /// and whether it is a secret. What HTTP/2 writes.
    pub(crate) fn iter_whole(&self) -> impl Iterator<Item = (&[u8], usize, bool)> {
        self.entries.iter().map(|entry| {
            let field = self.bytes.get(entry.name().start..entry.value().end);
            let field = field.unwrap_or_default();
            (field, entry.name_len as usize, entry.secret)
        })
    }

    /// All fields in order, names as they were spelled, as bytes: what a codec writes.
    pub(crate) fn iter_raw(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.entries.iter().map(|entry| {
            let name = self.bytes.get(entry.spelled()).unwrap_or_default();
            (name, value_of(&self.bytes, *entry))
        })
    }
}

impl Clone for Fields {
    fn clone(&self) -> Self {
        Self {
            bytes: self.bytes.clone(),
            entries: self.entries.clone(),
            marks: self.marks,
        }
    }

    /// Copies into the room that is there.
    fn clone_from(&mut self, source: &Self) {
        self.bytes.clone_from(&source.bytes);
        self.entries.clone_from(&source.entries);
        self.marks = source.marks;
    }
}

fn name_of(bytes: &[u8], entry: Entry) -> &str {
    let name = bytes.get(entry.name()).unwrap_or_default();
    std::str::from_utf8(name).unwrap_or_default()
}

fn value_of(bytes: &[u8], entry: Entry) -> &[u8] {
    bytes.get(entry.value()).unwrap_or_default()
}

fn same_name(bytes: &[u8], entry: Entry, name: &str) -> bool {
    entry.name_len as usize == name.len()
        && bytes
            .get(entry.name())
            .is_some_and(|own| own == name.as_bytes() || own.eq_ignore_ascii_case(name.as_bytes()))
}

/// One of 64 bits for a name, whatever its case.
#[inline]
const fn mark(name: &[u8]) -> u64 {
    1 << tag(name)
}

/// Which bit that is: by the name's length and both its ends. Of a name that the program itself
/// has it is known when that is compiled.
#[inline]
const fn tag(name: &[u8]) -> u8 {
    let (first, last) = match name {
        [first, .., last] => (*first, *last),
        [only] => (*only, *only),
        [] => (0, 0),
    };
    let (first, last) = ((first | 0x20) as u32, (last | 0x20) as u32);
    let mixed = name.len() as u32 ^ (first << 8) ^ (last << 16);
    // Knuth's multiplicative hashing: the upper bits are the mixed ones. Chosen among many, so that
    // names that proxies ask for have no bit in common with those that most messages have.
    (mixed.wrapping_mul(0xe985_2e35) >> 26) as u8
}

impl fmt::Debug for Fields {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map()
            .entries(self.iter().map(|(n, v)| (n, String::from_utf8_lossy(v))))
            .finish()
    }
}

impl PartialEq for Fields {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for Fields {}

#[cfg(test)]
mod tests;
