//! Responses (RFC 9113 8.3.2).

use super::fields::{Length, Meaning, PLAIN, add, check, keep_secret};
use super::malformed;
use crate::h2::hpack::Field;
use crate::{Fault, ResponseHead, Version};

/// What of a response decides how its stream goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ResponseFacts {
    pub(crate) length: Option<u64>,
}

/// Reads a response's header list into a head, field by field.
pub(crate) struct ResponseReader<'h> {
    head: &'h mut ResponseHead,
    has_fields: bool,
    length: Length,
    read: Result<(), Fault>,
}

impl<'h> ResponseReader<'h> {
    pub(crate) fn new(head: &'h mut ResponseHead) -> Self {
        head.fields.clear();
        head.version = Version::Http2;
        head.status = 0;
        Self {
            head,
            has_fields: false,
            length: Length::default(),
            read: Ok(()),
        }
    }

    /// Takes one field, unless one before it was wrong.
    pub(crate) fn field(&mut self, field: Field<'_>) {
        let (name, never) = (field.name, field.never);
        if self.read.is_ok() {
            let read = match name.first() {
                Some(b':') => self.pseudo(name, field.value),
                _ => self.regular(field),
            };
            if read.is_err() {
                self.read = read;
            }
            if never {
                keep_secret(&mut self.head.fields, name);
            }
        }
    }

    /// Judges the list when it is complete.
    pub(crate) fn finish(self) -> Result<ResponseFacts, Fault> {
        self.read?;
        match self.head.status {
            0 => Err(malformed("RFC 9113 8.3.2: a response without :status")),
            101 => Err(malformed("RFC 9113 8.6: HTTP/2 has no status 101")),
            _ => Ok(ResponseFacts {
                length: self.length.0,
            }),
        }
    }

    fn pseudo(&mut self, name: &[u8], value: &[u8]) -> Result<(), Fault> {
        if self.has_fields {
            return Err(malformed(
                "RFC 9113 8.3: a pseudo-header field behind regular ones",
            ));
        }
        if name != b":status" {
            return Err(malformed(
                "RFC 9113 8.3: a pseudo-header field that responses do not have",
            ));
        }
        if self.head.status != 0 {
            return Err(malformed("RFC 9113 8.3: a pseudo-header field twice"));
        }
        self.head.status = status(value)?;
        Ok(())
    }

    fn regular(&mut self, field: Field<'_>) -> Result<(), Fault> {
        self.has_fields = true;
        if *field.note == PLAIN {
            return add(&mut self.head.fields, field.name, field.value);
        }
        let name = field.name;
        let (meaning, value) = check(field)?;
        if meaning == Meaning::ContentLength {
            return self.length.note(&mut self.head.fields, value);
        }
        add(&mut self.head.fields, name, value)
    }
}

/// RFC 9110 15: three digits, the first from 1 to 5.
fn status(value: &[u8]) -> Result<u16, Fault> {
    match value {
        &[a @ b'1'..=b'5', b @ b'0'..=b'9', c @ b'0'..=b'9'] => {
            let digit = |byte: u8| u16::from(byte - b'0');
            Ok(digit(a) * 100 + digit(b) * 10 + digit(c))
        }
        _ => Err(malformed(
            "RFC 9110 15: the status is not between 100 and 599",
        )),
    }
}
