//! Frames of HTTP/2 (RFC 9113, 4.1) and the few HPACK forms (RFC 7541, 6) that load and back end write.
//!
//! Nothing is decoded but frame heads: neither side needs to read the other's header lists, and
//! both must cost less than any proxy between them.

/// What a client opens a connection with.
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;

/// On DATA and HEADERS.
pub(crate) const END_STREAM: u8 = 1;
/// On SETTINGS and PING.
pub(crate) const ACK: u8 = 1;
/// On HEADERS.
pub(crate) const END_HEADERS: u8 = 4;

pub(crate) const HEADER_TABLE_SIZE: u16 = 1;
pub(crate) const MAX_CONCURRENT_STREAMS: u16 = 3;
pub(crate) const INITIAL_WINDOW_SIZE: u16 = 4;

/// The window of a connection before anybody enlarged it.
pub(crate) const FIRST_WINDOW: i64 = 65_535;
/// By how much both ends enlarge the window of a connection at once.
pub(crate) const WIDE: u32 = 0x3fff_0000;
/// The window of each stream that both ends announce.
pub(crate) const STREAM_WINDOW: u32 = 1 << 20;

/// One frame.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame<'a> {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: &'a [u8],
}

impl Frame<'_> {
    /// Whether a flag is set.
    pub(crate) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// The increment of a WINDOW_UPDATE.
    pub(crate) fn increment(&self) -> i64 {
        let word = self.payload.first_chunk::<4>().copied().unwrap_or_default();
        i64::from(u32::from_be_bytes(word) & 0x7fff_ffff)
    }

    /// Identifiers and values of a SETTINGS frame.
    pub(crate) fn settings(&self) -> impl Iterator<Item = (u16, u32)> {
        self.payload
            .chunks_exact(6)
            .filter_map(|entry| match entry {
                &[i, j, a, b, c, d] => {
                    Some((u16::from_be_bytes([i, j]), u32::from_be_bytes([a, b, c, d])))
                }
                _ => None,
            })
    }
}

/// Takes the first frame off, when it is there as a whole.
pub(crate) fn split(bytes: &[u8]) -> Option<(Frame<'_>, &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<9>()?;
    let [a, b, c, kind, flags, stream @ ..] = *head;
    let length = u32::from_be_bytes([0, a, b, c]);
    let (payload, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    let stream = u32::from_be_bytes(stream) & 0x7fff_ffff;
    let frame = Frame {
        kind,
        flags,
        stream,
        payload,
    };
    Some((frame, rest))
}

/// Appends a frame.
pub(crate) fn put(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX);
    let [_, a, b, c] = length.to_be_bytes();
    out.extend_from_slice(&[a, b, c, kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}

/// Appends SETTINGS.
pub(crate) fn put_settings(out: &mut Vec<u8>, settings: &[(u16, u32)]) {
    let mut payload = Vec::with_capacity(settings.len() * 6);
    for (identifier, value) in settings {
        payload.extend_from_slice(&identifier.to_be_bytes());
        payload.extend_from_slice(&value.to_be_bytes());
    }
    put(out, SETTINGS, 0, 0, &payload);
}

/// Appends a WINDOW_UPDATE of the connection.
pub(crate) fn put_window(out: &mut Vec<u8>, increment: u32) {
    put(out, WINDOW_UPDATE, 0, 0, &increment.to_be_bytes());
}

/// How a field's name is written.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Name<'a> {
    /// By its place in the static table.
    At(usize),
    /// In full.
    Text(&'a str),
}

/// Appends a field that stands in a table whole.
pub(crate) fn put_indexed(out: &mut Vec<u8>, index: usize) {
    put_integer(out, 0x80, 7, index);
}

/// Appends a field that the peer remembers in its dynamic table.
pub(crate) fn put_remembered(out: &mut Vec<u8>, name: Name<'_>, value: &str) {
    put_field(out, 0x40, 6, name, value);
}

/// Appends a field that the peer does not remember.
pub(crate) fn put_plain(out: &mut Vec<u8>, name: Name<'_>, value: &str) {
    put_field(out, 0, 4, name, value);
}

fn put_field(out: &mut Vec<u8>, pattern: u8, bits: u8, name: Name<'_>, value: &str) {
    match name {
        Name::At(index) => put_integer(out, pattern, bits, index),
        Name::Text(text) => {
            put_integer(out, pattern, bits, 0);
            put_text(out, text);
        }
    }
    put_text(out, value);
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    put_integer(out, 0, 7, text.len());
    out.extend_from_slice(text.as_bytes());
}

/// RFC 7541, 5.1.
fn put_integer(out: &mut Vec<u8>, pattern: u8, bits: u8, value: usize) {
    let low = |value: usize| value.to_le_bytes().first().copied().unwrap_or_default();
    let most = (1_usize << bits) - 1;
    if value < most {
        out.push(pattern | low(value));
        return;
    }
    out.push(pattern | low(most));
    let mut rest = value - most;
    while rest >= 128 {
        out.push(low(rest) | 0x80);
        rest /= 128;
    }
    out.push(low(rest));
}
