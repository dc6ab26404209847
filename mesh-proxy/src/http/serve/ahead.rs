//! What may happen to a request before it is sent: it is held up or made to fail on purpose, or answered here.

use mesh_traffic::fault::{Abort, Fault};
use mesh_traffic::listener::CorsAt;

use super::{Exchange, Next, Outcome, Worker};
use crate::http::failure::{Failure, FailureKind};
use crate::http::respond;
use crate::http::shape::Plan;
use crate::http::stage::Wait;

impl Exchange {
    /// Answers a request for which no upstream is needed, and sends any other.
    pub(super) fn go_on(&mut self, worker: &mut Worker<'_>) -> Outcome {
        let Some(shaped) = &self.shaped else {
            return Outcome::Failed(FailureKind::RouteUnusable.into());
        };
        let answering = self.answering(worker);
        let reply = match &shaped.plan {
            Plan::Forward(_) => return self.attempt(worker),
            Plan::Answer(own) => respond::own_answer(&answering, shaped, own.clone()),
            Plan::Preflight => respond::preflight(&answering),
        };
        Outcome::Next(Next::Respond(reply))
    }

    /// Whether pages of other origins are looked after before requests are made to fail.
    pub(super) fn is_cors_first(&self) -> bool {
        let manager = self.served.manager();
        manager.is_some_and(|manager| manager.cors == CorsAt::BeforeFault)
    }

    /// What the route makes to go wrong: first the pause, then the answer.
    pub(super) fn inject(&mut self, worker: &mut Worker<'_>, fault: &Fault) -> Outcome {
        self.injected = fault.draw(|| worker.random.u64(..));
        match self.injected.delay {
            Some(delay) => Outcome::Next(Next::Wait(Wait::Pause(delay))),
            None => self.abort_or_attempt(worker),
        }
    }

    pub(super) fn abort_or_attempt(&mut self, worker: &mut Worker<'_>) -> Outcome {
        let abort = self.injected.abort.take();
        if abort.is_some() && !self.is_cors_first() {
            // Envoy: the filter that looks after pages has not seen it.
            self.of_page = None;
        }
        match abort {
            None => self.go_on(worker),
            Some(Abort::Http(status)) => {
                Outcome::Failed(Failure::on_purpose(status, grpc_of_http(status)))
            }
            // Envoy: other clients get 200.
            Some(Abort::Grpc(status)) => Outcome::Failed(Failure::on_purpose(200, status)),
        }
    }

    /// Whether it was held up on purpose.
    #[must_use]
    pub fn was_delayed(&self) -> bool {
        self.injected.delay.is_some()
    }
}

/// What a status of HTTP is to a client of gRPC (gRPC's `http-grpc-status-mapping`).
fn grpc_of_http(status: u16) -> u16 {
    match status {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502..=504 => 14,
        _ => 2,
    }
}
