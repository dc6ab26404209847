//! HEADERS and CONTINUATION (RFC 9113 6.2, 6.10): from frames to whole header blocks, decoded.

use std::time::Instant;

use super::control::is_own_parent;
use super::{Connection, Place, Role, Step};
use crate::h2::frame::{self, FrameHeader};
use crate::h2::heads::{self, TrailerReader};
use crate::h2::hpack::Field;
use crate::h2::stream::{ANY_LENGTH, Receive};
use crate::{ErrorCode, Event, Fault, FaultKind, Fields};

/// Frames that one header block may be cut into. Senders fill their frames, so that our bound of
/// the block's size is reached long before (CVE-2024-27919).
const MOST_FRAMES: u32 = 32;
/// How many of them may be empty.
const MOST_EMPTY: u32 = 2;
/// How much larger than our limit a header list may be for the connection to live on: up to here
/// only the request is refused.
const BOMB: usize = 8;
/// The same for the block as it is sent, which is never much larger than what is in it.
const LARGE_BLOCK: usize = 2;

/// A larger buffer of fragments is given back once its block is decoded.
const KEEP: usize = 16 * 1024;

/// A header block in the making.
#[derive(Debug, Clone, Copy)]
pub(super) struct Collecting {
    pub(super) stream: u32,
    end: bool,
    is_own_parent: bool,
    frames: u32,
    empty: u32,
}

/// A complete header block.
pub(crate) struct Block<'b> {
    pub(crate) stream: u32,
    /// Whether the message ends with it.
    pub(crate) end: bool,
    /// Whether its priority makes the stream depend on itself.
    pub(crate) is_own_parent: bool,
    fragment: Fragment<'b>,
}

enum Fragment<'b> {
    Whole(&'b [u8]),
    /// They are in the connection's buffer.
    Collected,
}

impl Connection {
    pub(super) fn on_headers<'b>(
        &mut self,
        header: FrameHeader,
        payload: &'b [u8],
    ) -> Result<Option<Step<'b>>, Fault> {
        self.check_headers(header.stream)?;
        let mut fragment = payload;
        if header.has(frame::PADDED) {
            fragment = match unpadded(payload) {
                Some(fragment) => fragment,
                None => return Err(self.protocol("RFC 9113 6.2: more padding than payload")),
            };
        }
        let mut own_parent = false;
        if header.has(frame::PRIORITY) {
            let Some((priority, rest)) = fragment.split_at_checked(5) else {
                return Err(self.frame_size("RFC 9113 6.2: HEADERS without the priority announced"));
            };
            own_parent = is_own_parent(header.stream, priority);
            fragment = rest;
        }
        let end = header.has(frame::END_STREAM);
        if header.has(frame::END_HEADERS) {
            return Ok(Some(Step::Block(Block {
                stream: header.stream,
                end,
                is_own_parent: own_parent,
                fragment: Fragment::Whole(fragment),
            })));
        }
        self.collecting = Some(Collecting {
            stream: header.stream,
            end,
            is_own_parent: own_parent,
            frames: 0,
            empty: 0,
        });
        self.fragments.clear();
        self.collect(fragment).map(|()| None)
    }

    pub(super) fn on_continuation<'b>(
        &mut self,
        header: FrameHeader,
        payload: &'b [u8],
    ) -> Result<Option<Step<'b>>, Fault> {
        self.collect(payload)?;
        if !header.has(frame::END_HEADERS) {
            return Ok(None);
        }
        Ok(self.collecting.take().map(|block| {
            Step::Block(Block {
                stream: block.stream,
                end: block.end,
                is_own_parent: block.is_own_parent,
                fragment: Fragment::Collected,
            })
        }))
    }

    fn collect(&mut self, fragment: &[u8]) -> Result<(), Fault> {
        let Some(block) = &mut self.collecting else {
            return Ok(());
        };
        block.frames += 1;
        block.empty += u32::from(fragment.is_empty());
        if block.frames > MOST_FRAMES || block.empty > MOST_EMPTY {
            return Err(self.flood("RFC 9113 10.5: a header block in too many frames"));
        }
        let size = self.fragments.len().saturating_add(fragment.len());
        if size > self.limits.head_bytes.saturating_mul(LARGE_BLOCK) {
            return Err(self.flood("RFC 9113 10.5.1: a header block is far too large"));
        }
        self.fragments.extend_from_slice(fragment);
        Ok(())
    }

    /// Whether a header block may begin on that stream at all (RFC 9113 5.1, 5.1.1).
    fn check_headers(&mut self, id: u32) -> Result<(), Fault> {
        if id == 0 {
            return Err(self.protocol("RFC 9113 6.2: HEADERS on stream 0"));
        }
        match (self.place_of(id), self.role) {
            (Place::Idle, Role::Server) if id.is_multiple_of(2) => {
                Err(self.protocol("RFC 9113 5.1.1: a client opens a stream of even number"))
            }
            (Place::Idle, Role::Client) => {
                Err(self.protocol("RFC 9113 5.1: HEADERS on a stream that we did not open"))
            }
            (Place::Over, _) if self.past.has_ended(id) => Err(self.fail(
                ErrorCode::STREAM_CLOSED,
                FaultKind::Protocol,
                "RFC 9113 5.1: HEADERS on a closed stream",
            )),
            (Place::Over, _) => {
                Err(self.protocol("RFC 9113 5.1.1: a stream below one that was opened before"))
            }
            (Place::Idle | Place::Open | Place::Dropped, _) => Ok(()),
        }
    }

    /// Decodes a block, field by field. False: the list is larger than allowed, and `each` did not
    /// see all of it; the compression state is right all the same.
    pub(crate) fn decode(
        &mut self,
        block: &Block<'_>,
        mut each: impl FnMut(Field<'_>),
    ) -> Result<bool, Fault> {
        let most_bytes = self.limits.head_bytes;
        let most_fields = self.limits.head_fields;
        let bytes = match block.fragment {
            Fragment::Whole(bytes) => bytes,
            Fragment::Collected => &self.fragments,
        };
        let (mut size, mut count) = (0_usize, 0_usize);
        let decoded = self.decoder.decode(bytes, &mut |field: Field<'_>| {
            size = size.saturating_add(field.name.len() + field.value.len() + 32);
            count += 1;
            if size <= most_bytes && count <= most_fields {
                each(field);
            }
        });
        if self.collecting.is_none() && self.fragments.capacity() > KEEP {
            self.fragments = Vec::new();
        }
        if decoded.is_err() {
            return Err(self.fail(
                ErrorCode::COMPRESSION_ERROR,
                FaultKind::Compression,
                "RFC 9113 4.3: a header block cannot be decoded",
            ));
        }
        if size > most_bytes.saturating_mul(BOMB) {
            return Err(self.flood("RFC 9113 10.5.1: a header list is far too large"));
        }
        Ok(size <= most_bytes && count <= most_fields)
    }

    /// Decodes a block for the compression state only.
    pub(crate) fn discard(&mut self, block: &Block<'_>) -> Result<(), Fault> {
        self.decode(block, |_| {}).map(|_| ())
    }

    /// A block on a stream that is over by our doing.
    pub(crate) fn ignore(&mut self, now: Instant, block: &Block<'_>) -> Result<(), Fault> {
        self.discard(block)?;
        self.charge(now, 1)
    }

    /// A block on an open stream whose head has come: trailers, or nothing that may come.
    pub(crate) fn on_trailers(
        &mut self,
        now: Instant,
        block: &Block<'_>,
        fields: &mut Fields,
    ) -> Result<Event<'static>, Fault> {
        fields.clear();
        let mut reader = TrailerReader::new(fields);
        let fits = self.decode(block, |field| reader.field(field))?;
        let read = reader.finish();
        if let Err((code, fault)) = self.check_trailers(block, fits, read) {
            return self.break_stream(now, block.stream, code, fault);
        }
        self.abuse.useful();
        self.end_receiving(block.stream);
        Ok(Event::Trailers {
            stream: block.stream,
        })
    }

    fn check_trailers(
        &self,
        block: &Block<'_>,
        fits: bool,
        read: Result<(), Fault>,
    ) -> Result<(), (ErrorCode, Fault)> {
        let protocol = ErrorCode::PROTOCOL_ERROR;
        let malformed = |why| (protocol, heads::malformed(why));
        let stream = self.streams.get(block.stream);
        let (receive, left) = stream.map_or((Receive::Done, 0), |s| (s.receive, s.receive_left));
        if receive == Receive::Done {
            let fault = Fault {
                kind: FaultKind::Protocol,
                why: "RFC 9113 5.1: HEADERS on a half-closed stream",
            };
            return Err((ErrorCode::STREAM_CLOSED, fault));
        }
        if block.is_own_parent {
            return Err(malformed(heads::OWN_PARENT));
        }
        if receive == Receive::Tunnel {
            return Err(malformed("RFC 9113 8.5: HEADERS in a tunnel"));
        }
        if !block.end {
            return Err(malformed("RFC 9113 8.1: trailers do not end the stream"));
        }
        if !fits {
            return Err((protocol, heads::TOO_LARGE));
        }
        read.map_err(|fault| (protocol, fault))?;
        if left != 0 && left != ANY_LENGTH {
            return Err((protocol, heads::WRONG_LENGTH));
        }
        Ok(())
    }
}

/// The payload without the length of its padding and the padding (RFC 9113 6.1).
fn unpadded(payload: &[u8]) -> Option<&[u8]> {
    let (padding, rest) = payload.split_first()?;
    let length = rest.len().checked_sub(usize::from(*padding))?;
    rest.get(..length)
}
