//! Names and fields that are known before the messages they are for: what can be settled of them
//! is settled once.

use super::bytes::{trim, value_len};
use super::{BadField, Entry, Fields, mark, same_name};

/// A field that was checked once, to be put into many messages.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Known {
    /// In lower case.
    name: Box<str>,
    value: Box<[u8]>,
}

impl Known {
    /// Checks a field.
    ///
    /// # Errors
    /// As [`Fields::append`].
    pub fn new(name: &str, value: impl AsRef<[u8]>) -> Result<Self, BadField> {
        let mut one = Fields::new();
        one.append(name, value)?;
        let (name, value) = one.iter().next().ok_or(BadField::Name)?;
        Ok(Self {
            name: name.into(),
            value: value.into(),
        })
    }

    /// The value.
    #[must_use]
    pub fn value(&self) -> &[u8] {
        &self.value
    }
}

/// A name in lower case that the program itself has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Name(&'static str);

impl Name {
    /// Checks a name, when the program is compiled if it stands in a constant.
    ///
    /// # Panics
    /// When it has anything but small letters, digits and hyphens.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        let mut rest = name.as_bytes();
        assert!(!rest.is_empty(), "a name has letters");
        while let [first, more @ ..] = rest {
            let is_fit = matches!(first, b'a'..=b'z' | b'0'..=b'9' | b'-');
            assert!(is_fit, "a name has small letters, digits and hyphens");
            rest = more;
        }
        Self(name)
    }

    /// The name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.0
    }
}

/// Names, in lower case, that are asked for together.
#[derive(Debug, Clone, Copy)]
pub struct Names {
    names: &'static [&'static str],
    marks: u64,
}

impl Names {
    /// Marks the names.
    #[must_use]
    pub const fn new(names: &'static [&'static str]) -> Self {
        let (mut marks, mut rest) = (0, names);
        while let [first, more @ ..] = rest {
            marks |= mark(first.as_bytes());
            rest = more;
        }
        Self { names, marks }
    }

    fn has(&self, bytes: &[u8], entry: Entry) -> bool {
        let is_marked = self.marks >> entry.tag & 1 != 0;
        is_marked && self.names.iter().any(|name| same_name(bytes, entry, name))
    }
}

impl Fields {
    /// As [`Fields::set`], of a field that needs no check any more.
    ///
    /// # Errors
    /// [`BadField::TooLarge`].
    pub fn put(&mut self, field: &Known) -> Result<(), BadField> {
        match self.may_have(&field.name) {
            true => self.set(&field.name, &field.value),
            false => self.append_lower(field.name.as_bytes(), &field.value),
        }
    }

    /// As [`Fields::set`], with a name that needs no check any more.
    ///
    /// # Errors
    /// [`BadField::Value`] and [`BadField::TooLarge`].
    #[inline]
    pub fn set_named(&mut self, name: Name, value: impl AsRef<[u8]>) -> Result<(), BadField> {
        match self.may_have(name.0) {
            true => self.set(name.0, value),
            false => self.append_named(name, value.as_ref()),
        }
    }

    fn append_named(&mut self, name: Name, value: &[u8]) -> Result<(), BadField> {
        let value = trim(value);
        if value_len(value) != value.len() {
            return Err(BadField::Value);
        }
        self.append_lower(name.0.as_bytes(), value)
    }

    /// Whether a field of one of the names may be there; false is certain.
    #[must_use]
    #[inline]
    pub fn may_have_one_of(&self, names: &Names) -> bool {
        self.marks & names.marks != 0
    }

    /// Drops every field of any of the names.
    #[inline]
    pub fn remove_all(&mut self, names: &Names) {
        if self.may_have_one_of(names) {
            self.remove_all_found(names);
        }
    }

    fn remove_all_found(&mut self, names: &Names) {
        let bytes = &self.bytes;
        let mut marks = 0;
        self.entries.retain(|entry| {
            let stays = !names.has(bytes, *entry);
            marks |= u64::from(stays) << entry.tag;
            stays
        });
        self.marks = marks;
    }
}
