//! Frames of HTTP/2 (RFC 9113 4 and 6) as values.

use tokio::io::{AsyncRead, AsyncReadExt};

use super::hpack;

/// What a client sends first.
pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RST_STREAM: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH_PROMISE: u8 = 5;
pub(crate) const PING: u8 = 6;
pub(crate) const GOAWAY: u8 = 7;
pub(crate) const WINDOW_UPDATE: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

/// On DATA and HEADERS.
pub(crate) const END_STREAM: u8 = 0x1;
/// On SETTINGS and PING.
pub(crate) const ACK: u8 = 0x1;
/// On HEADERS and CONTINUATION.
pub(crate) const END_HEADERS: u8 = 0x4;
pub(crate) const PADDED: u8 = 0x8;
pub(crate) const PRIORITISED: u8 = 0x20;
/// A whole head without a body.
pub(crate) const WHOLE: u8 = END_STREAM | END_HEADERS;

/// One frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

impl Frame {
    /// In a script: the stream of the request that is answered.
    pub(crate) const THIS: u32 = u32::MAX;

    pub(crate) fn new(kind: u8, flags: u8, stream: u32, payload: impl Into<Vec<u8>>) -> Self {
        Self {
            kind,
            flags,
            stream,
            payload: payload.into(),
        }
    }

    /// HEADERS with a block of literals.
    pub(crate) fn head<N: AsRef<[u8]>, V: AsRef<[u8]>>(
        flags: u8,
        stream: u32,
        fields: &[(N, V)],
    ) -> Self {
        Self::new(HEADERS, flags, stream, hpack::block(fields))
    }

    pub(crate) fn data(flags: u8, stream: u32, bytes: impl Into<Vec<u8>>) -> Self {
        Self::new(DATA, flags, stream, bytes)
    }

    pub(crate) fn settings(pairs: &[(u16, u32)]) -> Self {
        let mut payload = Vec::new();
        for (name, value) in pairs {
            payload.extend(name.to_be_bytes());
            payload.extend(value.to_be_bytes());
        }
        Self::new(SETTINGS, 0, 0, payload)
    }

    pub(crate) fn window(stream: u32, more: u32) -> Self {
        Self::new(WINDOW_UPDATE, 0, stream, more.to_be_bytes())
    }

    pub(crate) fn rst(stream: u32, code: u32) -> Self {
        Self::new(RST_STREAM, 0, stream, code.to_be_bytes())
    }

    /// As it stands on the wire.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        self.with_length(self.payload.len())
    }

    /// With a length that need not be the payload's.
    pub(crate) fn with_length(&self, length: usize) -> Vec<u8> {
        let mut out = u32::try_from(length)
            .expect("a frame's length")
            .to_be_bytes()[1..]
            .to_vec();
        out.extend([self.kind, self.flags]);
        out.extend(self.stream.to_be_bytes());
        out.extend(&self.payload);
        out
    }

    /// Reads one; none at the end of the connection.
    pub(crate) async fn read(from: &mut (impl AsyncRead + Unpin)) -> Option<Self> {
        let mut head = [0; 9];
        from.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; usize::try_from(length).ok()?];
        from.read_exact(&mut payload).await.ok()?;
        let stream = u32::from_be_bytes([head[5] & 0x7f, head[6], head[7], head[8]]);
        Some(Self {
            kind: head[3],
            flags: head[4],
            stream,
            payload,
        })
    }

    pub(crate) fn is(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    /// The payload without padding and priority.
    pub(crate) fn content(&self) -> Result<&[u8], String> {
        let mut rest = self.payload.as_slice();
        let mut padding = 0;
        if matches!(self.kind, DATA | HEADERS) && self.is(PADDED) {
            let (first, more) = rest.split_first().ok_or("no length of the padding")?;
            (padding, rest) = (usize::from(*first), more);
        }
        if self.kind == HEADERS && self.is(PRIORITISED) {
            rest = rest.get(5..).ok_or("no priority")?;
        }
        let length = rest
            .len()
            .checked_sub(padding)
            .ok_or("more padding than payload")?;
        Ok(&rest[..length])
    }

    /// The first 32 bits of the payload.
    pub(crate) fn word(&self, at: usize) -> u32 {
        let word = self
            .payload
            .get(at..at + 4)
            .and_then(|word| word.try_into().ok());
        word.map_or(0, u32::from_be_bytes)
    }
}

/// The wire form of many frames.
pub(crate) fn frames(frames: &[Frame]) -> Vec<u8> {
    frames.iter().flat_map(Frame::bytes).collect()
}

/// Preface and settings of a client with windows that no case fills, then these frames.
pub(crate) fn opened(rest: &[Frame]) -> Vec<u8> {
    let mut out = PREFACE.to_vec();
    out.extend(Frame::settings(&[(0x2, 0), (0x4, 16 << 20)]).bytes());
    out.extend(frames(rest));
    out
}

/// Puts the frames on the streams that a client opens next.
pub(crate) fn go_on(frames: &mut [u8]) {
    let mut rest = frames;
    while let Some((head, tail)) = rest.split_first_chunk_mut::<9>() {
        let [l0, l1, l2, _, _, s0, s1, s2, s3] = *head;
        let length = u32::from_be_bytes([0, l0, l1, l2]) as usize;
        let stream = u32::from_be_bytes([s0, s1, s2, s3]) + 2;
        head[5..].copy_from_slice(&stream.to_be_bytes());
        rest = &mut tail[length..];
    }
}
