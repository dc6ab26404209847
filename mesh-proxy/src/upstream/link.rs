//! A connection to an endpoint: requests become its bytes, and its bytes become answers.

mod answers;
mod leaving;

use std::collections::VecDeque;
use std::time::Instant;

use mesh_http::{CannotSend, ErrorCode, Fields, RequestHead, StreamId, Version, h1, h2};

use crate::conn::wire::Wire;
use crate::conn::wire::tls::Session;
use crate::http::codec::ClientCodec;
use crate::http::downstream::HIGH_WATER;
use crate::http::failure::{Failure, FailureKind};
use crate::http::streams::Streams;
use crate::upstream::dial::patience::Patience;
use crate::upstream::dial::{self, About};
use crate::upstream::pool::{Place, PoolKey};
use crate::upstream::target::{Speak, Target};
use crate::upstream::tls::Carries;
use crate::worker::engine::{Conn, ConnKey, Due, Engine, FlowKey, Work};
use crate::worker::held::Holding;
use crate::worker::timers::TimerKey;

/// Reads in a row before others get their turn.
const READS: usize = 8;
/// Streams whose clients take nothing before the others of a connection have to wait.
const STREAMS_THAT_STALL: u32 = 16;

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
    pub(crate) pool: PoolKey,
    state: State,
    rest: Vec<u8>,
    /// Bytes of answers that their clients do not take.
    held: usize,
    /// What is held for it: requests, and what could not be decoded.
    pub(crate) holding: Holding,
    used: bool,
    /// How many requests it still takes, if that is bounded.
    left: Option<u32>,
    /// How many it carries at a time, if that is bounded.
    at_once: Option<u32>,
    /// When it takes no more.
    until: Option<Instant>,
    /// Its place among the connections of its cluster, where these are counted.
    _place: Option<Place>,
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
        session: Option<Session>,
        patience: Patience,
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
            State::Open { codec, .. } => {
                let streams = u32::try_from(self.streams.len()).unwrap_or(u32::MAX);
                let at_once = self
                    .at_once
                    .map_or(u32::MAX, |most| most.saturating_sub(streams));
                codec.room().min(at_once).min(self.left.unwrap_or(u32::MAX))
            }
            State::Opening { .. } => 0,
        }
    }

    /// Whether it is so old that it takes no more; it carries one request in any case.
    pub(crate) fn is_old(&self, now: Instant) -> bool {
        self.used && self.until.is_some_and(|until| until <= now)
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

    /// Counts a request; whether it is the last one that the connection may carry.
    fn count_request(&mut self) -> bool {
        let Some(left) = &mut self.left else {
            return false;
        };
        *left = left.saturating_sub(1);
        *left == 0
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
    pub(crate) fn dial(
        &mut self,
        pool: PoolKey,
        target: &Target,
        place: Option<Place>,
    ) -> Result<(), Failure> {
        let session = dial::session(&self.client_tls, target, Carries::Http(target.speak))?;
        let refused = |error: std::io::Error| dial::refused(target.address, &error);
        let socket = dial::begin(target)?;
        let deadline = self.now + target.connect_timeout;
        let patience = Patience::new(deadline, self.live.current());
        let look = patience.next(self.now);
        let link = Link {
            wire: Wire::new(socket),
            streams: Streams::default(),
            blocked: Vec::new(),
            dirty: false,
            idle_since: self.now,
            pool,
            state: State::Opening {
                target: Box::new(target.clone()),
                session,
                patience,
                timer: TimerKey::default(),
            },
            rest: Vec::new(),
            held: 0,
            holding: Holding::default(),
            used: false,
            left: target.max_requests,
            at_once: target.max_streams,
            until: target.max_duration.map(|most| self.now + most),
            _place: place,
            heard: false,
            told: false,
            finished: false,
            put_off: VecDeque::new(),
        };
        let key = self.enter(Conn::Link(Box::new(link))).map_err(refused)?;
        let set = self.timers.set(look, Due::Conn(key));
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
        // Many share it: a few streams that stand still must not stop the others.
        let shared = limits.stream_window.saturating_mul(STREAMS_THAT_STALL);
        let limits = h2::Limits {
            connection_buffer: limits.connection_buffer.max(shared),
            ..limits
        };
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

    /// Opening takes long, or resets that were put off are due.
    pub(crate) fn link_due(&mut self, key: ConnKey) {
        let (now, known) = (self.now, self.live.current());
        let Some(Conn::Link(link)) = self.conns.get_mut(key) else {
            return;
        };
        let State::Opening {
            target,
            patience,
            timer,
            ..
        } = &mut link.state
        else {
            return self.reset_late(key);
        };
        match patience.over(now, target.address, &known, &mut self.listed) {
            Some(failure) => self.link_unopened(key, &failure),
            None => *timer = self.timers.set(patience.next(now), Due::Conn(key)),
        }
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
        let version = codec.version();
        codec.output().lend(|| self.buffers.take(version));
        let stream = codec.request(head, end)?;
        link.streams.insert(stream, flow);
        link.heard = false;
        link.told = false;
        let is_last = link.count_request() && version == Version::Http2;
        self.mark(key);
        if is_last {
            self.drain_link(key);
        }
        Ok(stream)
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
        if let Err(error) = link.wire.flush(codec.output(), &mut self.sealing) {
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
        let idle = link.streams.is_empty() || codec.has_sent_all();
        if written && (idle || room < HIGH_WATER) {
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
}
