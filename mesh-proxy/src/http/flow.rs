//! One request between two connections: the stages decide, and this does what they wait for.
//!
//! Also closes the books of each request, whichever way it ends.

mod answer;
mod body;
mod call;
mod copy;
mod end;
mod gather;
mod own;
mod times;

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mesh_http::{BodyLength, CannotSend, ErrorCode, Fields, RequestHead, ResponseHead, StreamId};
use mesh_traffic::Config;
use mesh_traffic::breaker::Permit;

use self::call::Calls;
use self::copy::Copying;
use crate::http::connect::Connected;
use crate::http::connection::{Connection, Served};
use crate::http::download::Download;
use crate::http::failure::{Failure, FailureKind};
use crate::http::head::Arrival;
use crate::http::observe::End;
use crate::http::pace::Pace;
use crate::http::serve;
use crate::http::serve::{Event, Exchange, Next};
use crate::http::stage::Wait;
use crate::http::upload::Upload;
use crate::upstream::pool::Leased;
use crate::worker::engine::{ConnKey, Engine, FlowKey};
use crate::worker::held::Holding;
use crate::worker::timers::TimerKey;

/// Requests that are over and kept for their buffers; beyond the first burst a request then
/// allocates nothing. They are let go of when the worker has less to do.
pub(crate) const SPARES: usize = 256;

/// A request under way.
pub(crate) struct Flow {
    /// Its way through the stages.
    pub(crate) exchange: Exchange,
    /// The client's connection.
    pub(crate) down: ConnKey,
    /// Its stream there.
    pub(crate) stream: StreamId,
    /// The connection that it was sent on.
    pub(crate) leg: Option<Leg>,
    /// Which of its waits for a connection is the present one.
    pub(crate) ticket: u32,
    /// Counts it as waiting or as under way, where a circuit breaker counts that.
    pub(crate) permit: Option<Permit>,
    step: Step,
    upload: Upload,
    download: Download,
    end: End,
    closed: bool,
    head_only: bool,
    /// The client waits for 100 before it sends the body (RFC 9110 10.1.1).
    expects: bool,
    /// Bytes of another protocol follow the heads.
    tunnel: bool,
    /// The endpoint has sent the whole answer.
    answered: bool,
    /// What its bodies hold.
    pub(crate) holding: Holding,
    /// What it has to do with copies.
    copying: Copying,
    /// What it has to do with calls to services.
    calls: Calls,
    limits: Limits,
}

/// A request's place on a connection to an endpoint.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Leg {
    /// The connection.
    pub(crate) link: ConnKey,
    /// The stream, once the request was sent.
    pub(crate) stream: Option<StreamId>,
    /// When it came to that place, or was sent there.
    pub(crate) since: Instant,
}

/// How far a request has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// It waits for a connection.
    Connecting,
    /// It waits before it is sent again.
    Pausing,
    /// It was sent.
    Asked,
    /// It is being answered.
    Answering,
}

/// The times by which a request is bound.
#[derive(Default)]
struct Limits {
    route: Option<Instant>,
    attempt: Option<Instant>,
    pause: Option<Instant>,
    silence: Option<Instant>,
    pace: Option<Pace>,
    timer: Option<(Instant, TimerKey)>,
}

impl Limits {
    fn next(&self) -> Option<Instant> {
        let pace = self.pace.as_ref().map(Pace::due);
        let all = [self.route, self.attempt, self.pause, self.silence, pace];
        all.into_iter().flatten().min()
    }
}

impl Flow {
    fn new(down: ConnKey, stream: StreamId, exchange: Exchange) -> Self {
        let mut upload = Upload::default();
        upload.restart(true);
        Self {
            exchange,
            down,
            stream,
            leg: None,
            ticket: 0,
            permit: None,
            step: Step::Connecting,
            upload,
            download: Download::default(),
            end: End::default(),
            closed: false,
            head_only: false,
            expects: false,
            tunnel: false,
            answered: false,
            holding: Holding::default(),
            copying: Copying::default(),
            calls: Calls::default(),
            limits: Limits::default(),
        }
    }

    /// Its timer, which is to be cancelled.
    pub(crate) fn take_timer(&mut self) -> Option<TimerKey> {
        self.limits.timer.take().map(|(_, timer)| timer)
    }

    /// Begins anew, for another request.
    fn restart(&mut self, down: ConnKey, stream: StreamId) {
        self.upload.restart(true);
        self.down = down;
        self.stream = stream;
        self.leg = None;
        self.permit = None;
        self.step = Step::Connecting;
        self.download = Download::default();
        self.end = End::default();
        self.closed = false;
        self.head_only = false;
        self.expects = false;
        self.tunnel = false;
        self.answered = false;
        self.copying.restart();
        self.calls.restart();
        self.limits = Limits::default();
    }

    /// Whether it still waits for the connection for which it got `ticket`.
    pub(crate) fn waits(&self, ticket: u32) -> bool {
        self.step == Step::Connecting && self.ticket == ticket && self.leg.is_none()
    }

    /// The endpoint has sent the last of the answer.
    fn answer_ends(&mut self, now: Instant) {
        self.answered = true;
        self.exchange.points.upstream_response_ends = Some(self.exchange.elapsed(now));
    }

    /// Its last byte has gone to the endpoint.
    fn sent_all(&mut self, now: Instant) {
        self.exchange.points.upstream_request_ends = Some(self.exchange.elapsed(now));
    }

    /// Bytes that it keeps from others.
    pub(crate) fn held(&self) -> usize {
        self.download.capacity() + self.upload.capacity()
    }

    /// How long its listener lets it be silent.
    fn silence(&self) -> Option<Duration> {
        self.exchange.served.manager()?.stream_idle_timeout
    }
}

impl Engine {
    /// A request has arrived.
    pub(crate) fn begin_flow(
        &mut self,
        down: ConnKey,
        stream: StreamId,
        connection: Rc<Connection>,
        head: &mut Box<RequestHead>,
        body: BodyLength,
    ) {
        let key = self.enter_flow(down, stream, connection);
        let Some(flow) = self.flows.get_mut(key) else {
            return;
        };
        flow.expects = body != BodyLength::None && take_expectation(head);
        flow.head_only = head.method == "HEAD";
        flow.upload.restart(body == BodyLength::None);
        if body == BodyLength::None {
            flow.exchange.points.request_ends = Some(Duration::ZERO);
        }
        let spare = flow.exchange.take_spare_head();
        let arrival = Arrival {
            head: std::mem::replace(head, spare),
            hosts: 1,
            bodiless: body == BodyLength::None,
        };
        if body != BodyLength::None {
            self.pace_body(key);
        }
        let next = self.advance(key, Event::Arrived(arrival));
        self.follow(key, next);
        self.touch(key);
    }

    fn enter_flow(
        &mut self,
        down: ConnKey,
        stream: StreamId,
        connection: Rc<Connection>,
    ) -> FlowKey {
        let (config, now) = (self.live.current(), self.now);
        let mut flow = match self.spares.flows.take() {
            Some(mut flow) => {
                let served = self.served(down, &connection, &config);
                flow.exchange.restart(config, connection, served, now);
                flow.restart(down, stream);
                flow
            }
            None => Box::new(Flow::new(
                down,
                stream,
                Exchange::new(config, connection, now),
            )),
        };
        flow.exchange.lend_outgoing(|| self.spares.heads.take());
        let key = self.flows.insert(flow);
        if let Some(down) = self.downstream(down) {
            down.streams.insert(stream, key);
        }
        key
    }

    /// What serves a connection's requests under a configuration: looked up once for both.
    fn served(&mut self, down: ConnKey, connection: &Connection, config: &Arc<Config>) -> Served {
        let Some(down) = self.downstream(down) else {
            return connection.served(config);
        };
        match &down.served {
            // A weak pointer keeps the address from being used again, and nothing else.
            Some((of, served)) if of.as_ptr() == Arc::as_ptr(config) => served.clone(),
            _ => {
                let served = connection.served(config);
                down.served = Some((Arc::downgrade(config), served.clone()));
                served
            }
        }
    }

    /// Answers what came instead of a request.
    pub(crate) fn answer_fault(
        &mut self,
        down: ConnKey,
        connection: Rc<Connection>,
        head: RequestHead,
        failure: Failure,
    ) {
        let key = self.enter_flow(down, 0, connection);
        let next = self.advance(key, Event::Refused(head, failure));
        self.follow(key, next);
    }

    /// Answers a request for which there is no memory.
    pub(crate) fn refuse(
        &mut self,
        down: ConnKey,
        stream: StreamId,
        connection: Rc<Connection>,
        head: RequestHead,
        body: BodyLength,
    ) {
        let key = self.enter_flow(down, stream, connection);
        if let Some(flow) = self.flows.get_mut(key) {
            flow.head_only = head.method == "HEAD";
            flow.upload.restart(body == BodyLength::None);
        }
        let next = self.advance(key, Event::Refused(head, FailureKind::Overloaded.into()));
        self.follow(key, next);
    }

    fn advance(&mut self, key: FlowKey, event: Event) -> Option<Next> {
        let flow = self.flows.get_mut(key)?;
        flow.exchange.can_repeat = flow.upload.can_repeat();
        let mut with = serve::Worker {
            live: &self.live,
            balancers: &self.balancers,
            random: &mut self.random,
            now: self.now,
            own: &self.own,
            clock: &*self.clock,
        };
        Some(flow.exchange.advance(&mut with, event))
    }

    /// Does what the stages ask for, until something has to be waited for.
    fn follow(&mut self, key: FlowKey, next: Option<Next>) {
        let mut next = next;
        let mut copies = Vec::new();
        while let Some(now) = next {
            next = match now {
                Next::Respond(reply) => {
                    self.reply(key, reply, None);
                    None
                }
                Next::Wait(Wait::Connect(target)) => {
                    copies.extend(self.make_copies(key));
                    self.prepare_attempt(key);
                    let Some(flow) = self.flows.get(key) else {
                        return;
                    };
                    let reuse = flow
                        .exchange
                        .attempts
                        .reuse_within(&flow.exchange.request.method);
                    match self.lease(key, &target, reuse) {
                        Leased::Now(link, connected) => self.advance_on(key, link, connected),
                        Leased::Later => None,
                        Leased::Failed(failure) => self.advance_without(key, failure),
                    }
                }
                Next::Wait(Wait::Answer) => match self.ask(key) {
                    Ok(()) => None,
                    Err(failure) => {
                        self.drop_leg(key, ErrorCode::CANCEL);
                        self.advance(key, Event::Answered(Err(failure)))
                    }
                },
                Next::Wait(Wait::Service) => {
                    self.make_call(key);
                    None
                }
                Next::Wait(Wait::Body(wanted)) => self.gather(key, wanted),
                Next::Wait(Wait::Pause(pause)) => {
                    self.drop_leg(key, ErrorCode::CANCEL);
                    self.pause(key, pause);
                    None
                }
            };
        }
        self.arm(key);
        // Not before the request itself has its place on a connection, or in line for one.
        self.send_copies(copies);
    }

    fn advance_on(&mut self, key: FlowKey, link: ConnKey, connected: Connected) -> Option<Next> {
        let since = self.now;
        let flow = self.flows.get_mut(key)?;
        flow.leg = Some(Leg {
            link,
            stream: None,
            since,
        });
        self.advance(key, Event::Connected(Ok(connected)))
    }

    /// A connection that the request waited for is there.
    pub(crate) fn flow_connected(&mut self, key: FlowKey, link: ConnKey, connected: Connected) {
        let next = self.advance_on(key, link, connected);
        self.follow(key, next);
    }

    /// There will be no connection.
    pub(crate) fn flow_unconnected(&mut self, key: FlowKey, failure: Failure) {
        let next = self.advance_without(key, failure);
        self.follow(key, next);
    }

    fn advance_without(&mut self, key: FlowKey, failure: Failure) -> Option<Next> {
        // It does not wait any more.
        self.flows.get_mut(key)?.permit = None;
        self.advance(key, Event::Connected(Err(failure)))
    }

    fn prepare_attempt(&mut self, key: FlowKey) {
        self.drop_leg(key, ErrorCode::CANCEL);
        let now = self.now;
        let Some(flow) = self.flows.get_mut(key) else {
            return;
        };
        flow.step = Step::Connecting;
        flow.ticket = flow.ticket.wrapping_add(1);
        flow.upload.rewind();
        flow.answered = false;
        flow.limits.pause = None;
        flow.limits.attempt = flow.exchange.try_timeout().map(|bound| now + bound);
        self.start_route_time(key);
        self.invite_body(key);
    }

    /// The client is told to go on with the body that it announced.
    fn invite_body(&mut self, key: FlowKey) {
        let Some(flow) = self.flows.get_mut(key) else {
            return;
        };
        if !std::mem::take(&mut flow.expects) {
            return;
        }
        let (down, stream, version) = (flow.down, flow.stream, flow.exchange.request.version);
        let head = ResponseHead {
            version,
            status: 100,
            fields: Fields::new(),
        };
        if let Some(down) = self.downstream(down) {
            // A stream that is over will be noticed where it matters.
            let _over = down.codec.interim(stream, &head);
        }
        self.mark(down);
    }

    /// Sends the head of an attempt on the connection that it got.
    fn ask(&mut self, key: FlowKey) -> Result<(), Failure> {
        let flow = self.flows.get_mut(key).ok_or(FailureKind::DownstreamGone)?;
        let leg = flow.leg.ok_or(FailureKind::RouteUnusable)?;
        let head = flow.exchange.take_outgoing();
        let end = flow.upload.is_empty();
        flow.upload.finished = end;
        if end {
            flow.sent_all(self.now);
        }
        flow.step = Step::Asked;
        let sent = self.send_request(leg.link, key, &head, end);
        let stream = sent.map_err(|error| match error {
            CannotSend::Unfit(why) => Failure::new(FailureKind::BadRequest).caused_by(why),
            CannotSend::NoRoom | CannotSend::NoStream => {
                Failure::safe(FailureKind::UpstreamClosed).caused_by(error)
            }
        })?;
        if let Some(flow) = self.flows.get_mut(key) {
            flow.leg = Some(Leg {
                link: leg.link,
                stream: Some(stream),
                since: self.now,
            });
        }
        if self.spares.heads.len() < self.spares_kept() {
            self.spares.heads.put(head);
        }
        self.pump_upload(key);
        Ok(())
    }
}

/// Takes the expectation out: it is met here, hop by hop.
fn take_expectation(head: &mut RequestHead) -> bool {
    let expects = head
        .fields
        .get("expect")
        .is_some_and(|value| value.eq_ignore_ascii_case(b"100-continue"));
    expects && head.fields.remove("expect")
}

/// Enters a request among those that wait for room; there is no more than one entry for each.
fn wait_once(blocked: &mut Vec<FlowKey>, key: FlowKey) {
    if !blocked.contains(&key) {
        blocked.push(key);
    }
}

fn grpc_status(fields: &Fields) -> Option<u32> {
    match fields.get("grpc-status")? {
        [digit @ b'0'..=b'9'] => Some(u32::from(*digit - b'0')),
        other => std::str::from_utf8(other).ok()?.parse().ok(),
    }
}
