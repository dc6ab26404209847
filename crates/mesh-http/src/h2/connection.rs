//! The core of both roles: frames in order, streams and their states (RFC 9113 5.1), windows.
//!
//! What a header block means is the roles' affair: [`Connection::step`] hands them the blocks as
//! they come, and everything else as events.

mod closing;
mod control;
mod data;
mod headers;
mod send;

use std::time::Instant;

use super::abuse::Abuse;
use super::flow::{ConnectionReceiving, SendWindow};
use super::frame::{self, FrameHeader, HEADER, Kind, MAX_31, MAX_PAYLOAD, PREFACE};
use super::hpack::{Decoder, Encoder};
use super::limits::Limits;
use super::past::Past;
use super::settings::{self, DEFAULT_WINDOW, Peer};
use super::stream::Streams;
use super::wire::Wire;
use crate::{ErrorCode, Event, Fault, FaultKind, Output};
use closing::Closing;
use data::DataFrame;
pub(crate) use headers::Block;
use headers::Collecting;

/// Which end of the connection we are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Server,
    Client,
}

/// What the next frames gave.
pub(crate) enum Step<'b> {
    /// More bytes are needed.
    Starved,
    /// Something to be told.
    Event(Event<'b>),
    /// A header block is complete.
    Block(Block<'b>),
}

/// Where a stream is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Idle,
    Open,
    /// Over by our doing: what still comes is ignored.
    Dropped,
    Over,
}

/// One connection.
pub(crate) struct Connection {
    pub(crate) role: Role,
    pub(crate) limits: Limits,
    pub(crate) streams: Streams,
    /// The highest stream that was opened, by whichever side opens them.
    pub(crate) highest: u32,
    pub(crate) past: Past,
    pub(crate) abuse: Abuse,
    pub(crate) peer: Peer,
    wire: Wire,
    decoder: Decoder,
    encoder: Encoder,
    has_preface: bool,
    has_settings: bool,
    /// Our settings are not acknowledged yet.
    is_unacknowledged: bool,
    /// The rest of a DATA frame whose header was taken.
    data: Option<DataFrame>,
    collecting: Option<Collecting>,
    /// Fragments of a header block.
    fragments: Vec<u8>,
    send_window: SendWindow,
    receiving: ConnectionReceiving,
    closing: Closing,
    is_in_head: bool,
    has_failed: bool,
}

/// The decoder's table, as the peer may use it without being told (RFC 9113 6.5.2).
const TABLE: usize = 4_096;

impl Connection {
    pub(crate) fn new(role: Role, limits: &Limits) -> Self {
        let mut wire = Wire::default();
        if role == Role::Client {
            wire.buffer().extend_from_slice(PREFACE);
        }
        settings::announce(wire.buffer(), role, limits);
        let mut receiving =
            ConnectionReceiving::new(limits.connection_window, limits.connection_buffer);
        if let Some(credit) = receiving.first_credit() {
            wire.window_update(0, credit);
        }
        Self {
            role,
            limits: Limits {
                stream_window: limits.stream_window.min(MAX_31),
                ..*limits
            },
            streams: Streams::default(),
            highest: 0,
            past: Past::new(),
            abuse: Abuse::new(limits),
            peer: Peer::default(),
            wire,
            decoder: Decoder::new(TABLE),
            encoder: Encoder::new(),
            has_preface: role == Role::Client,
            has_settings: false,
            is_unacknowledged: true,
            data: None,
            collecting: None,
            fragments: Vec::new(),
            send_window: SendWindow::new(DEFAULT_WINDOW),
            receiving,
            closing: Closing::default(),
            is_in_head: false,
            has_failed: false,
        }
    }

    /// Takes frames until there is something to be told.
    pub(crate) fn step<'b>(
        &mut self,
        now: Instant,
        input: &mut &'b [u8],
    ) -> Result<Step<'b>, Fault> {
        self.is_in_head = false;
        if self.has_failed {
            return Ok(Step::Starved);
        }
        if !self.has_preface && !self.take_preface(input)? {
            return Ok(Step::Starved);
        }
        loop {
            if let Some(event) = self.next_lost() {
                return Ok(Step::Event(event));
            }
            let step = if self.data.is_some() {
                self.continue_data(input)
            } else {
                self.take_frame(now, input)?
            };
            if let Some(step) = step {
                return Ok(step);
            }
        }
    }

    /// RFC 9113 3.4. False: it is not complete.
    fn take_preface(&mut self, input: &mut &[u8]) -> Result<bool, Fault> {
        if let Some(rest) = input.strip_prefix(PREFACE.as_slice()) {
            *input = rest;
            self.has_preface = true;
            return Ok(true);
        }
        if !PREFACE.starts_with(input) {
            return Err(self.protocol("RFC 9113 3.4: not the connection preface"));
        }
        self.is_in_head = !input.is_empty();
        Ok(false)
    }

    /// The next frame; `None`: it was dealt with.
    fn take_frame<'b>(
        &mut self,
        now: Instant,
        input: &mut &'b [u8],
    ) -> Result<Option<Step<'b>>, Fault> {
        let Some((bytes, _)) = input.split_first_chunk::<HEADER>() else {
            return Ok(Some(self.starve(None)));
        };
        let header = FrameHeader::parse(bytes);
        self.check_order(header)?;
        if header.kind == Kind::Data {
            return self.begin_data(now, header, input);
        }
        let length = HEADER + header.length as usize;
        let Some((frame, rest)) = input.split_at_checked(length) else {
            return Ok(Some(self.starve(Some(header.kind))));
        };
        *input = rest;
        let payload = frame.get(HEADER..).unwrap_or_default();
        self.on_frame(now, header, payload)
    }

    fn starve<'b>(&mut self, kind: Option<Kind>) -> Step<'b> {
        self.is_in_head = matches!(kind, Some(Kind::Headers | Kind::Continuation));
        Step::Starved
    }

    /// What is wrong with a frame whatever it has in it.
    fn check_order(&mut self, header: FrameHeader) -> Result<(), Fault> {
        if !self.has_settings && (header.kind != Kind::Settings || header.has(frame::ACK)) {
            return Err(self.protocol("RFC 9113 3.4: the first frame is not SETTINGS"));
        }
        if header.length > MAX_PAYLOAD {
            return Err(self.frame_size("RFC 9113 4.2: a frame is longer than we take"));
        }
        match &self.collecting {
            Some(block) if header.kind != Kind::Continuation || header.stream != block.stream => {
                Err(self.protocol("RFC 9113 4.3: a header block is interrupted"))
            }
            None if header.kind == Kind::Continuation => {
                Err(self.protocol("RFC 9113 6.10: CONTINUATION without a header block"))
            }
            _ => Ok(()),
        }
    }

    fn on_frame<'b>(
        &mut self,
        now: Instant,
        header: FrameHeader,
        payload: &'b [u8],
    ) -> Result<Option<Step<'b>>, Fault> {
        match header.kind {
            Kind::Headers => return self.on_headers(header, payload),
            Kind::Continuation => return self.on_continuation(header, payload),
            Kind::Priority => return self.on_priority(now, header, payload),
            Kind::Reset => return self.on_reset(now, header, payload),
            Kind::Settings => return self.on_settings(now, header, payload),
            Kind::PushPromise => {
                return Err(self.protocol("RFC 9113 8.4: PUSH_PROMISE, though push is disabled"));
            }
            Kind::Ping => self.on_ping(now, header, payload)?,
            Kind::GoAway => return self.on_go_away(now, header, payload),
            Kind::WindowUpdate => return self.on_window_update(now, header, payload),
            // DATA is taken as it comes and never whole.
            Kind::Data | Kind::Unknown => self.charge(now, 1)?,
        }
        Ok(None)
    }

    /// Where a stream is in its life.
    pub(crate) fn place_of(&self, id: u32) -> Place {
        if self.streams.get(id).is_some() {
            Place::Open
        } else if id.is_multiple_of(2) || id > self.highest {
            // Streams of even number are the server's, which never opens one (RFC 9113 5.1.1).
            Place::Idle
        } else if self.past.is_dropped(id) {
            Place::Dropped
        } else {
            Place::Over
        }
    }

    /// Ends a stream for what the peer did on it, and tells both sides (RFC 9113 5.4.2).
    pub(crate) fn break_stream(
        &mut self,
        now: Instant,
        id: u32,
        code: ErrorCode,
        fault: Fault,
    ) -> Result<Event<'static>, Fault> {
        let opened = self.streams.remove(id).and_then(|stream| stream.opened);
        self.past.drop(id);
        self.wire.reset(id, code);
        self.answered()?;
        if self.role == Role::Server && !self.abuse.reset(now, opened) {
            return Err(self.flood("RFC 9113 10.5: too many streams that had to be reset"));
        }
        Ok(Event::Broken { stream: id, fault })
    }

    /// Takes a stream off the list once both sides are done with it.
    pub(crate) fn settle(&mut self, id: u32) {
        if self
            .streams
            .get(id)
            .is_some_and(|stream| stream.is_closed())
        {
            self.streams.remove(id);
            self.past.end(id);
            self.abuse.finished();
        }
    }

    /// Pays for a frame that only costs.
    pub(crate) fn charge(&mut self, now: Instant, cost: u64) -> Result<(), Fault> {
        if self.abuse.control(now, cost) {
            return Ok(());
        }
        Err(self.flood("RFC 9113 10.5: too many control frames"))
    }

    /// Counts an answer that was just written.
    pub(crate) fn answered(&mut self) -> Result<(), Fault> {
        if self.wire.count_answer() {
            return Ok(());
        }
        Err(self.flood("RFC 9113 10.5: the peer does not read the answers it asks for"))
    }

    pub(crate) fn protocol(&mut self, why: &'static str) -> Fault {
        self.fail(ErrorCode::PROTOCOL_ERROR, FaultKind::Protocol, why)
    }

    pub(crate) fn frame_size(&mut self, why: &'static str) -> Fault {
        self.fail(ErrorCode::FRAME_SIZE_ERROR, FaultKind::Protocol, why)
    }

    pub(crate) fn flood(&mut self, why: &'static str) -> Fault {
        self.fail(ErrorCode::ENHANCE_YOUR_CALM, FaultKind::Flood, why)
    }

    /// The connection is over for what the peer did (RFC 9113 5.4.1).
    pub(crate) fn fail(&mut self, code: ErrorCode, kind: FaultKind, why: &'static str) -> Fault {
        if !self.has_failed {
            self.has_failed = true;
            let last = self.last_processed();
            self.wire.go_away(last, code);
        }
        Fault { kind, why }
    }

    /// Nothing more comes.
    pub(crate) fn end_of_input(&mut self) -> Result<(), Fault> {
        let was_idle = self.is_idle() || self.has_failed;
        self.has_failed = true;
        if was_idle {
            return Ok(());
        }
        Err(Fault {
            kind: FaultKind::CutOff,
            why: "RFC 9113 5.4.1: the connection was closed with streams open",
        })
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.streams.is_empty() && self.data.is_none() && self.collecting.is_none()
    }

    pub(crate) fn is_in_head(&self) -> bool {
        self.is_in_head || self.collecting.is_some()
    }

    /// Whether our settings have reached the peer.
    pub(crate) fn is_acknowledged(&self) -> bool {
        !self.is_unacknowledged
    }

    pub(crate) fn output(&mut self) -> &mut Output {
        self.wire.lend()
    }

    /// Gives back the memory that an idle connection needs not.
    pub(crate) fn rest(&mut self) {
        self.streams.rest();
        self.wire.lend().rest();
        if self.collecting.is_none() {
            self.fragments = Vec::new();
        }
    }
}
