//! Drives one exchange: does what the stages wait for, and tells them what came of it.
//!
//! Also closes the books of each request, whichever way it ends. Dropping the future of a request,
//! or its response's body, is how a codec says that the client went away.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use mesh_http::ResponseHead;
use tokio::time::Sleep;

use crate::http::body::{Body, BodySource, Part};
use crate::http::connection::Connection;
use crate::http::failure::{Failure, FailureKind};
use crate::http::head::Arrival;
use crate::http::observe::{End, Finish};
use crate::http::replay::Replay;
use crate::http::respond::{Reply, ReplyBody};
use crate::http::serve::{self, Event, Exchange, Limit, Next};
use crate::http::stage::Wait;
use crate::http::upgrade::Raw;
use crate::upstream::hyper_adapter::Answer;
use crate::upstream::pool::Lease;
use crate::worker::Worker;

/// What a codec sends to the client.
pub struct Outgoing {
    /// The head.
    pub head: ResponseHead,
    /// The body.
    pub body: Body,
    /// After 101: the upstream's bytes.
    pub raw: Option<Raw>,
}

/// Runs a request to its answer.
///
/// # Errors
/// The failure for which the stream is to be refused, with no response at all.
pub async fn drive(
    worker: Rc<Worker>,
    connection: Rc<Connection>,
    arrival: Arrival,
    body: Body,
) -> Result<Outgoing, Failure> {
    let head_only = arrival.head.method == "HEAD";
    let replay = Replay::new(body);
    let exchange = Exchange::new(worker.live.current(), connection, worker.clock.now());
    let mut ledger = Ledger::open(worker.clone(), exchange, replay.clone());
    let mut timer = Timer::default();
    let mut lease: Option<Lease> = None;
    let mut answer: Option<Answer> = None;
    let mut event = Event::Arrived(arrival);
    let reply = loop {
        let exchange = &mut ledger.exchange;
        exchange.can_repeat = replay.can_repeat();
        event = match advance(&worker, exchange, event) {
            Next::Respond(reply) => break reply,
            Next::Wait(Wait::Connect(target)) => {
                answer = None;
                let reuse = exchange.attempts.reuse_within(&exchange.request.method);
                let limits = timer.limits(exchange, &replay);
                match within(limits, worker.pools.lease(&target, reuse)).await {
                    Ok(Ok(leased)) => {
                        let connected = leased.connected().clone();
                        lease = Some(leased);
                        Event::Connected(Ok(connected))
                    }
                    Ok(Err(failure)) => Event::Connected(Err(failure)),
                    Err(limit) => Event::Expired(limit),
                }
            }
            Next::Wait(Wait::Answer) => match lease.take() {
                None => Event::Answered(Err(FailureKind::RouteUnusable.into())),
                Some(lease) => {
                    let head = exchange.take_outgoing();
                    let limits = timer.limits(exchange, &replay);
                    match within(limits, lease.send(&head, replay.reader())).await {
                        Ok(Ok(mut answered)) => {
                            let head = std::mem::take(&mut answered.head);
                            answer = Some(answered);
                            Event::Answered(Ok(head))
                        }
                        Ok(Err(failure)) => Event::Answered(Err(failure)),
                        Err(limit) => Event::Expired(limit),
                    }
                }
            },
            Next::Wait(Wait::Pause(pause)) => {
                answer = None;
                let limits = timer.limits(exchange, &replay).without_try();
                match within(limits, tokio::time::sleep(pause)).await {
                    Ok(()) => Event::Paused,
                    Err(limit) => Event::Expired(limit),
                }
            }
        };
    };
    finish(ledger, reply, answer, timer, head_only)
}

fn advance(worker: &Worker, exchange: &mut Exchange, event: Event) -> Next {
    let mut random = worker.random.borrow_mut();
    let mut with = serve::Worker {
        balancers: &worker.balancers,
        random: &mut random,
        now: worker.clock.now(),
        own: &worker.own,
    };
    exchange.advance(&mut with, event)
}

fn finish(
    mut ledger: Box<Ledger>,
    reply: Reply,
    answer: Option<Answer>,
    timer: Timer,
    head_only: bool,
) -> Result<Outgoing, Failure> {
    let Reply { head, body } = reply;
    ledger.end.status = head.status;
    ledger.end.grpc_status = grpc_status(&head.fields);
    ledger.end.head_sent = head.fields.size() as u64;
    match body {
        ReplyBody::Refused => {
            let failure = ledger.exchange.failure.take();
            let failure = failure.unwrap_or_else(|| FailureKind::UpstreamRefusedStream.into());
            let kind = failure.kind;
            ledger.close(Finish::Failed(kind));
            Err(Failure::safe(kind).caused_by(failure.reason()))
        }
        ReplyBody::Own(bytes) => {
            let finish = ledger.exchange.failure.as_ref().map(|failure| failure.kind);
            ledger.end.sent = bytes.len() as u64;
            ledger.close(finish.map_or(Finish::Complete, Finish::Failed));
            let body = if head_only {
                Body::empty()
            } else {
                Body::full(bytes)
            };
            Ok(Outgoing {
                head,
                body,
                raw: None,
            })
        }
        ReplyBody::Upstream => {
            let (body, raw) = answer.map_or((Body::empty(), None), |a| (a.body, a.raw));
            let body = Metered::wrap(body, ledger, timer.route);
            Ok(Outgoing { head, body, raw })
        }
    }
}

fn grpc_status(fields: &mesh_http::Fields) -> Option<u32> {
    fields.get_str("grpc-status")?.parse().ok()
}

/// The books of one request: closed once, by [`Ledger::close`] or by the client's going away.
struct Ledger {
    exchange: Exchange,
    end: End,
    worker: Rc<Worker>,
    replay: Replay,
    closed: bool,
}

impl Ledger {
    fn open(worker: Rc<Worker>, exchange: Exchange, replay: Replay) -> Box<Self> {
        Box::new(Self {
            exchange,
            end: End::default(),
            worker,
            replay,
            closed: false,
        })
    }

    fn close(&mut self, finish: Finish) {
        if std::mem::replace(&mut self.closed, true) {
            return;
        }
        self.end.finish = finish;
        self.end.received = self.replay.received();
        self.end.duration = self
            .worker
            .clock
            .now()
            .saturating_duration_since(self.exchange.started);
        self.worker
            .observer
            .request_ended(&self.exchange, &self.end);
        // Whoever the request was load for has done with it.
        self.exchange.picked = None;
    }
}

impl Drop for Ledger {
    fn drop(&mut self) {
        self.close(Finish::Gone);
    }
}

/// A response's body on its way to the client: counted, and bound by the route's time.
struct Metered {
    body: Body,
    ledger: Box<Ledger>,
    deadline: Option<Pin<Box<Sleep>>>,
}

impl Metered {
    fn wrap(body: Body, mut ledger: Box<Ledger>, deadline: Option<Pin<Box<Sleep>>>) -> Body {
        if body.is_end() {
            ledger.close(Finish::Complete);
            return body;
        }
        Body::from_source(Box::new(Self {
            body,
            ledger,
            deadline,
        }))
    }

    fn note(&mut self, part: &Part) {
        match part {
            Part::Data(bytes) => self.ledger.end.sent += bytes.len() as u64,
            Part::Trailers(fields) => {
                let status = grpc_status(fields);
                self.ledger.end.grpc_status = status.or(self.ledger.end.grpc_status);
            }
        }
        if self.body.is_end() || matches!(part, Part::Trailers(_)) {
            self.ledger.close(Finish::Complete);
        }
    }
}

impl BodySource for Metered {
    fn poll_part(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Part, Failure>>> {
        let expired = self
            .deadline
            .as_mut()
            .is_some_and(|timer| timer.as_mut().poll(cx).is_ready());
        if expired {
            self.ledger.close(Finish::Failed(FailureKind::RouteTimeout));
            return Poll::Ready(Some(Err(FailureKind::RouteTimeout.into())));
        }
        let part = ready!(self.body.poll_part(cx));
        match &part {
            Some(Ok(part)) => self.note(part),
            Some(Err(failure)) => self.ledger.close(Finish::Failed(failure.kind)),
            None => self.ledger.close(Finish::Complete),
        }
        Poll::Ready(part)
    }

    fn remaining(&self) -> Option<u64> {
        self.body.remaining()
    }

    fn is_end(&self) -> bool {
        self.body.is_end()
    }
}

/// The route's time, which begins with the end of the request's body.
#[derive(Default)]
struct Timer {
    route: Option<Pin<Box<Sleep>>>,
}

/// What an await of the driver is bound by.
struct Limits<'a> {
    timer: &'a mut Timer,
    replay: &'a Replay,
    route: Option<Duration>,
    attempt: Option<Duration>,
}

impl Timer {
    fn limits<'a>(&'a mut self, exchange: &Exchange, replay: &'a Replay) -> Limits<'a> {
        let (route, attempt) = (exchange.timeout(), exchange.try_timeout());
        Limits {
            timer: self,
            replay,
            route,
            attempt,
        }
    }
}

impl Limits<'_> {
    fn without_try(mut self) -> Self {
        self.attempt = None;
        self
    }

    fn poll_route(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(limit) = self.route else {
            return Poll::Pending;
        };
        if self.timer.route.is_none() {
            ready!(self.replay.poll_ended(cx));
        }
        let timer = self
            .timer
            .route
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        timer.as_mut().poll(cx)
    }
}

/// Awaits something within the limits.
async fn within<T>(mut limits: Limits<'_>, future: impl Future<Output = T>) -> Result<T, Limit> {
    let mut future = pin!(future);
    if limits.route.is_none() && limits.attempt.is_none() {
        return Ok(future.await);
    }
    let mut attempt = limits
        .attempt
        .map(|limit| Box::pin(tokio::time::sleep(limit)));
    poll_fn(|cx| {
        if let Poll::Ready(value) = future.as_mut().poll(cx) {
            return Poll::Ready(Ok(value));
        }
        if limits.poll_route(cx).is_ready() {
            return Poll::Ready(Err(Limit::Route));
        }
        match attempt.as_mut().map(|timer| timer.as_mut().poll(cx)) {
            Some(Poll::Ready(())) => Poll::Ready(Err(Limit::Try)),
            Some(Poll::Pending) | None => Poll::Pending,
        }
    })
    .await
}
