//! What we send on streams: heads, bodies within the windows, trailers, resets.

use super::Connection;
use crate::h2::frame::{self, Kind};
use crate::h2::heads;
use crate::h2::hpack::Encoder;
use crate::h2::stream::{ANY_LENGTH, Send};
use crate::{CannotSend, ErrorCode, Fault, Fields};

impl Connection {
    /// Writes a header block that `encode` fills.
    pub(crate) fn write_block(
        &mut self,
        id: u32,
        end: bool,
        encode: impl FnOnce(&mut Encoder, &mut Vec<u8>),
    ) {
        let out = self.wire.buffer();
        let start = out.len();
        out.extend_from_slice(&[0; frame::HEADER]);
        self.encoder.begin(out);
        encode(&mut self.encoder, out);
        frame::close_block(out, start, id, end, self.peer.frame_size as usize);
    }

    /// Sends as much of a body as the windows take, and the end behind the last of it.
    pub(crate) fn send_data(
        &mut self,
        id: u32,
        bytes: &[u8],
        end: bool,
    ) -> Result<usize, CannotSend> {
        let connection = self.send_window.available();
        let stream = self.streams.get_mut(id).ok_or(CannotSend::NoStream)?;
        match stream.send {
            Send::Body => {}
            Send::Muted => return Ok(self.send_muted(id, bytes.len(), end)),
            Send::Head => return Err(CannotSend::Unfit("a body before its head")),
            Send::Done => return Err(CannotSend::NoStream),
        }
        let is_counted = stream.send_left != ANY_LENGTH;
        let offered = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        if is_counted && offered > stream.send_left {
            return Err(CannotSend::Unfit("a body longer than its content-length"));
        }
        let taken = bytes
            .len()
            .min(stream.send_window.available())
            .min(connection);
        let end = end && taken == bytes.len();
        if end && is_counted && offered < stream.send_left {
            // Ended like this it would be taken for whole by a peer that does not count.
            self.reset(id, ErrorCode::INTERNAL_ERROR);
            return Ok(taken);
        }
        if taken == 0 && !end {
            return Ok(0);
        }
        stream.send_window.take(taken);
        if is_counted {
            stream.send_left -= u64::try_from(taken).unwrap_or(0);
        }
        self.send_window.take(taken);
        self.abuse.sent(taken);
        self.write_data(id, bytes.get(..taken).unwrap_or_default(), end);
        Ok(taken)
    }

    fn write_data(&mut self, id: u32, bytes: &[u8], end: bool) {
        let most = self.peer.frame_size as usize;
        let out = self.wire.buffer_for(bytes.len() + frame::HEADER);
        out.reserve(bytes.len() + frame::HEADER);
        let mut rest = bytes;
        loop {
            let (piece, after) = rest.split_at_checked(most).unwrap_or((rest, &[]));
            let is_last = after.is_empty();
            let flags = if end && is_last { frame::END_STREAM } else { 0 };
            frame::put(out, Kind::Data, flags, id, piece);
            if is_last {
                break;
            }
            rest = after;
        }
        if end {
            self.end_sending(id);
        }
    }

    fn send_muted(&mut self, id: u32, taken: usize, end: bool) -> usize {
        if end {
            self.write_data(id, &[], true);
        }
        taken
    }

    /// Ends a message with trailers.
    pub(crate) fn send_trailers(&mut self, id: u32, fields: &Fields) -> Result<(), CannotSend> {
        let stream = self.streams.get(id).ok_or(CannotSend::NoStream)?;
        match stream.send {
            Send::Body if !matches!(stream.send_left, 0 | ANY_LENGTH) => {
                self.reset(id, ErrorCode::INTERNAL_ERROR);
                return Ok(());
            }
            Send::Body if stream.is_connect => {
                return Err(CannotSend::Unfit("trailers in a tunnel"));
            }
            Send::Body if !fields.is_empty() => {}
            Send::Body | Send::Muted => {
                self.write_data(id, &[], true);
                return Ok(());
            }
            Send::Head => return Err(CannotSend::Unfit("trailers before the head")),
            Send::Done => return Err(CannotSend::NoStream),
        }
        self.write_block(id, true, |encoder, out| {
            heads::write_trailers(encoder, out, fields);
        });
        self.end_sending(id);
        Ok(())
    }

    /// Our message is complete.
    pub(crate) fn end_sending(&mut self, id: u32) {
        if let Some(stream) = self.streams.get_mut(id) {
            stream.send = Send::Done;
        }
        self.settle(id);
    }

    /// Gives a stream up.
    pub(crate) fn reset(&mut self, id: u32, code: ErrorCode) {
        if self.streams.remove(id).is_some() {
            self.past.drop(id);
            if !self.has_failed {
                self.wire.reset(id, code);
            }
        }
    }

    /// Refuses a stream before it was ever open.
    pub(crate) fn reset_unopened(&mut self, id: u32, code: ErrorCode) -> Result<(), Fault> {
        self.past.drop(id);
        self.wire.reset(id, code);
        self.answered()
    }
}
