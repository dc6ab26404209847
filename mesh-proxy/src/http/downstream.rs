//! A client's HTTP connection: its bytes become requests, and answers become bytes.

pub(crate) mod ending;
mod times;

use std::rc::Rc;
use std::sync::Weak;
use std::time::Instant;

use mesh_http::{BodyLength, Event, Fault, RequestHead, StreamId, Version, h1, h2};
use mesh_traffic::Config;
use mesh_traffic::listener::{HttpManager, Network};

use crate::conn::drain::Drain;
use crate::conn::wire::{Filled, Wire};
use crate::http::codec::ServerCodec;
use crate::http::connection::{Connection, Served};
use crate::http::failure::{Failure, FailureKind};
use crate::http::streams::Streams;
use crate::worker::engine::{Conn, ConnKey, Engine, FlowKey, Work};
use crate::worker::held::{Held, Holding};
use crate::worker::timers::TimerKey;

/// Bytes of answers that wait for the client before their upstreams are held back.
pub(crate) const HIGH_WATER: usize = 64 * 1024;
/// What may wait besides them on HTTP/2: the rest of a read of which there was room for the beginning,
/// heads of answers, and frames about the connection.
const BESIDE_BODIES: usize = 256 * 1024;
/// Undecoded bytes of a pipelining client before its socket is left alone.
const PIPELINED: usize = 16 * 1024;
/// Reads in a row before others get their turn.
const READS: usize = 8;

/// A client's connection that speaks HTTP.
pub(crate) struct Downstream {
    /// Its bytes.
    pub(crate) wire: Wire,
    /// What is known of it.
    pub(crate) connection: Rc<Connection>,
    /// Its codec.
    pub(crate) codec: ServerCodec,
    /// Its requests.
    pub(crate) streams: Streams,
    /// Requests whose answers wait for room.
    pub(crate) blocked: Vec<FlowKey>,
    /// Whether it will be flushed in this turn.
    pub(crate) dirty: bool,
    /// What could not be decoded yet.
    rest: Vec<u8>,
    /// What serves its requests, under the configuration of the last one.
    pub(crate) served: Option<(Weak<Config>, Served)>,
    drain: Drain,
    draining: bool,
    /// Bytes of a request's body that its endpoint does not take.
    pub(crate) held: usize,
    /// What is held for it: answers, and what could not be decoded.
    pub(crate) holding: Holding,
    /// The client closed its side.
    ended: bool,
    /// The client knows that nothing more comes.
    finished: bool,
    head_since: Option<Instant>,
    /// Since when the client has taken nothing of what waits for it.
    stalled_since: Option<Instant>,
    idle_since: Instant,
    timer: Option<(Instant, TimerKey)>,
}

impl Downstream {
    /// A connection to which nothing has happened yet.
    pub(crate) fn new(
        wire: Wire,
        connection: Rc<Connection>,
        version: Version,
        drain: Drain,
        now: Instant,
        held: &Held,
    ) -> Self {
        let codec = codec(&connection, version, held);
        Self {
            wire,
            connection,
            codec,
            streams: Streams::default(),
            blocked: Vec::new(),
            dirty: false,
            rest: Vec::new(),
            served: None,
            drain,
            draining: false,
            held: 0,
            holding: Holding::default(),
            ended: false,
            finished: false,
            head_since: None,
            stalled_since: None,
            idle_since: now,
            timer: None,
        }
    }

    /// Whether answers may be written to it that leave less than `room` waiting.
    pub(crate) fn has_room(&mut self, room: usize) -> bool {
        self.codec.output().len() < room
    }

    /// Bytes that its buffers hold.
    fn held(&mut self) -> usize {
        self.codec.output().capacity() + self.wire.backlog() + self.rest.capacity()
    }

    /// Whether its socket is read at the moment.
    fn reads(&mut self, room: usize) -> bool {
        // HTTP/2 holds its client back by windows.
        let takes = self.codec.version() == Version::Http2 || self.held < room;
        // Behind a whole request of HTTP/1 stands the next one, which can wait. Everything else must
        // fit, however large: a frame, a head, a trailer section.
        let limit = match self.streams.is_empty() || self.codec.is_in_message() {
            true => self.head_limit(),
            false => PIPELINED,
        };
        // A client that takes no answers gets no further requests in.
        let room = room.saturating_add(self.beside_bodies());
        !self.ended && takes && self.rest.len() < limit && self.has_room(room)
    }

    /// How much more than bodies may wait to be written while the socket is read. HTTP/2 must be read
    /// on (RFC 9113 5.2.2): who waits for us to read before he reads himself would wait forever.
    fn beside_bodies(&self) -> usize {
        match self.codec.version() {
            Version::Http2 => BESIDE_BODIES,
            _ => 0,
        }
    }

    fn if_it_reads(&mut self, room: usize) -> Option<&mut Self> {
        self.reads(room).then_some(self)
    }

    fn head_limit(&self) -> usize {
        2 * head_limit(&self.connection).max(PIPELINED)
    }

    /// Listeners say how long heads may take and connections may be idle.
    fn manager(&self) -> Option<&HttpManager> {
        let chain = self.connection.listener.chains.get(self.connection.chain)?;
        match &chain.network {
            Network::Http(manager) => Some(manager),
            Network::Tcp(_) => None,
        }
    }
}

fn head_limit(connection: &Connection) -> usize {
    /// Envoy's `max_request_headers_kb`.
    const DEFAULT: usize = 60 * 1024;
    let chain = connection.listener.chains.get(connection.chain);
    match chain.map(|chain| &chain.network) {
        Some(Network::Http(manager)) if manager.max_request_head > 0 => {
            usize::try_from(manager.max_request_head).unwrap_or(DEFAULT)
        }
        Some(_) | None => DEFAULT,
    }
}

/// Anybody at an edge gets what Istio gives there, and a peer of the mesh what many clients need.
fn http2_limits(connection: &Connection) -> h2::Limits {
    match connection.peer {
        _ if connection.is_edge() => h2::Limits::GATEWAY,
        Some(_) => h2::Limits::PEER,
        None => h2::Limits::SIDECAR,
    }
}

fn codec(connection: &Connection, version: Version, held: &Held) -> ServerCodec {
    let head_bytes = head_limit(connection);
    if version == Version::Http2 {
        let limits = h2::Limits {
            head_bytes,
            ..held.within(http2_limits(connection))
        };
        ServerCodec::H2(Box::new(h2::Server::new(&limits)))
    } else {
        let limits = h1::Limits {
            head_bytes,
            ..h1::Limits::default()
        };
        ServerCodec::H1(Box::new(h1::Server::new(&limits)))
    }
}

impl Engine {
    /// A client's connection, if that is what the key leads to.
    pub(crate) fn downstream(&mut self, key: ConnKey) -> Option<&mut Downstream> {
        match self.conns.get_mut(key)? {
            Conn::Downstream(down) => Some(down),
            _ => None,
        }
    }

    /// Serves a connection that has just been opened; `ahead` was read from it already.
    pub(crate) fn begin_downstream(&mut self, key: ConnKey, ahead: &[u8]) {
        self.feed_downstream(key, ahead);
        self.follow_drain(key);
        self.work.push_back(Work::Read(key));
        self.watch_downstream(key);
        self.mark(key);
    }

    /// Reads what the client sent.
    pub(crate) fn read_downstream(&mut self, key: ConnKey) {
        let mut scratch = self.lend_scratch();
        let mut reads = 0;
        loop {
            let (room, at_once) = (self.held.room(), self.held.at_once());
            let down = self.downstream(key);
            let Some(down) = down.and_then(|down| down.if_it_reads(room)) else {
                break;
            };
            if reads == READS {
                self.work.push_back(Work::Read(key));
                break;
            }
            reads += 1;
            match down.wire.fill_at_most(at_once, &mut scratch) {
                Ok(Filled::Bytes(read)) => {
                    self.feed_downstream(key, scratch.bytes.get(..read).unwrap_or_default());
                }
                Ok(Filled::Nothing) => break,
                Ok(Filled::End) => self.downstream_ended(key),
                Err(error) => self.downstream_broken(key, &error),
            }
        }
        self.return_scratch(scratch);
        self.watch_downstream(key);
    }

    /// Decodes fresh bytes together with what was left of earlier ones.
    fn feed_downstream(&mut self, key: ConnKey, fresh: &[u8]) {
        let Some(down) = self.downstream(key) else {
            return;
        };
        if down.rest.is_empty() {
            let mut input = fresh;
            self.decode_downstream(key, &mut input);
            if let Some(down) = self.downstream(key).filter(|_| !input.is_empty()) {
                down.rest.extend_from_slice(input);
            }
        } else {
            down.rest.extend_from_slice(fresh);
            self.decode_rest(key);
        }
    }

    /// A request is over, so bytes that came meanwhile may be the next one.
    pub(crate) fn decode_downstream_again(&mut self, key: ConnKey) {
        self.decode_rest(key);
        self.work.push_back(Work::Read(key));
        self.watch_downstream(key);
    }

    fn decode_rest(&mut self, key: ConnKey) {
        let Some(down) = self.downstream(key).filter(|down| !down.rest.is_empty()) else {
            return;
        };
        let mut rest = std::mem::take(&mut down.rest);
        let mut input = rest.as_slice();
        self.decode_downstream(key, &mut input);
        let left = input.len();
        if let Some(down) = self.downstream(key).filter(|_| left > 0) {
            let used = rest.len() - left;
            rest.drain(..used);
            down.rest = rest;
        }
    }

    fn decode_downstream(&mut self, key: ConnKey, input: &mut &[u8]) {
        let mut head = self.request_head.take().unwrap_or_default();
        let now = self.now;
        while let Some(down) = self.downstream(key) {
            match down.codec.next(now, input, &mut head) {
                Ok(Some(event)) => self.downstream_event(key, event, &mut head),
                Ok(None) => break,
                Err(fault) => {
                    *input = &[];
                    self.downstream_fault(key, fault, &mut head);
                    break;
                }
            }
        }
        self.request_head = Some(head);
        self.mark(key);
    }

    fn downstream_event(&mut self, key: ConnKey, event: Event<'_>, head: &mut Box<RequestHead>) {
        match event {
            Event::Head { stream, body } => self.request_arrived(key, stream, body, head),
            Event::Data { stream, bytes, end } => self.request_data(key, stream, bytes, end),
            Event::Trailers { stream } => {
                let fields = std::mem::take(&mut head.fields);
                self.request_trailers(key, stream, fields);
            }
            Event::Reset { stream, .. } => self.request_gone(key, stream),
            Event::Broken { stream, fault } => self.request_broken(key, stream, fault),
            Event::Window { stream } => self.client_takes_more(key, stream),
            Event::GoingAway | Event::Interim { .. } => {}
        }
    }

    fn request_arrived(
        &mut self,
        key: ConnKey,
        stream: StreamId,
        body: BodyLength,
        head: &mut Box<RequestHead>,
    ) {
        let Some(down) = self.downstream(key) else {
            return;
        };
        down.head_since = None;
        let connection = down.connection.clone();
        if self.refuses() {
            return self.refuse(key, stream, connection, std::mem::take(&mut **head), body);
        }
        self.begin_flow(key, stream, connection, head, body);
    }

    fn request_broken(&mut self, key: ConnKey, stream: StreamId, fault: Fault) {
        let failure = Failure::new(FailureKind::DownstreamBody).caused_by(fault);
        let Some(flow) = self.flow_of_client(key, stream) else {
            // No request came of it.
            self.observer.connection_refused(fault.kind.label());
            return;
        };
        self.abandon(flow, failure.kind);
    }

    fn request_gone(&mut self, key: ConnKey, stream: StreamId) {
        if let Some(flow) = self.flow_of_client(key, stream) {
            self.abandon(flow, FailureKind::DownstreamGone);
        }
    }

    /// The request that runs on a stream of a client's connection.
    pub(crate) fn flow_of_client(&mut self, key: ConnKey, stream: StreamId) -> Option<FlowKey> {
        self.downstream(key)?.streams.get(stream)
    }

    /// Writes what is to be sent, closes what is over, and lets waiting answers go on.
    pub(crate) fn flush_downstream(&mut self, key: ConnKey) {
        let Some(Conn::Downstream(down)) = self.conns.get_mut(key) else {
            return;
        };
        let Downstream {
            wire,
            codec,
            finished,
            stalled_since,
            ..
        } = &mut **down;
        let waiting = codec.output().len();
        if let Err(error) = wire.flush(codec.output(), &mut self.sealing) {
            return self.downstream_broken(key, &error);
        }
        let written = codec.output().is_empty() && wire.is_flushed();
        let waits_anew = !written && (stalled_since.is_none() || codec.output().len() < waiting);
        if written {
            *stalled_since = None;
        } else if waits_anew {
            *stalled_since = Some(self.now);
        }
        if written && codec.is_half_closed() && !std::mem::replace(finished, true) {
            wire.finish();
        }
        if written && codec.is_over() {
            let flows = down.streams.flows();
            for flow in flows {
                self.abandon(flow, FailureKind::DownstreamGone);
            }
            return self.close_downstream(key);
        }
        let room = self.held.room();
        if written && (down.streams.is_empty() || room < HIGH_WATER) {
            self.buffers.put(down.codec.output().reclaim());
        }
        let bytes = down.held();
        self.held.note(&mut down.holding, bytes);
        // What was not read for want of room is not told again by the kernel.
        if down.wire.is_readable() && down.reads(room) {
            self.work.push_back(Work::Read(key));
        }
        if !down.blocked.is_empty() && down.has_room(room) {
            let blocked = std::mem::take(&mut down.blocked);
            for flow in blocked {
                self.pump_download(flow);
            }
        }
        if waits_anew {
            self.watch_downstream(key);
        }
    }

    /// A request is over.
    pub(crate) fn client_served(&mut self, key: ConnKey, stream: StreamId) {
        let now = self.now;
        let Some(down) = self.downstream(key) else {
            return;
        };
        down.streams.remove(stream);
        down.idle_since = now;
        if !down.rest.is_empty() {
            self.work.push_back(Work::Decode(key));
        } else if down.wire.is_readable() {
            self.work.push_back(Work::Read(key));
        }
        self.watch_downstream(key);
        self.mark(key);
    }
}
