//! Bodies that both ends can make and check without keeping them.

use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::HeaderMap;
use hyper::body::{Body, Frame, SizeHint};

/// Most bytes of a [`Pattern`] that are handed out at once.
const PIECE: u64 = 64 * 1024;
/// A prime, so a piece that is lost or doubled shifts everything behind it.
const PERIOD: u64 = 251;

/// What goes wrong with a body.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// The byte at a place of every body of the tests.
#[must_use]
pub fn byte_at(place: u64) -> u8 {
    u8::try_from(place % PERIOD).unwrap_or_default()
}

/// Enough of the pattern to begin at any place of it.
static PATTERN: LazyLock<Bytes> = LazyLock::new(|| pattern(PIECE + PERIOD).into());

/// The pattern from a place on: as many of its bytes as are at hand, at most 64 KiB.
#[must_use]
pub fn piece_at(place: u64, length: u64) -> Bytes {
    let from = usize::try_from(place % PERIOD).unwrap_or_default();
    let length = usize::try_from(length.min(PIECE)).unwrap_or_default();
    PATTERN.slice(from..from + length)
}

/// The first `length` bytes.
#[must_use]
pub fn pattern(length: u64) -> Vec<u8> {
    (0..length).map(byte_at).collect()
}

/// A sum over bytes (FNV-1a, 64 bits), in pieces or at once.
#[derive(Debug, Clone, Copy)]
pub struct Digest(u64);

impl Default for Digest {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Digest {
    /// Of bytes that are there whole.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        let mut digest = Self::default();
        digest.add(bytes);
        digest
    }

    /// Adds what comes next.
    pub fn add(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// As text.
    #[must_use]
    pub fn text(self) -> String {
        format!("{:016x}", self.0)
    }
}

/// The pattern as a body of a message.
#[derive(Debug)]
pub struct Pattern {
    next: u64,
    end: u64,
    sized: bool,
    trailers: Option<HeaderMap>,
    broken_at: Option<u64>,
    /// Whether what came so far has had its chance to be sent.
    paused: bool,
}

impl Pattern {
    /// Of a length that the head tells.
    #[must_use]
    pub fn exact(end: u64) -> Self {
        Self {
            next: 0,
            end,
            sized: true,
            trailers: None,
            broken_at: None,
            paused: false,
        }
    }

    /// Of a length that only its end tells.
    #[must_use]
    pub fn of_any_length(end: u64) -> Self {
        Self {
            sized: false,
            ..Self::exact(end)
        }
    }

    /// With trailers behind it; its length is not told then.
    #[must_use]
    pub fn with_trailers(self, trailers: HeaderMap) -> Self {
        Self {
            sized: false,
            trailers: Some(trailers),
            ..self
        }
    }

    /// Fails instead of going on behind so many bytes.
    #[must_use]
    pub fn broken_at(self, bytes: u64) -> Self {
        Self {
            broken_at: Some(bytes),
            ..self
        }
    }
}

impl Body for Pattern {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        let end = self.broken_at.unwrap_or(self.end).min(self.end);
        let (from, to) = (self.next, end.min(self.next + PIECE));
        if from == to {
            if self.broken_at.is_some() && !self.paused {
                self.paused = true;
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            if self.broken_at.is_some() {
                return Poll::Ready(Some(Err("broken off as it was asked".into())));
            }
            let trailers = self.trailers.take();
            return Poll::Ready(trailers.map(|fields| Ok(Frame::trailers(fields))));
        }
        self.next = to;
        Poll::Ready(Some(Ok(Frame::data(piece_at(from, to - from)))))
    }

    fn is_end_stream(&self) -> bool {
        self.next == self.end && self.sized
    }

    fn size_hint(&self) -> SizeHint {
        if self.sized {
            SizeHint::with_exact(self.end - self.next)
        } else {
            SizeHint::new()
        }
    }
}
