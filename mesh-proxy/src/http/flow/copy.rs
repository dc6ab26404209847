//! Copies of requests: begun beside the request, fed with its body, their answers dropped.
//!
//! A copy is a request of its own without a client. It never holds the request up: what it does not take in time
//! waits here within bounds, and beyond them the copy is given up.

use mesh_http::{BodyLength, ErrorCode, Fields};

use super::own::flow_beside;
use super::{Flow, Step};
use crate::http::downstream::HIGH_WATER;
use crate::http::failure::FailureKind;
use crate::http::mirror::{Copies, CopyEnd};
use crate::http::observe::Finish;
use crate::http::own::OwnRequest;
use crate::http::respond::{Reply, ReplyBody};
use crate::http::serve::Event;
use crate::worker::engine::{Engine, FlowKey};
use crate::worker::overload::Level;

/// Copies that one worker has under way (Envoy's default `max_requests` of a cluster).
const COPIES: usize = 1024;
/// Bytes of a body that may wait for a copy to take them (Envoy's default buffer limit).
const WAITING: usize = 1024 * 1024;

/// What a request has to do with copies.
#[derive(Debug, Default)]
pub(crate) struct Copying {
    /// Whether it is one: nobody waits for its answer.
    is_copy: bool,
    /// Its copies that have not got its whole body yet.
    of_it: Vec<FlowKey>,
}

impl Copying {
    /// Begins anew, for another request.
    pub(super) fn restart(&mut self) {
        self.is_copy = false;
        self.of_it.clear();
    }
}

impl Flow {
    /// Whether it is a copy of another.
    pub(crate) fn is_copy(&self) -> bool {
        self.copying.is_copy
    }
}

impl Engine {
    /// Makes the copies that the route of a request wants, once for all of its attempts; they have what it has
    /// of its body, and are not sent yet.
    pub(super) fn make_copies(&mut self, key: FlowKey) -> Vec<FlowKey> {
        let Some(flow) = self.flows.get_mut(key) else {
            return Vec::new();
        };
        let Copies { ready, lost } = flow.exchange.take_copies(&mut self.random);
        for _ in 0..lost {
            self.observer.copy_ended(CopyEnd::Failed);
        }
        let made = ready.into_iter();
        made.filter_map(|copy| self.make_copy(key, copy)).collect()
    }

    fn make_copy(&mut self, original: FlowKey, own: OwnRequest) -> Option<FlowKey> {
        let (now, most) = (self.now, self.copy_may_wait());
        let has_room = self.copies < COPIES && self.level < Level::Pause;
        let flow = self.flows.get(original)?;
        if !has_room || flow.upload.unsent().len() > most {
            self.observer.copy_ended(CopyEnd::GivenUp);
            return None;
        }
        let mut copy = flow_beside(&mut self.spares, flow, own, now);
        copy.copying.is_copy = true;
        copy.upload.copy(&flow.upload);
        let wants_more = !copy.upload.has_ended();
        let key = self.flows.insert(copy);
        self.copies += 1;
        if wants_more && let Some(flow) = self.flows.get_mut(original) {
            flow.copying.of_it.push(key);
        }
        Some(key)
    }

    /// Sends copies of a request that is on its way itself.
    pub(super) fn send_copies(&mut self, copies: Vec<FlowKey>) {
        for key in copies {
            let next = self.advance(key, Event::Own);
            self.follow(key, next);
            self.touch(key);
        }
    }

    /// Bytes that may wait for a copy; little where memory is short.
    fn copy_may_wait(&self) -> usize {
        match self.held.room() {
            HIGH_WATER => WAITING,
            less => less,
        }
    }

    /// A piece of a request's body for its copies.
    pub(super) fn copy_data(&mut self, key: FlowKey, bytes: &[u8], end: bool) {
        for copy in self.copies_of(key, end) {
            let passed = self.pass_upload(copy, bytes);
            let most = self.copy_may_wait();
            let Some(flow) = self.flows.get_mut(copy) else {
                continue;
            };
            flow.upload.push(bytes.get(passed..).unwrap_or_default());
            if flow.upload.unsent().len() > most {
                self.give_up_copy(copy);
                continue;
            }
            if end {
                flow.upload.end(None);
            }
            self.touch(copy);
            self.upload_went_on(copy, end);
        }
    }

    /// The trailers of a request for its copies.
    pub(super) fn copy_trailers(&mut self, key: FlowKey, fields: Option<&Fields>) {
        for copy in self.copies_of(key, true) {
            if let Some(flow) = self.flows.get_mut(copy) {
                flow.upload.end(fields.cloned());
            }
            self.upload_went_on(copy, true);
        }
    }

    /// The copies that want more of a request's body; they are not known to it any more once it is at its `end`.
    fn copies_of(&mut self, key: FlowKey, end: bool) -> Vec<FlowKey> {
        let Some(flow) = self.flows.get_mut(key) else {
            return Vec::new();
        };
        let known = std::mem::take(&mut flow.copying.of_it);
        if !end && !known.is_empty() {
            let alive = known.iter().filter(|copy| self.flows.contains_key(**copy));
            let alive: Vec<FlowKey> = alive.copied().collect();
            if let Some(flow) = self.flows.get_mut(key) {
                flow.copying.of_it = alive;
            }
        }
        known
    }

    /// A request has ended before its body: what its copies have of that is not the whole.
    pub(super) fn end_copies(&mut self, copying: &mut Copying) {
        for copy in std::mem::take(&mut copying.of_it) {
            self.give_up_copy(copy);
        }
    }

    fn give_up_copy(&mut self, key: FlowKey) {
        self.abandon(key, FailureKind::DownstreamGone);
    }

    /// The answer to a copy, or what takes its place.
    pub(super) fn copy_answered(&mut self, key: FlowKey, reply: &Reply, body: Option<BodyLength>) {
        let Some(flow) = self.flows.get_mut(key) else {
            return;
        };
        let failure = flow.exchange.failure.as_ref().map(|failure| failure.kind);
        match (&reply.body, body) {
            (ReplyBody::Upstream, None | Some(BodyLength::None)) => {
                self.copy_over(key, Finish::Complete, ErrorCode::NO_ERROR);
            }
            (ReplyBody::Upstream, Some(BodyLength::Tunnel)) => {
                self.copy_over(key, Finish::Complete, ErrorCode::CANCEL);
            }
            (ReplyBody::Upstream, Some(BodyLength::Exactly(_) | BodyLength::Unknown)) => {
                flow.step = Step::Answering;
                flow.limits.attempt = None;
                flow.limits.pause = None;
            }
            (ReplyBody::Own(_) | ReplyBody::Reset(_), _) => {
                let kind = failure.unwrap_or(FailureKind::RouteUnusable);
                self.copy_over(key, Finish::Failed(kind), ErrorCode::CANCEL);
            }
        }
    }

    /// A piece of the answer to a copy, which nobody wants.
    pub(super) fn drop_answer(&mut self, key: FlowKey, end: bool) {
        self.touch(key);
        if end {
            self.copy_over(key, Finish::Complete, ErrorCode::NO_ERROR);
        }
    }

    fn copy_over(&mut self, key: FlowKey, finish: Finish, code: ErrorCode) {
        self.close_books(key, finish);
        self.end_flow(key, code);
    }

    /// Counts how a copy ended.
    pub(super) fn count_copy(&self, finish: Finish) {
        self.observer.copy_ended(match finish {
            Finish::Complete => CopyEnd::Answered,
            Finish::Failed(_) => CopyEnd::Failed,
            Finish::Gone => CopyEnd::GivenUp,
        });
    }
}
