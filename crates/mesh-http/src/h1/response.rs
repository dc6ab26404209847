//! Makes a response of the lines of its head (RFC 9112 4 and 6.3).

use super::meaning::{Known, Meaning};
use super::parse::{Scan, Sink};
use super::{Limits, framing, malformed};
use crate::{BodyLength, Fault, ResponseHead, Version};

/// What of a request decides how its response is read.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Asked {
    pub(super) head: bool,
    pub(super) connect: bool,
    pub(super) upgrade: bool,
}

/// A response whose head is complete.
#[derive(Debug)]
pub(super) struct Response {
    /// Bytes of its head.
    pub(super) len: usize,
    pub(super) body: Body,
    /// Whether the server lets the connection stay.
    pub(super) keep: bool,
}

/// What follows the head of a response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Body {
    /// Another head: this one was informational.
    Interim,
    None,
    Exactly(u64),
    Chunked,
    UntilClose,
    Tunnel,
}

impl Body {
    /// As an event tells it.
    pub(super) fn length(self) -> BodyLength {
        match self {
            Self::Interim | Self::None => BodyLength::None,
            Self::Exactly(length) => BodyLength::Exactly(length),
            Self::Chunked | Self::UntilClose => BodyLength::Unknown,
            Self::Tunnel => BodyLength::Tunnel,
        }
    }
}

/// Reads the head of a response at the front of `input`, if it is complete.
pub(super) fn read(
    scan: &mut Scan,
    limits: &Limits,
    input: &[u8],
    asked: Asked,
    head: &mut ResponseHead,
) -> Result<Option<Response>, Fault> {
    if scan.has_begun() {
        // As for requests: checked piece by piece, read when it is whole.
        if scan.run(input, limits, &mut Check)?.is_none() {
            return Ok(None);
        }
        *scan = Scan::response();
    }
    head.clear();
    let mut lines = Lines {
        head,
        meaning: Meaning::default(),
    };
    let Some(len) = scan.run(input, limits, &mut lines)? else {
        return Ok(None);
    };
    *scan = Scan::response();
    lines.finish(len, asked).map(Some)
}

/// Nothing can be told of one line alone that the scan has not told.
struct Check;

impl Sink for Check {
    fn field(&mut self, _name: &[u8], _value: &[u8]) -> Result<(), Fault> {
        Ok(())
    }
}

/// Fills a head, and judges it when it is complete.
struct Lines<'h> {
    head: &'h mut ResponseHead,
    meaning: Meaning,
}

impl Lines<'_> {
    fn finish(self, len: usize, asked: Asked) -> Result<Response, Fault> {
        let Lines { head, meaning } = self;
        let body = body_of(head, &meaning, asked)?;
        if matches!(body, Body::Interim | Body::Tunnel) || head.status == 204 {
            // RFC 9110 8.6: there is no length to speak of.
            head.fields.remove("content-length");
        } else {
            meaning.tidy_length(&mut head.fields)?;
        }
        let keep = meaning.persists(head.version);
        Ok(Response { len, body, keep })
    }
}

/// RFC 9112 6.3, in its order.
fn body_of(head: &ResponseHead, meaning: &Meaning, asked: Asked) -> Result<Body, Fault> {
    if asked.connect && (200..300).contains(&head.status) {
        // RFC 9110 9.3.6: whatever the fields say of a body.
        return Ok(Body::Tunnel);
    }
    let chunked = meaning.is_chunked(head.version)?;
    match head.status {
        100..=199 | 204 if chunked => Err(framing(
            "RFC 9112 6.1: transfer-encoding in a response without a body",
        )),
        101 if !asked.upgrade => Err(framing("RFC 9110 15.2.2: 101 without being asked")),
        101 => Ok(Body::Tunnel),
        100..=199 => Ok(Body::Interim),
        204 | 304 => Ok(Body::None),
        _ if asked.head => Ok(Body::None),
        _ if chunked => Ok(Body::Chunked),
        _ => Ok(match meaning.length {
            Some(0) => Body::None,
            Some(length) => Body::Exactly(length),
            None => Body::UntilClose,
        }),
    }
}

impl Sink for Lines<'_> {
    fn status(&mut self, version: Version, status: u16) {
        self.head.version = version;
        self.head.status = status;
    }

    #[inline]
    fn field(&mut self, name: &[u8], value: &[u8]) -> Result<(), Fault> {
        let known = Known::of(name);
        if !matches!(known, Known::Other | Known::Host) {
            self.meaning.note(known, value);
        }
        if known == Known::TransferEncoding {
            return Ok(());
        }
        let added = self.head.fields.append_raw(name, value);
        added.map_err(|_| malformed("RFC 9110 5.4: the head is too large"))
    }
}
