//! DATA (RFC 9113 6.1): handed out as it comes, piece by piece, and counted against the windows.

use std::time::Instant;

use super::{Connection, Place, Step};
use crate::h2::frame::{self, FrameHeader, HEADER};
use crate::h2::stream::{ANY_LENGTH, Receive};
use crate::{ErrorCode, Event, Fault, FaultKind};

/// What is left of a DATA frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct DataFrame {
    stream: u32,
    bytes: u32,
    padding: u32,
    end: bool,
}

impl Connection {
    /// Takes the header of a DATA frame, and the length of its padding.
    pub(super) fn begin_data<'b>(
        &mut self,
        now: Instant,
        header: FrameHeader,
        input: &mut &'b [u8],
    ) -> Result<Option<Step<'b>>, Fault> {
        if header.stream == 0 {
            return Err(self.protocol("RFC 9113 6.1: DATA on stream 0"));
        }
        let is_padded = header.has(frame::PADDED);
        if is_padded && header.length == 0 {
            return Err(self.frame_size("RFC 9113 6.1: padded DATA without a padding length"));
        }
        let padding = match input.get(HEADER) {
            Some(byte) if is_padded => u32::from(*byte) + 1,
            None if is_padded => return Ok(Some(Step::Starved)),
            Some(_) | None => 0,
        };
        let Some(bytes) = header.length.checked_sub(padding) else {
            return Err(self.protocol("RFC 9113 6.1: more padding than payload"));
        };
        if !self.receiving.receive(header.length) {
            return Err(self.fail(
                ErrorCode::FLOW_CONTROL_ERROR,
                FaultKind::FlowControl,
                "RFC 9113 6.9.1: more than the connection's window",
            ));
        }
        *input = input
            .get(HEADER + usize::from(is_padded)..)
            .unwrap_or_default();
        self.credit_connection();
        let left = DataFrame {
            stream: header.stream,
            bytes,
            padding: padding.saturating_sub(1),
            end: header.has(frame::END_STREAM),
        };
        self.data = (left.bytes > 0 || left.padding > 0).then_some(left);
        self.open_data(now, header.length, left)
    }

    /// Checks a DATA frame against its stream before anything of it is handed out.
    fn open_data<'b>(
        &mut self,
        now: Instant,
        length: u32,
        frame: DataFrame,
    ) -> Result<Option<Step<'b>>, Fault> {
        if frame.bytes > 0 {
            self.abuse.useful();
        } else if !frame.end && !self.abuse.empty(now) {
            return Err(self.flood("RFC 9113 10.5: too many empty DATA frames"));
        }
        let Some(stream) = self.streams.get_mut(frame.stream) else {
            return self.on_data_unknown(now, frame.stream);
        };
        let left = u64::from(frame.bytes);
        let is_short = stream.receive_left < left;
        let is_unlike = frame.end && stream.receive_left != left;
        let fault = if stream.receive == Receive::Done {
            Some((
                ErrorCode::STREAM_CLOSED,
                FaultKind::Protocol,
                "RFC 9113 5.1: DATA on a half-closed stream",
            ))
        } else if !stream.receiving.receive(length) {
            Some((
                ErrorCode::FLOW_CONTROL_ERROR,
                FaultKind::FlowControl,
                "RFC 9113 6.9.1: more than the stream's window",
            ))
        } else if stream.receive == Receive::Head {
            Some((
                ErrorCode::PROTOCOL_ERROR,
                FaultKind::Malformed,
                "RFC 9113 8.1: DATA before the head",
            ))
        } else if stream.receive_left != ANY_LENGTH && (is_short || is_unlike) {
            Some((
                ErrorCode::PROTOCOL_ERROR,
                FaultKind::Framing,
                "RFC 9113 8.1.1: the body is not as long as its content-length",
            ))
        } else {
            None
        };
        if let Some((code, kind, why)) = fault {
            let broken = self.break_stream(now, frame.stream, code, Fault { kind, why })?;
            return Ok(Some(Step::Event(broken)));
        }
        if stream.receive_left != ANY_LENGTH {
            stream.receive_left -= left;
        }
        // Padding is never handed out, so nobody else gives it back.
        self.release_stream(frame.stream, length.saturating_sub(frame.bytes));
        if frame.bytes > 0 || !frame.end {
            return Ok(None);
        }
        self.end_receiving(frame.stream);
        Ok(Some(Step::Event(Event::Data {
            stream: frame.stream,
            bytes: &[],
            end: true,
        })))
    }

    fn on_data_unknown<'b>(&mut self, now: Instant, id: u32) -> Result<Option<Step<'b>>, Fault> {
        match self.place_of(id) {
            Place::Idle => Err(self.protocol("RFC 9113 5.1: DATA on an idle stream")),
            Place::Dropped | Place::Open => Ok(None),
            Place::Over => {
                let fault = Fault {
                    kind: FaultKind::Protocol,
                    why: "RFC 9113 5.1: DATA on a closed stream",
                };
                // Nobody knows the stream any more, so nobody is told.
                self.break_stream(now, id, ErrorCode::STREAM_CLOSED, fault)?;
                Ok(None)
            }
        }
    }

    /// Hands out what is there of the present DATA frame.
    pub(super) fn continue_data<'b>(&mut self, input: &mut &'b [u8]) -> Option<Step<'b>> {
        let frame = self.data.as_mut()?;
        if input.is_empty() {
            return Some(Step::Starved);
        }
        let is_padding = frame.bytes == 0;
        let left = if is_padding {
            &mut frame.padding
        } else {
            &mut frame.bytes
        };
        let (piece, rest) = input
            .split_at_checked(*left as usize)
            .unwrap_or((*input, &[]));
        *input = rest;
        *left -= u32::try_from(piece.len()).unwrap_or(*left);
        let (stream, end) = (frame.stream, frame.end && frame.bytes == 0);
        if frame.bytes == 0 && frame.padding == 0 {
            self.data = None;
        }
        // A stream that was reset meanwhile: the rest of the frame is for nobody.
        if is_padding || self.streams.get(stream).is_none() {
            return None;
        }
        self.receiving.hold(piece.len());
        if end {
            self.end_receiving(stream);
        }
        Some(Step::Event(Event::Data {
            stream,
            bytes: piece,
            end,
        }))
    }

    /// The peer has sent all of its message.
    pub(crate) fn end_receiving(&mut self, id: u32) {
        if let Some(stream) = self.streams.get_mut(id) {
            stream.receive = Receive::Done;
        }
        self.settle(id);
    }

    /// Bytes that were handed out are passed on, or thrown away.
    pub(crate) fn release(&mut self, id: u32, bytes: usize) {
        self.receiving.release(bytes);
        self.credit_connection();
        self.release_stream(id, u32::try_from(bytes).unwrap_or(u32::MAX));
    }

    fn release_stream(&mut self, id: u32, bytes: u32) {
        let size = self.limits.stream_window;
        if bytes == 0 || self.has_failed {
            return;
        }
        let Some(stream) = self.streams.get_mut(id) else {
            return;
        };
        if stream.receive == Receive::Done {
            return;
        }
        if let Some(due) = stream.receiving.release(bytes, size) {
            self.wire.window_update(id, due);
        }
    }

    fn credit_connection(&mut self) {
        if !self.has_failed
            && let Some(due) = self.receiving.credit()
        {
            self.wire.window_update(0, due);
        }
    }
}
