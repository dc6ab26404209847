//! A service is asked whether a request may pass: before anything else is done, or further on, as the listener says.

use std::time::UNIX_EPOCH;

use mesh_traffic::authz::{Body, Check, Looked, Moment};

use super::{Exchange, Next, Outcome, Worker};
use crate::http::ask::why_unknown;
use crate::http::authorize::{self, AuthorizeWith, Authorized};
use crate::http::call::{Answer, AskedBy, Asking};
use crate::http::failure::{Failure, FailureKind};
use crate::http::head::Headed;
use crate::http::remark::Remark;
use crate::http::route::{self, Parted};
use crate::http::shape::{self, Plan, ShapeWith};
use crate::http::stage::{Stage, Wait};
use crate::http::{admit, cors};

impl Exchange {
    /// Asks about a request before anything else is done with it; else it goes on.
    pub(super) fn authorize_first(&mut self, worker: &mut Worker<'_>, parted: Parted) -> Outcome {
        let Some(at) = self.served.authorizes(Moment::First) else {
            return self.go_through(worker, Ok(parted));
        };
        let looked = authorize::look(at, parted.found(), worker.random);
        let upgrades = parted.upgrades();
        self.parted = Some(Box::new(parted));
        match self.act(worker, looked, upgrades) {
            Some(outcome) => outcome,
            None => self.passes_first(worker),
        }
    }

    /// Asks about a request if this is the moment; nothing where it goes on at once.
    pub(super) fn authorize(&mut self, worker: &mut Worker<'_>, moment: Moment) -> Option<Outcome> {
        let at = self.served.authorizes(moment)?;
        // A preflight was answered by a filter that stands before this one; and nobody is asked twice.
        let asks = !self.is_preflight() && !self.remarks.is_authorized();
        let shaped = self.shaped.as_ref().filter(|_| asks)?;
        let looked = authorize::look(at, &shaped.found, worker.random);
        let upgrade = self.forwarding().and_then(|it| it.upgrade.as_ref());
        let upgrades = upgrade.is_some();
        self.act(worker, looked, upgrades)
    }

    fn act(&mut self, worker: &mut Worker<'_>, looked: Looked, upgrades: bool) -> Option<Outcome> {
        let check = match looked {
            Looked::Passes => return None,
            Looked::Refused(check) => {
                let authorized = Authorized::refused(check);
                let why = || "nobody is asked about this share of the requests".to_owned();
                let refusal = authorized.refusal(why);
                self.remarks.push(Remark::Authorized(Box::new(authorized)));
                return refusal.map(|refusal| self.unauthorized(refusal));
            }
            Looked::Asks(check) => check,
        };
        // Envoy: what changes to another protocol has no body.
        let Some(wanted) = check.buffering().filter(|_| !upgrades) else {
            return Some(self.call_authorization(worker, check, None));
        };
        let (by, call) = (AskedBy::Authorization(check), None);
        self.asking = Some(Box::new(Asking { by, call }));
        Some(Outcome::Next(Next::Wait(Wait::Body(wanted))))
    }

    /// There is as much of its body as the service is to see, or there will not be.
    pub(super) fn gathered(
        &mut self,
        worker: &mut Worker<'_>,
        body: Result<Option<Body>, Failure>,
    ) -> Outcome {
        match (self.asking.take().map(|asking| asking.by), body) {
            (Some(AskedBy::Authorization(check)), Ok(body)) => {
                self.call_authorization(worker, check, body)
            }
            (_, Err(failure)) => self.unauthorized(failure),
            (Some(AskedBy::Limit(_)) | None, Ok(_)) => {
                Outcome::Failed(FailureKind::RouteUnusable.into())
            }
        }
    }

    fn call_authorization(
        &mut self,
        worker: &mut Worker<'_>,
        check: Check,
        body: Option<Body>,
    ) -> Outcome {
        let now = worker.clock.wall().duration_since(UNIX_EPOCH);
        let with = AuthorizeWith {
            config: &self.config,
            connection: &self.connection,
            arrived: now
                .unwrap_or_default()
                .saturating_sub(self.elapsed(worker.now)),
            ended: self.points.request_ends.is_some(),
        };
        let call = authorize::call(&with, &check, &self.request, body);
        self.call_service(worker, AskedBy::Authorization(check), call)
    }

    /// The service has answered, or not.
    pub(super) fn authorized(
        &mut self,
        worker: &mut Worker<'_>,
        check: Check,
        told: &Result<Answer, Failure>,
    ) -> Outcome {
        let authorized = Authorized::judge(check, told, &self.connection);
        let refusal = authorized.refusal(|| why_unknown(told.as_ref().err()));
        let is_changed = refusal.is_none() && authorized.change(&mut self.request);
        let reroutes = authorized.reroutes();
        self.remarks.push(Remark::Authorized(Box::new(authorized)));
        if let Some(refusal) = refusal {
            return self.unauthorized(refusal);
        }
        if let Some(parted) = self.parted.take() {
            let routed = match reroutes {
                true => self.route_again(worker, parted.into_upgrade()),
                false => Ok(*parted),
            };
            return self.go_through(worker, routed);
        }
        if is_changed && let Err(failure) = self.shape_again(worker, reroutes) {
            return Outcome::Failed(failure);
        }
        match self.served.authorization().map(|at| at.moment) {
            Some(Moment::BeforeFault) => self.inject_or_go_on(worker),
            Some(Moment::BeforeLimit) => self.count_and_go_on(worker),
            Some(Moment::First | Moment::Last) | None => self.ask(worker),
        }
    }

    fn passes_first(&mut self, worker: &mut Worker<'_>) -> Outcome {
        match self.parted.take() {
            Some(parted) => self.go_through(worker, Ok(*parted)),
            None => Outcome::Failed(FailureKind::RouteUnusable.into()),
        }
    }

    /// The end of a request that may not pass.
    fn unauthorized(&mut self, refusal: Failure) -> Outcome {
        if let Some(parted) = self.parted.take() {
            // The books know all the same where it would have gone; if that is nowhere, this came first.
            let _nowhere = self.shape(*parted);
        }
        Outcome::Failed(refusal)
    }

    fn route_again(
        &self,
        worker: &mut Worker<'_>,
        upgrade: Option<String>,
    ) -> Result<Parted, Failure> {
        let head = &*self.request;
        match route::route(&self.served, Headed { head, upgrade }, worker.random) {
            Stage::Ready(routed) => Ok(routed.part()),
            Stage::Fail(failure) => Err(failure),
            Stage::Wait(_) => Err(FailureKind::RouteUnusable.into()),
        }
    }

    /// A request that was shaped already is another one now: it is shaped once more.
    fn shape_again(&mut self, worker: &mut Worker<'_>, reroutes: bool) -> Result<(), Failure> {
        let upgrade = self.forwarding().and_then(|it| it.upgrade.clone());
        if reroutes {
            let parted = self.route_again(worker, upgrade)?;
            return self.shape(parted);
        }
        let Some(shaped) = &self.shaped else {
            return Ok(());
        };
        match (&shaped.plan, shaped.found.planned(&self.request)) {
            (Plan::Forward(_), Some(action)) => {
                let parted = Parted::new(upgrade, shaped.found.clone(), action);
                self.shape(parted)
            }
            (Plan::Forward(_) | Plan::Answer(_) | Plan::Preflight, _) => Ok(()),
        }
    }

    fn shape(&mut self, parted: Parted) -> Result<(), Failure> {
        let with = ShapeWith {
            config: &self.config,
            connection: &self.connection,
            served: &self.served,
        };
        let admitted = match admit::admit(parted.join(&self.request)) {
            Stage::Ready(admitted) => admitted,
            Stage::Fail(failure) => return Err(failure),
            Stage::Wait(_) => return Err(FailureKind::RouteUnusable.into()),
        };
        let out = self.outgoing.get_or_insert_default();
        match shape::shape(&with, cors::seen(admitted), out) {
            Stage::Ready(shaped) => self.shaped = Some(shaped),
            Stage::Fail(failure) => return Err(failure),
            Stage::Wait(_) => return Err(FailureKind::RouteUnusable.into()),
        }
        Ok(())
    }
}
