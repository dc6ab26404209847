//! The server's side of a connection: reads requests, writes responses.

use std::time::Instant;

use super::body::{Incoming, Piece, take_up_to};
use super::parse::{Scan, bare_cr, bare_lf};
use super::request::{self, Asked, Request};
use super::sending::{Part, Sending};
use super::write::{self, Answer, Framing, Sent};
use super::{Limits, cut_off, malformed};
use crate::{
    BodyLength, CannotSend, ErrorCode, Event, Fault, Fields, Output, RequestHead, ResponseHead,
    StreamId, Version,
};

/// A server's side of an HTTP/1 connection.
#[derive(Debug)]
pub struct Server {
    limits: Limits,
    /// The present request, or the last one.
    stream: StreamId,
    asked: Asked,
    scan: Scan,
    reading: Reading,
    sending: Sending,
    /// Empty lines before the present request line.
    blank_lines: u8,
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
    /// A request's head, or nothing yet.
    Head,
    Body(Incoming),
    /// The request is complete. What follows waits for the answer: it is another protocol's, or the
    /// next request.
    Whole,
    Tunnel,
    /// Nothing more is read.
    Ended,
}

impl Server {
    /// Empty lines that older clients send after a body (RFC 9112 2.2).
    const MOST_BLANK_LINES: u8 = 2;

    /// A connection on which nothing was read.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            limits: *limits,
            stream: 0,
            asked: Asked::default(),
            scan: Scan::request(),
            reading: Reading::Head,
            sending: Sending::default(),
            blank_lines: 0,
            keep: false,
            draining: false,
            over: false,
            eof: false,
            left: false,
        }
    }

    /// The next event in `input`, which is advanced past what was consumed; `None`: more bytes are
    /// needed, or the present exchange must be over first. A request's head, or its trailer
    /// section, is in `head` then.
    ///
    /// # Errors
    /// [`Fault`]: the connection is over, but for an answer with the fault's status if none was
    /// begun.
    pub fn next<'b>(
        &mut self,
        _now: Instant,
        input: &mut &'b [u8],
        head: &mut RequestHead,
    ) -> Result<Option<Event<'b>>, Fault> {
        let event = match &mut self.reading {
            Reading::Head => self.next_request(input, head),
            Reading::Body(body) => {
                let piece = body.next(&self.limits, input, &mut head.fields);
                piece.map(|piece| piece.map(|piece| self.body_event(piece)))
            }
            Reading::Tunnel => Ok(self.tunnel_event(input)),
            Reading::Whole | Reading::Ended => Ok(None),
        };
        self.left = !input.is_empty();
        event.inspect_err(|_| self.fail())
    }

    /// The peer closed its sending side; everything that came before was shown to `next`.
    ///
    /// # Errors
    /// [`Fault`]: it closed within a request.
    pub fn end_of_input(&mut self) -> Result<Option<Event<'static>>, Fault> {
        self.eof = true;
        match self.reading {
            Reading::Head if self.scan.has_begun() => {
                self.fail();
                Err(HEAD_CUT_OFF)
            }
            Reading::Body(_) => {
                self.fail();
                Err(cut_off("RFC 9112 8: the body of a request was cut off"))
            }
            // Pipelined requests that were not looked at while the last one was answered.
            Reading::Head if self.left => Ok(None),
            Reading::Head => {
                self.over = true;
                Ok(None)
            }
            Reading::Tunnel if self.left => Ok(None),
            Reading::Tunnel => Ok(self.end_tunnel()),
            Reading::Whole | Reading::Ended => Ok(None),
        }
    }

    /// Sends the head of a final response, or of 101; `end`: there is no body.
    ///
    /// After a fault any stream will do: it may be answered once, and the connection is closed.
    ///
    /// # Errors
    /// [`CannotSend`]; nothing was written then.
    pub fn respond(
        &mut self,
        stream: StreamId,
        head: &ResponseHead,
        end: bool,
    ) -> Result<(), CannotSend> {
        let refusal = match self.sending.part {
            Part::Head if stream == self.stream => false,
            Part::Refusal => true,
            Part::Nothing | Part::Head | Part::Held | Part::Body(_) | Part::Whole => {
                return Err(CannotSend::NoStream);
            }
        };
        let switches = head.status == 101;
        let connects = self.asked.connect && (200..300).contains(&head.status) && !refusal;
        if switches && (refusal || !self.may_switch()) {
            return Err(CannotSend::Unfit(
                "RFC 9110 15.2.2: 101 answers a complete request for an upgrade",
            ));
        }
        if head.status < 200 && !switches {
            return Err(CannotSend::Unfit(
                "RFC 9110 15.2: an informational response is not final",
            ));
        }
        let tunnel = switches || connects;
        let answer = Answer {
            version: self.asked.version,
            to_head: self.asked.head && !refusal,
            keep: !refusal && self.may_keep(end),
            end,
            tunnel,
        };
        let written = write::response(self.sending.output.buffer(), head, answer)?;
        self.keep = written.keep;
        self.sending.part = Part::Body(written.framing);
        if tunnel {
            self.reading = Reading::Tunnel;
        }
        if end {
            self.answered();
        }
        Ok(())
    }

    /// Sends an informational response other than 101; a client of HTTP/1.0 gets none.
    ///
    /// # Errors
    /// [`CannotSend`]; nothing was written then.
    pub fn interim(&mut self, stream: StreamId, head: &ResponseHead) -> Result<(), CannotSend> {
        if stream != self.stream || !matches!(self.sending.part, Part::Head) {
            return Err(CannotSend::NoStream);
        }
        if !matches!(head.status, 100 | 102..=199) {
            return Err(CannotSend::Unfit(
                "RFC 9110 15.2: the status is not informational",
            ));
        }
        if self.asked.version == Version::Http10 {
            return Ok(());
        }
        write::interim(self.sending.output.buffer(), head)
    }

    /// Lets the present answer, or the next one, be the last.
    pub fn drain(&mut self) {
        self.draining = true;
    }

    /// Whether the connection is to be closed once the output is sent.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.over && !matches!(self.sending.part, Part::Body(_))
    }

    /// Waits no longer for the rest of a request's head: nothing more is read, and what there is
    /// may be answered once.
    pub fn give_up_head(&mut self) {
        if self.is_in_head() {
            self.fail();
        }
    }

    /// Whether the body of a request, or its trailer section, is still to come.
    #[must_use]
    pub fn is_in_body(&self) -> bool {
        matches!(self.reading, Reading::Body(_))
    }

    /// Whether a request is under way.
    pub(super) fn is_busy(&self) -> bool {
        match self.sending.part {
            Part::Nothing | Part::Refusal => false,
            Part::Whole if self.over => false,
            Part::Head | Part::Held | Part::Body(_) | Part::Whole => true,
        }
    }

    fn next_request<'b>(
        &mut self,
        input: &mut &'b [u8],
        head: &mut RequestHead,
    ) -> Result<Option<Event<'b>>, Fault> {
        if self.over {
            return Ok(None);
        }
        if !self.scan.has_begun() {
            let begun = self.skip_blank_lines(input);
            if !begun.inspect_err(|_| head.clear())? || input.is_empty() {
                self.over = self.eof;
                return Ok(None);
            }
        }
        match request::read(&mut self.scan, &self.limits, input, head)? {
            Some(request) => {
                take_up_to(input, request.len as u64);
                Ok(Some(self.begin(&request)))
            }
            None if self.eof => Err(HEAD_CUT_OFF),
            None => Ok(None),
        }
    }

    /// RFC 9112 2.2: empty lines before a request line are skipped, a few. `false`: half of one is
    /// there.
    fn skip_blank_lines(&mut self, input: &mut &[u8]) -> Result<bool, Fault> {
        loop {
            match *input {
                [b'\r'] => return Ok(false),
                [b'\r', b'\n', rest @ ..] if self.blank_lines < Self::MOST_BLANK_LINES => {
                    self.blank_lines += 1;
                    *input = rest;
                }
                [b'\r', b'\n', ..] => {
                    return Err(malformed("RFC 9112 2.2: empty lines before a request line"));
                }
                [b'\r', ..] => return Err(bare_cr()),
                [b'\n', ..] => return Err(bare_lf()),
                _ => return Ok(true),
            }
        }
    }

    fn begin<'b>(&mut self, request: &Request) -> Event<'b> {
        self.stream = self.stream.checked_add(1).unwrap_or(1);
        self.blank_lines = 0;
        self.asked = request.asked;
        self.sending.part = Part::Head;
        self.reading = match request.body {
            BodyLength::None | BodyLength::Tunnel => Reading::Whole,
            BodyLength::Exactly(length) => Reading::Body(Incoming::Exactly(length)),
            BodyLength::Unknown => Reading::Body(Incoming::chunked()),
        };
        Event::Head {
            stream: self.stream,
            body: request.body,
        }
    }

    fn body_event<'b>(&mut self, piece: Piece<'b>) -> Event<'b> {
        let stream = self.stream;
        let (event, end) = match piece {
            Piece::Bytes { bytes, end } => (Event::Data { stream, bytes, end }, end),
            Piece::Trailers => (Event::Trailers { stream }, true),
        };
        if end {
            self.reading = Reading::Whole;
        }
        event
    }

    /// RFC 9110 7.8: another protocol begins where the request ends.
    fn may_switch(&self) -> bool {
        self.asked.upgrade && matches!(self.reading, Reading::Whole)
    }

    /// Whether the connection may stay after the answer. After a CONNECT that failed, the client may
    /// have sent bytes of the tunnel already; and what is left of a body that nobody waits for
    /// would have to be read.
    fn may_keep(&self, end: bool) -> bool {
        let unread = end && !matches!(self.reading, Reading::Whole);
        let nothing_comes = self.eof && !self.left;
        self.asked.keep && !self.asked.connect && !self.draining && !unread && !nothing_comes
    }

    /// The answer to a fault may have got no stream.
    fn sends_on(&self, stream: StreamId) -> bool {
        stream == self.stream || self.over
    }

    fn after(&mut self, sent: Sent) {
        match sent {
            Sent::Open => {}
            Sent::Whole => self.answered(),
            Sent::Broken => self.break_off(),
        }
    }

    /// The answer is complete: the next request may be read, or the connection is over.
    fn answered(&mut self) {
        let in_tunnel = matches!(self.sending.part, Part::Body(Framing::Tunnel));
        self.sending.part = Part::Whole;
        if in_tunnel && matches!(self.reading, Reading::Tunnel) {
            return;
        }
        let stays = self.keep && matches!(self.reading, Reading::Whole);
        if self.over || !stays || (self.eof && !self.left) {
            self.reading = Reading::Ended;
            self.over = true;
            return;
        }
        self.reading = Reading::Head;
        self.sending.part = Part::Nothing;
    }

    /// A rule was broken: nothing more is read, and only an answer that was not begun may be sent.
    fn fail(&mut self) {
        self.over = true;
        self.reading = Reading::Ended;
        self.sending.part = match self.sending.part {
            Part::Nothing => {
                self.asked = Asked::default();
                Part::Refusal
            }
            Part::Head => Part::Refusal,
            Part::Refusal | Part::Held | Part::Body(_) | Part::Whole => Part::Whole,
        };
    }
}

super::sending::common!(Server);

const HEAD_CUT_OFF: Fault = cut_off("RFC 9112 8: the head of a request was cut off");
