//! The server's side of a connection.

use std::time::Instant;

use super::Limits;
use super::connection::{Block, Connection, Place, Role, Step};
use super::heads::{self, RequestFacts, RequestReader};
use super::stream::{ANY_LENGTH, Receive, Send, Stream};
use crate::{
    BodyLength, CannotSend, ErrorCode, Event, Fault, FaultKind, Fields, Output, RequestHead,
    ResponseHead, StreamId,
};

/// Takes requests and sends responses.
pub struct Server {
    core: Connection,
    crumbs: Vec<u8>,
}

impl Server {
    /// A connection of which nothing was read yet; our settings are in the output at once.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            core: Connection::new(Role::Server, limits),
            crumbs: Vec::new(),
        }
    }

    /// The next event in `input`, which is advanced past what was consumed; `None`: more bytes are
    /// needed. Nothing but DATA is consumed in part: what is left is to be shown again.
    ///
    /// # Errors
    /// The connection is over: the output, which ends with a GOAWAY, is still to be written.
    pub fn next<'b>(
        &mut self,
        now: Instant,
        input: &mut &'b [u8],
        head: &mut RequestHead,
    ) -> Result<Option<Event<'b>>, Fault> {
        loop {
            let block = match self.core.step(now, input)? {
                Step::Starved => return Ok(None),
                Step::Event(event) => return Ok(Some(event)),
                Step::Block(block) => block,
            };
            let event = match self.core.place_of(block.stream) {
                Place::Open => Some(self.core.on_trailers(now, &block, &mut head.fields)?),
                Place::Dropped | Place::Over => {
                    self.core.ignore(now, &block)?;
                    None
                }
                Place::Idle => self.on_request(now, &block, head)?,
            };
            if event.is_some() {
                return Ok(event);
            }
        }
    }

    fn on_request(
        &mut self,
        now: Instant,
        block: &Block<'_>,
        head: &mut RequestHead,
    ) -> Result<Option<Event<'static>>, Fault> {
        let id = block.stream;
        self.core.highest = id;
        if self.core.takes_no_more() {
            // RFC 9113 6.8: it is beyond the last stream that our GOAWAY names.
            self.core.past.drop(id);
            self.core.ignore(now, block)?;
            return Ok(None);
        }
        if self.core.streams.len() >= self.core.limits.max_streams as usize {
            self.core.discard(block)?;
            return self.refuse(now, id).map(Some);
        }
        let target_bytes = self.core.limits.target_bytes;
        let mut reader = RequestReader::new(head, &mut self.crumbs, target_bytes);
        let fits = self.core.decode(block, |field| reader.field(field))?;
        let read = reader.finish();
        let facts = match check(block, fits, read) {
            Ok(facts) => facts,
            Err(fault) => return self.refuse_head(now, id, fault).map(Some),
        };
        self.open(now, block, facts);
        let body = match facts.length {
            _ if block.end => BodyLength::None,
            _ if facts.is_connect => BodyLength::Tunnel,
            Some(length) if length > 0 => BodyLength::Exactly(length),
            Some(_) | None => BodyLength::Unknown,
        };
        Ok(Some(Event::Head { stream: id, body }))
    }

    fn open(&mut self, now: Instant, block: &Block<'_>, facts: RequestFacts) {
        let core = &mut self.core;
        let mut stream = Stream::new(
            block.stream,
            core.peer.initial_window,
            core.receive_window(),
        );
        stream.receive = match facts {
            _ if block.end => Receive::Done,
            RequestFacts {
                is_connect: true, ..
            } => Receive::Tunnel,
            RequestFacts { .. } => Receive::Body,
        };
        stream.is_head = facts.is_head;
        stream.is_connect = facts.is_connect;
        stream.receive_left = facts.length.unwrap_or(ANY_LENGTH);
        stream.opened = Some(now);
        core.streams.insert(stream);
        core.abuse.useful();
        core.abuse.opened();
    }

    /// RFC 9113 5.1.2
    fn refuse(&mut self, now: Instant, id: StreamId) -> Result<Event<'static>, Fault> {
        let is_informed = self.core.is_acknowledged();
        self.core.reset_unopened(id, ErrorCode::REFUSED_STREAM)?;
        if !self.core.abuse.refuse(now, is_informed) {
            return Err(self
                .core
                .flood("RFC 9113 5.1.2: far more streams than announced"));
        }
        let fault = Fault {
            kind: FaultKind::Protocol,
            why: "RFC 9113 5.1.2: more streams than announced",
        };
        Ok(Event::Broken { stream: id, fault })
    }

    /// A request that cannot be taken. What is only too large is answered before the reset.
    fn refuse_head(
        &mut self,
        now: Instant,
        id: StreamId,
        fault: Fault,
    ) -> Result<Event<'static>, Fault> {
        let is_large = matches!(
            fault.kind,
            FaultKind::HeadTooLarge | FaultKind::TargetTooLong
        );
        if !is_large {
            let code = ErrorCode::PROTOCOL_ERROR;
            return self.core.break_stream(now, id, code, fault);
        }
        let answer = ResponseHead {
            status: fault.kind.status(),
            ..ResponseHead::default()
        };
        self.core.write_block(id, true, |encoder, out| {
            heads::write_response(encoder, out, &answer, false);
        });
        self.core.break_stream(now, id, ErrorCode::NO_ERROR, fault)
    }

    /// Sends the head of the final response; `end`: and nothing after it.
    ///
    /// # Errors
    /// [`CannotSend`].
    pub fn respond(
        &mut self,
        stream: StreamId,
        head: &ResponseHead,
        end: bool,
    ) -> Result<(), CannotSend> {
        let open = self.open_for_head(stream)?;
        if !(200..=599).contains(&head.status) {
            return Err(CannotSend::Unfit("no final status of HTTP/2"));
        }
        let length = heads::content_length(&head.fields)?;
        let is_tunnel = open.is_connect && head.status < 300;
        let is_bodiless = open.is_head || matches!(head.status, 204 | 304);
        if end && !is_bodiless && !is_tunnel && length.is_some_and(|length| length > 0) {
            return Err(CannotSend::Unfit("a content-length and no body"));
        }
        open.is_connect = is_tunnel;
        open.send = if is_bodiless { Send::Muted } else { Send::Body };
        if !is_bodiless && !is_tunnel {
            open.send_left = length.unwrap_or(ANY_LENGTH);
        }
        // RFC 9110 8.6: neither 204 nor an answer to CONNECT has one.
        let has_length = !is_tunnel && head.status != 204;
        self.core.write_block(stream, end, |encoder, out| {
            heads::write_response(encoder, out, head, has_length);
        });
        if end {
            self.core.end_sending(stream);
        }
        Ok(())
    }

    /// Sends an informational response.
    ///
    /// # Errors
    /// [`CannotSend`]; 101 has no place in HTTP/2.
    pub fn interim(&mut self, stream: StreamId, head: &ResponseHead) -> Result<(), CannotSend> {
        self.open_for_head(stream)?;
        if !(100..=199).contains(&head.status) || head.status == 101 {
            return Err(CannotSend::Unfit("no informational status of HTTP/2"));
        }
        self.core.write_block(stream, false, |encoder, out| {
            heads::write_response(encoder, out, head, false);
        });
        Ok(())
    }

    fn open_for_head(&mut self, stream: StreamId) -> Result<&mut Stream, CannotSend> {
        match self.core.streams.get_mut(stream) {
            Some(open) if open.send == Send::Head => Ok(open),
            Some(open) if open.send != Send::Done => {
                Err(CannotSend::Unfit("a head behind the final head"))
            }
            Some(_) | None => Err(CannotSend::NoStream),
        }
    }
}

/// What is wrong with a request's head, the worst first.
fn check(
    block: &Block<'_>,
    fits: bool,
    read: Result<RequestFacts, Fault>,
) -> Result<RequestFacts, Fault> {
    if block.is_own_parent {
        return Err(heads::malformed(heads::OWN_PARENT));
    }
    if !fits {
        return Err(heads::TOO_LARGE);
    }
    let facts = read?;
    if block.end && facts.length.is_some_and(|length| length > 0) {
        return Err(heads::WRONG_LENGTH);
    }
    Ok(facts)
}

super::common::common!(Server);
