//! The header fields that decide how a message is framed and what becomes of its connection
//! (RFC 9112 6 and 9, RFC 9110 7.6 and 7.8).

use super::{framing, malformed};
use crate::{BodyLength, Fault, FaultKind, Fields, Version};

/// Fields that mean something to a codec.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Known {
    ContentLength,
    TransferEncoding,
    Host,
    Connection,
    Upgrade,
    Te,
    KeepAlive,
    ProxyConnection,
    Other,
}

impl Known {
    /// What a name stands for, in whatever case. Most names differ from these in their length or
    /// their first letter.
    #[inline]
    pub(super) fn of(name: &[u8]) -> Self {
        let first = name.first().map_or(0, u8::to_ascii_lowercase);
        let (found, text): (Self, &[u8]) = match (name.len(), first) {
            (2, b't') => (Self::Te, b"te"),
            (4, b'h') => (Self::Host, b"host"),
            (7, b'u') => (Self::Upgrade, b"upgrade"),
            (10, b'c') => (Self::Connection, b"connection"),
            (10, b'k') => (Self::KeepAlive, b"keep-alive"),
            (14, b'c') => (Self::ContentLength, b"content-length"),
            (16, b'p') => (Self::ProxyConnection, b"proxy-connection"),
            (17, b't') => (Self::TransferEncoding, b"transfer-encoding"),
            _ => return Self::Other,
        };
        if name == text || name.eq_ignore_ascii_case(text) {
            found
        } else {
            Self::Other
        }
    }
}

/// What the fields of a message say of its body and its connection.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Meaning {
    /// The body's length, if it was announced.
    pub(super) length: Option<u64>,
    /// More than one announcement, or one with leading zeros.
    loose_length: bool,
    coding: Coding,
    /// `connection: close`
    pub(super) close: bool,
    /// `connection: keep-alive`
    pub(super) keep_alive: bool,
    /// `connection: upgrade`
    wants_upgrade: bool,
    /// There is a field `upgrade`.
    names_upgrade: bool,
    /// `te: trailers`
    pub(super) takes_trailers: bool,
    /// The first rule that a value broke.
    pub(super) fault: Option<Fault>,
}

/// What `transfer-encoding` names, all its fields together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Coding {
    #[default]
    None,
    /// `chunked` and nothing else.
    Chunked,
    /// Something else, and nothing after it.
    Unknown,
    /// Something else, and `chunked` as the last.
    UnknownThenChunked,
    /// What makes no sense.
    Wrong(&'static str),
}

impl Meaning {
    /// Takes note of a field.
    #[inline]
    pub(super) fn note(&mut self, known: Known, value: &[u8]) {
        match known {
            Known::ContentLength => self.note_length(value),
            Known::TransferEncoding => self.coding = self.coding.and(value),
            Known::Connection => self.note_connection(value),
            Known::Upgrade => self.names_upgrade = true,
            Known::Te => self.takes_trailers |= has_element(value, b"trailers"),
            Known::Host | Known::KeepAlive | Known::ProxyConnection | Known::Other => {}
        }
    }

    /// RFC 9110 8.6: digits; the same number again is one number.
    fn note_length(&mut self, value: &[u8]) {
        let Some(length) = number(value) else {
            self.refuse("RFC 9110 8.6: content-length is not one number");
            return;
        };
        match self.length.replace(length) {
            None => self.loose_length |= value.len() > 1 && value.starts_with(b"0"),
            Some(before) if before == length => self.loose_length = true,
            Some(_) => self.refuse("RFC 9112 6.3: two different content-length"),
        }
    }

    fn refuse(&mut self, why: &'static str) {
        self.fault = self.fault.or_else(|| Some(framing(why)));
    }

    fn note_connection(&mut self, value: &[u8]) {
        for option in value.split(|byte| *byte == b',') {
            let option = crate::fields::bytes::trim(option);
            self.close |= option.eq_ignore_ascii_case(b"close");
            self.keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
            self.wants_upgrade |= option.eq_ignore_ascii_case(b"upgrade");
        }
    }

    /// Whether another protocol is spoken of (RFC 9110 7.8).
    pub(super) fn is_upgrade(&self) -> bool {
        self.wants_upgrade && self.names_upgrade
    }

    /// Whether the connection stays after the message, as far as its sender is asked (RFC 9112 9.3).
    pub(super) fn persists(&self, version: Version) -> bool {
        !self.close && (version != Version::Http10 || self.keep_alive)
    }

    /// Whether the body is chunked; refuses every other coding, and what leaves room for doubt
    /// (RFC 9112 6.1 and 6.3).
    pub(super) fn is_chunked(&self, version: Version) -> Result<bool, Fault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        if self.coding == Coding::None {
            return Ok(false);
        }
        if self.length.is_some() {
            let why = "RFC 9112 6.1: both content-length and transfer-encoding";
            return Err(framing(why));
        }
        if version == Version::Http10 {
            return Err(framing("RFC 9112 6.1: transfer-encoding in HTTP/1.0"));
        }
        match self.coding {
            Coding::None | Coding::Chunked => Ok(true),
            Coding::Wrong(why) => Err(framing(why)),
            Coding::Unknown => Err(framing("RFC 9112 6.3: chunked is not the last coding")),
            Coding::UnknownThenChunked => Err(Fault {
                kind: FaultKind::Coding,
                why: "RFC 9112 6.1: a transfer coding other than chunked",
            }),
        }
    }

    /// The length that is announced, as an event tells it.
    pub(super) fn announced(&self) -> BodyLength {
        match self.length {
            None | Some(0) => BodyLength::None,
            Some(length) => BodyLength::Exactly(length),
        }
    }

    /// Leaves one `content-length` in its plainest form, so that nobody reads another number.
    pub(super) fn tidy_length(&self, fields: &mut Fields) -> Result<(), Fault> {
        let Some(length) = self.length.filter(|_| self.loose_length) else {
            return Ok(());
        };
        let set = fields.set("content-length", length.to_string());
        set.map_err(|_| malformed("RFC 9110 5.4: the head is too large"))
    }
}

impl Coding {
    fn and(self, value: &[u8]) -> Self {
        value.split(|byte| *byte == b',').fold(self, Self::then)
    }

    fn then(self, element: &[u8]) -> Self {
        let element = crate::fields::bytes::trim(element);
        let name = element.split(|byte| *byte == b';').next();
        let name = crate::fields::bytes::trim(name.unwrap_or_default());
        let chunked = name.eq_ignore_ascii_case(b"chunked");
        match self {
            Self::Wrong(_) => self,
            _ if name.is_empty() => Self::Wrong("RFC 9112 6.1: an empty transfer coding"),
            _ if chunked && element.len() > name.len() => {
                Self::Wrong("RFC 9112 7.1: chunked with a parameter")
            }
            Self::None if chunked => Self::Chunked,
            Self::Unknown if chunked => Self::UnknownThenChunked,
            Self::Chunked | Self::UnknownThenChunked if chunked => {
                Self::Wrong("RFC 9112 6.1: chunked twice")
            }
            Self::None | Self::Unknown => Self::Unknown,
            Self::Chunked | Self::UnknownThenChunked => {
                Self::Wrong("RFC 9112 6.3: chunked is not the last coding")
            }
        }
    }
}

/// A number of digits and nothing else.
pub(super) fn number(digits: &[u8]) -> Option<u64> {
    let (first, rest) = digits.split_first()?;
    let first = digit(*first)?;
    rest.iter().try_fold(first, |sum, byte| {
        sum.checked_mul(10)?.checked_add(digit(*byte)?)
    })
}

fn digit(byte: u8) -> Option<u64> {
    byte.is_ascii_digit().then(|| u64::from(byte & 0xf))
}

fn has_element(list: &[u8], wanted: &[u8]) -> bool {
    list.split(|byte| *byte == b',')
        .any(|element| crate::fields::bytes::trim(element).eq_ignore_ascii_case(wanted))
}
