//! The times by which a request is bound.

use std::time::{Duration, Instant};

use mesh_http::{ErrorCode, Version};

use super::Step;
use crate::http::failure::FailureKind;
use crate::http::pace::Pace;
use crate::http::serve::{Event, Limit};
use crate::worker::engine::{Due, Engine, FlowKey};

impl Engine {
    /// The route's time begins with the end of the request's body.
    pub(super) fn start_route_time(&mut self, key: FlowKey) {
        let now = self.now;
        let Some(flow) = self.flows.get_mut(key) else {
            return;
        };
        // Envoy: services are asked before the router counts the time.
        let has_begun = flow.upload.has_ended() && !flow.calls.waits();
        if has_begun && flow.limits.route.is_none() {
            flow.limits.route = flow.exchange.timeout().map(|bound| now + bound);
        }
    }

    pub(super) fn pause(&mut self, key: FlowKey, pause: Duration) {
        let until = self.now + pause;
        if let Some(flow) = self.flows.get_mut(key) {
            flow.step = Step::Pausing;
            flow.limits.attempt = None;
            flow.limits.pause = Some(until);
        }
    }

    /// Anybody may begin a body at an edge and let it trickle; inside, proxies have seen to that.
    pub(super) fn pace_body(&mut self, key: FlowKey) {
        let now = self.now;
        let Some(flow) = self.flows.get_mut(key) else {
            return;
        };
        let connection = &flow.exchange.connection;
        if connection.is_edge() && flow.stream != 0 {
            let manager = flow.exchange.served.manager();
            let bound = manager.and_then(|manager| manager.request_headers_timeout);
            flow.limits.pace = Some(Pace::begin(now, bound));
        }
    }

    /// A while has passed since a body began, or since it was last looked at.
    pub(super) fn judge_pace(&mut self, key: FlowKey) {
        let now = self.now;
        let Some(flow) = self.flows.get_mut(key) else {
            return;
        };
        let down_key = flow.down;
        let (received, ended) = (
            flow.upload.received(),
            flow.upload.has_ended() || flow.tunnel,
        );
        // Who was not asked for the body, or whose bytes we do not take, is not slow.
        let waits = flow.expects || flow.upload.unsent().len() >= self.held.room();
        let is_http1 = self
            .downstream(down_key)
            .is_some_and(|down| down.codec.version() != Version::Http2);
        let Some(flow) = self.flows.get_mut(key) else {
            return;
        };
        if ended || !is_http1 {
            flow.limits.pace = None;
        } else if let Some(pace) = &mut flow.limits.pace
            && !pace.keeps_up(now, received, waits)
        {
            flow.limits.pace = None;
            if let Some(down) = self.downstream(down_key) {
                down.codec.drain();
            }
            return self.body_failed(key, FailureKind::BodyTimeout.into());
        }
        self.arm(key);
    }

    /// Something has moved on a request.
    pub(super) fn touch(&mut self, key: FlowKey) {
        let now = self.now;
        let Some(flow) = self.flows.get_mut(key) else {
            return;
        };
        if let Some(bound) = flow.silence() {
            flow.limits.silence = Some(now + bound);
            if flow.limits.timer.is_none() {
                self.arm(key);
            }
        }
    }

    /// Sets the timer to the next of the request's limits, if that is earlier than the one set.
    pub(super) fn arm(&mut self, key: FlowKey) {
        let Some(flow) = self.flows.get_mut(key) else {
            return;
        };
        let Some(next) = flow.limits.next() else {
            return;
        };
        match flow.limits.timer {
            Some((set, _)) if set <= next => {}
            other => {
                if let Some((_, timer)) = other {
                    self.timers.cancel(timer);
                }
                let timer = self.timers.set(next, Due::Flow(key));
                flow.limits.timer = Some((next, timer));
            }
        }
    }

    /// The timer of a request went off: something may be due, or has moved on since.
    pub(crate) fn flow_due(&mut self, key: FlowKey) {
        let now = self.now;
        let Some(flow) = self.flows.get_mut(key) else {
            return;
        };
        flow.limits.timer = None;
        let limits = &mut flow.limits;
        let passed = |limit: Option<Instant>| limit.is_some_and(|at| at <= now);
        if passed(limits.route) {
            limits.route = None;
            return self.route_time_over(key);
        }
        if passed(limits.silence) {
            return self.silent_for_too_long(key);
        }
        if limits.pace.as_ref().is_some_and(|pace| pace.due() <= now) {
            return self.judge_pace(key);
        }
        if passed(limits.attempt) {
            limits.attempt = None;
            self.drop_leg(key, ErrorCode::CANCEL);
            let next = self.advance(key, Event::Expired(Limit::Try));
            return self.follow(key, next);
        }
        if passed(limits.pause) {
            limits.pause = None;
            let next = self.advance(key, Event::Paused);
            return self.follow(key, next);
        }
        self.arm(key);
    }

    pub(super) fn route_time_over(&mut self, key: FlowKey) {
        let Some(flow) = self.flows.get(key) else {
            return;
        };
        if flow.step == Step::Answering {
            return self.break_off(key, FailureKind::RouteTimeout.into());
        }
        self.drop_leg(key, ErrorCode::CANCEL);
        let next = self.advance(key, Event::Expired(Limit::Route));
        self.follow(key, next);
    }

    pub(super) fn silent_for_too_long(&mut self, key: FlowKey) {
        let Some(flow) = self.flows.get(key) else {
            return;
        };
        if flow.step == Step::Answering {
            return self.break_off(key, FailureKind::StreamIdle.into());
        }
        self.drop_leg(key, ErrorCode::CANCEL);
        let next = self.advance(key, Event::Expired(Limit::Silence));
        self.follow(key, next);
    }
}
