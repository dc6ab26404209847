//! Regular fields, the same in every section (RFC 9113 8.2).

use super::malformed;
use crate::fields::bytes::{is_lower_token, trim, value_len};
use crate::h2::hpack::{Field, Note};
use crate::{Fault, FaultKind, Fields};

/// Noted of a field that is fine and means nothing to the codec, as most.
pub(super) const PLAIN: Note = Note(1);
/// Noted of a pseudo-header field whose value is one.
pub(super) const PSEUDO: Note = Note(6);

/// What a field means to the codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Meaning {
    Plain,
    Host,
    Cookie,
    ContentLength,
    Te,
    /// Of one connection, of which HTTP/2 has no fields (RFC 9113 8.2.2).
    Connection,
}

impl Meaning {
    pub(super) fn of(name: &[u8]) -> Self {
        let (text, meaning): (&[u8], Self) = match name.len() {
            2 => (b"te", Self::Te),
            4 => (b"host", Self::Host),
            6 => (b"cookie", Self::Cookie),
            7 => (b"upgrade", Self::Connection),
            10 if name.first() == Some(&b'c') => (b"connection", Self::Connection),
            10 => (b"keep-alive", Self::Connection),
            14 => (b"content-length", Self::ContentLength),
            16 => (b"proxy-connection", Self::Connection),
            17 => (b"transfer-encoding", Self::Connection),
            _ => return Self::Plain,
        };
        if name == text { meaning } else { Self::Plain }
    }

    /// What was noted, if it was.
    fn noted(note: Note) -> Option<Self> {
        match note {
            PLAIN => Some(Self::Plain),
            Note(2) => Some(Self::Host),
            Note(3) => Some(Self::Cookie),
            Note(4) => Some(Self::ContentLength),
            Note(5) => Some(Self::Te),
            Note(_) => None,
        }
    }

    fn note(self) -> Note {
        match self {
            Self::Plain => PLAIN,
            Self::Host => Note(2),
            Self::Cookie => Note(3),
            Self::ContentLength => Note(4),
            Self::Te => Note(5),
            // Never fine.
            Self::Connection => Note::default(),
        }
    }
}

/// Checks a field that is no pseudo-header field, and trims its value. Of one that was found to be
/// fine as it is it is noted what it means, so that it need not be checked when it comes again.
#[inline]
pub(super) fn check<'v>(field: Field<'v>) -> Result<(Meaning, &'v [u8]), Fault> {
    if let Some(meaning) = Meaning::noted(*field.note) {
        return Ok((meaning, field.value));
    }
    let (meaning, value) = check_unknown(field.name, field.value)?;
    if value.len() == field.value.len() {
        *field.note = meaning.note();
    }
    Ok((meaning, value))
}

fn check_unknown<'v>(name: &[u8], value: &'v [u8]) -> Result<(Meaning, &'v [u8]), Fault> {
    if name.is_empty() || !is_lower_token(name) {
        return Err(malformed(
            "RFC 9113 8.2.1: a field name is no token in lower case",
        ));
    }
    if value_len(value) != value.len() {
        return Err(malformed(
            "RFC 9113 8.2.1: a field value has a control character",
        ));
    }
    let value = trim(value);
    let meaning = Meaning::of(name);
    match meaning {
        Meaning::Connection => Err(malformed("RFC 9113 8.2.2: a field of one connection")),
        Meaning::Te if !is_trailers(value) => {
            Err(malformed("RFC 9113 8.2.2: te is other than trailers"))
        }
        _ => Ok((meaning, value)),
    }
}

/// The one value that `te` has in HTTP/2 (RFC 9113 8.2.2).
#[inline]
pub(super) fn is_trailers(value: &[u8]) -> bool {
    value == b"trailers" || value.eq_ignore_ascii_case(b"trailers")
}

/// Adds a checked field.
pub(super) fn add(fields: &mut Fields, name: &[u8], value: &[u8]) -> Result<(), Fault> {
    let added = fields.append_lower(name, value);
    added.map_err(|_| super::TOO_LARGE)
}

/// RFC 7541 7.1.3: what came as never indexed is sent on as never indexed.
#[cold]
pub(super) fn keep_secret(fields: &mut Fields, name: &[u8]) {
    if let Ok(name) = std::str::from_utf8(name) {
        fields.mark_secret(name);
    }
}

/// What `content-length` says; the same number again is one number (RFC 9110 8.6).
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Length(pub(super) Option<u64>);

impl Length {
    /// Takes one field over, and adds the first to the fields.
    pub(super) fn note(&mut self, fields: &mut Fields, value: &[u8]) -> Result<(), Fault> {
        let framing = |why| Fault {
            kind: FaultKind::Framing,
            why,
        };
        let Some(length) = number(value) else {
            return Err(framing("RFC 9110 8.6: content-length is not one number"));
        };
        match self.0.replace(length) {
            None => add_length(fields, value, length),
            Some(before) if before == length => Ok(()),
            Some(_) => Err(framing("RFC 9110 8.6: two different content-length")),
        }
    }
}

/// Leading zeros are not passed on: some programs take them for an octal number.
fn add_length(fields: &mut Fields, value: &[u8], length: u64) -> Result<(), Fault> {
    if value.len() > 1 && value.starts_with(b"0") {
        return add(fields, b"content-length", length.to_string().as_bytes());
    }
    add(fields, b"content-length", value)
}

/// Digits only, and not the greatest number, which stands for none.
pub(super) fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let text = std::str::from_utf8(digits).ok()?;
    text.parse().ok().filter(|number| *number < u64::MAX)
}

/// Reads a trailer section.
pub(crate) struct TrailerReader<'f> {
    fields: &'f mut Fields,
    read: Result<(), Fault>,
}

impl<'f> TrailerReader<'f> {
    pub(crate) fn new(fields: &'f mut Fields) -> Self {
        Self {
            fields,
            read: Ok(()),
        }
    }

    pub(crate) fn field(&mut self, field: Field<'_>) {
        let (name, never) = (field.name, field.never);
        if self.read.is_ok() {
            self.read = self.take(field);
            if never {
                keep_secret(self.fields, name);
            }
        }
    }

    pub(crate) fn finish(self) -> Result<(), Fault> {
        self.read
    }

    fn take(&mut self, field: Field<'_>) -> Result<(), Fault> {
        let name = field.name;
        if name.first() == Some(&b':') {
            return Err(malformed("RFC 9113 8.1: a pseudo-header field in trailers"));
        }
        match check(field)? {
            (Meaning::Plain | Meaning::Cookie, value) => add(self.fields, name, value),
            // What frames or routes a message comes too late here (RFC 9110 6.5.1).
            (Meaning::Host | Meaning::ContentLength | Meaning::Te | Meaning::Connection, _) => {
                Ok(())
            }
        }
    }
}
