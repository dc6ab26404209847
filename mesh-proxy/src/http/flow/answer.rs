//! An answer on its way from the endpoint to the client.

use mesh_http::{BodyLength, ErrorCode, Fields, ResponseHead, StreamId};

use super::{Leg, Step, grpc_status, wait_once};
use crate::http::downstream::HIGH_WATER;
use crate::http::failure::{Failure, FailureKind};
use crate::http::serve::{Event, Next};
use crate::worker::engine::{Conn, ConnKey, Engine, FlowKey};

impl Engine {
    /// The head of an answer is there.
    pub(crate) fn answer_arrived(&mut self, key: FlowKey, body: BodyLength, head: ResponseHead) {
        if self
            .flows
            .get(key)
            .is_none_or(|flow| flow.step != Step::Asked)
        {
            return;
        }
        self.touch(key);
        match self.advance(key, Event::Answered(Ok(head))) {
            Some(Next::Respond(reply)) => self.reply(key, reply, Some(body)),
            Some(wait) => {
                self.drop_leg(key, ErrorCode::CANCEL);
                self.follow(key, Some(wait));
            }
            None => {}
        }
    }

    /// An informational answer is passed on; the client was invited by us already.
    pub(crate) fn answer_interim(&mut self, key: FlowKey, head: &mut ResponseHead) {
        let Some(flow) = self.flows.get(key).filter(|flow| flow.step == Step::Asked) else {
            return;
        };
        let (down_key, stream) = (flow.down, flow.stream);
        if head.status == 100 {
            return;
        }
        crate::http::head::strip_hop_by_hop(&mut head.fields, None);
        if let Some(down) = self.downstream(down_key) {
            let _over = down.codec.interim(stream, head);
        }
        self.mark(down_key);
    }

    /// A piece of an answer's body: what the client takes is passed on at once. How much that was.
    pub(crate) fn answer_data(&mut self, key: FlowKey, bytes: &[u8], end: bool) -> usize {
        let Some(flow) = self.flows.get_mut(key) else {
            return bytes.len();
        };
        if flow.is_copy() {
            self.drop_answer(key, end);
            return bytes.len();
        }
        if flow.is_call() {
            self.call_data(key, bytes, end);
            return bytes.len();
        }
        flow.end.sent += bytes.len() as u64;
        let (down_key, stream) = (flow.down, flow.stream);
        if flow.download.unsent().is_empty() {
            // An endpoint that goes on while its client takes nothing does not keep a stream alive.
            self.touch(key);
        }
        let Some(flow) = self.flows.get_mut(key) else {
            return bytes.len();
        };
        let mut taken = 0;
        let room = self.held.room();
        if flow.download.unsent().is_empty()
            && let Some(Conn::Downstream(down)) = self.conns.get_mut(down_key)
            && (down.has_room(room) || (bytes.is_empty() && end))
        {
            match down.codec.send_data(stream, bytes, end) {
                Ok(sent) => {
                    taken = sent;
                    self.held.add(&mut down.holding, sent);
                    flow.download.finished = end && sent == bytes.len();
                }
                Err(error) => {
                    tracing::debug!(%error, "answer not passed on");
                    self.answer_failed(
                        key,
                        Failure::new(FailureKind::UpstreamProtocol).caused_by(error),
                    );
                    return bytes.len();
                }
            }
        }
        let Some(flow) = self.flows.get_mut(key) else {
            return bytes.len();
        };
        flow.download.push(bytes.get(taken..).unwrap_or_default());
        if end {
            flow.download.end(None);
        }
        self.mark(down_key);
        if taken < bytes.len() {
            self.holds_more(bytes.len() - taken);
        }
        if !self
            .flows
            .get(key)
            .is_some_and(|flow| flow.download.unsent().is_empty())
        {
            self.pump_download(key);
        } else {
            self.finish_if_done(key);
        }
        taken
    }

    /// The endpoint has sent the last of an answer.
    pub(crate) fn answer_is_whole(&mut self, key: FlowKey) {
        if let Some(flow) = self.flows.get_mut(key) {
            flow.answer_ends(self.now);
        }
    }

    /// Whether the endpoint has said all that it has to say, so that its end is no failure: the
    /// client may not have taken everything yet.
    pub(crate) fn needs_no_endpoint(&self, key: FlowKey) -> bool {
        let flow = self.flows.get(key);
        flow.is_some_and(|flow| flow.answered && !flow.tunnel)
    }

    /// The trailers of an answer.
    pub(crate) fn answer_trailers(&mut self, key: FlowKey, fields: &mut Fields) {
        self.touch(key);
        let Some(flow) = self.flows.get_mut(key) else {
            return;
        };
        flow.answer_ends(self.now);
        if flow.is_copy() {
            return self.drop_answer(key, true);
        }
        if flow.is_call() {
            return self.call_trailers(key, fields);
        }
        if flow.exchange.needs().trailers {
            flow.exchange.kept.trailers = Some(Box::new(fields.clone()));
        }
        flow.end.grpc_status = grpc_status(fields).or(flow.end.grpc_status);
        let (down_key, stream) = (flow.down, flow.stream);
        if flow.download.unsent().is_empty()
            && let Some(Conn::Downstream(down)) = self.conns.get_mut(down_key)
            && down.has_room(self.held.room())
            && down.codec.send_trailers(stream, fields).is_ok()
        {
            flow.download.finished = true;
            self.mark(down_key);
            return self.finish_if_done(key);
        }
        let fields = std::mem::take(fields);
        flow.download
            .end(Some(fields).filter(|fields| !fields.is_empty()));
        self.pump_download(key);
    }

    /// Sends on what waits of an answer's body.
    pub(crate) fn pump_download(&mut self, key: FlowKey) {
        let Some(flow) = self.flows.get_mut(key) else {
            return;
        };
        let (down_key, stream) = (flow.down, flow.stream);
        let download = &mut flow.download;
        let mut passed = 0;
        let mut broken = false;
        let room = self.held.room();
        if let Some(Conn::Downstream(down)) = self.conns.get_mut(down_key) {
            while !download.finished && (!download.unsent().is_empty() || download.has_ended()) {
                if !down.has_room(room) {
                    wait_once(&mut down.blocked, key);
                    break;
                }
                let last = download.has_ended() && download.trailers().is_none();
                let piece = download.unsent();
                let piece = piece.get(..piece.len().min(HIGH_WATER)).unwrap_or_default();
                let is_last = last && piece.len() == download.unsent().len();
                if let Some(trailers) = download.trailers().filter(|_| piece.is_empty()) {
                    broken = down.codec.send_trailers(stream, trailers).is_err();
                    download.finished = !broken;
                    break;
                }
                let (length, sent) = (piece.len(), down.codec.send_data(stream, piece, is_last));
                match sent {
                    Ok(taken) => {
                        passed += taken;
                        self.held.add(&mut down.holding, taken);
                        download.sent(taken);
                        download.finished = is_last && taken == length;
                        if taken < length {
                            break;
                        }
                    }
                    Err(_) => {
                        broken = true;
                        break;
                    }
                }
            }
        }
        self.mark(down_key);
        self.note_held_download(key, passed);
        if passed > 0 {
            self.touch(key);
        }
        if broken {
            self.abandon(key, FailureKind::UpstreamProtocol);
        } else {
            self.finish_if_done(key);
        }
    }

    /// Gives the upstream credit for what was passed on, and holds it back for what was not.
    pub(crate) fn note_held_download(&mut self, key: FlowKey, passed: usize) {
        let Some(flow) = self.flows.get_mut(key) else {
            return;
        };
        let bytes = flow.held();
        self.held.note(&mut flow.holding, bytes);
        let mut held = flow.download.unsent().len();
        let room = self.held.room();
        // Where there is little room, what waits at the client is enough.
        if room < HIGH_WATER
            && held == 0
            && !flow.download.finished
            && let Some(Conn::Downstream(down)) = self.conns.get_mut(flow.down)
            && !down.has_room(room)
        {
            wait_once(&mut down.blocked, key);
            held = room;
        }
        if let Some(Leg {
            link,
            stream: Some(stream),
            ..
        }) = flow.leg
        {
            self.link_credit(link, stream, passed, held);
        }
    }

    /// The client takes more of its answers.
    pub(crate) fn client_takes_more(&mut self, down: ConnKey, stream: Option<StreamId>) {
        match stream {
            Some(stream) => {
                if let Some(flow) = self.flow_of_client(down, stream) {
                    self.pump_download(flow);
                }
            }
            None => {
                let flows = self.downstream(down).map(|down| down.streams.flows());
                for flow in flows.unwrap_or_default() {
                    self.pump_download(flow);
                }
            }
        }
    }
}
