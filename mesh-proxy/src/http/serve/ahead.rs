//! What may happen to a request before it is sent: it is held up or made to fail on purpose, or answered here.

use mesh_traffic::authz::Moment;
use mesh_traffic::fault::{Abort, Fault};
use mesh_traffic::listener::{CorsAt, LimitAt};

use super::{Exchange, Next, Outcome, Worker};
use crate::http::ask::{self, Heard, Question};
use crate::http::call::{Answer, AskedBy, Asking, Call};
use crate::http::failure::{Failure, FailureKind, grpc_of_http};
use crate::http::limit::{self, LimitWith};
use crate::http::remark::Remark;
use crate::http::respond;
use crate::http::shape::{Plan, Shaped};
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

    /// Makes a request fail if its route says so; else it goes on.
    pub(super) fn inject_or_go_on(&mut self, worker: &mut Worker<'_>) -> Outcome {
        let fault = self.shaped.as_ref().and_then(Shaped::fault);
        let spared = self.is_cors_first() && self.is_preflight();
        match fault {
            Some(fault) if !spared => self.inject(worker, &fault),
            Some(_) | None => self.authorize_and_count(worker),
        }
    }

    fn authorize_and_count(&mut self, worker: &mut Worker<'_>) -> Outcome {
        match self.authorize(worker, Moment::BeforeLimit) {
            Some(outcome) => outcome,
            None => self.count_and_go_on(worker),
        }
    }

    /// Counts a request where that comes after all that may go wrong on purpose, and goes on with it.
    pub(super) fn count_and_go_on(&mut self, worker: &mut Worker<'_>) -> Outcome {
        let is_answered = self.is_preflight() && !self.is_counted_before(|at| at.before_cors);
        if is_answered || self.is_counted_before(|at| at.before_fault) {
            return self.authorize_and_ask(worker);
        }
        let found = self.shaped.as_ref().map(|shaped| &shaped.found);
        let with = LimitWith {
            connection: &self.connection,
            served: &self.served,
            own: worker.own,
            now: worker.now,
        };
        let counted = limit::limit(&with, &self.request, found, worker.random);
        if let Some(refusal) = self.remarks_of(counted) {
            return self.refused_by(refusal);
        }
        self.mark();
        self.authorize_and_ask(worker)
    }

    fn authorize_and_ask(&mut self, worker: &mut Worker<'_>) -> Outcome {
        match self.authorize(worker, Moment::Last) {
            Some(outcome) => outcome,
            None => self.ask(worker),
        }
    }

    /// Asks the service that counts for many proxies, where there is one; goes on where there is none.
    pub(super) fn ask(&mut self, worker: &mut Worker<'_>) -> Outcome {
        let found = match &self.shaped {
            Some(shaped) if !self.is_preflight() => &shaped.found,
            Some(_) | None => return self.go_on(worker),
        };
        let with = LimitWith {
            connection: &self.connection,
            served: &self.served,
            own: worker.own,
            now: worker.now,
        };
        let about = (&*self.request, found);
        let Some(Question { limit, call }) = ask::ask(&with, &self.config, about, worker.random)
        else {
            return self.go_on(worker);
        };
        self.call_service(worker, AskedBy::Limit(limit), call)
    }

    /// A call is to be made, or cannot be, which is an answer too.
    pub(super) fn call_service(
        &mut self,
        worker: &mut Worker<'_>,
        by: AskedBy,
        call: Result<Call, Failure>,
    ) -> Outcome {
        let (call, told) = match call {
            Ok(call) => (Some(call), None),
            Err(failure) => (None, Some(failure)),
        };
        self.asking = Some(Box::new(Asking { by, call }));
        match told {
            Some(failure) => self.told(worker, Err(failure)),
            None => Outcome::Next(Next::Wait(Wait::Service)),
        }
    }

    /// The service has answered, or not.
    pub(super) fn told(
        &mut self,
        worker: &mut Worker<'_>,
        told: Result<Answer, Failure>,
    ) -> Outcome {
        match self.asking.take().map(|asking| asking.by) {
            Some(AskedBy::Limit(limit)) => {
                let heard = Heard::judge(limit, &told, worker.random);
                self.heard(worker, heard, told)
            }
            Some(AskedBy::Authorization(check)) => self.authorized(worker, check, &told),
            None => Outcome::Failed(FailureKind::RouteUnusable.into()),
        }
    }

    fn heard(
        &mut self,
        worker: &mut Worker<'_>,
        heard: Heard,
        told: Result<Answer, Failure>,
    ) -> Outcome {
        let refusal = heard.refusal(told);
        if refusal.is_none() && heard.add(&mut self.request) {
            self.write_again();
        }
        self.remarks.push(Remark::Heard(Box::new(heard)));
        match refusal {
            Some(refusal) => Outcome::Failed(refusal),
            None => self.go_on(worker),
        }
    }

    /// The end of a request that may not pass.
    pub(super) fn refused_by(&mut self, refusal: Failure) -> Outcome {
        if self.is_counted_before(|at| at.before_cors) {
            // As with faults: the filter that looks after pages has not seen it.
            self.of_page = None;
        }
        Outcome::Failed(refusal)
    }

    /// Writes into the request that it is one too many, where it passes all the same.
    pub(super) fn mark(&mut self) {
        let Some(counted) = self.remarks.marked() else {
            return;
        };
        let found = self.shaped.as_ref().map(|shaped| &shaped.found);
        let cluster = found.and_then(|found| found.cluster()).cloned();
        counted.mark(&mut self.request, &self.connection, cluster.as_deref());
        self.write_again();
    }

    /// What goes out, and copies of it, are as the request is now.
    fn write_again(&mut self) {
        if let Some(shaped) = &self.shaped {
            let out = self.outgoing.get_or_insert_default();
            shaped.write(&self.request, &self.connection, out);
        }
    }

    /// Whether requests are counted before something else; not where none are.
    pub(super) fn is_counted_before(&self, what: impl Fn(&LimitAt) -> bool) -> bool {
        let limit = self.served.manager().and_then(|it| it.limit.as_ref());
        limit.is_none_or(what)
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
            None => self.authorize_and_count(worker),
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
