//! The client's side of a connection.

use std::time::Instant;

use super::Limits;
use super::connection::{Block, Connection, Place, Role, Step};
use super::frame::MAX_31;
use super::heads::{self, ResponseFacts, ResponseReader};
use super::stream::{ANY_LENGTH, Receive, Send, Stream};
use crate::{
    BodyLength, CannotSend, ErrorCode, Event, Fault, Fields, Output, RequestHead, ResponseHead,
    StreamId,
};

/// Sends requests and takes responses.
pub struct Client {
    core: Connection,
}

impl Client {
    /// A new connection; the preface and our settings are in the output at once.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Self {
            core: Connection::new(Role::Client, limits),
        }
    }

    /// How many further requests may be begun now.
    #[must_use]
    pub fn room(&self) -> u32 {
        if self.core.is_closing() {
            return 0;
        }
        let most = self.core.peer.max_streams.min(self.core.limits.max_streams);
        let open = u32::try_from(self.core.streams.len()).unwrap_or(u32::MAX);
        // Identifiers are odd: highest + 2, highest + 4, up to 2^31-1 (RFC 9113 5.1.1).
        let ids = (MAX_31 - self.core.highest) / 2 + u32::from(self.core.highest == 0);
        most.saturating_sub(open).min(ids)
    }

    /// Begins a request; `end`: it has no body.
    ///
    /// # Errors
    /// [`CannotSend`].
    pub fn request(&mut self, head: &RequestHead, end: bool) -> Result<StreamId, CannotSend> {
        let is_connect = head.method == "CONNECT";
        if head.method.is_empty() {
            return Err(CannotSend::Unfit("a request without a method"));
        }
        if is_connect && head.authority.is_empty() {
            return Err(CannotSend::Unfit("CONNECT without an authority"));
        }
        if !is_connect && !head.path.starts_with('/') && head.path != "*" {
            return Err(CannotSend::Unfit("a request without a path"));
        }
        let length = heads::content_length(&head.fields)?.filter(|_| !is_connect);
        if end && length.is_some_and(|length| length > 0) {
            return Err(CannotSend::Unfit("a content-length and no body"));
        }
        if self.room() == 0 {
            return Err(CannotSend::NoRoom);
        }
        let core = &mut self.core;
        let id = if core.highest == 0 {
            1
        } else {
            core.highest + 2
        };
        core.highest = id;
        let mut stream = Stream::new(id, core.peer.initial_window, core.receive_window());
        stream.send = if end { Send::Done } else { Send::Body };
        stream.send_left = length.unwrap_or(ANY_LENGTH);
        stream.is_head = head.method == "HEAD";
        stream.is_connect = is_connect;
        core.streams.insert(stream);
        core.abuse.opened();
        core.write_block(id, end, |encoder, out| {
            heads::write_request(encoder, out, head);
        });
        Ok(id)
    }

    /// Whether a stream may be given up now. Whoever gives up more than [`Limits`] allows is taken
    /// for an attacker by its server, and loses the connection with all that others have under way
    /// on it. A stream that has been open for more than a second costs nobody anything and need not
    /// be asked for. Yes is counted, so this is to be asked once for each.
    pub fn may_reset(&mut self, now: Instant, stream: StreamId) -> bool {
        self.core.streams.get(stream).is_none() || self.core.abuse.reset(now, None)
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
        head: &mut ResponseHead,
    ) -> Result<Option<Event<'b>>, Fault> {
        loop {
            let block = match self.core.step(now, input)? {
                Step::Starved => return Ok(None),
                Step::Event(event) => return Ok(Some(event)),
                Step::Block(block) => block,
            };
            if self.core.place_of(block.stream) != Place::Open {
                self.core.ignore(now, &block)?;
                continue;
            }
            let receive = self.core.streams.get(block.stream).map(|s| s.receive);
            return Ok(Some(match receive {
                Some(Receive::Head) => self.on_response(now, &block, head)?,
                Some(Receive::Body | Receive::Tunnel | Receive::Done) | None => {
                    self.core.on_trailers(now, &block, &mut head.fields)?
                }
            }));
        }
    }

    fn on_response(
        &mut self,
        now: Instant,
        block: &Block<'_>,
        head: &mut ResponseHead,
    ) -> Result<Event<'static>, Fault> {
        let id = block.stream;
        let mut reader = ResponseReader::new(head);
        let fits = self.core.decode(block, |field| reader.field(field))?;
        let read = reader.finish();
        let (is_head, is_connect) = match self.core.streams.get(id) {
            Some(stream) => (stream.is_head, stream.is_connect),
            None => (false, false),
        };
        let is_tunnel = is_connect && (200..=299).contains(&head.status);
        let is_bodiless = is_head || matches!(head.status, 204 | 304);
        let facts = match check(block, fits, read, head.status, is_bodiless || is_tunnel) {
            Ok(facts) => facts,
            Err(fault) => {
                let code = ErrorCode::PROTOCOL_ERROR;
                return self.core.break_stream(now, id, code, fault);
            }
        };
        if head.status < 200 {
            self.core.charge(now, 1)?;
            return Ok(Event::Interim { stream: id });
        }
        self.core.abuse.useful();
        let body = match facts.length {
            _ if block.end => BodyLength::None,
            _ if is_tunnel => BodyLength::Tunnel,
            Some(length) if length > 0 && !is_bodiless => BodyLength::Exactly(length),
            Some(_) | None => BodyLength::Unknown,
        };
        if let Some(stream) = self.core.streams.get_mut(id) {
            stream.receive = if is_tunnel {
                Receive::Tunnel
            } else {
                Receive::Body
            };
            stream.receive_left = match facts.length {
                _ if is_tunnel => ANY_LENGTH,
                _ if is_bodiless => 0,
                length => length.unwrap_or(ANY_LENGTH),
            };
        }
        if block.end {
            self.core.end_receiving(id);
        }
        Ok(Event::Head { stream: id, body })
    }
}

/// What is wrong with a response's head, the worst first.
fn check(
    block: &Block<'_>,
    fits: bool,
    read: Result<ResponseFacts, Fault>,
    status: u16,
    is_bodiless: bool,
) -> Result<ResponseFacts, Fault> {
    if block.is_own_parent {
        return Err(heads::malformed(heads::OWN_PARENT));
    }
    if !fits {
        return Err(heads::TOO_LARGE);
    }
    let facts = read?;
    if status < 200 && block.end {
        return Err(heads::malformed(
            "RFC 9113 8.1: an informational response ends the stream",
        ));
    }
    if block.end && !is_bodiless && facts.length.is_some_and(|length| length > 0) {
        return Err(heads::WRONG_LENGTH);
    }
    Ok(facts)
}

super::common::common!(Client);
