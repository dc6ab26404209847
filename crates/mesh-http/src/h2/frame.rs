//! Frames as bytes (RFC 9113 4.1 and 6): reading their headers, writing them.

use crate::ErrorCode;

/// Length of a frame header.
pub(crate) const HEADER: usize = 9;
/// The longest payload that we take: the default, never raised (RFC 9113 4.2).
pub(crate) const MAX_PAYLOAD: u32 = 16_384;
/// What a client sends first (RFC 9113 3.4).
pub(crate) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The largest stream identifier, and the largest window.
pub(crate) const MAX_31: u32 = 0x7fff_ffff;

pub(crate) const END_STREAM: u8 = 0x1;
pub(crate) const ACK: u8 = 0x1;
pub(crate) const END_HEADERS: u8 = 0x4;
pub(crate) const PADDED: u8 = 0x8;
pub(crate) const PRIORITY: u8 = 0x20;

/// Types of frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Data,
    Headers,
    Priority,
    Reset,
    Settings,
    PushPromise,
    Ping,
    GoAway,
    WindowUpdate,
    Continuation,
    /// Of an extension: to be ignored (RFC 9113 5.5).
    Unknown,
}

impl Kind {
    fn of(byte: u8) -> Self {
        match byte {
            0 => Self::Data,
            1 => Self::Headers,
            2 => Self::Priority,
            3 => Self::Reset,
            4 => Self::Settings,
            5 => Self::PushPromise,
            6 => Self::Ping,
            7 => Self::GoAway,
            8 => Self::WindowUpdate,
            9 => Self::Continuation,
            _ => Self::Unknown,
        }
    }

    /// Its number; that of no frame we write for [`Kind::Unknown`].
    fn number(self) -> u8 {
        match self {
            Self::Data => 0,
            Self::Headers => 1,
            Self::Priority => 2,
            Self::Reset => 3,
            Self::Settings => 4,
            Self::PushPromise => 5,
            Self::Ping => 6,
            Self::GoAway => 7,
            Self::WindowUpdate => 8,
            Self::Continuation => 9,
            Self::Unknown => 0xff,
        }
    }
}

/// The header of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    pub(crate) length: u32,
    pub(crate) kind: Kind,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
}

impl FrameHeader {
    pub(crate) fn parse(bytes: &[u8; HEADER]) -> Self {
        let [l0, l1, l2, kind, flags, s0, s1, s2, s3] = *bytes;
        Self {
            length: u32::from_be_bytes([0, l0, l1, l2]),
            kind: Kind::of(kind),
            flags,
            // The reserved bit is ignored (RFC 9113 4.1).
            stream: u32::from_be_bytes([s0, s1, s2, s3]) & MAX_31,
        }
    }

    pub(crate) fn bytes(self) -> [u8; HEADER] {
        let [_, l0, l1, l2] = self.length.to_be_bytes();
        let [s0, s1, s2, s3] = self.stream.to_be_bytes();
        [l0, l1, l2, self.kind.number(), self.flags, s0, s1, s2, s3]
    }

    pub(crate) fn has(self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}

/// Reads four bytes, the reserved bit of most of them cleared by the caller.
pub(crate) fn u32_of(payload: &[u8]) -> Option<u32> {
    payload.first_chunk().copied().map(u32::from_be_bytes)
}

pub(crate) fn put(out: &mut Vec<u8>, kind: Kind, flags: u8, stream: u32, payload: &[u8]) {
    let header = FrameHeader {
        // No caller has more than a peer's frame takes, which is below 2^24.
        length: u32::try_from(payload.len()).unwrap_or(0),
        kind,
        flags,
        stream,
    };
    out.extend_from_slice(&header.bytes());
    out.extend_from_slice(payload);
}

pub(crate) fn put_reset(out: &mut Vec<u8>, stream: u32, code: ErrorCode) {
    put(out, Kind::Reset, 0, stream, &code.0.to_be_bytes());
}

pub(crate) fn put_window_update(out: &mut Vec<u8>, stream: u32, increment: u32) {
    put(out, Kind::WindowUpdate, 0, stream, &increment.to_be_bytes());
}

pub(crate) fn put_go_away(out: &mut Vec<u8>, last: u32, code: ErrorCode) {
    let [l0, l1, l2, l3] = last.to_be_bytes();
    let [c0, c1, c2, c3] = code.0.to_be_bytes();
    put(out, Kind::GoAway, 0, 0, &[l0, l1, l2, l3, c0, c1, c2, c3]);
}

/// Completes a header block that was appended behind `HEADER` bytes of room at `start`: writes the
/// header of its frame, and cuts it in CONTINUATION frames where it is longer than `most` bytes.
pub(crate) fn close_block(out: &mut Vec<u8>, start: usize, stream: u32, end: bool, most: usize) {
    let length = out.len().saturating_sub(start + HEADER);
    let end_stream = if end { END_STREAM } else { 0 };
    let end_headers = if length <= most { END_HEADERS } else { 0 };
    let header = FrameHeader {
        length: u32::try_from(length.min(most)).unwrap_or(0),
        kind: Kind::Headers,
        flags: end_stream | end_headers,
        stream,
    };
    if let Some(room) = out.get_mut(start..start + HEADER) {
        room.copy_from_slice(&header.bytes());
    }
    if length <= most {
        return;
    }
    let tail = out.split_off(start + HEADER + most);
    let mut pieces = tail.chunks(most).peekable();
    while let Some(piece) = pieces.next() {
        let flags = if pieces.peek().is_none() {
            END_HEADERS
        } else {
            0
        };
        put(out, Kind::Continuation, flags, stream, piece);
    }
}
