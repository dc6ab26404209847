//! The order of the stages, and nothing else.
//!
//! [`Exchange::advance`] takes what has happened and answers what is to happen next. It does no
//! I/O and knows no runtime: whoever drives it connects, sends, waits and writes.

mod ahead;
mod authorize;

use std::sync::Arc;
use std::time::{Duration, Instant};

use mesh_http::{Fields, RequestHead, ResponseHead};
use mesh_model::time::Clock;
use mesh_traffic::authz::{Body, Moment};
use mesh_traffic::cluster::Cluster;
use mesh_traffic::config::Config;
use mesh_traffic::fault::Injected;
use mesh_traffic::listener::Direction;
use mesh_traffic::outlier::Outcome as Seen;
use mesh_traffic::template::{Needs, Points};

use crate::config::live::LiveConfig;
use crate::http::attempt::{Attempts, Tried, Verdict};
use crate::http::call::{Answer, Asking, Call};
use crate::http::connect::{self, Connected};
use crate::http::connection::{Connection, Served};
use crate::http::cors::OfPage;
use crate::http::exchange::{self, OwnMetadata, Sending};
use crate::http::failure::{Failure, FailureKind};
use crate::http::head::{self, Arrival, Arriving, PeerMetadata};
use crate::http::limit::{self, Counted, LimitWith};
use crate::http::mirror::{self, Copies};
use crate::http::own::OwnRequest;
use crate::http::pick::{self, EndpointAt, PickFrom, Picked};
use crate::http::remark::{Remark, Remarks};
use crate::http::respond::{self, Answering, Reply};
use crate::http::route::Parted;
use crate::http::shape::{Forwarding, Plan, ShapeWith, Shaped};
use crate::http::stage::{Stage, Wait};
use crate::http::{admit, cors, health, route, shape};
use crate::upstream::balance::Balancers;

/// What a request needs of the worker that carries it.
pub struct Worker<'a> {
    /// The configuration in force.
    pub live: &'a LiveConfig,
    /// Balancing state.
    pub balancers: &'a Balancers,
    /// Where chance comes from.
    pub random: &'a mut fastrand::Rng,
    /// The moment of the event.
    pub now: Instant,
    /// What tells the time of day.
    pub clock: &'a dyn Clock,
    /// Our own workload's metadata.
    pub own: &'a OwnMetadata,
}

/// What has happened.
#[derive(Debug)]
pub enum Event {
    /// A request arrived.
    Arrived(Arrival),
    /// It is one of our own, and ready to be sent.
    Own,
    /// What arrived is no request: it is only answered.
    Refused(RequestHead, Failure),
    /// The connection that was asked for is there, or not.
    Connected(Result<Connected, Failure>),
    /// The upstream's answer is there, or not.
    Answered(Result<ResponseHead, Failure>),
    /// The service that was asked has answered, or not.
    Told(Result<Answer, Failure>),
    /// There is as much of the body as a service is to see, or there will not be; nothing where there is no body.
    Gathered(Result<Option<Body>, Failure>),
    /// The pause is over.
    Paused,
    /// Time ran out.
    Expired(Limit),
}

/// Which time ran out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Limit {
    /// That of the request with all its attempts.
    Route,
    /// That of one attempt.
    Try,
    /// That in which something must move.
    Silence,
}

/// What is to happen next.
#[derive(Debug)]
pub enum Next {
    /// Something that the exchange waits for.
    Wait(Wait),
    /// The end: this goes back to the client.
    Respond(Reply),
}

/// One request from its arrival to its answer.
pub struct Exchange {
    /// The configuration that it sees.
    pub config: Arc<Config>,
    /// The connection that it came on.
    pub connection: std::rc::Rc<Connection>,
    /// Listener and chain under that configuration.
    pub served: Served,
    /// When it arrived.
    pub started: Instant,
    /// The request as it came, once its head was in order.
    pub request: Box<RequestHead>,
    /// What the peer's proxy said of its workload.
    pub peer_metadata: PeerMetadata,
    /// What the stages up to shape made.
    pub shaped: Option<Shaped>,
    /// The endpoint of the last attempt.
    pub picked: Option<Picked>,
    /// The endpoint of an attempt that failed.
    before: Option<EndpointAt>,
    /// The connection of the last attempt.
    pub connected: Option<Connected>,
    /// The attempts made.
    pub attempts: Attempts,
    /// How it failed, if it did.
    pub failure: Option<Failure>,
    /// The metadata headers of the upstream's answer.
    pub upstream_metadata: PeerMetadata,
    /// How long the upstream took to answer the last attempt.
    pub service_time: Option<Duration>,
    /// When it came to its points.
    pub points: Points,
    /// What logs need of the answer; nothing where they need nothing.
    pub kept: Kept,
    /// Whether the body can be sent once more; the driver keeps it true to the facts.
    pub can_repeat: bool,
    /// What the route says of the page that sent it, if one did.
    of_page: Option<OfPage>,
    /// What stages say of it that may not have let it pass.
    remarks: Remarks,
    /// The service that is asked about it.
    asking: Option<Box<Asking>>,
    /// Its route while a service is asked before anything else is done.
    parted: Option<Box<Parted>>,
    /// What goes wrong with it on purpose.
    injected: Injected,
    sent: Option<Instant>,
    /// The head of the present attempt, while nobody sends it.
    outgoing: Option<Box<RequestHead>>,
    /// Whether that was made for an attempt that is over.
    spent: bool,
    /// The head of an earlier request, for its buffers.
    spare: Option<Box<RequestHead>>,
}

/// What is kept of an answer until its request is over.
#[derive(Debug, Default)]
pub struct Kept {
    /// Its head, as the client got it.
    pub head: Option<Box<ResponseHead>>,
    /// Its trailers.
    pub trailers: Option<Box<Fields>>,
}

impl Kept {
    fn clear(&mut self) {
        self.head = None;
        self.trailers = None;
    }
}

/// How a run through the stages ends.
enum Outcome {
    Next(Next),
    Failed(Failure),
}

/// Takes the value out of a stage's answer, or ends the run.
macro_rules! ready {
    ($stage:expr) => {
        match $stage {
            Stage::Ready(next) => next,
            Stage::Fail(failure) => return Outcome::Failed(failure),
            Stage::Wait(wait) => return Outcome::Next(Next::Wait(wait)),
        }
    };
}

/// What is known of the attempt that was made.
macro_rules! tried {
    ($exchange:ident, $forwarding:ident) => {
        Tried {
            connected: $exchange.connected.as_ref(),
            method: &$exchange.request.method,
            can_repeat: $exchange.can_repeat,
            has_choice: $exchange.connection.direction() == Direction::Outbound,
            breaker: $forwarding.cluster.breaker.as_ref(),
        }
    };
}

impl Exchange {
    /// An exchange to which nothing has happened yet.
    #[must_use]
    pub fn new(config: Arc<Config>, connection: std::rc::Rc<Connection>, now: Instant) -> Self {
        let served = connection.served(&config);
        Self {
            config,
            connection,
            served,
            started: now,
            request: Box::default(),
            peer_metadata: PeerMetadata::default(),
            shaped: None,
            picked: None,
            before: None,
            connected: None,
            attempts: Attempts::default(),
            failure: None,
            upstream_metadata: PeerMetadata::default(),
            service_time: None,
            points: Points::default(),
            kept: Kept::default(),
            can_repeat: true,
            of_page: None,
            remarks: Remarks::default(),
            asking: None,
            parted: None,
            injected: Injected::default(),
            sent: None,
            outgoing: None,
            spent: false,
            spare: None,
        }
    }

    /// Begins anew, for another request; buffers of the last one are used again.
    pub fn restart(
        &mut self,
        config: Arc<Config>,
        connection: std::rc::Rc<Connection>,
        served: Served,
        now: Instant,
    ) {
        self.config = config;
        self.connection = connection;
        self.served = served;
        self.started = now;
        self.request.clear();
        self.peer_metadata.clear();
        self.shaped = None;
        self.picked = None;
        self.before = None;
        self.connected = None;
        self.attempts = Attempts::default();
        self.failure = None;
        self.upstream_metadata.clear();
        self.service_time = None;
        self.points = Points::default();
        self.kept.clear();
        self.can_repeat = true;
        self.of_page = None;
        self.remarks.clear();
        self.asking = None;
        self.parted = None;
        self.injected = Injected::default();
        self.sent = None;
        self.spent = false;
    }

    /// Becomes a request of our own.
    pub fn become_own(&mut self, own: OwnRequest) {
        let out = self.outgoing.get_or_insert_default();
        out.clone_from(&own.head);
        self.request = own.head;
        self.shaped = Some(own.shaped);
    }

    /// The call that it waits for the answer to.
    pub fn take_call(&mut self) -> Option<Call> {
        self.asking.as_mut()?.call.take()
    }

    /// The copies that its route wants of it; none when asked again.
    pub fn take_copies(&mut self, random: &mut fastrand::Rng) -> Copies {
        let (Some(shaped), Some(out)) = (&mut self.shaped, &self.outgoing) else {
            return Copies::default();
        };
        let wants = match &mut shaped.plan {
            Plan::Forward(it) => std::mem::take(&mut it.is_mirrored),
            Plan::Answer(_) | Plan::Preflight => false,
        };
        match wants {
            true => mirror::copies(&self.config, shaped, out, random),
            false => Copies::default(),
        }
    }

    /// How long it has been under way.
    #[must_use]
    pub fn elapsed(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.started)
    }

    /// What must be kept of the answer for the logs of its chain.
    #[must_use]
    pub fn needs(&self) -> Needs {
        let manager = self.served.manager();
        manager
            .map(|manager| manager.access_log.needs())
            .unwrap_or_default()
    }

    /// Takes out a head that is done with, for its buffers.
    pub fn take_spare_head(&mut self) -> Box<RequestHead> {
        self.spare.take().unwrap_or_default()
    }

    /// Takes what has happened, and says what is to happen next.
    pub fn advance(&mut self, worker: &mut Worker<'_>, event: Event) -> Next {
        let outcome = match event {
            Event::Arrived(arrival) => self.arrived(worker, arrival),
            Event::Own => self.attempt(worker),
            Event::Refused(head, failure) => {
                // The log says as much of it as could be read.
                *self.request = head;
                Outcome::Failed(failure)
            }
            Event::Connected(Ok(connected)) => self.connected(worker, connected),
            Event::Answered(Ok(head)) => self.answered(worker, head),
            Event::Connected(Err(failure)) | Event::Answered(Err(failure)) => {
                self.attempt_failed(worker, failure)
            }
            Event::Told(told) => self.told(worker, told),
            Event::Gathered(body) => self.gathered(worker, body),
            // What stands before the attempts is not done again for another one.
            Event::Paused if self.attempts.made() > 0 => self.attempt(worker),
            Event::Paused => self.abort_or_attempt(worker),
            Event::Expired(Limit::Route) => {
                self.report(worker, || Seen::TimedOut);
                Outcome::Failed(FailureKind::RouteTimeout.into())
            }
            Event::Expired(Limit::Silence) => Outcome::Failed(FailureKind::StreamIdle.into()),
            Event::Expired(Limit::Try) => {
                self.attempt_failed(worker, FailureKind::TryTimeout.into())
            }
        };
        match outcome {
            Outcome::Next(next) => next,
            Outcome::Failed(failure) => {
                let reply = respond::failed(&self.answering(worker), &failure);
                self.failure = Some(failure);
                Next::Respond(reply)
            }
        }
    }

    fn arrived(&mut self, worker: &mut Worker<'_>, arrival: Arrival) -> Outcome {
        // Should it be refused, the log still says what was asked for.
        self.spare = Some(std::mem::replace(&mut self.request, arrival.head));
        self.remarks.clear();
        let arriving = Arriving {
            head: &mut self.request,
            peer_metadata: &mut self.peer_metadata,
            hosts: arrival.hosts,
            bodiless: arrival.bodiless,
        };
        let headed = ready!(head::head(
            &self.connection,
            &self.served,
            arriving,
            worker.random
        ));
        if let Some(stands) = health::health(&self.served, headed.head, &self.config, worker) {
            return match health::failure(stands) {
                Some(failure) => Outcome::Failed(failure),
                None => {
                    let reply = respond::healthy(&self.answering(worker), stands);
                    Outcome::Next(Next::Respond(reply))
                }
            };
        }
        let routed = match route::route(&self.served, headed, worker.random) {
            Stage::Fail(failure) => Err(failure),
            routed => Ok(ready!(routed).part()),
        };
        match routed {
            // Envoy: nobody is asked about what no route takes.
            Ok(parted) if self.served.authorization().is_some() => {
                self.authorize_first(worker, parted)
            }
            routed => self.go_through(worker, routed),
        }
    }

    /// admit -> cors -> limit -> shape
    fn go_through(&mut self, worker: &mut Worker<'_>, routed: Result<Parted, Failure>) -> Outcome {
        let counting = LimitWith {
            connection: &self.connection,
            served: &self.served,
            own: worker.own,
            now: worker.now,
        };
        let routed = match routed {
            Ok(parted) => parted.join(&self.request),
            Err(failure) => {
                // What no route takes is counted all the same.
                let counted = limit::limit(&counting, &self.request, None, worker.random);
                let refusal = self.remarks_of(counted);
                return self.refused_by(refusal.unwrap_or(failure));
            }
        };
        let admitted = ready!(admit::admit(routed));
        let (looked, of_page) = cors::cors(&self.served, admitted, worker.random);
        self.of_page = of_page;
        let counted = looked.is_to_be_counted(&self.served).then(|| {
            let (head, found) = looked.request();
            limit::limit(&counting, head, Some(found), worker.random)
        });
        let with = ShapeWith {
            config: &self.config,
            connection: &self.connection,
            served: &self.served,
        };
        let out = self.outgoing.get_or_insert_default();
        let shaped = shape::shape(&with, looked, out);
        if let Some(refusal) = self.remarks_of(counted.flatten()) {
            if let Stage::Ready(shaped) = shaped {
                // The books know all the same where it would have gone.
                self.shaped = Some(shaped);
            }
            return self.refused_by(refusal);
        }
        self.shaped = Some(ready!(shaped));
        self.mark();
        match self.authorize(worker, Moment::BeforeFault) {
            Some(outcome) => outcome,
            None => self.inject_or_go_on(worker),
        }
    }

    /// Keeps what a limit says; the failure that the request becomes if it does not pass.
    fn remarks_of(&mut self, counted: Option<Counted>) -> Option<Failure> {
        let counted = counted?;
        let refusal = counted.refusal();
        self.remarks.push(Remark::Counted(counted));
        refusal
    }

    /// attempt[ pick -> connect -> exchange ]
    fn attempt(&mut self, worker: &mut Worker<'_>) -> Outcome {
        self.connected = None;
        self.picked = None;
        let before = self.before.take();
        // What has changed meanwhile may be why the last attempt failed.
        let current = before.is_some().then(|| worker.live.current());
        let Some(Shaped {
            plan: Plan::Forward(forwarding),
            ..
        }) = &self.shaped
        else {
            return Outcome::Failed(FailureKind::RouteUnusable.into());
        };
        let from = PickFrom {
            balancers: worker.balancers,
            connection: &self.connection,
            version: self.request.version,
            before: before.as_ref(),
            now: worker.now,
        };
        let picked = ready!(pick::pick(
            current.as_ref().unwrap_or(&self.config),
            &from,
            forwarding,
            &mut self.attempts,
            worker.random
        ));
        let wait = connect::connect(&picked);
        self.picked = Some(picked);
        let connected = ready!(wait);
        self.connected(worker, connected)
    }

    fn connected(&mut self, worker: &Worker<'_>, connected: Connected) -> Outcome {
        let (Some(shaped), Some(picked)) = (&self.shaped, &self.picked) else {
            return Outcome::Failed(FailureKind::RouteUnusable.into());
        };
        let sending = Sending {
            connection: &self.connection,
            shaped,
            picked,
            attempt: self.attempts.made(),
            own: worker.own,
        };
        let out = self.outgoing.get_or_insert_default();
        if std::mem::replace(&mut self.spent, true) {
            shaped.write(&self.request, &self.connection, out);
        }
        exchange::exchange(&sending, &connected, out);
        self.connected = Some(connected);
        self.sent = Some(worker.now);
        self.points.upstream_request_begins = Some(self.elapsed(worker.now));
        Outcome::Next(Next::Wait(Wait::Answer))
    }

    fn answered(&mut self, worker: &mut Worker<'_>, mut head: ResponseHead) -> Outcome {
        let picked = self.picked.as_ref();
        if let Some(watched) = picked.and_then(|picked| picked.watched.as_ref()) {
            watched.report(exchange::outcome_of(&head), worker.now, worker.random);
            watched.look(&head);
        }
        if let Some(Plan::Forward(forwarding)) = self.shaped.as_ref().map(|shaped| &shaped.plan) {
            let seen = exchange::seen_by_policy(&head);
            let tried = tried!(self, forwarding);
            let wanted = self
                .attempts
                .judge_answer(&forwarding.retry, seen, &tried, worker.random);
            if let Some(pause) = wanted {
                return self.pause(worker, pause);
            }
        }
        let authentic = self.is_mutual_tls();
        head::take_metadata(&mut head.fields, authentic, &mut self.upstream_metadata);
        let took = self.sent.map_or(Duration::ZERO, |sent| worker.now - sent);
        self.service_time = Some(took);
        self.points.upstream_response_begins = Some(self.elapsed(worker.now));
        let Some(shaped) = &self.shaped else {
            return Outcome::Failed(FailureKind::RouteUnusable.into());
        };
        let cluster = self.cluster_name();
        let reply = respond::answer(&self.answering(worker), shaped, head, cluster, took);
        Outcome::Next(Next::Respond(reply))
    }

    /// Tells whoever keeps an eye on the endpoint what became of the attempt.
    fn report(&self, worker: &mut Worker<'_>, outcome: impl FnOnce() -> Seen) {
        let Some(picked) = &self.picked else {
            return;
        };
        // Who had to wait for a connection that a circuit breaker withheld was kept by nobody else.
        let may_have_waited = self.connected.is_none() && picked.target.breaker.is_some();
        if let Some(watched) = &picked.watched {
            match outcome() {
                Seen::TimedOut if may_have_waited => {}
                seen => watched.report(seen, worker.now, worker.random),
            }
        }
    }

    fn attempt_failed(&mut self, worker: &mut Worker<'_>, failure: Failure) -> Outcome {
        if let Some(outcome) = failure.outcome() {
            self.report(worker, || outcome);
        }
        let Some(Shaped {
            plan: Plan::Forward(forwarding),
            ..
        }) = &self.shaped
        else {
            return Outcome::Failed(failure);
        };
        let tried = tried!(self, forwarding);
        match self
            .attempts
            .judge(&forwarding.retry, failure, &tried, worker.random)
        {
            Verdict::Again(pause) => self.pause(worker, pause),
            Verdict::Over(failure) => Outcome::Failed(failure),
        }
    }

    fn pause(&mut self, worker: &mut Worker<'_>, pause: Duration) -> Outcome {
        // The endpoint is done with: while we wait it has no load of ours.
        self.before = self.picked.take().and_then(|picked| picked.endpoint);
        if pause.is_zero() {
            return self.attempt(worker);
        }
        Outcome::Next(Next::Wait(Wait::Pause(pause)))
    }

    fn answering<'a>(&'a self, worker: &Worker<'a>) -> Answering<'a> {
        Answering {
            connection: &self.connection,
            request: &self.request,
            manager: self.served.manager(),
            metadata_asked: self.peer_metadata.asked,
            attempts: self.attempts.made(),
            may_have_run: self.attempts.may_have_run(),
            of_page: self.of_page.as_ref(),
            remarks: &self.remarks,
            own: worker.own,
            fails: worker.live.fails_health_checks(),
            now: worker.now,
        }
    }

    fn is_mutual_tls(&self) -> bool {
        self.connected
            .as_ref()
            .is_some_and(|connected| connected.mutual_tls)
    }

    /// How the request is sent, if it is.
    #[must_use]
    pub fn forwarding(&self) -> Option<&Forwarding> {
        match &self.shaped.as_ref()?.plan {
            Plan::Forward(forwarding) => Some(forwarding),
            Plan::Answer(_) | Plan::Preflight => None,
        }
    }

    /// Whether it only asks whether a page may send another, and is answered here.
    #[must_use]
    pub fn is_preflight(&self) -> bool {
        let plan = self.shaped.as_ref().map(|shaped| &shaped.plan);
        matches!(plan, Some(Plan::Preflight))
    }

    /// The cluster that it goes to, or would have gone to had it not asked for leave alone.
    #[must_use]
    pub fn cluster(&self) -> Option<&Arc<Cluster>> {
        let shaped = self.shaped.as_ref()?;
        match &shaped.plan {
            Plan::Forward(forwarding) => Some(&forwarding.cluster),
            Plan::Answer(_) => None,
            Plan::Preflight => self.config.cluster(shaped.found.cluster()?),
        }
    }

    /// The name of the cluster that it goes to; empty while there is none.
    #[must_use]
    pub fn cluster_name(&self) -> &str {
        self.forwarding()
            .map_or("", |forwarding| &*forwarding.cluster.name)
    }

    /// Takes the head of the present attempt, which is made anew for each.
    pub fn take_outgoing(&mut self) -> Box<RequestHead> {
        self.outgoing.take().unwrap_or_default()
    }

    /// Makes sure that it has buffers for one.
    pub fn lend_outgoing(&mut self, head: impl FnOnce() -> Option<Box<RequestHead>>) {
        if self.outgoing.is_none() {
            self.outgoing = head();
        }
    }

    /// How long the request may take with all its attempts, from the end of its body.
    #[must_use]
    pub fn timeout(&self) -> Option<Duration> {
        let bound = self
            .forwarding()
            .and_then(|forwarding| forwarding.timeout)?;
        // Envoy: what holds requests up on purpose stands before the router, which counts the time.
        Some(bound.saturating_add(self.injected.delay.unwrap_or_default()))
    }

    /// How long the present attempt may take.
    #[must_use]
    pub fn try_timeout(&self) -> Option<Duration> {
        self.forwarding()
            .and_then(|forwarding| forwarding.retry.per_try_timeout)
    }
}

#[cfg(test)]
mod tests;
