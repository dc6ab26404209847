//! Values of operators, and how they are written: into headers, into lines, into JSON.
//!
//! Written by hand rather than with `write!`, because lines are printed for every request.

use std::borrow::Cow;
use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::time::SystemTime;

use mesh_model::time::TimeFormat;

use crate::flags::Flags;

/// What an operator stands for in one case.
pub(super) enum Value<'a> {
    Absent,
    Text(&'a str),
    Bytes(Cow<'a, [u8]>),
    /// A number, which JSON writes as one.
    Number(u64),
    /// A number that is the text of a header.
    Digits(u64),
    Address(SocketAddr),
    Ip(IpAddr),
    Flags(Flags),
    FlagNames(Flags),
    Time(SystemTime, &'a TimeFormat),
}

/// Where a value goes, and thus what must not stand in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Style {
    /// The value of a header: as it is.
    Header,
    /// A line, in which nothing of a client's may pass for the end of it or of a quoted field.
    Line,
    /// A string of JSON.
    Json,
}

impl<'a> Value<'a> {
    pub(super) fn text(text: Option<&'a str>) -> Self {
        text.map_or(Self::Absent, Self::Text)
    }

    /// A name, which where it is empty was not given.
    pub(super) fn named(text: &'a str) -> Self {
        Self::text(Some(text).filter(|text| !text.is_empty()))
    }

    pub(super) fn bytes(bytes: Option<&'a [u8]>) -> Self {
        bytes.map_or(Self::Absent, |bytes| Self::Bytes(Cow::Borrowed(bytes)))
    }

    pub(super) fn number(number: Option<u64>) -> Self {
        number.map_or(Self::Absent, Self::Number)
    }

    pub(super) fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// The first so many bytes of a text.
    pub(super) fn cut(self, max: usize) -> Self {
        match self {
            Self::Text(text) if text.len() > max => {
                let bytes = text.as_bytes().get(..max).unwrap_or_default();
                Self::Bytes(Cow::Borrowed(bytes))
            }
            Self::Bytes(Cow::Borrowed(bytes)) => {
                Self::Bytes(Cow::Borrowed(bytes.get(..max).unwrap_or(bytes)))
            }
            Self::Bytes(Cow::Owned(mut bytes)) => {
                bytes.truncate(max);
                Self::Bytes(Cow::Owned(bytes))
            }
            whole @ (Self::Absent
            | Self::Text(_)
            | Self::Number(_)
            | Self::Digits(_)
            | Self::Address(_)
            | Self::Ip(_)
            | Self::Flags(_)
            | Self::FlagNames(_)
            | Self::Time(..)) => whole,
        }
    }

    /// Writes the value; nothing if it is absent.
    pub(super) fn write(&self, out: &mut Vec<u8>, style: Style) {
        match self {
            Self::Absent => {}
            Self::Text(text) => put(out, text.as_bytes(), style),
            Self::Bytes(bytes) => put(out, bytes, style),
            Self::Number(number) | Self::Digits(number) => digits(out, *number),
            Self::Address(address) => {
                put_address(out, *address);
            }
            Self::Ip(ip) => put_ip(out, *ip),
            Self::Flags(flags) => list(out, flags.letters()),
            Self::FlagNames(flags) => list(out, flags.names()),
            Self::Time(at, format) => {
                let from = out.len();
                format.write(*at, out);
                if style == Style::Json {
                    let text = out.split_off(from);
                    put(out, &text, style);
                }
            }
        }
    }

    /// Writes the value as JSON has it: numbers as such, `null` for nothing.
    pub(super) fn write_typed(&self, out: &mut Vec<u8>) {
        match self {
            Self::Absent => out.extend_from_slice(b"null"),
            Self::Number(number) => digits(out, *number),
            Self::Text(_)
            | Self::Bytes(_)
            | Self::Digits(_)
            | Self::Address(_)
            | Self::Ip(_)
            | Self::Flags(_)
            | Self::FlagNames(_)
            | Self::Time(..) => {
                out.push(b'"');
                self.write(out, Style::Json);
                out.push(b'"');
            }
        }
    }
}

/// Writes a text so that it stays what it is in its place.
pub(super) fn put(out: &mut Vec<u8>, bytes: &[u8], style: Style) {
    match style {
        Style::Header => out.extend_from_slice(bytes),
        Style::Line => put_line(out, bytes),
        Style::Json => put_json(out, bytes),
    }
}

fn put_line(out: &mut Vec<u8>, bytes: &[u8]) {
    for piece in bytes.chunk_by(|a, b| is_clean(*a) == is_clean(*b)) {
        if piece.first().is_some_and(|byte| is_clean(*byte)) {
            out.extend_from_slice(piece);
            continue;
        }
        for byte in piece {
            out.extend_from_slice(b"\\x");
            out.extend(hex(*byte, b'A'));
        }
    }
}

fn is_clean(byte: u8) -> bool {
    matches!(byte, b' '..=b'~') && byte != b'"'
}

/// JSON's escapes; what is no UTF-8 becomes the sign that stands for what cannot be read.
fn put_json(out: &mut Vec<u8>, bytes: &[u8]) {
    for chunk in bytes.utf8_chunks() {
        for byte in chunk.valid().bytes() {
            match byte {
                b'"' => out.extend_from_slice(b"\\\""),
                b'\\' => out.extend_from_slice(b"\\\\"),
                b'\n' => out.extend_from_slice(b"\\n"),
                b'\r' => out.extend_from_slice(b"\\r"),
                b'\t' => out.extend_from_slice(b"\\t"),
                0..=0x1f => {
                    out.extend_from_slice(b"\\u00");
                    out.extend(hex(byte, b'a'));
                }
                other => out.push(other),
            }
        }
        if !chunk.invalid().is_empty() {
            out.extend_from_slice(b"\\ufffd");
        }
    }
}

fn hex(byte: u8, ten: u8) -> [u8; 2] {
    [byte >> 4, byte & 15].map(|digit| match digit {
        0..=9 => b'0' + digit,
        _ => ten + (digit - 10),
    })
}

pub(super) fn digits(out: &mut Vec<u8>, number: u64) {
    if number >= 10 {
        digits(out, number / 10);
    }
    out.push(b'0' + u8::try_from(number % 10).unwrap_or_default());
}

fn put_address(out: &mut Vec<u8>, address: SocketAddr) {
    match address {
        SocketAddr::V4(address) => put_ip(out, (*address.ip()).into()),
        SocketAddr::V6(address) => {
            out.push(b'[');
            put_ip(out, (*address.ip()).into());
            out.push(b']');
        }
    }
    out.push(b':');
    digits(out, u64::from(address.port()));
}

fn put_ip(out: &mut Vec<u8>, ip: IpAddr) {
    match ip {
        IpAddr::V4(ip) => {
            for (index, octet) in ip.octets().into_iter().enumerate() {
                if index > 0 {
                    out.push(b'.');
                }
                digits(out, u64::from(octet));
            }
        }
        IpAddr::V6(ip) => {
            // Writing to a buffer does not fail.
            let _always = write!(out, "{ip}");
        }
    }
}

/// Words joined by commas, a dash for none.
fn list(out: &mut Vec<u8>, words: impl Iterator<Item = &'static str>) {
    let from = out.len();
    for word in words {
        if out.len() > from {
            out.push(b',');
        }
        out.extend_from_slice(word.as_bytes());
    }
    if out.len() == from {
        out.push(b'-');
    }
}
