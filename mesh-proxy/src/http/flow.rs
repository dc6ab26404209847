//! One request between two connections: the stages decide, and this does what they wait for.
//!
//! Also closes the books of each request, whichever way it ends.

use std::rc::Rc;
use std::time::{Duration, Instant};

use mesh_http::{
    BodyLength, CannotSend, ErrorCode, Fields, RequestHead, ResponseHead, StreamId, Version,
};

use crate::http::connect::Connected;
use crate::http::connection::Connection;
use crate::http::download::Download;
use crate::http::downstream::{HIGH_WATER, reset_code};
use crate::http::failure::{Failure, FailureKind};
use crate::http::head::Arrival;
use crate::http::observe::{End, Finish};
use crate::http::pace::Pace;
use crate::http::respond::{Reply, ReplyBody};
use crate::http::serve::{self, Event, Exchange, Limit, Next};
use crate::http::stage::Wait;
use crate::http::upload::Upload;
use crate::upstream::pool::Leased;
use crate::worker::engine::{Conn, ConnKey, Due, Engine, FlowKey, Work};
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
    limits: Limits,
}

/// A request's place on a connection to an endpoint.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Leg {
    /// The connection.
    pub(crate) link: ConnKey,
    /// The stream, once the request was sent.
    pub(crate) stream: Option<StreamId>,
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
            step: Step::Connecting,
            upload,
            download: Download::default(),
            end: End::default(),
            closed: false,
            head_only: false,
            expects: false,
            tunnel: false,
            answered: false,
            limits: Limits::default(),
        }
    }

    /// Begins anew, for another request.
    fn restart(&mut self, down: ConnKey, stream: StreamId) {
        self.upload.restart(true);
        self.down = down;
        self.stream = stream;
        self.leg = None;
        self.step = Step::Connecting;
        self.download = Download::default();
        self.end = End::default();
        self.closed = false;
        self.head_only = false;
        self.expects = false;
        self.tunnel = false;
        self.answered = false;
        self.limits = Limits::default();
    }

    /// Whether it still waits for the connection for which it got `ticket`.
    pub(crate) fn waits(&self, ticket: u32) -> bool {
        self.step == Step::Connecting && self.ticket == ticket && self.leg.is_none()
    }

    /// Bytes that it holds.
    pub(crate) fn held(&self) -> usize {
        self.download.unsent().len() + self.upload.unsent().len()
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
        mut arrival: Arrival,
        body: BodyLength,
    ) {
        let expects = body != BodyLength::None && take_expectation(&mut arrival.head);
        let key = self.enter_flow(down, stream, connection);
        if let Some(flow) = self.flows.get_mut(key) {
            flow.expects = expects;
            flow.head_only = arrival.head.method == "HEAD";
            flow.upload.restart(body == BodyLength::None);
        }
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
        let flow = match self.spares.pop() {
            Some(mut flow) => {
                flow.exchange.restart(config, connection, now);
                flow.restart(down, stream);
                flow
            }
            None => Box::new(Flow::new(
                down,
                stream,
                Exchange::new(config, connection, now),
            )),
        };
        let key = self.flows.insert(flow);
        if let Some(down) = self.downstream(down) {
            down.streams.insert(stream, key);
        }
        key
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
            balancers: &self.balancers,
            random: &mut self.random,
            now: self.now,
            own: &self.own,
        };
        Some(flow.exchange.advance(&mut with, event))
    }

    /// Does what the stages ask for, until something has to be waited for.
    fn follow(&mut self, key: FlowKey, next: Option<Next>) {
        let mut next = next;
        while let Some(now) = next.take() {
            next = match now {
                Next::Respond(reply) => {
                    self.reply(key, reply, None);
                    None
                }
                Next::Wait(Wait::Connect(target)) => {
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
                        Leased::Failed(failure) => {
                            self.advance(key, Event::Connected(Err(failure)))
                        }
                    }
                }
                Next::Wait(Wait::Answer) => match self.ask(key) {
                    Ok(()) => None,
                    Err(failure) => {
                        self.drop_leg(key, ErrorCode::CANCEL);
                        self.advance(key, Event::Answered(Err(failure)))
                    }
                },
                Next::Wait(Wait::Pause(pause)) => {
                    self.drop_leg(key, ErrorCode::CANCEL);
                    self.pause(key, pause);
                    None
                }
            };
        }
        self.arm(key);
    }

    fn advance_on(&mut self, key: FlowKey, link: ConnKey, connected: Connected) -> Option<Next> {
        let flow = self.flows.get_mut(key)?;
        flow.leg = Some(Leg { link, stream: None });
        self.advance(key, Event::Connected(Ok(connected)))
    }

    /// A connection that the request waited for is there.
    pub(crate) fn flow_connected(&mut self, key: FlowKey, link: ConnKey, connected: Connected) {
        let next = self.advance_on(key, link, connected);
        self.follow(key, next);
    }

    /// There will be no connection.
    pub(crate) fn flow_unconnected(&mut self, key: FlowKey, failure: Failure) {
        let next = self.advance(key, Event::Connected(Err(failure)));
        self.follow(key, next);
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

    /// The route's time begins with the end of the request's body.
    fn start_route_time(&mut self, key: FlowKey) {
        let now = self.now;
        let Some(flow) = self.flows.get_mut(key) else {
            return;
        };
        if flow.upload.has_ended() && flow.limits.route.is_none() {
            flow.limits.route = flow.exchange.timeout().map(|bound| now + bound);
        }
    }

    fn pause(&mut self, key: FlowKey, pause: Duration) {
        let until = self.now + pause;
        if let Some(flow) = self.flows.get_mut(key) {
            flow.step = Step::Pausing;
            flow.limits.attempt = None;
            flow.limits.pause = Some(until);
        }
    }

    /// Sends the head of an attempt on the connection that it got.
    fn ask(&mut self, key: FlowKey) -> Result<(), Failure> {
        let flow = self.flows.get_mut(key).ok_or(FailureKind::DownstreamGone)?;
        let leg = flow.leg.ok_or(FailureKind::RouteUnusable)?;
        let head = flow.exchange.take_outgoing();
        let end = flow.upload.is_empty();
        flow.upload.finished = end;
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
            });
            flow.exchange.return_outgoing(head);
        }
        self.pump_upload(key);
        Ok(())
    }

    // The request's body.

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
        self.upload_went_on(key, end);
    }

    /// The client sent trailers.
    pub(crate) fn request_trailers(&mut self, down: ConnKey, stream: StreamId, fields: Fields) {
        let Some(key) = self.flow_of_client(down, stream) else {
            return;
        };
        if let Some(flow) = self.flows.get_mut(key) {
            flow.upload
                .end(Some(fields).filter(|fields| !fields.is_empty()));
        }
        self.upload_went_on(key, true);
    }

    fn upload_went_on(&mut self, key: FlowKey, ended: bool) {
        self.pump_upload(key);
        if ended {
            self.start_route_time(key);
            self.arm(key);
            self.finish_if_done(key);
        }
    }

    /// Sends bytes straight on where nothing is kept; how many were taken.
    fn pass_upload(&mut self, key: FlowKey, bytes: &[u8]) -> usize {
        let Some(flow) = self.flows.get_mut(key) else {
            return 0;
        };
        let Some(Leg {
            link,
            stream: Some(stream),
        }) = flow.leg.filter(|_| flow.upload.passes())
        else {
            return 0;
        };
        let taken = match self.link(link) {
            // The end of the stream is told by the link itself.
            Some(link) => match link.has_room() {
                true => link.send_data(stream, bytes, false).unwrap_or(0),
                false => 0,
            },
            None => 0,
        };
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
        }) = flow.leg
        else {
            return self.note_held_upload(key);
        };
        let upload = &mut flow.upload;
        if let Some(Conn::Link(link)) = self.conns.get_mut(link_key) {
            while !upload.finished && (!upload.unsent().is_empty() || upload.has_ended()) {
                if !link.has_room() {
                    link.blocked.push(key);
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
                        upload.sent(taken);
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
        self.mark(link_key);
        self.note_held_upload(key);
    }

    /// Gives the client credit for what was sent on, and holds it back for what was not.
    fn note_held_upload(&mut self, key: FlowKey) {
        let Some(flow) = self.flows.get_mut(key) else {
            return;
        };
        let (credit, held) = (flow.upload.take_credit(), flow.upload.unsent().len());
        let (down_key, stream) = (flow.down, flow.stream);
        let Some(down) = self.downstream(down_key) else {
            return;
        };
        let was_held = std::mem::replace(&mut down.held, held);
        if credit > 0 {
            down.codec.release(stream, credit);
            self.mark(down_key);
        }
        if was_held >= HIGH_WATER && held < HIGH_WATER {
            self.work.push_back(Work::Read(down_key));
        }
    }

    fn give_back(&mut self, down_key: ConnKey, stream: StreamId, bytes: usize) {
        if let Some(down) = self.downstream(down_key) {
            down.codec.release(stream, bytes);
        }
        self.mark(down_key);
    }

    // The answer.

    /// The head of an answer is there.
    pub(crate) fn answer_arrived(&mut self, key: FlowKey, body: BodyLength, head: ResponseHead) {
        if self
            .flows
            .get(key)
            .is_none_or(|flow| flow.step != Step::Asked)
        {
            return;
        }
        self.touch(key);
        match self.advance(key, Event::Answered(Ok(head))) {
            Some(Next::Respond(reply)) => self.reply(key, reply, Some(body)),
            Some(wait) => {
                self.drop_leg(key, ErrorCode::CANCEL);
                self.follow(key, Some(wait));
            }
            None => {}
        }
    }

    /// Anybody may begin a body at an edge and let it trickle; inside, proxies have seen to that.
    fn pace_body(&mut self, key: FlowKey) {
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
    fn judge_pace(&mut self, key: FlowKey) {
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
        let waits = flow.expects || flow.upload.unsent().len() >= HIGH_WATER;
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

    /// An informational answer is passed on; the client was invited by us already.
    pub(crate) fn answer_interim(&mut self, key: FlowKey, head: &mut ResponseHead) {
        let Some(flow) = self.flows.get(key).filter(|flow| flow.step == Step::Asked) else {
            return;
        };
        let (down_key, stream) = (flow.down, flow.stream);
        if head.status == 100 {
            return;
        }
        crate::http::head::strip_hop_by_hop(&mut head.fields, None);
        if let Some(down) = self.downstream(down_key) {
            let _over = down.codec.interim(stream, head);
        }
        self.mark(down_key);
    }

    /// A piece of an answer's body: what the client takes is passed on at once. How much that was.
    pub(crate) fn answer_data(&mut self, key: FlowKey, bytes: &[u8], end: bool) -> usize {
        let Some(flow) = self.flows.get_mut(key) else {
            return bytes.len();
        };
        flow.end.sent += bytes.len() as u64;
        let (down_key, stream) = (flow.down, flow.stream);
        if flow.download.unsent().is_empty() {
            // An endpoint that goes on while its client takes nothing does not keep a stream alive.
            self.touch(key);
        }
        let Some(flow) = self.flows.get_mut(key) else {
            return bytes.len();
        };
        let mut taken = 0;
        if flow.download.unsent().is_empty()
            && let Some(Conn::Downstream(down)) = self.conns.get_mut(down_key)
            && (down.has_room() || (bytes.is_empty() && end))
        {
            match down.codec.send_data(stream, bytes, end) {
                Ok(sent) => {
                    taken = sent;
                    flow.download.finished = end && sent == bytes.len();
                }
                Err(error) => {
                    tracing::debug!(%error, "answer not passed on");
                    self.answer_failed(
                        key,
                        Failure::new(FailureKind::UpstreamProtocol).caused_by(error),
                    );
                    return bytes.len();
                }
            }
        }
        let Some(flow) = self.flows.get_mut(key) else {
            return bytes.len();
        };
        flow.download.push(bytes.get(taken..).unwrap_or_default());
        if end {
            flow.download.end(None);
        }
        self.mark(down_key);
        if taken < bytes.len() {
            self.holds_more(bytes.len() - taken);
        }
        if !self
            .flows
            .get(key)
            .is_some_and(|flow| flow.download.unsent().is_empty())
        {
            self.pump_download(key);
        } else {
            self.finish_if_done(key);
        }
        taken
    }

    /// The endpoint has sent the last of an answer.
    pub(crate) fn answer_is_whole(&mut self, key: FlowKey) {
        if let Some(flow) = self.flows.get_mut(key) {
            flow.answered = true;
        }
    }

    /// The trailers of an answer.
    pub(crate) fn answer_trailers(&mut self, key: FlowKey, fields: &mut Fields) {
        self.touch(key);
        let Some(flow) = self.flows.get_mut(key) else {
            return;
        };
        flow.answered = true;
        flow.end.grpc_status = grpc_status(fields).or(flow.end.grpc_status);
        let (down_key, stream) = (flow.down, flow.stream);
        if flow.download.unsent().is_empty()
            && let Some(Conn::Downstream(down)) = self.conns.get_mut(down_key)
            && down.has_room()
            && down.codec.send_trailers(stream, fields).is_ok()
        {
            flow.download.finished = true;
            self.mark(down_key);
            return self.finish_if_done(key);
        }
        let fields = std::mem::take(fields);
        flow.download
            .end(Some(fields).filter(|fields| !fields.is_empty()));
        self.pump_download(key);
    }

    /// Sends on what waits of an answer's body.
    pub(crate) fn pump_download(&mut self, key: FlowKey) {
        let Some(flow) = self.flows.get_mut(key) else {
            return;
        };
        let (down_key, stream) = (flow.down, flow.stream);
        let download = &mut flow.download;
        let mut passed = 0;
        let mut broken = false;
        if let Some(Conn::Downstream(down)) = self.conns.get_mut(down_key) {
            while !download.finished && (!download.unsent().is_empty() || download.has_ended()) {
                if !down.has_room() {
                    down.blocked.push(key);
                    break;
                }
                let last = download.has_ended() && download.trailers().is_none();
                let piece = download.unsent();
                let piece = piece.get(..piece.len().min(HIGH_WATER)).unwrap_or_default();
                let is_last = last && piece.len() == download.unsent().len();
                if let Some(trailers) = download.trailers().filter(|_| piece.is_empty()) {
                    broken = down.codec.send_trailers(stream, trailers).is_err();
                    download.finished = !broken;
                    break;
                }
                let (length, sent) = (piece.len(), down.codec.send_data(stream, piece, is_last));
                match sent {
                    Ok(taken) => {
                        passed += taken;
                        download.sent(taken);
                        download.finished = is_last && taken == length;
                        if taken < length {
                            break;
                        }
                    }
                    Err(_) => {
                        broken = true;
                        break;
                    }
                }
            }
        }
        self.mark(down_key);
        self.note_held_download(key, passed);
        if passed > 0 {
            self.touch(key);
        }
        if broken {
            self.abandon(key, FailureKind::UpstreamProtocol);
        } else {
            self.finish_if_done(key);
        }
    }

    /// Gives the upstream credit for what was passed on, and holds it back for what was not.
    pub(crate) fn note_held_download(&mut self, key: FlowKey, passed: usize) {
        let Some(flow) = self.flows.get(key) else {
            return;
        };
        let held = flow.download.unsent().len();
        if let Some(Leg {
            link,
            stream: Some(stream),
        }) = flow.leg
        {
            self.link_credit(link, stream, passed, held);
        }
    }

    /// The client takes more of its answers.
    pub(crate) fn client_takes_more(&mut self, down: ConnKey, stream: Option<StreamId>) {
        match stream {
            Some(stream) => {
                if let Some(flow) = self.flow_of_client(down, stream) {
                    self.pump_download(flow);
                }
            }
            None => {
                let flows = self.downstream(down).map(|down| down.streams.flows());
                for flow in flows.unwrap_or_default() {
                    self.pump_download(flow);
                }
            }
        }
    }

    /// The attempt, or the answer that had begun, came to nothing.
    pub(crate) fn answer_failed(&mut self, key: FlowKey, failure: Failure) {
        let Some(flow) = self.flows.get_mut(key) else {
            return;
        };
        if flow.step == Step::Answering {
            self.break_off(key, failure);
        } else {
            self.drop_leg(key, ErrorCode::CANCEL);
            let next = self.advance(key, Event::Answered(Err(failure)));
            self.follow(key, next);
        }
    }

    /// The body of the request cannot be read on.
    pub(crate) fn body_failed(&mut self, key: FlowKey, failure: Failure) {
        let Some(flow) = self.flows.get_mut(key) else {
            return;
        };
        // Whatever was sent of it was not the whole, and must not be sent again as if it were.
        flow.exchange.can_repeat = false;
        if flow.step == Step::Answering {
            self.abandon(key, failure.kind);
        } else {
            self.drop_leg(key, ErrorCode::CANCEL);
            if let Some(flow) = self.flows.get_mut(key) {
                flow.upload.begin_tunnel();
            }
            let next = self.advance(key, Event::Answered(Err(failure)));
            self.follow(key, next);
        }
    }

    /// Ends an answer that had begun, so that nobody takes it for a whole one.
    fn break_off(&mut self, key: FlowKey, failure: Failure) {
        self.close_books(key, Finish::Failed(failure.kind));
        let Some(flow) = self.flows.get(key) else {
            return;
        };
        let (down_key, stream) = (flow.down, flow.stream);
        if let Some(down) = self.downstream(down_key) {
            down.codec.reset(stream, reset_code(&failure));
        }
        self.mark(down_key);
        self.end_flow(key, ErrorCode::CANCEL);
    }

    /// Gives a request up: its client is gone, or cannot be served any further.
    pub(crate) fn abandon(&mut self, key: FlowKey, kind: FailureKind) {
        let finish = match kind {
            FailureKind::DownstreamGone => Finish::Gone,
            other => Finish::Failed(other),
        };
        self.close_books(key, finish);
        let Some(flow) = self.flows.get(key) else {
            return;
        };
        let (down_key, stream) = (flow.down, flow.stream);
        if kind != FailureKind::DownstreamGone
            && let Some(down) = self.downstream(down_key)
        {
            down.codec.reset(stream, ErrorCode::INTERNAL_ERROR);
        }
        self.mark(down_key);
        self.end_flow(key, ErrorCode::CANCEL);
    }

    fn reply(&mut self, key: FlowKey, reply: Reply, body: Option<BodyLength>) {
        let Some(flow) = self.flows.get_mut(key) else {
            return;
        };
        let Reply { head, body: from } = reply;
        flow.step = Step::Answering;
        flow.limits.attempt = None;
        flow.limits.pause = None;
        flow.end.status = head.status;
        flow.end.grpc_status = grpc_status(&head.fields);
        flow.end.head_sent = head.fields.size() as u64;
        let down = flow.down;
        match from {
            ReplyBody::Refused => return self.refuse_stream(key),
            ReplyBody::Own(bytes) => self.reply_own(key, &head, &bytes),
            ReplyBody::Upstream => {
                self.reply_upstream(key, &head, body.unwrap_or(BodyLength::None))
            }
        }
        self.response_head = head;
        self.mark(down);
    }

    fn refuse_stream(&mut self, key: FlowKey) {
        let Some(flow) = self.flows.get_mut(key) else {
            return;
        };
        let kind = flow.exchange.failure.as_ref().map(|failure| failure.kind);
        let kind = kind.unwrap_or(FailureKind::UpstreamRefusedStream);
        let (down_key, stream) = (flow.down, flow.stream);
        self.close_books(key, Finish::Failed(kind));
        if let Some(down) = self.downstream(down_key) {
            down.codec.reset(stream, ErrorCode::REFUSED_STREAM);
        }
        self.mark(down_key);
        self.end_flow(key, ErrorCode::CANCEL);
    }

    fn reply_own(&mut self, key: FlowKey, head: &ResponseHead, bytes: &[u8]) {
        self.drop_leg(key, ErrorCode::CANCEL);
        let Some(flow) = self.flows.get_mut(key) else {
            return;
        };
        flow.end.sent = bytes.len() as u64;
        let finish = flow.exchange.failure.as_ref().map(|failure| failure.kind);
        let end = bytes.is_empty() || flow.head_only;
        if end {
            flow.download.finished = true;
        } else {
            flow.download.push(bytes);
            flow.download.end(None);
        }
        let (down_key, stream) = (flow.down, flow.stream);
        self.close_books(key, finish.map_or(Finish::Complete, Finish::Failed));
        self.respond(key, down_key, stream, head, end);
        self.pump_download(key);
    }

    fn reply_upstream(&mut self, key: FlowKey, head: &ResponseHead, body: BodyLength) {
        let Some(flow) = self.flows.get_mut(key) else {
            return;
        };
        let end = body == BodyLength::None;
        if end {
            flow.download.finished = true;
            flow.download.end(None);
        }
        if body == BodyLength::Tunnel {
            flow.tunnel = true;
            flow.upload.begin_tunnel();
        }
        let (down_key, stream) = (flow.down, flow.stream);
        self.respond(key, down_key, stream, head, end);
        if body == BodyLength::Tunnel {
            // What the client sent ahead of the answer was left where it was.
            self.work.push_back(Work::Decode(down_key));
        }
        self.finish_if_done(key);
    }

    fn respond(
        &mut self,
        key: FlowKey,
        down_key: ConnKey,
        stream: StreamId,
        head: &ResponseHead,
        end: bool,
    ) {
        if head.status != 101 {
            self.drain_with_answer(down_key);
        }
        let Some(down) = self.downstream(down_key) else {
            return;
        };
        if let Err(error) = down.codec.respond(stream, head, end) {
            tracing::debug!(%error, "answer not sent");
            self.abandon(key, FailureKind::UpstreamProtocol);
        }
    }

    /// Ends the request once its answer is out.
    fn finish_if_done(&mut self, key: FlowKey) {
        let Some(flow) = self.flows.get(key) else {
            return;
        };
        if !flow.download.finished {
            return;
        }
        if flow.tunnel && !flow.upload.finished {
            return;
        }
        self.close_books(key, Finish::Complete);
        let Some(flow) = self.flows.get(key) else {
            return;
        };
        let (down_key, stream) = (flow.down, flow.stream);
        if !flow.upload.has_ended()
            && let Some(down) = self.downstream(down_key)
        {
            // The answer is whole, so the rest of the request is of no use (RFC 9113 8.1).
            down.codec.reset(stream, ErrorCode::NO_ERROR);
        }
        self.end_flow(key, ErrorCode::NO_ERROR);
    }

    fn end_flow(&mut self, key: FlowKey, code: ErrorCode) {
        self.drop_leg(key, code);
        let Some(mut flow) = self.flows.remove(key) else {
            return;
        };
        if let Some((_, timer)) = flow.limits.timer {
            self.timers.cancel(timer);
        }
        self.client_served(flow.down, flow.stream);
        if self.spares.len() < self.spares_kept() {
            self.spare_heads.push(flow.exchange.take_spare_head());
            self.spares.push(flow);
        }
    }

    /// Lets go of the connection to the endpoint: it is free again if request and answer are whole,
    /// else what is under way there is given up.
    fn drop_leg(&mut self, key: FlowKey, code: ErrorCode) {
        let Some(flow) = self.flows.get_mut(key) else {
            return;
        };
        let Some(leg) = flow.leg.take() else {
            return;
        };
        let whole = flow.upload.finished && flow.answered && !flow.tunnel;
        self.leave_link(leg, whole, code);
    }

    fn close_books(&mut self, key: FlowKey, finish: Finish) {
        let now = self.now;
        let Some(flow) = self.flows.get_mut(key) else {
            return;
        };
        if std::mem::replace(&mut flow.closed, true) {
            return;
        }
        flow.end.finish = finish;
        flow.end.received = flow.upload.received();
        flow.end.duration = now.saturating_duration_since(flow.exchange.started);
        self.observer.request_ended(&flow.exchange, &flow.end);
        // Whoever the request was load for has done with it.
        flow.exchange.picked = None;
    }

    // Times.

    /// Something has moved on a request.
    fn touch(&mut self, key: FlowKey) {
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
    fn arm(&mut self, key: FlowKey) {
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

    fn route_time_over(&mut self, key: FlowKey) {
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

    fn silent_for_too_long(&mut self, key: FlowKey) {
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

/// Takes the expectation out: it is met here, hop by hop.
fn take_expectation(head: &mut RequestHead) -> bool {
    let expects = head
        .fields
        .get("expect")
        .is_some_and(|value| value.eq_ignore_ascii_case(b"100-continue"));
    expects && head.fields.remove("expect")
}

fn grpc_status(fields: &Fields) -> Option<u32> {
    fields.get_str("grpc-status")?.parse().ok()
}
