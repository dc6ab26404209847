//! The codec of a connection: HTTP/1 or HTTP/2, told apart once and then alike.

use std::time::Instant;

use mesh_http::{
    CannotSend, ErrorCode, Event, Fault, Fields, Output, RequestHead, ResponseHead, StreamId,
    Version, h1, h2,
};

/// The codec of a client's connection.
pub(crate) enum ServerCodec {
    /// HTTP/1.
    H1(Box<h1::Server>),
    /// HTTP/2.
    H2(Box<h2::Server>),
}

/// The codec of a connection to an endpoint.
pub(crate) enum ClientCodec {
    /// HTTP/1.
    H1(Box<h1::Client>),
    /// HTTP/2.
    H2(Box<h2::Client>),
}

/// Hands a call on to whichever codec it is.
macro_rules! either {
    ($self:expr, $codec:ident => $call:expr) => {
        match $self {
            Self::H1($codec) => $call,
            Self::H2($codec) => $call,
        }
    };
}

/// What both codecs of a side have in common.
macro_rules! common {
    ($name:ident, $head:ty) => {
        impl $name {
            /// The version that is spoken.
            pub(crate) fn version(&self) -> Version {
                match self {
                    Self::H1(_) => Version::Http11,
                    Self::H2(_) => Version::Http2,
                }
            }

            /// The next event in the peer's bytes.
            ///
            /// # Errors
            /// When the connection is over.
            pub(crate) fn next<'b>(
                &mut self,
                now: Instant,
                input: &mut &'b [u8],
                head: &mut $head,
            ) -> Result<Option<Event<'b>>, Fault> {
                either!(self, codec => codec.next(now, input, head))
            }

            /// The peer has closed its side.
            ///
            /// # Errors
            /// When it had no right to.
            pub(crate) fn end_of_input(&mut self) -> Result<Option<Event<'static>>, Fault> {
                either!(self, codec => codec.end_of_input())
            }

            /// Sends a piece of a body; how much was taken.
            ///
            /// # Errors
            /// When it does not belong to the message.
            pub(crate) fn send_data(
                &mut self,
                stream: StreamId,
                bytes: &[u8],
                end: bool,
            ) -> Result<usize, CannotSend> {
                either!(self, codec => codec.send_data(stream, bytes, end))
            }

            /// Sends the trailer section.
            ///
            /// # Errors
            /// When the message is over.
            pub(crate) fn send_trailers(
                &mut self,
                stream: StreamId,
                fields: &Fields,
            ) -> Result<(), CannotSend> {
                either!(self, codec => codec.send_trailers(stream, fields))
            }

            /// Gives a stream up.
            pub(crate) fn reset(&mut self, stream: StreamId, code: ErrorCode) {
                either!(self, codec => codec.reset(stream, code));
            }

            /// Bytes were passed on.
            pub(crate) fn release(&mut self, stream: StreamId, bytes: usize) {
                either!(self, codec => codec.release(stream, bytes));
            }

            /// Finishes what is under way, and begins nothing new.
            pub(crate) fn drain(&mut self) {
                either!(self, codec => codec.drain());
            }

            /// Whether the connection is to be closed once everything was written.
            pub(crate) fn is_over(&self) -> bool {
                either!(self, codec => codec.is_over())
            }

            /// Gives back what an idle connection does not need.
            pub(crate) fn rest(&mut self) {
                match self {
                    Self::H1(codec) => codec.output().rest(),
                    Self::H2(codec) => codec.rest(),
                }
            }

            /// Whether the sending side is to be closed once everything was written.
            pub(crate) fn is_half_closed(&self) -> bool {
                match self {
                    Self::H1(codec) => codec.is_half_closed(),
                    Self::H2(_) => false,
                }
            }

            /// What is to be written.
            pub(crate) fn output(&mut self) -> &mut Output {
                either!(self, codec => codec.output())
            }
        }
    };
}

common!(ServerCodec, RequestHead);
common!(ClientCodec, ResponseHead);

impl ServerCodec {
    /// Sends the head of an answer.
    ///
    /// # Errors
    /// When the stream is over.
    pub(crate) fn respond(
        &mut self,
        stream: StreamId,
        head: &ResponseHead,
        end: bool,
    ) -> Result<(), CannotSend> {
        either!(self, codec => codec.respond(stream, head, end))
    }

    /// Sends an informational answer.
    ///
    /// # Errors
    /// When the stream is over.
    pub(crate) fn interim(
        &mut self,
        stream: StreamId,
        head: &ResponseHead,
    ) -> Result<(), CannotSend> {
        either!(self, codec => codec.interim(stream, head))
    }

    /// Whether a request's head has begun and is not complete.
    pub(crate) fn is_in_head(&self) -> bool {
        either!(self, codec => codec.is_in_head())
    }

    /// Waits no longer for the rest of a request's head; whether a client of HTTP/1 is to be told.
    pub(crate) fn give_up_head(&mut self) -> bool {
        match self {
            Self::H1(codec) if codec.is_in_head() => {
                codec.give_up_head();
                true
            }
            Self::H1(_) | Self::H2(_) => false,
        }
    }

    /// Whether what comes next belongs to a request that is under way, or may.
    pub(crate) fn is_in_message(&self) -> bool {
        match self {
            Self::H1(codec) => codec.is_in_body(),
            Self::H2(_) => true,
        }
    }
}

impl ClientCodec {
    /// Whether a request may be given up at once (see [`h2::Client::may_reset`]).
    pub(crate) fn may_reset(&mut self, now: Instant, stream: StreamId) -> bool {
        match self {
            Self::H1(_) => true,
            Self::H2(codec) => codec.may_reset(now, stream),
        }
    }

    /// Whether nothing is left to be sent of a request, and none can follow yet.
    pub(crate) fn has_sent_all(&self) -> bool {
        match self {
            Self::H1(codec) => codec.has_sent_all(),
            Self::H2(_) => false,
        }
    }

    /// How many requests may be begun now.
    pub(crate) fn room(&self) -> u32 {
        either!(self, codec => codec.room())
    }

    /// Sends the head of a request.
    ///
    /// # Errors
    /// When the connection takes none.
    pub(crate) fn request(
        &mut self,
        head: &RequestHead,
        end: bool,
    ) -> Result<StreamId, CannotSend> {
        either!(self, codec => codec.request(head, end))
    }
}
