//! What every codec tells and is told: the words that HTTP/1 and HTTP/2 have in common.
//!
//! A codec is a state machine without I/O: bytes in, events out, bytes to send accumulated. It owns
//! no socket and no clock. The caller reads what its peer sent, asks for events until there is none,
//! says what it wants to send, and writes what is in [`Output`] once it has nothing more to add.

/// One exchange of messages on a connection: HTTP/2's stream identifier; on HTTP/1 requests are
/// counted from 1.
pub type StreamId = u32;

/// What a codec found in its peer's bytes. `'b` is the life of those bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event<'b> {
    /// The head of a request (to a server) or of a final response (to a client), 101 and the answer
    /// to CONNECT included. The caller's head holds it.
    Head {
        /// Its stream.
        stream: StreamId,
        /// What follows.
        body: BodyLength,
    },
    /// An informational response other than 101. The caller's head holds it.
    Interim {
        /// Its stream.
        stream: StreamId,
    },
    /// A piece of a body, or of a tunnel after an upgrade or CONNECT.
    Data {
        /// Its stream.
        stream: StreamId,
        /// The bytes. They count against the window until the caller releases them.
        bytes: &'b [u8],
        /// Whether the message is complete with them.
        end: bool,
    },
    /// The trailer section, which ends the message. The caller's head holds it in its fields.
    Trailers {
        /// Its stream.
        stream: StreamId,
    },
    /// The peer has given up the stream.
    Reset {
        /// The stream.
        stream: StreamId,
        /// Why.
        code: ErrorCode,
        /// False: the peer says that it did nothing with the request (REFUSED_STREAM, or a GOAWAY
        /// that does not cover it), so it may be sent again.
        processed: bool,
    },
    /// What came on the stream breaks a rule: the stream is over and the peer was told so.
    Broken {
        /// The stream.
        stream: StreamId,
        /// Which rule.
        fault: Fault,
    },
    /// The peer takes more bytes: of this stream, or of any when there is none.
    Window {
        /// The stream.
        stream: Option<StreamId>,
    },
    /// The peer takes no further requests on this connection; those under way go on.
    GoingAway,
}

/// What is known of the length of a body when its head is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BodyLength {
    /// There is no body: the message is complete.
    None,
    /// So many bytes, at least one.
    Exactly(u64),
    /// Until its end is marked, or until the peer closes.
    Unknown,
    /// No body but bytes of another protocol, both ways: after 101, or after CONNECT was answered.
    Tunnel,
}

/// Error codes of HTTP/2 (RFC 9113 7).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ErrorCode(pub u32);

impl ErrorCode {
    /// Nothing is wrong.
    pub const NO_ERROR: Self = Self(0x0);
    /// The peer broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(0x1);
    /// We have a problem of our own.
    pub const INTERNAL_ERROR: Self = Self(0x2);
    /// More was sent than the window allows.
    pub const FLOW_CONTROL_ERROR: Self = Self(0x3);
    /// Settings were not acknowledged in time.
    pub const SETTINGS_TIMEOUT: Self = Self(0x4);
    /// A frame on a stream that its sender had closed.
    pub const STREAM_CLOSED: Self = Self(0x5);
    /// A frame of a length that it cannot have.
    pub const FRAME_SIZE_ERROR: Self = Self(0x6);
    /// Nothing was done with the stream.
    pub const REFUSED_STREAM: Self = Self(0x7);
    /// The stream is no longer wanted.
    pub const CANCEL: Self = Self(0x8);
    /// The compression state is lost.
    pub const COMPRESSION_ERROR: Self = Self(0x9);
    /// A tunnel's connection broke.
    pub const CONNECT_ERROR: Self = Self(0xa);
    /// The peer behaves in a way that costs too much.
    pub const ENHANCE_YOUR_CALM: Self = Self(0xb);
    /// The transport is not secure enough.
    pub const INADEQUATE_SECURITY: Self = Self(0xc);
    /// HTTP/1.1 is to be used instead.
    pub const HTTP_1_1_REQUIRED: Self = Self(0xd);
}

/// A rule that a peer has broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct Fault {
    /// Which family of rules: it decides the answer and the counter.
    pub kind: FaultKind,
    /// What is wrong, with the section of the RFC; constant, so that it can be logged and counted.
    pub why: &'static str,
}

/// Families of rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FaultKind {
    /// The message's syntax (400; PROTOCOL_ERROR).
    Malformed,
    /// Where the body ends is not clear, or is not what was announced (400; PROTOCOL_ERROR).
    Framing,
    /// A transfer coding that is not carried (501).
    Coding,
    /// The head, one field, or their number is beyond the limits (431).
    HeadTooLarge,
    /// The request target is beyond the limit (414).
    TargetTooLong,
    /// Neither HTTP/1.0 nor HTTP/1.1 (505).
    Version,
    /// A frame or a state that HTTP/2 does not allow (GOAWAY, RST_STREAM).
    Protocol,
    /// More bytes than the window allows (FLOW_CONTROL_ERROR).
    FlowControl,
    /// The compression state is broken (COMPRESSION_ERROR).
    Compression,
    /// The peer does what is allowed, but so much of it that it must be an attack
    /// (ENHANCE_YOUR_CALM).
    Flood,
    /// The peer closed in the middle of a message.
    CutOff,
}

impl FaultKind {
    /// The status that a request gets which breaks such a rule.
    #[must_use]
    pub fn status(self) -> u16 {
        match self {
            Self::Coding => 501,
            Self::HeadTooLarge => 431,
            Self::TargetTooLong => 414,
            Self::Version => 505,
            Self::Malformed
            | Self::Framing
            | Self::Protocol
            | Self::FlowControl
            | Self::Compression
            | Self::Flood
            | Self::CutOff => 400,
        }
    }

    /// As metrics call it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Framing => "framing",
            Self::Coding => "transfer_coding",
            Self::HeadTooLarge => "head_too_large",
            Self::TargetTooLong => "target_too_long",
            Self::Version => "version",
            Self::Protocol => "h2_protocol",
            Self::FlowControl => "h2_flow_control",
            Self::Compression => "h2_compression",
            Self::Flood => "h2_flood",
            Self::CutOff => "cut_off",
        }
    }
}

/// Why something could not be sent; nothing of it was written then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CannotSend {
    /// The stream is over, was reset, or never was.
    #[error("the stream is over")]
    NoStream,
    /// No further request fits on the connection: too many streams, or it is going away.
    #[error("the connection takes no further request")]
    NoRoom,
    /// The message would not be read as it is meant.
    #[error("{0}")]
    Unfit(&'static str),
}

/// Bytes to be sent, in order. Whoever writes them to the peer consumes them from the front.
#[derive(Debug, Default)]
pub struct Output {
    bytes: Vec<u8>,
    sent: usize,
}

/// Makes room for more bytes of a body in a buffer that comes and goes with what peers take.
///
/// What outgrows a small buffer gets a large one at once: large blocks come from the kernel and go back
/// to it, while those of sizes between leave holes in the heap that nothing else fits into.
pub fn make_room(buffer: &mut Vec<u8>, more: usize) {
    const SMALL: usize = 16 * 1024;
    const LARGE: usize = 128 * 1024;
    let needed = buffer.len().saturating_add(more);
    if needed > SMALL && needed <= LARGE && buffer.capacity() < needed {
        buffer.reserve_exact(LARGE - buffer.len());
    }
}

impl Output {
    /// Buffers larger than this are given back once they are empty. Many answers that leave together
    /// need more than what one answer may have waiting.
    const LARGEST: usize = 128 * 1024;
    /// Bytes that were sent are dropped from the front of the buffer once they are so many.
    const KEEP: usize = 64 * 1024;

    /// Nothing to be sent.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What is still to be sent.
    #[must_use]
    pub fn pending(&self) -> &[u8] {
        self.bytes.get(self.sent..).unwrap_or_default()
    }

    /// How many bytes are still to be sent.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len().saturating_sub(self.sent)
    }

    /// Bytes that its buffer takes, sent or not.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.bytes.capacity()
    }

    /// Whether everything was sent.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Notes that the first `count` pending bytes were sent.
    pub fn consume(&mut self, count: usize) {
        self.sent = self.sent.saturating_add(count).min(self.bytes.len());
        if self.sent == self.bytes.len() {
            self.sent = 0;
            self.bytes.clear();
            if self.bytes.capacity() > Self::LARGEST {
                self.bytes = Vec::new();
            }
        } else if self.sent > Self::KEEP {
            // A peer that never takes everything must not make us keep what it took.
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
    }

    /// Takes a buffer to write into, if it has none: connections can share what they do not all need
    /// at once. What was in the buffer is forgotten.
    pub fn lend(&mut self, buffer: impl FnOnce() -> Option<Vec<u8>>) {
        if self.bytes.capacity() == 0
            && let Some(mut buffer) = buffer()
        {
            buffer.clear();
            self.bytes = buffer;
        }
    }

    /// Hands its buffer out if there is nothing to be sent.
    pub fn reclaim(&mut self) -> Option<Vec<u8>> {
        let idle = self.is_empty() && self.bytes.capacity() > 0;
        idle.then(|| {
            self.sent = 0;
            std::mem::take(&mut self.bytes)
        })
    }

    /// Gives the memory back if there is nothing to be sent: the connection is idle.
    pub fn rest(&mut self) {
        if self.is_empty() {
            *self = Self::new();
        }
    }

    /// The buffer, for a codec to append to; bytes in it are never changed or taken out.
    pub(crate) fn buffer(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    /// The buffer, with room for a piece of a body.
    pub(crate) fn buffer_for(&mut self, piece: usize) -> &mut Vec<u8> {
        make_room(&mut self.bytes, piece);
        &mut self.bytes
    }
}

#[cfg(test)]
mod tests;
