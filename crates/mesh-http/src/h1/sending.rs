//! The sending half of a connection, the same for both sides: the body that is under way, and the
//! bytes of a tunnel both ways.

use super::write::{Framing, Sent};
use crate::{CannotSend, Fields, Output};

/// What is to be sent, and how far the present message is.
#[derive(Debug, Default)]
pub(super) struct Sending {
    pub(super) output: Output,
    pub(super) part: Part,
}

/// What of a message is due.
#[derive(Debug, Clone, Copy, Default)]
pub(super) enum Part {
    /// There is nothing to send.
    #[default]
    Nothing,
    /// The head of an answer.
    Head,
    /// A fault may be answered, once.
    Refusal,
    /// The request for a tunnel waits for its answer.
    Held,
    Body(Framing),
    /// The message is complete.
    Whole,
}

impl Sending {
    /// Writes a piece of a body, and says how much was taken of it.
    pub(super) fn data(&mut self, bytes: &[u8], end: bool) -> Result<(usize, Sent), CannotSend> {
        match &mut self.part {
            Part::Body(framing) => {
                let sent = framing.send(self.output.buffer_for(bytes.len()), bytes, end)?;
                Ok((bytes.len(), sent))
            }
            Part::Held => Ok((0, Sent::Open)),
            Part::Nothing | Part::Head | Part::Refusal | Part::Whole => Err(CannotSend::NoStream),
        }
    }

    /// Ends a body with a trailer section, if its framing has room for one.
    pub(super) fn trailers(&mut self, fields: &Fields) -> Result<Sent, CannotSend> {
        match self.part {
            Part::Body(framing) => Ok(framing.send_trailers(self.output.buffer(), fields)),
            Part::Nothing | Part::Head | Part::Refusal | Part::Held | Part::Whole => {
                Err(CannotSend::NoStream)
            }
        }
    }

    pub(super) fn is_whole(&self) -> bool {
        matches!(self.part, Part::Whole)
    }
}

/// Gives a side, which has `sending`, `reading`, `stream`, `over` and `eof`, what does not depend on
/// the side.
macro_rules! common {
    ($side:ident) => {
        impl $side {
            /// Sends a piece of the body, or of a tunnel; `end`: the last one. Everything is taken,
            /// but nothing before a tunnel is answered.
            ///
            /// # Errors
            /// [`CannotSend`]: no body is due, or it would be longer than was announced.
            pub fn send_data(
                &mut self,
                stream: StreamId,
                bytes: &[u8],
                end: bool,
            ) -> Result<usize, CannotSend> {
                if !self.sends_on(stream) {
                    return Err(CannotSend::NoStream);
                }
                let (taken, sent) = self.sending.data(bytes, end)?;
                self.after(sent);
                Ok(taken)
            }

            /// Ends the body with a trailer section, if it is chunked, or without.
            ///
            /// # Errors
            /// [`CannotSend`]: no body is due.
            pub fn send_trailers(
                &mut self,
                stream: StreamId,
                fields: &Fields,
            ) -> Result<(), CannotSend> {
                if !self.sends_on(stream) {
                    return Err(CannotSend::NoStream);
                }
                let sent = self.sending.trailers(fields)?;
                self.after(sent);
                Ok(())
            }

            /// Gives the exchange up: the connection is over once what was written is sent.
            pub fn reset(&mut self, stream: StreamId, _code: ErrorCode) {
                if stream == self.stream && self.is_busy() {
                    self.break_off();
                }
            }

            /// HTTP/1 counts no bytes: whoever cannot pass them on stops reading.
            pub fn release(&mut self, _stream: StreamId, _bytes: usize) {}

            /// Whether our side of a tunnel has ended while the peer's goes on: what we write is
            /// over once the output is sent.
            #[must_use]
            pub fn is_half_closed(&self) -> bool {
                matches!(self.reading, Reading::Tunnel) && self.sending.is_whole()
            }

            /// What is to be sent.
            pub fn output(&mut self) -> &mut Output {
                &mut self.sending.output
            }

            /// Whether a part of a head was seen.
            #[must_use]
            pub fn is_in_head(&self) -> bool {
                matches!(self.reading, Reading::Head) && self.scan.has_begun()
            }

            fn tunnel_event<'b>(&mut self, input: &mut &'b [u8]) -> Option<Event<'b>> {
                let bytes = take_up_to(input, u64::MAX);
                if bytes.is_empty() {
                    return if self.eof { self.end_tunnel() } else { None };
                }
                Some(Event::Data {
                    stream: self.stream,
                    bytes,
                    end: false,
                })
            }

            fn end_tunnel(&mut self) -> Option<Event<'static>> {
                self.reading = Reading::Ended;
                self.over = self.sending.is_whole();
                Some(Event::Data {
                    stream: self.stream,
                    bytes: &[],
                    end: true,
                })
            }

            fn break_off(&mut self) {
                self.over = true;
                self.reading = Reading::Ended;
                self.sending.part = Part::Whole;
            }
        }
    };
}

pub(super) use common;
