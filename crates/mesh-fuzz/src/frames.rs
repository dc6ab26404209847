//! Frames of HTTP/2 (RFC 9113 4.1), taken apart and put together by nothing but their layout; and the
//! windows that both sides must keep.

use std::collections::BTreeMap;

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

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const ACK: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

const INITIAL_WINDOW: u16 = 4;

/// A frame.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame<'b> {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: &'b [u8],
}

impl Frame<'_> {
    pub(crate) fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    fn number(&self) -> u32 {
        let bytes = self.payload.first_chunk::<4>().copied();
        u32::from_be_bytes(bytes.unwrap_or_default()) & 0x7fff_ffff
    }

    /// What SETTINGS say of one thing; the last counts.
    fn setting(&self, wanted: u16) -> Option<u32> {
        let (settings, _) = self.payload.as_chunks::<6>();
        let mut all = settings.iter().filter_map(|[a, b, value @ ..]| {
            let id = u16::from_be_bytes([*a, *b]);
            (id == wanted).then_some(u32::from_be_bytes(*value))
        });
        all.next_back()
    }
}

/// The frame at the front, if it is whole.
pub(crate) fn take<'b>(bytes: &mut &'b [u8]) -> Option<Frame<'b>> {
    let (header, rest) = bytes.split_first_chunk::<9>()?;
    let [l0, l1, l2, kind, flags, stream @ ..] = *header;
    let length = u32::from_be_bytes([0, l0, l1, l2]);
    let (payload, rest) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    *bytes = rest;
    Some(Frame {
        kind,
        flags,
        stream: u32::from_be_bytes(stream) & 0x7fff_ffff,
        payload,
    })
}

/// Appends a frame.
pub(crate) fn put(out: &mut Vec<u8>, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
    let length = u32::try_from(payload.len()).unwrap_or_default();
    let [_, length @ ..] = length.to_be_bytes();
    out.extend_from_slice(&length);
    out.extend_from_slice(&[kind, flags]);
    out.extend_from_slice(&stream.to_be_bytes());
    out.extend_from_slice(payload);
}

/// What one side may send, as the other has said so far (RFC 9113 6.9).
#[derive(Debug)]
pub(crate) struct Windows {
    connection: i64,
    /// The initial window of streams, and the largest that it ever was.
    initial: i64,
    changed: BTreeMap<u32, i64>,
    /// What the initial window is once the sender has acknowledged it; until then the larger one
    /// counts.
    announced: Option<i64>,
    /// Whether the sender acknowledges settings before they count.
    generous: bool,
}

impl Windows {
    pub(crate) fn new(generous: bool) -> Self {
        Self {
            connection: 65_535,
            initial: 65_535,
            changed: BTreeMap::new(),
            announced: None,
            generous,
        }
    }

    /// Takes note of a frame of the side that opens the windows.
    pub(crate) fn opened(&mut self, frame: &Frame<'_>) {
        match frame.kind {
            SETTINGS if !frame.has(ACK) => {
                if let Some(size) = frame.setting(INITIAL_WINDOW) {
                    let size = i64::from(size);
                    if self.generous {
                        self.initial = self.initial.max(size);
                        self.announced = Some(size);
                    } else {
                        self.initial = size;
                    }
                }
            }
            WINDOW_UPDATE if frame.stream == 0 => self.connection += i64::from(frame.number()),
            WINDOW_UPDATE => {
                *self.changed.entry(frame.stream).or_default() += i64::from(frame.number());
            }
            _ => {}
        }
    }

    /// The sender has acknowledged the settings.
    pub(crate) fn acknowledged(&mut self) {
        self.initial = self.announced.take().unwrap_or(self.initial);
    }

    /// Takes note of a frame of the side that sends; false: it is more than a window takes.
    pub(crate) fn sent(&mut self, frame: &Frame<'_>) -> bool {
        if frame.kind != DATA || frame.payload.is_empty() {
            return true;
        }
        let bytes = frame.payload.len() as i64;
        self.connection -= bytes;
        let stream = self.changed.entry(frame.stream).or_default();
        *stream -= bytes;
        self.connection >= 0 && self.initial + *stream >= 0
    }
}
