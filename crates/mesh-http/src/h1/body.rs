//! Reads bodies: of a known length, chunked, or up to the connection's end (RFC 9112 6 and 7).
//!
//! Pieces are slices of the input; nothing is gathered. A body is at its end only when its framing
//! says so: what is cut off never looks complete.

use super::meaning::Known;
use super::parse::{Scan, Sink, bare_cr, bare_lf};
use super::{Limits, framing, malformed};
use crate::fields::bytes::value_len;
use crate::{Fault, FaultKind, Fields};

/// What is still to come of a body.
#[derive(Debug, Clone, Copy)]
pub(super) enum Incoming {
    Exactly(u64),
    Chunked(Chunks),
    UntilClose,
}

/// What was found of a body.
pub(super) enum Piece<'b> {
    Bytes { bytes: &'b [u8], end: bool },
    Trailers,
}

/// Where in a chunked body the next byte stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Chunks {
    part: Part,
    /// The chunk's size, or what is left of it.
    size: u64,
    /// Bytes of the present chunk's extensions.
    extension: usize,
    /// Bytes of all extensions, less what the data of their chunks make good.
    excess: u64,
}

#[derive(Debug, Clone, Copy)]
enum Part {
    Size { digits: u8 },
    Blank,
    Extension,
    SizeEnd,
    Data,
    DataEnd,
    Trailers(Scan),
}

/// More digits than a size needs are zeros at its front, or too many.
const MOST_DIGITS: u8 = 20;
/// What extensions may cost without data, all chunks together.
const MOST_EXCESS: u64 = 16 * 1024;

const OVERFLOW: Fault = framing("RFC 9112 7.1: a chunk size that is too large");
const BAD_SIZE: Fault = framing("RFC 9112 7.1: a chunk size is not hexadecimal");

impl Incoming {
    /// A chunked body from its start.
    pub(super) const fn chunked() -> Self {
        Self::Chunked(Chunks {
            part: Part::Size { digits: 0 },
            size: 0,
            extension: 0,
            excess: 0,
        })
    }

    /// The next piece; a trailer section goes to `fields`.
    pub(super) fn next<'b>(
        &mut self,
        limits: &Limits,
        input: &mut &'b [u8],
        fields: &mut Fields,
    ) -> Result<Option<Piece<'b>>, Fault> {
        match self {
            Self::Chunked(chunks) => chunks.next(limits, input, fields),
            Self::Exactly(_) | Self::UntilClose if input.is_empty() => Ok(None),
            Self::Exactly(left) => {
                let bytes = take_up_to(input, *left);
                *left -= bytes.len() as u64;
                let end = *left == 0;
                Ok(Some(Piece::Bytes { bytes, end }))
            }
            Self::UntilClose => {
                let bytes = take_up_to(input, u64::MAX);
                Ok(Some(Piece::Bytes { bytes, end: false }))
            }
        }
    }
}

impl Chunks {
    fn next<'b>(
        &mut self,
        limits: &Limits,
        input: &mut &'b [u8],
        fields: &mut Fields,
    ) -> Result<Option<Piece<'b>>, Fault> {
        loop {
            let enough = match &mut self.part {
                Part::Size { .. } => self.size(input)?,
                Part::Blank => self.blank(limits, input)?,
                Part::Extension => self.extension(limits, input)?,
                Part::SizeEnd => self.size_end(input)?,
                Part::Data if input.is_empty() => false,
                Part::Data => return Ok(Some(self.data(input))),
                Part::DataEnd => self.data_end(input)?,
                Part::Trailers(scan) => return trailers(scan, limits, input, fields),
            };
            if !enough {
                return Ok(None);
            }
        }
    }

    /// RFC 9112 7.1: at least one digit. As the other parts, tells whether there is enough to go on.
    fn size(&mut self, input: &mut &[u8]) -> Result<bool, Fault> {
        let Part::Size { mut digits } = self.part else {
            return Ok(true);
        };
        while let Some((byte, rest)) = input.split_first() {
            let Some(value) = char::from(*byte).to_digit(16) else {
                self.part = after_size(digits, *byte)?;
                return Ok(true);
            };
            if digits == MOST_DIGITS || self.size > u64::MAX >> 4 {
                return Err(OVERFLOW);
            }
            self.size = self.size << 4 | u64::from(value);
            digits += 1;
            *input = rest;
        }
        self.part = Part::Size { digits };
        Ok(false)
    }

    /// RFC 9112 7.1.1: white space before an extension, and before nothing else.
    fn blank(&mut self, limits: &Limits, input: &mut &[u8]) -> Result<bool, Fault> {
        while let [b' ' | b'\t', rest @ ..] = *input {
            *input = rest;
            self.extend(1, limits)?;
        }
        match input.first() {
            None => return Ok(false),
            Some(b';') => self.part = Part::Extension,
            Some(_) => return Err(BAD_SIZE),
        }
        Ok(true)
    }

    /// RFC 9112 7.1.1: what nobody here knows is ignored; it ends with the line and nowhere else.
    fn extension(&mut self, limits: &Limits, input: &mut &[u8]) -> Result<bool, Fault> {
        let len = value_len(input);
        self.extend(len, limits)?;
        *input = input.get(len..).unwrap_or_default();
        match input.first() {
            None => return Ok(false),
            Some(b'\r') => self.part = Part::SizeEnd,
            Some(b'\n') => return Err(bare_lf()),
            Some(_) => {
                let why = "RFC 9112 7.1.1: a control character in a chunk extension";
                return Err(framing(why));
            }
        }
        Ok(true)
    }

    fn extend(&mut self, len: usize, limits: &Limits) -> Result<(), Fault> {
        self.extension = self.extension.saturating_add(len);
        if self.extension > limits.extension_bytes {
            let why = "RFC 9112 7.1.1: a chunk extension is too large";
            return Err(framing(why));
        }
        Ok(())
    }

    fn size_end(&mut self, input: &mut &[u8]) -> Result<bool, Fault> {
        if !line_end(input, bare_cr())? {
            return Ok(false);
        }
        self.account()?;
        self.part = match self.size {
            0 => Part::Trailers(Scan::trailers()),
            _ => Part::Data,
        };
        Ok(true)
    }

    /// Extensions must not be most of what we read (RFC 9112 7.1.1: a server ought to limit them).
    fn account(&mut self) -> Result<(), Fault> {
        let earned = self.size.saturating_mul(2).saturating_add(16);
        let spent = self.excess.saturating_add(self.extension as u64);
        self.excess = spent.saturating_sub(earned);
        self.extension = 0;
        if self.excess > MOST_EXCESS {
            let kind = FaultKind::Flood;
            let why = "RFC 9112 7.1.1: chunk extensions are most of the body";
            return Err(Fault { kind, why });
        }
        Ok(())
    }

    fn data<'b>(&mut self, input: &mut &'b [u8]) -> Piece<'b> {
        let bytes = take_up_to(input, self.size);
        self.size -= bytes.len() as u64;
        let mut end = false;
        if self.size == 0 {
            self.part = Part::DataEnd;
            // What follows the last data most often; together they are one event.
            if let Some(rest) = input.strip_prefix(b"\r\n0\r\n\r\n") {
                *input = rest;
                end = true;
            }
        }
        Piece::Bytes { bytes, end }
    }

    fn data_end(&mut self, input: &mut &[u8]) -> Result<bool, Fault> {
        let longer = framing("RFC 9112 7.1: a chunk is longer than its size");
        if !line_end(input, longer)? {
            return Ok(false);
        }
        self.part = Part::Size { digits: 0 };
        Ok(true)
    }
}

fn after_size(digits: u8, byte: u8) -> Result<Part, Fault> {
    match byte {
        _ if digits == 0 => Err(BAD_SIZE),
        b'\r' => Ok(Part::SizeEnd),
        b'\n' => Err(bare_lf()),
        b';' => Ok(Part::Extension),
        b' ' | b'\t' => Ok(Part::Blank),
        _ => Err(BAD_SIZE),
    }
}

/// Takes CR and LF; `false`: they are not there yet.
fn line_end(input: &mut &[u8], otherwise: Fault) -> Result<bool, Fault> {
    match *input {
        [] | [b'\r'] => Ok(false),
        [b'\r', b'\n', rest @ ..] => {
            *input = rest;
            Ok(true)
        }
        _ => Err(otherwise),
    }
}

fn trailers<'b>(
    scan: &mut Scan,
    limits: &Limits,
    input: &mut &'b [u8],
    fields: &mut Fields,
) -> Result<Option<Piece<'b>>, Fault> {
    let Some(len) = scan.run(input, limits, &mut Trailers(None))? else {
        return Ok(None);
    };
    let section = take_up_to(input, len as u64);
    if section == b"\r\n" {
        return Ok(Some(LAST));
    }
    // The lines were only checked so far: those who ask while they come have no place for them.
    fields.clear();
    Scan::trailers().run(section, limits, &mut Trailers(Some(fields)))?;
    Ok(Some(if fields.is_empty() {
        LAST
    } else {
        Piece::Trailers
    }))
}

const LAST: Piece<'static> = Piece::Bytes {
    bytes: &[],
    end: true,
};

/// Keeps the fields of a trailer section that may stand there (RFC 9110 6.5.1).
struct Trailers<'f>(Option<&'f mut Fields>);

impl Sink for Trailers<'_> {
    fn field(&mut self, name: &[u8], value: &[u8]) -> Result<(), Fault> {
        let known = Known::of(name);
        if matches!(
            known,
            Known::ContentLength | Known::TransferEncoding | Known::Host
        ) {
            let why = "RFC 9110 6.5.1: framing or routing in a trailer section";
            return Err(framing(why));
        }
        match &mut self.0 {
            Some(fields) if known == Known::Other && !is_for_heads(name) => {
                let added = fields.append_raw(name, value);
                added.map_err(|_| malformed("RFC 9110 5.4: the trailer section is too large"))
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// Fields that change how a message is routed, judged or read: too late after its body, and what
/// looked at the head has not seen them (RFC 9110 6.5.1).
pub(super) fn is_for_heads(name: &[u8]) -> bool {
    const NAMES: [&str; 35] = [
        "accept-encoding",
        "age",
        "authorization",
        "cache-control",
        "content-encoding",
        "content-range",
        "content-type",
        "cookie",
        "date",
        "expect",
        "expires",
        "forwarded",
        "if-match",
        "if-modified-since",
        "if-none-match",
        "if-range",
        "if-unmodified-since",
        "location",
        "max-forwards",
        "origin",
        "pragma",
        "proxy-authenticate",
        "proxy-authorization",
        "range",
        "retry-after",
        "set-cookie",
        "trailer",
        "vary",
        "via",
        "warning",
        "www-authenticate",
        "x-forwarded-client-cert",
        "x-forwarded-for",
        "x-forwarded-proto",
        "x-request-id",
    ];
    NAMES
        .iter()
        .any(|own| name.eq_ignore_ascii_case(own.as_bytes()))
}

/// Takes bytes from the front, as many as there are but no more than `most`.
pub(super) fn take_up_to<'b>(input: &mut &'b [u8], most: u64) -> &'b [u8] {
    let len = usize::try_from(most).map_or(input.len(), |most| most.min(input.len()));
    input.split_off(..len).unwrap_or_default()
}
