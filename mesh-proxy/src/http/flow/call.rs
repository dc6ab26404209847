//! Calls to services on behalf of requests, which wait for their answers.
//!
//! A call is a request of its own without a client, as a copy is; but somebody waits for it. It ends with the request
//! that waits for it, and the request hears of it in a turn of its own.

use mesh_http::{BodyLength, ErrorCode, Fields, ResponseHead};
use mesh_traffic::authz::Buffering;

use super::own::flow_beside;
use super::{Flow, Step, grpc_status};
use crate::http::call::{self, Answer, Call, Speaks};
use crate::http::failure::{Failure, FailureKind};
use crate::http::observe::Finish;
use crate::http::respond::{Reply, ReplyBody};
use crate::http::serve::Event;
use crate::worker::engine::{Engine, FlowKey, Work};

/// Calls that one worker has under way (Envoy's default `max_requests` of a cluster).
const CALLS: usize = 1024;

/// What a request has to do with calls.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    /// Whether it is one, for whom, and what has come of its answer.
    is_call: Option<Box<IsCall>>,
    /// The one that it waits for.
    waits_for: Option<FlowKey>,
    /// What came of that.
    told: Option<Box<Result<Answer, Failure>>>,
    /// How much of its body is to be there before there is one.
    pub(super) gathers: Option<Buffering>,
}

#[derive(Debug)]
struct IsCall {
    of: FlowKey,
    speaks: Speaks,
    head: ResponseHead,
    answer: Vec<u8>,
    status: Option<u32>,
}

impl Calls {
    /// Begins anew, for another request.
    pub(super) fn restart(&mut self) {
        *self = Self::default();
    }

    /// Whether what becomes of the request is not known yet.
    pub(super) fn waits(&self) -> bool {
        self.waits_for.is_some() || self.gathers.is_some()
    }
}

impl IsCall {
    /// The whole answer, as whoever waits for it is to get it.
    fn take_answer(&mut self) -> Result<Answer, Failure> {
        let (head, body) = (
            std::mem::take(&mut self.head),
            std::mem::take(&mut self.answer),
        );
        match (self.speaks, self.status) {
            (Speaks::Http, _) => Ok(Answer { head, body }),
            (Speaks::Grpc, Some(0)) => {
                let message = call::message(&body).map(<[u8]>::to_vec);
                let none = || upstream("the answer is no message".to_owned());
                let body = message.ok_or_else(none)?;
                Ok(Answer { head, body })
            }
            (Speaks::Grpc, status) => {
                let status = status.map_or_else(|| "none".to_owned(), |status| status.to_string());
                Err(upstream(format!("the status of gRPC is {status}")))
            }
        }
    }
}

impl Flow {
    /// Whether it is a call for another request.
    pub(crate) fn is_call(&self) -> bool {
        self.calls.is_call.is_some()
    }
}

impl Engine {
    /// Makes the call that a request has to wait for.
    pub(super) fn make_call(&mut self, key: FlowKey) {
        let call = self.flows.get_mut(key).and_then(|flow| {
            flow.step = Step::Pausing;
            flow.exchange.take_call()
        });
        let made = match call {
            Some(call) if self.calls < CALLS => self.begin_call(key, call),
            Some(_) | None => None,
        };
        let Some(made) = made else {
            let failure = Failure::new(FailureKind::Overflow).caused_by("too many calls under way");
            return self.tell(key, Err(failure));
        };
        let next = self.advance(made, Event::Own);
        self.follow(made, next);
    }

    fn begin_call(&mut self, of: FlowKey, call: Call) -> Option<FlowKey> {
        let now = self.now;
        let asking = self.flows.get(of)?;
        let Call { sent, body, speaks } = call;
        let mut flow = flow_beside(&mut self.spares, asking, sent, now);
        flow.calls.is_call = Some(Box::new(IsCall {
            of,
            speaks,
            head: ResponseHead::default(),
            answer: Vec::new(),
            status: None,
        }));
        flow.upload.begin_with(body);
        let key = self.flows.insert(flow);
        self.calls += 1;
        if let Some(flow) = self.flows.get_mut(of) {
            flow.calls.waits_for = Some(key);
        }
        Some(key)
    }

    /// The head of a call's answer, or what takes its place.
    pub(super) fn call_answered(&mut self, key: FlowKey, reply: Reply, body: Option<BodyLength>) {
        let Some(flow) = self.flows.get_mut(key) else {
            return;
        };
        flow.step = Step::Answering;
        if reply.body != ReplyBody::Upstream {
            let failure = flow.exchange.failure.take();
            let failure = failure.unwrap_or_else(|| FailureKind::RouteUnusable.into());
            return self.call_over(key, Some(failure));
        }
        let Some(call) = &mut flow.calls.is_call else {
            return;
        };
        if call.speaks == Speaks::Grpc && reply.head.status != 200 {
            let why = format!("the service answered {}", reply.head.status);
            return self.call_over(key, Some(upstream(why)));
        }
        call.status = grpc_status(&reply.head.fields);
        call.head = reply.head;
        if matches!(body, None | Some(BodyLength::None)) {
            self.call_over(key, None);
        }
    }

    /// A piece of a call's answer.
    pub(super) fn call_data(&mut self, key: FlowKey, bytes: &[u8], end: bool) {
        let Some(call) = self
            .flows
            .get_mut(key)
            .and_then(|flow| flow.calls.is_call.as_mut())
        else {
            return;
        };
        if call.answer.len() + bytes.len() > call::MOST {
            return self.call_over(key, Some(upstream("the answer is too long".to_owned())));
        }
        call.answer.extend_from_slice(bytes);
        if end {
            self.call_over(key, None);
        }
    }

    /// The end of a call's answer.
    pub(super) fn call_trailers(&mut self, key: FlowKey, fields: &Fields) {
        if let Some(flow) = self.flows.get_mut(key)
            && let Some(call) = &mut flow.calls.is_call
        {
            call.status = grpc_status(fields).or(call.status);
        }
        self.call_over(key, None);
    }

    /// Whoever waits for it is told; then it is over.
    fn call_over(&mut self, key: FlowKey, failure: Option<Failure>) {
        let call = self.flows.get_mut(key);
        let Some(call) = call.and_then(|flow| flow.calls.is_call.as_mut()) else {
            return;
        };
        let of = call.of;
        let (result, code) = match failure {
            Some(failure) => (Err(failure), ErrorCode::CANCEL),
            None => (call.take_answer(), ErrorCode::NO_ERROR),
        };
        self.tell_of(of, key, result);
        self.close_books(key, Finish::Complete);
        self.end_flow(key, code);
    }

    /// A call is gone: who waits for it must not wait for ever, and it is not to be made for nobody.
    pub(super) fn end_calls(&mut self, key: FlowKey, calls: &mut Calls) {
        if let Some(call) = calls.waits_for.take() {
            self.abandon(call, FailureKind::DownstreamGone);
        }
        if let Some(call) = calls.is_call.take() {
            self.calls = self.calls.saturating_sub(1);
            let failure = upstream("the answer broke off".to_owned());
            self.tell_of(call.of, key, Err(failure));
        }
    }

    /// The same for a request that ends without further ado.
    pub(crate) fn drop_calls(&mut self, key: FlowKey, flow: &mut Flow) {
        let mut calls = std::mem::take(&mut flow.calls);
        self.end_calls(key, &mut calls);
    }

    /// Tells a request what came of the call that it waits for; not if it waits for another, or for none.
    fn tell_of(&mut self, of: FlowKey, call: FlowKey, result: Result<Answer, Failure>) {
        let asking = self.flows.get(of);
        if asking.is_some_and(|flow| flow.calls.waits_for == Some(call)) {
            self.tell(of, result);
        }
    }

    fn tell(&mut self, of: FlowKey, result: Result<Answer, Failure>) {
        if let Some(flow) = self.flows.get_mut(of) {
            flow.calls.waits_for = None;
            flow.calls.told = Some(Box::new(result));
            // Not at once: the call is still being dealt with.
            self.work.push_back(Work::Told(of));
        }
    }

    /// A request hears what came of its call.
    pub(crate) fn call_told(&mut self, key: FlowKey) {
        let flow = self.flows.get_mut(key);
        let Some(told) = flow.and_then(|flow| flow.calls.told.take()) else {
            return;
        };
        if self
            .flows
            .get(key)
            .is_some_and(|flow| flow.step == Step::Pausing)
        {
            let next = self.advance(key, Event::Told(*told));
            self.follow(key, next);
        }
    }
}

fn upstream(why: String) -> Failure {
    Failure::new(FailureKind::UpstreamProtocol).caused_by(why)
}
