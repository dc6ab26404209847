//! A connection to an endpoint: requests become its bytes, and its bytes become answers.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use mesh_http::{
    BodyLength, CannotSend, ErrorCode, Event, Fault, FaultKind, Fields, RequestHead, ResponseHead,
    StreamId, Version, h1, h2,
};

use crate::conn::wire::{Filled, Wire};
use crate::http::codec::ClientCodec;
use crate::http::downstream::HIGH_WATER;
use crate::http::failure::{Failure, FailureKind};
use crate::http::flow::Leg;
use crate::http::streams::Streams;
use crate::upstream::dial::{self, About};
use crate::upstream::pool::PoolKey;
use crate::upstream::target::{Speak, Target};
use crate::upstream::tls::Carries;
use crate::worker::engine::{Conn, ConnKey, Due, Engine, FlowKey, Work};
use crate::worker::held::Holding;
use crate::worker::timers::TimerKey;

/// Reads in a row before others get their turn.
const READS: usize = 8;
/// How long a stream is kept whose reset is put off: then it is no rapid reset for anybody.
const PUT_OFF: Duration = Duration::from_millis(1_100);

/// A connection to an endpoint.
pub(crate) struct Link {
    /// Its bytes.
    pub(crate) wire: Wire,
    /// Its requests.
    pub(crate) streams: Streams,
    /// Requests whose bodies wait for room.
    pub(crate) blocked: Vec<FlowKey>,
    /// Whether it will be flushed in this turn.
    pub(crate) dirty: bool,
    /// When its last request ended.
    pub(crate) idle_since: Instant,
    pool: PoolKey,
    state: State,
    rest: Vec<u8>,
    /// Bytes of answers that their clients do not take.
    held: usize,
    /// What is held for it: requests, and what could not be decoded.
    pub(crate) holding: Holding,
    used: bool,
    /// Whether the peer said something since the last request.
    heard: bool,
    /// Whether some of the last request has left.
    told: bool,
    /// Whether the endpoint knows that nothing more comes.
    finished: bool,
    /// Streams that nobody waits for, with the time when they are reset: clients gave up so many at
    /// once that the endpoint could take us for an attacker, at the cost of all others.
    put_off: VecDeque<(Instant, StreamId, ErrorCode)>,
}

enum State {
    /// It is being opened: TCP, then TLS if `session` is there.
    Opening {
        target: Box<Target>,
        session: Option<Box<rustls::Connection>>,
        timer: TimerKey,
    },
    /// It carries requests.
    Open { codec: ClientCodec, about: About },
}

impl Link {
    fn codec(&mut self) -> Option<&mut ClientCodec> {
        match &mut self.state {
            State::Open { codec, .. } => Some(codec),
            State::Opening { .. } => None,
        }
    }

    /// Who is at its other end.
    pub(crate) fn about(&self) -> About {
        match &self.state {
            State::Open { about, .. } => about.clone(),
            State::Opening { .. } => About::default(),
        }
    }

    /// The version of HTTP that it speaks.
    pub(crate) fn version(&self) -> Version {
        match &self.state {
            State::Open { codec, .. } => codec.version(),
            State::Opening { .. } => Version::Http11,
        }
    }

    /// How many requests it takes now.
    pub(crate) fn room(&self) -> u32 {
        match &self.state {
            State::Open { codec, .. } => codec.room(),
            State::Opening { .. } => 0,
        }
    }

    /// Gives back what it does not need while it is idle.
    pub(crate) fn rest(&mut self) {
        if let Some(codec) = self.codec() {
            codec.rest();
        }
    }

    /// Counts a use, and says whether there was one before.
    pub(crate) fn use_once_more(&mut self) -> bool {
        std::mem::replace(&mut self.used, true)
    }

    /// Whether bodies may be written to it.
    pub(crate) fn has_room(&mut self, room: usize) -> bool {
        self.codec()
            .is_some_and(|codec| codec.output().len() < room)
    }

    /// Sends a piece of a request's body.
    ///
    /// # Errors
    /// When the stream is over.
    pub(crate) fn send_data(
        &mut self,
        stream: StreamId,
        bytes: &[u8],
        end: bool,
    ) -> Result<usize, CannotSend> {
        self.codec()
            .ok_or(CannotSend::NoStream)?
            .send_data(stream, bytes, end)
    }

    /// Sends a request's trailers.
    ///
    /// # Errors
    /// When the stream is over.
    pub(crate) fn send_trailers(
        &mut self,
        stream: StreamId,
        fields: &Fields,
    ) -> Result<(), CannotSend> {
        self.codec()
            .ok_or(CannotSend::NoStream)?
            .send_trailers(stream, fields)
    }

    fn if_it_reads(&mut self, room: usize) -> Option<&mut Self> {
        self.reads(room).then_some(self)
    }

    fn reads(&self, room: usize) -> bool {
        let is_open = matches!(self.state, State::Open { .. });
        is_open && (self.version() == Version::Http2 || self.held < room)
    }
}

impl Engine {
    /// A connection to an endpoint, if that is what the key leads to.
    pub(crate) fn link(&mut self, key: ConnKey) -> Option<&mut Link> {
        match self.conns.get_mut(key)? {
            Conn::Link(link) => Some(link),
            _ => None,
        }
    }

    /// Begins to open a connection for a pool.
    ///
    /// # Errors
    /// When it is known at once that there will be none.
    pub(crate) fn dial(&mut self, pool: PoolKey, target: &Target) -> Result<(), Failure> {
        let session = dial::session(&self.client_tls, target, Carries::Http(target.speak))?;
        let refused = |error: std::io::Error| dial::refused(target.address, &error);
        let socket = mio::net::TcpStream::connect(target.address).map_err(refused)?;
        socket.set_nodelay(true).map_err(refused)?;
        let deadline = self.now + target.connect_timeout;
        let link = Link {
            wire: Wire::new(socket),
            streams: Streams::default(),
            blocked: Vec::new(),
            dirty: false,
            idle_since: self.now,
            pool,
            state: State::Opening {
                target: Box::new(target.clone()),
                session: session.map(Box::new),
                timer: TimerKey::default(),
            },
            rest: Vec::new(),
            held: 0,
            holding: Holding::default(),
            used: false,
            heard: false,
            told: false,
            finished: false,
            put_off: VecDeque::new(),
        };
        let key = self.enter(Conn::Link(Box::new(link))).map_err(refused)?;
        let set = self.timers.set(deadline, Due::Conn(key));
        if let Some(Link {
            state: State::Opening { timer, .. },
            ..
        }) = self.link(key)
        {
            *timer = set;
        }
        Ok(())
    }

    /// Something has happened on a socket that is being connected.
    fn open_link(&mut self, key: ConnKey) {
        match self.try_open(key) {
            Ok(false) => {}
            Ok(true) => self.link_opened(key),
            Err(failure) => self.link_unopened(key, &failure),
        }
    }

    /// Takes the next step of opening; whether it was the last.
    fn try_open(&mut self, key: ConnKey) -> Result<bool, Failure> {
        let mut scratch = self.lend_scratch();
        let opened = match self.link(key) {
            Some(Link {
                wire,
                rest,
                state: State::Opening {
                    target, session, ..
                },
                ..
            }) => dial::advance(wire, target.address, session, rest, &mut scratch),
            Some(_) | None => Ok(false),
        };
        self.return_scratch(scratch);
        opened
    }

    fn link_opened(&mut self, key: ConnKey) {
        let limits = self.held.within(h2::Limits::default());
        let Some(link) = self.link(key) else {
            return;
        };
        let State::Opening { target, timer, .. } = &link.state else {
            return;
        };
        let timer = *timer;
        let local = link.wire.socket_ref().local_addr().ok();
        let about = dial::about(link.wire.tls(), target, local);
        let is_h2 = about.http2 || (target.tls.is_none() && target.speak == Speak::Http2);
        if target.speak == Speak::Http2 && !is_h2 {
            let failure = Failure::safe(FailureKind::ConnectFailed)
                .caused_by("the upstream does not speak HTTP/2");
            return self.link_unopened(key, &failure);
        }
        let codec = match is_h2 {
            true => ClientCodec::H2(Box::new(h2::Client::new(&limits))),
            false => ClientCodec::H1(Box::new(h1::Client::new(&h1::Limits::default()))),
        };
        link.state = State::Open { codec, about };
        let pool = link.pool;
        self.timers.cancel(timer);
        self.pool_opened(pool, key);
        self.work.push_back(Work::Read(key));
        self.mark(key);
    }

    fn link_unopened(&mut self, key: ConnKey, failure: &Failure) {
        let Some(Conn::Link(link)) = self.remove(key) else {
            return;
        };
        if let State::Opening { timer, .. } = link.state {
            self.timers.cancel(timer);
        }
        self.pool_unopened(link.pool, failure);
    }

    /// Opening took too long, or resets that were put off are due.
    pub(crate) fn link_due(&mut self, key: ConnKey) {
        let opening = self
            .link(key)
            .is_some_and(|link| matches!(link.state, State::Opening { .. }));
        if opening {
            let failure =
                Failure::safe(FailureKind::ConnectTimeout).caused_by("deadline has elapsed");
            self.link_unopened(key, &failure);
        } else {
            self.reset_late(key);
        }
    }

    /// Gives up the streams whose time has come.
    fn reset_late(&mut self, key: ConnKey) {
        let now = self.now;
        let Some(Conn::Link(link)) = self.conns.get_mut(key) else {
            return;
        };
        let State::Open { codec, .. } = &mut link.state else {
            return;
        };
        while let Some((_, stream, code)) = link.put_off.pop_front_if(|(due, ..)| *due <= now) {
            codec.reset(stream, code);
        }
        let pool = link.pool;
        if let Some((due, ..)) = link.put_off.front() {
            self.timers.set(*due, Due::Conn(key));
        }
        self.mark(key);
        self.serve_waiting(pool);
    }

    /// Sends the head of a request.
    ///
    /// # Errors
    /// When the connection takes none.
    pub(crate) fn send_request(
        &mut self,
        key: ConnKey,
        flow: FlowKey,
        head: &RequestHead,
        end: bool,
    ) -> Result<StreamId, CannotSend> {
        let Some(Conn::Link(link)) = self.conns.get_mut(key) else {
            return Err(CannotSend::NoRoom);
        };
        let codec = link.codec().ok_or(CannotSend::NoRoom)?;
        codec.output().lend(|| self.buffers.take());
        let stream = codec.request(head, end)?;
        link.streams.insert(stream, flow);
        link.heard = false;
        link.told = false;
        self.mark(key);
        Ok(stream)
    }

    /// Reads what the endpoint sent.
    pub(crate) fn read_link(&mut self, key: ConnKey) {
        if self
            .link(key)
            .is_some_and(|link| matches!(link.state, State::Opening { .. }))
        {
            return self.open_link(key);
        }
        let mut scratch = self.lend_scratch();
        let mut reads = 0;
        let holds_back = self.holds_back();
        loop {
            let (room, at_once) = (self.held.room(), self.held.at_once());
            let link = self.link(key);
            let Some(link) = link.and_then(|link| link.if_it_reads(room)) else {
                break;
            };
            if holds_back && link.held > 0 {
                break;
            }
            if reads == READS {
                self.work.push_back(Work::Read(key));
                break;
            }
            reads += 1;
            match link.wire.fill_at_most(at_once, &mut scratch) {
                Ok(Filled::Bytes(read)) => {
                    link.heard = true;
                    self.feed_link(key, scratch.bytes.get(..read).unwrap_or_default());
                }
                Ok(Filled::Nothing) => break,
                Ok(Filled::End) => self.link_ended(key),
                Err(error) => self.link_broken(key, &error.to_string(), None),
            }
        }
        self.return_scratch(scratch);
    }

    fn feed_link(&mut self, key: ConnKey, fresh: &[u8]) {
        let Some(link) = self.link(key) else {
            return;
        };
        let mut rest = std::mem::take(&mut link.rest);
        if rest.is_empty() {
            let mut input = fresh;
            self.decode_link(key, &mut input);
            rest.extend_from_slice(input);
        } else {
            rest.extend_from_slice(fresh);
            let mut input = rest.as_slice();
            self.decode_link(key, &mut input);
            let used = rest.len() - input.len();
            rest.drain(..used);
        }
        if let Some(link) = self.link(key).filter(|_| !rest.is_empty()) {
            link.rest = rest;
        }
    }

    fn decode_link(&mut self, key: ConnKey, input: &mut &[u8]) {
        let mut head = std::mem::take(&mut self.response_head);
        let now = self.now;
        while let Some(codec) = self.link(key).and_then(Link::codec) {
            match codec.next(now, input, &mut head) {
                Ok(Some(event)) => self.link_event(key, event, &mut head),
                Ok(None) => break,
                Err(fault) => {
                    *input = &[];
                    self.link_fault(key, fault);
                    break;
                }
            }
        }
        self.response_head = head;
        self.mark(key);
    }

    fn link_event(&mut self, key: ConnKey, event: Event<'_>, head: &mut ResponseHead) {
        match event {
            Event::Head { stream, body } => self.link_head(key, stream, body, head),
            Event::Interim { stream } => {
                if let Some(flow) = self.flow_of_link(key, stream) {
                    self.answer_interim(flow, head);
                }
            }
            Event::Data { stream, bytes, end } => self.link_data(key, stream, bytes, end),
            Event::Trailers { stream } => {
                if let Some(flow) = self.flow_of_link(key, stream) {
                    self.answer_trailers(flow, &mut head.fields);
                }
            }
            Event::Reset {
                stream,
                code,
                processed,
            } => self.link_reset(key, stream, code, processed),
            Event::Broken { stream, fault } => {
                let failure = Failure::new(FailureKind::UpstreamProtocol).caused_by(fault);
                self.link_stream_failed(key, stream, failure);
            }
            Event::Window { stream } => self.endpoint_takes_more(key, stream),
            Event::GoingAway => {
                if let Some(pool) = self.link(key).map(|link| link.pool) {
                    self.pool_forget(pool, key);
                }
            }
        }
    }

    fn link_head(
        &mut self,
        key: ConnKey,
        stream: StreamId,
        body: BodyLength,
        head: &mut ResponseHead,
    ) {
        if let Some(flow) = self.flow_of_link(key, stream) {
            if body == BodyLength::None {
                self.answer_is_whole(flow);
            }
            self.answer_arrived(flow, body, std::mem::take(head));
            *head = std::mem::take(&mut self.response_head);
        }
    }

    fn link_data(&mut self, key: ConnKey, stream: StreamId, bytes: &[u8], end: bool) {
        let Some(flow) = self.flow_of_link(key, stream) else {
            // Nobody waits for it any more.
            return self.link_credit(key, stream, bytes.len(), 0);
        };
        if end {
            self.answer_is_whole(flow);
        }
        let passed = self.answer_data(flow, bytes, end);
        if self.flows.contains_key(flow) {
            self.note_held_download(flow, passed);
        } else {
            // What waited was given back when the flow ended.
            self.link_credit(key, stream, passed, 0);
        }
    }

    fn link_reset(&mut self, key: ConnKey, stream: StreamId, code: ErrorCode, processed: bool) {
        let failure = match (processed, code) {
            (false, ErrorCode::REFUSED_STREAM) => Failure::safe(FailureKind::UpstreamRefusedStream),
            (false, _) => Failure::safe(FailureKind::UpstreamClosed),
            (true, _) => Failure::new(FailureKind::UpstreamReset),
        };
        self.link_stream_failed(key, stream, failure);
    }

    fn link_stream_failed(&mut self, key: ConnKey, stream: StreamId, failure: Failure) {
        let Some(flow) = self.flow_of_link(key, stream) else {
            return;
        };
        // An endpoint may give up what it has answered already (RFC 9113 8.1).
        if !self.needs_no_endpoint(flow) {
            self.answer_failed(flow, failure);
        }
    }

    fn flow_of_link(&mut self, key: ConnKey, stream: StreamId) -> Option<FlowKey> {
        self.link(key)?.streams.get(stream)
    }

    fn endpoint_takes_more(&mut self, key: ConnKey, stream: Option<StreamId>) {
        let flows = match (stream, self.link(key)) {
            (Some(stream), Some(link)) => link.streams.get(stream).into_iter().collect(),
            (None, Some(link)) => link.streams.flows(),
            (_, None) => Vec::new(),
        };
        for flow in flows {
            self.pump_upload(flow);
        }
    }

    /// Gives the endpoint credit for what was passed on; what is held keeps HTTP/1 from being read.
    pub(crate) fn link_credit(
        &mut self,
        key: ConnKey,
        stream: StreamId,
        passed: usize,
        held: usize,
    ) {
        let Some(link) = self.link(key) else {
            return;
        };
        let was_held = std::mem::replace(&mut link.held, held);
        if let Some(codec) = link.codec() {
            codec.release(stream, passed);
        }
        // When memory is short there is less room than that, and more is read when nothing waits.
        let emptied = was_held > 0 && held == 0;
        if was_held >= HIGH_WATER && held < HIGH_WATER || emptied {
            self.work.push_back(Work::Read(key));
        }
        self.mark(key);
    }

    /// The endpoint closed its side.
    fn link_ended(&mut self, key: ConnKey) {
        let ended = match self.link(key).and_then(Link::codec) {
            Some(codec) => codec.end_of_input(),
            None => return,
        };
        match ended {
            Ok(Some(event)) => {
                let mut head = ResponseHead::default();
                self.link_event(key, event, &mut head);
                self.link_broken(key, "the endpoint closed the connection", None);
            }
            Ok(None) => self.link_broken(key, "the endpoint closed the connection", None),
            Err(fault) => self.link_broken(key, fault.why, None),
        }
    }

    /// What came breaks a rule of HTTP in a way that ends the connection.
    fn link_fault(&mut self, key: ConnKey, fault: Fault) {
        if let Some(Conn::Link(link)) = self.conns.get_mut(key)
            && let State::Open { codec, .. } = &mut link.state
        {
            // GOAWAY is told if it can be told at once.
            let _broken = link.wire.flush(codec.output());
        }
        let kind = match fault.kind {
            FaultKind::CutOff => None,
            _ => Some(FailureKind::UpstreamProtocol),
        };
        self.link_broken(key, fault.why, kind);
    }

    /// The connection is of no more use: whatever runs on it fails.
    fn link_broken(&mut self, key: ConnKey, why: &str, kind: Option<FailureKind>) {
        let Some(Conn::Link(link)) = self.remove(key) else {
            return;
        };
        let is_h2 = link.version() == Version::Http2;
        self.pool_forget(link.pool, key);
        for flow in link.streams.flows() {
            if self.needs_no_endpoint(flow) {
                continue;
            }
            let failure = match kind {
                Some(kind) => Failure::new(kind),
                None if !is_h2 && !link.told => Failure::safe(FailureKind::UpstreamClosed),
                None if !is_h2 && link.heard => Failure::new(FailureKind::UpstreamClosed),
                None => Failure::if_reused(FailureKind::UpstreamClosed),
            };
            self.answer_failed(flow, failure.caused_by(why.to_owned()));
        }
    }

    /// Writes what is to be sent, closes what is over, and lets waiting bodies go on.
    pub(crate) fn flush_link(&mut self, key: ConnKey) {
        let Some(Conn::Link(link)) = self.conns.get_mut(key) else {
            return;
        };
        let State::Open { codec, .. } = &mut link.state else {
            return self.open_link(key);
        };
        let waiting = codec.output().len();
        if let Err(error) = link.wire.flush(codec.output()) {
            // An answer may have come before the endpoint closed, later than the kernel's last word.
            link.told = true;
            link.wire.read_again();
            let why = error.to_string();
            self.read_link(key);
            return self.link_broken(key, &why, None);
        }
        link.told |= codec.output().len() < waiting;
        let written = codec.output().is_empty() && link.wire.is_flushed();
        if written && codec.is_half_closed() && !std::mem::replace(&mut link.finished, true) {
            link.wire.finish();
        }
        if written && codec.is_over() && link.streams.is_empty() {
            let pool = link.pool;
            self.pool_forget(pool, key);
            return self.close(key);
        }
        let room = self.held.room();
        if written && (link.streams.is_empty() || room < HIGH_WATER) {
            self.buffers.put(codec.output().reclaim());
        }
        let bytes = codec.output().capacity() + link.wire.backlog() + link.rest.capacity();
        self.held.note(&mut link.holding, bytes);
        if !link.blocked.is_empty() && link.has_room(room) {
            let blocked = std::mem::take(&mut link.blocked);
            for flow in blocked {
                self.pump_upload(flow);
            }
        }
    }

    /// A request has done with a connection: it is free again when the exchange is `whole`, else
    /// what is under way there is given up.
    pub(crate) fn leave_link(&mut self, leg: Leg, whole: bool, code: ErrorCode) {
        let key = leg.link;
        let now = self.now;
        let Some(link) = self.link(key) else {
            return;
        };
        link.idle_since = now;
        link.held = 0;
        let pool = link.pool;
        let is_h2 = link.version() == Version::Http2;
        if let Some(stream) = leg.stream {
            link.streams.remove(stream);
            if !whole {
                self.give_up_stream(key, stream, code);
            }
        }
        let Some(link) = self.link(key) else {
            return;
        };
        let room = link.room();
        self.mark(key);
        if is_h2 {
            self.serve_waiting(pool);
        } else if room > 0 && (whole || leg.stream.is_none()) {
            // Not at once: bytes that came with the answer must not meet the next request.
            self.work.push_back(Work::Free(key));
        } else if code == ErrorCode::NO_ERROR {
            self.retire_link(key);
        } else {
            self.pool_forget(pool, key);
            self.remove(key);
        }
    }

    /// Resets a stream now, or a little later if there were too many of late.
    fn give_up_stream(&mut self, key: ConnKey, stream: StreamId, code: ErrorCode) {
        let now = self.now;
        let Some(Conn::Link(link)) = self.conns.get_mut(key) else {
            return;
        };
        let State::Open { codec, .. } = &mut link.state else {
            return;
        };
        if codec.may_reset(now, stream) {
            return codec.reset(stream, code);
        }
        let due = now + PUT_OFF;
        link.put_off.push_back((due, stream, code));
        if link.put_off.len() == 1 {
            self.timers.set(due, Due::Conn(key));
        }
    }

    /// A connection of HTTP/1 has nothing more to say to its last request.
    pub(crate) fn free_link(&mut self, key: ConnKey) {
        let Some(link) = self.link(key) else {
            return;
        };
        let (pool, is_free) = (link.pool, link.streams.is_empty() && link.room() > 0);
        if is_free {
            self.pool_free(pool, key);
        }
    }

    /// Ends a connection that nobody uses.
    pub(crate) fn retire_link(&mut self, key: ConnKey) {
        let Some(link) = self.link(key) else {
            return;
        };
        let pool = link.pool;
        if let Some(codec) = link.codec() {
            codec.drain();
        }
        self.pool_forget(pool, key);
        self.mark(key);
        if let Some(Conn::Link(link)) = self.conns.get_mut(key)
            && let State::Open { codec, .. } = &mut link.state
        {
            let _broken = link.wire.flush(codec.output());
        }
        self.close(key);
    }
}
