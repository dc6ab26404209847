//! The body of a request on its way from the client to the endpoint.

use mesh_http::{Fields, StreamId};
use mesh_traffic::listener::Underscores;

use super::{Leg, wait_once};
use crate::http::downstream::HIGH_WATER;
use crate::http::head;
use crate::worker::engine::{Conn, ConnKey, Engine, FlowKey, Work};

impl Engine {
    /// The client sent a piece of a body.
    pub(crate) fn request_data(
        &mut self,
        down: ConnKey,
        stream: StreamId,
        bytes: &[u8],
        end: bool,
    ) {
        let Some(key) = self.flow_of_client(down, stream) else {
            self.give_back(down, stream, bytes.len());
            return;
        };
        self.touch(key);
        let passed = self.pass_upload(key, bytes);
        if let Some(flow) = self.flows.get_mut(key) {
            flow.upload.push(bytes.get(passed..).unwrap_or_default());
            if end {
                flow.upload.end(None);
            }
        }
        self.copy_data(key, bytes, end);
        self.upload_went_on(key, end);
    }

    /// The client sent trailers.
    pub(crate) fn request_trailers(&mut self, down: ConnKey, stream: StreamId, mut fields: Fields) {
        let Some(key) = self.flow_of_client(down, stream) else {
            return;
        };
        if let Some(flow) = self.flows.get(key) {
            let manager = flow.exchange.served.manager();
            let what = manager.map_or(Underscores::Pass, |manager| manager.underscores);
            if let Err(failure) = head::underscores(&mut fields, what) {
                return self.body_failed(key, failure);
            }
        }
        let fields = Some(fields).filter(|fields| !fields.is_empty());
        self.copy_trailers(key, fields.as_ref());
        if let Some(flow) = self.flows.get_mut(key) {
            flow.upload.end(fields);
        }
        self.upload_went_on(key, true);
    }

    pub(super) fn upload_went_on(&mut self, key: FlowKey, ended: bool) {
        if ended && let Some(flow) = self.flows.get_mut(key) {
            let at = flow.exchange.elapsed(self.now);
            flow.exchange.points.request_ends = Some(at);
        }
        self.pump_upload(key);
        self.gather_more(key);
        if ended {
            self.start_route_time(key);
            self.arm(key);
            self.finish_if_done(key);
        }
    }

    /// Sends bytes straight on where nothing is kept; how many were taken.
    pub(super) fn pass_upload(&mut self, key: FlowKey, bytes: &[u8]) -> usize {
        let Some(flow) = self.flows.get_mut(key) else {
            return 0;
        };
        let Some(Leg {
            link,
            stream: Some(stream),
            ..
        }) = flow.leg.filter(|_| flow.upload.passes())
        else {
            return 0;
        };
        let room = self.held.room();
        let mut taken = 0;
        if let Some(Conn::Link(link)) = self.conns.get_mut(link)
            && link.has_room(room)
        {
            // The end of the stream is told by the link itself.
            taken = link.send_data(stream, bytes, false).unwrap_or(0);
            self.held.add(&mut link.holding, taken);
        }
        if let Some(flow) = self.flows.get_mut(key) {
            flow.upload.passed(taken);
        }
        self.mark(link);
        taken
    }

    /// Sends on what has come of a request's body.
    pub(crate) fn pump_upload(&mut self, key: FlowKey) {
        let Some(flow) = self.flows.get_mut(key) else {
            return;
        };
        let Some(Leg {
            link: link_key,
            stream: Some(stream),
            ..
        }) = flow.leg
        else {
            return self.note_held_upload(key);
        };
        let upload = &mut flow.upload;
        let had_finished = upload.finished;
        let room = self.held.room();
        if let Some(Conn::Link(link)) = self.conns.get_mut(link_key) {
            while !upload.finished && (!upload.unsent().is_empty() || upload.has_ended()) {
                if !link.has_room(room) {
                    wait_once(&mut link.blocked, key);
                    break;
                }
                let last = upload.has_ended() && upload.trailers().is_none();
                let piece = upload.unsent();
                let piece = piece.get(..piece.len().min(HIGH_WATER)).unwrap_or_default();
                let is_last = last && piece.len() == upload.unsent().len();
                if let Some(trailers) = upload.trailers().filter(|_| piece.is_empty()) {
                    // An application that does not read trailers loses nothing by it.
                    let _over = link.send_trailers(stream, trailers);
                    upload.finished = true;
                    break;
                }
                let (length, sent) = (piece.len(), link.send_data(stream, piece, is_last));
                match sent {
                    Ok(taken) => {
                        upload.sent(taken, room);
                        self.held.add(&mut link.holding, taken);
                        upload.finished = is_last && taken == length;
                        if taken < length {
                            break;
                        }
                    }
                    // The end of the stream is told by the link itself.
                    Err(_) => break,
                }
            }
        }
        if upload.finished && !had_finished {
            flow.sent_all(self.now);
        }
        self.mark(link_key);
        self.note_held_upload(key);
    }

    /// Gives the client credit for what was sent on, and holds it back for what was not.
    pub(super) fn note_held_upload(&mut self, key: FlowKey) {
        let Some(flow) = self.flows.get_mut(key) else {
            return;
        };
        let (credit, held) = (flow.upload.take_credit(), flow.upload.in_the_way());
        let bytes = flow.held();
        self.held.note(&mut flow.holding, bytes);
        let (down_key, stream) = (flow.down, flow.stream);
        let Some(down) = self.downstream(down_key) else {
            return;
        };
        let was_held = std::mem::replace(&mut down.held, held);
        if credit > 0 {
            down.codec.release(stream, credit);
            self.mark(down_key);
        }
        let emptied = was_held > 0 && held == 0;
        if was_held >= HIGH_WATER && held < HIGH_WATER || emptied {
            self.work.push_back(Work::Read(down_key));
        }
    }

    pub(super) fn give_back(&mut self, down_key: ConnKey, stream: StreamId, bytes: usize) {
        if let Some(down) = self.downstream(down_key) {
            down.codec.release(stream, bytes);
        }
        self.mark(down_key);
    }
}
