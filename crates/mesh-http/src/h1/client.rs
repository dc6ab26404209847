//! The client's side of a connection: writes requests, reads responses.

use std::time::Instant;

use super::body::{Incoming, Piece, take_up_to};
use super::parse::Scan;
use super::response::{self, Asked, Body, Response};
use super::sending::{Part, Sending};
use super::write::{self, Framing, Sent};
use super::{Limits, cut_off, framing};
use crate::{
    CannotSend, ErrorCode, Event, Fault, FaultKind, Fields, Output, RequestHead, ResponseHead,
    StreamId,
};

/// A client's side of an HTTP/1 connection.
#[derive(Debug)]
pub struct Client {
    limits: Limits,
    /// The present request, or the last one.
    stream: StreamId,
    asked: Asked,
    scan: Scan,
    /// Bytes of informational responses to the present request.
    interim: usize,
    reading: Reading,
    sending: Sending,
    /// Whether the connection stays after the present exchange.
    keep: bool,
    draining: bool,
    over: bool,
    /// The peer has closed its side.
    eof: bool,
    /// The last call of `next` left bytes.
    left: bool,
}

#[derive(Debug)]
enum Reading {
    /// No request is under way: whatever comes is nobody's answer.
    Nothing,
    /// A response's head.
    Head,
    Body(Incoming),
    Tunnel,
    /// Nothing more is read.
    Ended,
}

impl Client {
    /// A connection on which nothing was sent.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            limits: *limits,
            stream: 0,
            asked: Asked::default(),
            scan: Scan::response(),
            interim: 0,
            reading: Reading::Nothing,
            sending: Sending::default(),
            keep: true,
            draining: false,
            over: false,
            eof: false,
            left: false,
        }
    }

    /// How many further requests may be begun now.
    #[must_use]
    pub fn room(&self) -> u32 {
        u32::from(self.is_idle() && !self.over && !self.draining)
    }

    /// Begins a request; `end`: it has no body.
    ///
    /// # Errors
    /// [`CannotSend`]; nothing was written then.
    pub fn request(&mut self, head: &RequestHead, end: bool) -> Result<StreamId, CannotSend> {
        if self.room() == 0 {
            return Err(CannotSend::NoRoom);
        }
        let written = write::request(self.sending.output.buffer(), head, true, end)?;
        self.stream = self.stream.checked_add(1).unwrap_or(1);
        self.asked = Asked {
            head: head.method == "HEAD",
            connect: head.method == "CONNECT",
            upgrade: written.upgrade,
        };
        self.keep = written.keep;
        self.interim = 0;
        self.reading = Reading::Head;
        self.sending.part = match written.framing {
            Framing::Tunnel => Part::Held,
            _ if end => Part::Whole,
            framing => Part::Body(framing),
        };
        Ok(self.stream)
    }

    /// The next event in `input`, which is advanced past what was consumed; `None`: more bytes are
    /// needed. A response's head, or its trailer section, is in `head` then.
    ///
    /// # Errors
    /// [`Fault`]: the connection is over.
    pub fn next<'b>(
        &mut self,
        _now: Instant,
        input: &mut &'b [u8],
        head: &mut ResponseHead,
    ) -> Result<Option<Event<'b>>, Fault> {
        let event = match &mut self.reading {
            Reading::Nothing => {
                // Bytes that no request asked for would be taken for the next one's answer.
                self.over |= !input.is_empty();
                Ok(None)
            }
            Reading::Head => self.next_response(input, head),
            Reading::Body(body) => {
                let piece = body.next(&self.limits, input, &mut head.fields);
                piece.map(|piece| piece.map(|piece| self.body_event(piece, input.is_empty())))
            }
            Reading::Tunnel => Ok(self.tunnel_event(input)),
            Reading::Ended => Ok(None),
        };
        self.left = !input.is_empty();
        event.inspect_err(|_| self.break_off())
    }

    /// The peer closed its sending side; everything that came before was shown to `next`. Ends a
    /// body that lasts until then, and a tunnel.
    ///
    /// # Errors
    /// [`Fault`]: it closed within a response, or before it.
    pub fn end_of_input(&mut self) -> Result<Option<Event<'static>>, Fault> {
        self.eof = true;
        let stream = self.stream;
        let bytes: &[u8] = &[];
        let end = true;
        match self.reading {
            Reading::Nothing => {
                self.over = true;
                Ok(None)
            }
            Reading::Head => {
                self.break_off();
                Err(cut_off("RFC 9112 8: the response was cut off in its head"))
            }
            Reading::Body(Incoming::UntilClose) => {
                self.break_off();
                Ok(Some(Event::Data { stream, bytes, end }))
            }
            Reading::Body(_) => {
                self.break_off();
                Err(cut_off("RFC 9112 8: the response was cut off in its body"))
            }
            Reading::Tunnel if self.left => Ok(None),
            Reading::Tunnel => Ok(self.end_tunnel()),
            Reading::Ended => Ok(None),
        }
    }

    /// Lets the present exchange be the last.
    pub fn drain(&mut self) {
        self.draining = true;
        self.over |= self.is_idle();
    }

    /// Whether the connection is to be closed once the output is sent.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over
    }

    fn is_idle(&self) -> bool {
        matches!(self.reading, Reading::Nothing)
    }

    /// Whether a request is under way.
    pub(super) fn is_busy(&self) -> bool {
        !self.is_idle() && !self.over
    }

    fn next_response<'b>(
        &mut self,
        input: &mut &'b [u8],
        head: &mut ResponseHead,
    ) -> Result<Option<Event<'b>>, Fault> {
        let read = response::read(&mut self.scan, &self.limits, input, self.asked, head)?;
        let Some(Response { len, body, keep }) = read else {
            return Ok(None);
        };
        take_up_to(input, len as u64);
        let stream = self.stream;
        match body {
            Body::Interim => {
                self.count_interim(len)?;
                return Ok(Some(Event::Interim { stream }));
            }
            Body::None => self.answered(keep && input.is_empty()),
            Body::Exactly(length) => self.read_body(keep, Incoming::Exactly(length)),
            Body::Chunked => self.read_body(keep, Incoming::chunked()),
            Body::UntilClose => self.read_body(false, Incoming::UntilClose),
            Body::Tunnel => self.open_tunnel()?,
        }
        let body = body.length();
        Ok(Some(Event::Head { stream, body }))
    }

    /// Informational responses are passed on at once: together they may not be longer than one head.
    fn count_interim(&mut self, len: usize) -> Result<(), Fault> {
        self.interim = self.interim.saturating_add(len);
        if self.interim > self.limits.head_bytes {
            let kind = FaultKind::Flood;
            let why = "RFC 9110 15.2: too many informational responses";
            return Err(Fault { kind, why });
        }
        Ok(())
    }

    fn read_body(&mut self, keep: bool, body: Incoming) {
        self.keep &= keep;
        self.reading = Reading::Body(body);
    }

    fn open_tunnel(&mut self) -> Result<(), Fault> {
        if !self.has_sent_all() && !matches!(self.sending.part, Part::Held) {
            let why = "RFC 9110 7.8: the protocol was switched before the request was complete";
            return Err(framing(why));
        }
        self.reading = Reading::Tunnel;
        self.sending.part = Part::Body(Framing::Tunnel);
        Ok(())
    }

    /// Whether nothing of the request is owed, even if nobody has said so yet.
    #[must_use]
    pub fn has_sent_all(&self) -> bool {
        matches!(
            self.sending.part,
            Part::Whole | Part::Body(Framing::Exactly(0))
        )
    }

    /// `clean`: nothing follows the piece.
    fn body_event<'b>(&mut self, piece: Piece<'b>, clean: bool) -> Event<'b> {
        let stream = self.stream;
        let (event, end) = match piece {
            Piece::Bytes { bytes, end } => (Event::Data { stream, bytes, end }, end),
            Piece::Trailers => (Event::Trailers { stream }, true),
        };
        if end {
            self.answered(clean);
        }
        event
    }

    fn sends_on(&self, stream: StreamId) -> bool {
        stream == self.stream
    }

    fn after(&mut self, sent: Sent) {
        match sent {
            Sent::Open => {}
            Sent::Broken => self.break_off(),
            Sent::Whole => {
                self.sending.part = Part::Whole;
                // A tunnel that the peer had ended already.
                self.over |= matches!(self.reading, Reading::Ended);
            }
        }
    }

    /// The response is complete. The connection may be used again if both sides let it stay and
    /// nothing of the request is owed; what follows the response would answer the next request
    /// before it is sent (RFC 9112 9.2).
    fn answered(&mut self, clean: bool) {
        if self.has_sent_all()
            && clean
            && self.keep
            && !self.asked.connect
            && !self.draining
            && !self.eof
        {
            self.reading = Reading::Nothing;
            self.sending.part = Part::Nothing;
        } else {
            self.break_off();
        }
    }
}

super::sending::common!(Client);
