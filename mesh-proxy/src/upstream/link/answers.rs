//! What an endpoint says: its bytes become the answers of requests, or the end of the connection.

use mesh_http::{BodyLength, ErrorCode, Event, Fault, FaultKind, ResponseHead, StreamId, Version};

use super::{Link, READS, State};
use crate::conn::wire::Filled;
use crate::http::downstream::HIGH_WATER;
use crate::http::failure::{Failure, FailureKind};
use crate::worker::engine::{Conn, ConnKey, Engine, FlowKey, Work};

impl Engine {
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
            // The other sidecar says that its application's connection died (`respond.rs`).
            (true, ErrorCode::CONNECT_ERROR) => Failure::if_idempotent(FailureKind::UpstreamReset),
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
            let _broken = link.wire.flush(codec.output(), &mut self.sealing);
        }
        let kind = match fault.kind {
            FaultKind::CutOff => None,
            _ => Some(FailureKind::UpstreamProtocol),
        };
        self.link_broken(key, fault.why, kind);
    }

    /// The connection is of no more use: whatever runs on it fails.
    pub(super) fn link_broken(&mut self, key: ConnKey, why: &str, kind: Option<FailureKind>) {
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
                None => Failure::if_idempotent(FailureKind::UpstreamClosed),
            };
            self.answer_failed(flow, failure.caused_by(why.to_owned()));
        }
    }
}
