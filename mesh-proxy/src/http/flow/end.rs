//! The end of a request, whichever way it comes: an answer, a failure, a client that left.

use mesh_http::{BodyLength, ErrorCode, Fields, ResponseHead, StreamId, Version};

use super::{Step, grpc_status};
use crate::http::downstream::ending::reset_code;
use crate::http::failure::{Failure, FailureKind};
use crate::http::observe::Finish;
use crate::http::respond::{Reply, ReplyBody, put_grpc_status};
use crate::http::serve::Event;
use crate::worker::engine::{Conn, ConnKey, Engine, FlowKey, Work};

impl Engine {
    /// The attempt, or the answer that had begun, came to nothing.
    pub(crate) fn answer_failed(&mut self, key: FlowKey, failure: Failure) {
        let Some(flow) = self.flows.get_mut(key) else {
            return;
        };
        if flow.step == Step::Answering {
            self.break_off(key, failure);
        } else {
            self.drop_leg(key, ErrorCode::CANCEL);
            let next = self.advance(key, Event::Answered(Err(failure)));
            self.follow(key, next);
        }
    }

    /// The body of the request cannot be read on.
    pub(crate) fn body_failed(&mut self, key: FlowKey, failure: Failure) {
        let Some(flow) = self.flows.get_mut(key) else {
            return;
        };
        // Whatever was sent of it was not the whole, and must not be sent again as if it were.
        flow.exchange.can_repeat = false;
        if flow.step == Step::Answering {
            self.abandon(key, failure.kind);
        } else {
            self.drop_leg(key, ErrorCode::CANCEL);
            if let Some(flow) = self.flows.get_mut(key) {
                let (down, stream) = (flow.down, flow.stream);
                let unsent = flow.upload.take_last_credit();
                flow.upload.begin_tunnel();
                self.give_back(down, stream, unsent);
            }
            let next = self.advance(key, Event::Answered(Err(failure)));
            self.follow(key, next);
        }
    }

    /// Ends an answer that had begun, so that nobody takes it for a whole one.
    pub(super) fn break_off(&mut self, key: FlowKey, failure: Failure) {
        let code = match self.tell_grpc_client(key, &failure) {
            true => ErrorCode::NO_ERROR,
            false => reset_code(&failure),
        };
        self.close_books(key, Finish::Failed(failure.kind));
        let Some(flow) = self.flows.get(key) else {
            return;
        };
        let (down_key, stream) = (flow.down, flow.stream);
        if let Some(down) = self.downstream(down_key) {
            down.codec.reset(stream, code);
        }
        self.mark(down_key);
        self.end_flow(key, ErrorCode::CANCEL);
    }

    /// Ends a gRPC call whose time is over with a status of its own, where nothing is in the way of
    /// trailers. The client's own deadline runs out at about the same time: it reads a reset that
    /// comes first as a fault of the server.
    fn tell_grpc_client(&mut self, key: FlowKey, failure: &Failure) -> bool {
        let Some(flow) = self.flows.get_mut(key) else {
            return false;
        };
        let is_call = flow.exchange.request.version == Version::Http2
            && flow.exchange.request.is_grpc()
            && failure.kind == FailureKind::RouteTimeout;
        if !is_call || !flow.download.unsent().is_empty() {
            return false;
        }
        let Some(Conn::Downstream(down)) = self.conns.get_mut(flow.down) else {
            return false;
        };
        let mut trailers = Fields::new();
        put_grpc_status(&mut trailers, failure);
        if down.codec.send_trailers(flow.stream, &trailers).is_err() {
            return false;
        }
        flow.end.grpc_status = grpc_status(&trailers);
        true
    }

    /// Gives a request up: its client is gone, or cannot be served any further.
    pub(crate) fn abandon(&mut self, key: FlowKey, kind: FailureKind) {
        let finish = match kind {
            FailureKind::DownstreamGone => Finish::Gone,
            other => Finish::Failed(other),
        };
        self.close_books(key, finish);
        let Some(flow) = self.flows.get(key) else {
            return;
        };
        let (down_key, stream) = (flow.down, flow.stream);
        if kind != FailureKind::DownstreamGone
            && let Some(down) = self.downstream(down_key)
        {
            down.codec.reset(stream, ErrorCode::INTERNAL_ERROR);
        }
        self.mark(down_key);
        self.end_flow(key, ErrorCode::CANCEL);
    }

    pub(super) fn reply(&mut self, key: FlowKey, reply: Reply, body: Option<BodyLength>) {
        let Some(flow) = self.flows.get_mut(key) else {
            return;
        };
        if flow.is_copy() {
            return self.copy_answered(key, &reply, body);
        }
        if flow.is_call() {
            return self.call_answered(key, reply, body);
        }
        let Reply { head, body: from } = reply;
        flow.step = Step::Answering;
        flow.limits.attempt = None;
        flow.limits.pause = None;
        flow.end.status = head.status;
        flow.end.grpc_status = grpc_status(&head.fields);
        flow.end.head_sent = head.fields.size() as u64;
        flow.exchange.points.response_begins = Some(flow.exchange.elapsed(self.now));
        if flow.exchange.needs().response {
            flow.exchange.kept.head = Some(Box::new(head.clone()));
        }
        let down = flow.down;
        match from {
            ReplyBody::Reset(code) => return self.reset_stream(key, code),
            ReplyBody::Own(bytes) => self.reply_own(key, &head, &bytes),
            ReplyBody::Upstream => {
                self.reply_upstream(key, &head, body.unwrap_or(BodyLength::None))
            }
        }
        self.response_head = head;
        self.mark(down);
    }

    fn reset_stream(&mut self, key: FlowKey, code: ErrorCode) {
        let Some(flow) = self.flows.get_mut(key) else {
            return;
        };
        let kind = flow.exchange.failure.as_ref().map(|failure| failure.kind);
        let kind = kind.unwrap_or(FailureKind::UpstreamRefusedStream);
        let (down_key, stream) = (flow.down, flow.stream);
        self.close_books(key, Finish::Failed(kind));
        if let Some(down) = self.downstream(down_key) {
            down.codec.reset(stream, code);
        }
        self.mark(down_key);
        self.end_flow(key, ErrorCode::CANCEL);
    }

    pub(super) fn reply_own(&mut self, key: FlowKey, head: &ResponseHead, bytes: &[u8]) {
        self.drop_leg(key, ErrorCode::CANCEL);
        let Some(flow) = self.flows.get_mut(key) else {
            return;
        };
        flow.end.sent = bytes.len() as u64;
        let finish = flow.exchange.failure.as_ref().map(|failure| failure.kind);
        let end = bytes.is_empty() || flow.head_only;
        if end {
            flow.download.finished = true;
        } else {
            flow.download.push(bytes);
            flow.download.end(None);
        }
        let (down_key, stream) = (flow.down, flow.stream);
        self.close_books(key, finish.map_or(Finish::Complete, Finish::Failed));
        self.respond(key, down_key, stream, head, end);
        self.pump_download(key);
    }

    pub(super) fn reply_upstream(&mut self, key: FlowKey, head: &ResponseHead, body: BodyLength) {
        let Some(flow) = self.flows.get_mut(key) else {
            return;
        };
        let end = body == BodyLength::None;
        if end {
            flow.download.finished = true;
            flow.download.end(None);
        }
        if body == BodyLength::Tunnel {
            flow.tunnel = true;
            flow.upload.begin_tunnel();
        }
        let (down_key, stream) = (flow.down, flow.stream);
        self.respond(key, down_key, stream, head, end);
        if body == BodyLength::Tunnel {
            // What the client sent ahead of the answer was left where it was.
            self.work.push_back(Work::Decode(down_key));
        }
        self.finish_if_done(key);
    }

    pub(super) fn respond(
        &mut self,
        key: FlowKey,
        down_key: ConnKey,
        stream: StreamId,
        head: &ResponseHead,
        end: bool,
    ) {
        if head.status != 101 {
            self.drain_with_answer(down_key);
        }
        let Some(Conn::Downstream(down)) = self.conns.get_mut(down_key) else {
            return;
        };
        let version = down.codec.version();
        down.codec.output().lend(|| self.buffers.take(version));
        if let Err(error) = down.codec.respond(stream, head, end) {
            tracing::debug!(%error, "answer not sent");
            self.abandon(key, FailureKind::UpstreamProtocol);
        }
    }

    /// Ends the request once its answer is out.
    pub(super) fn finish_if_done(&mut self, key: FlowKey) {
        let Some(flow) = self.flows.get(key) else {
            return;
        };
        if !flow.download.finished {
            return;
        }
        if flow.tunnel && !flow.upload.finished {
            return;
        }
        self.close_books(key, Finish::Complete);
        let Some(flow) = self.flows.get(key) else {
            return;
        };
        let (down_key, stream) = (flow.down, flow.stream);
        if !flow.upload.has_ended()
            && let Some(down) = self.downstream(down_key)
        {
            // The answer is whole, so the rest of the request is of no use (RFC 9113 8.1).
            down.codec.reset(stream, ErrorCode::NO_ERROR);
        }
        self.end_flow(key, ErrorCode::NO_ERROR);
    }

    pub(super) fn end_flow(&mut self, key: FlowKey, code: ErrorCode) {
        self.drop_leg(key, code);
        let Some(mut flow) = self.flows.remove(key) else {
            return;
        };
        if let Some(timer) = flow.take_timer() {
            self.timers.cancel(timer);
        }
        self.copies = self.copies.saturating_sub(usize::from(flow.is_copy()));
        self.end_copies(&mut flow.copying);
        self.end_calls(key, &mut flow.calls);
        self.held.note(&mut flow.holding, 0);
        // What was not sent on must not stay charged to the connection, which others share.
        let unsent = flow.upload.take_last_credit();
        if let Some(down) = self.downstream(flow.down) {
            down.held = 0;
            down.codec.release(flow.stream, unsent);
        }
        self.client_served(flow.down, flow.stream);
        if self.spares.flows.len() < self.spares_kept() {
            self.spares.flows.put(flow);
        }
    }

    /// Lets go of the connection to the endpoint: it is free again if request and answer are whole,
    /// else what is under way there is given up.
    pub(super) fn drop_leg(&mut self, key: FlowKey, code: ErrorCode) {
        let Some(flow) = self.flows.get_mut(key) else {
            return;
        };
        flow.permit = None;
        let Some(leg) = flow.leg.take() else {
            return;
        };
        let whole = flow.upload.finished && flow.answered && !flow.tunnel;
        let unsent = flow.download.unsent().len();
        if let Some(stream) = leg.stream {
            // As at the end of a flow: the connection's credit belongs to all of its streams.
            self.link_credit(leg.link, stream, unsent, 0);
        }
        self.leave_link(leg, whole, code);
    }

    pub(super) fn close_books(&mut self, key: FlowKey, finish: Finish) {
        let now = self.now;
        let Some(flow) = self.flows.get_mut(key) else {
            return;
        };
        if std::mem::replace(&mut flow.closed, true) {
            return;
        }
        if flow.is_copy() {
            flow.exchange.picked = None;
            return self.count_copy(finish);
        }
        if flow.is_call() {
            flow.exchange.picked = None;
            return;
        }
        flow.end.finish = finish;
        flow.end.received = flow.upload.received();
        flow.end.duration = flow.exchange.elapsed(now);
        self.observer.request_ended(&flow.exchange, &flow.end);
        // Whoever the request was load for has done with it.
        flow.exchange.picked = None;
    }
}
