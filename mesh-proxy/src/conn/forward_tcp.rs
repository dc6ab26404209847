//! Connections whose bytes are passed on as they are: an endpoint is picked and called, and from
//! then on a tunnel moves the bytes.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mesh_traffic::Flags;
use mesh_traffic::breaker::{Permit, Resource};
use mesh_traffic::cluster::{Cluster, Discovery, Transport};
use mesh_traffic::config::Config;
use mesh_traffic::endpoint::Endpoints;
use mesh_traffic::hash;
use mesh_traffic::listener::{Listener, Network, TcpProxy};
use mesh_traffic::outlier::Outcome;
use mio::event::Event;
use smallvec::SmallVec;

use crate::conn::tunnel::{Means, Progress, Side, Tunnel};
use crate::conn::wire::Wire;
use crate::conn::wire::scratch::Scratch;
use crate::conn::wire::tls::Session;
use crate::http::connection::Connection;
use crate::http::failure::{Failure, FailureKind};
use crate::record::access_log::Passed;
use crate::upstream::balance::{LoadGuard, Watched, Wish};
use crate::upstream::dial;
use crate::upstream::dial::patience::{Listed, Patience};
use crate::upstream::target::{Speak, Target};
use crate::upstream::tls::Carries;
use crate::worker::engine::{Conn, ConnKey, Due, Engine, Work};
use crate::worker::held::Holding;
use crate::worker::timers::TimerKey;

/// How many endpoints are tried before the client is sent away.
const TRIES: usize = 3;
/// How often an endpoint is chosen to find one that was not tried.
const CHOICES: u32 = 5;
/// How long a connection may be silent both ways where nothing bounds it.
const FOR_EVER: Duration = Duration::from_secs(365 * 24 * 3600);

/// A client's connection that is passed on, or is about to be.
pub(crate) struct Forward {
    state: State,
    listener: Arc<Listener>,
    client: IpAddr,
    /// The address that the client called.
    wanted: SocketAddr,
    chain: usize,
    tried: Vec<SocketAddr>,
    /// The key under which the kernel tells of the other socket.
    other: Option<ConnKey>,
    timer: Option<TimerKey>,
    /// The load is counted for as long as bytes are passed on.
    load: Option<LoadGuard>,
    /// Whom to tell what becomes of it, if anybody wants to know.
    watched: Option<Watched>,
    /// Its place among the connections of its cluster, where a circuit breaker counts these.
    place: Option<Permit>,
    /// What is held for both ends.
    pub(crate) holding: Holding,
    /// What will be written down, where it is logged.
    passed: Option<Box<Passed>>,
}

enum State {
    /// An endpoint is being called.
    Calling(Box<Calling>),
    /// Bytes pass.
    Passing(Box<Tunnel>),
    /// Somebody is at work on it.
    Taken,
}

struct Calling {
    client: Wire,
    ahead: Vec<u8>,
    upstream: Option<Wire>,
    target: Option<Target>,
    session: Option<Session>,
    patience: Option<Patience>,
    said: Vec<u8>,
    last: Option<Failure>,
}

impl Forward {
    /// The kernel tells of the client's socket.
    pub(crate) fn client_ready(&mut self, event: &Event) {
        match &mut self.state {
            State::Calling(calling) => calling.client.ready(event),
            State::Passing(tunnel) => tunnel.ready(Side::Client, event),
            State::Taken => {}
        }
    }

    /// The kernel tells of the endpoint's socket.
    pub(crate) fn upstream_ready(&mut self, event: &Event) {
        match &mut self.state {
            State::Calling(calling) => {
                if let Some(upstream) = &mut calling.upstream {
                    upstream.ready(event);
                }
            }
            State::Passing(tunnel) => tunnel.ready(Side::Upstream, event),
            State::Taken => {}
        }
    }

    /// The endpoint to which bytes are passed on.
    pub(crate) fn endpoint(&self) -> Option<SocketAddr> {
        match &self.state {
            State::Passing(_) => self.tried.last().copied(),
            State::Calling(_) | State::Taken => None,
        }
    }

    /// Bytes that were read from one end and not taken by the other.
    pub(crate) fn held(&self) -> usize {
        match &self.state {
            State::Calling(calling) => calling.ahead.capacity() + calling.said.capacity(),
            State::Passing(tunnel) => tunnel.held(),
            State::Taken => 0,
        }
    }

    /// Whether bytes could pass, nothing waits, and nothing has passed for so long.
    pub(crate) fn is_silent(&self, now: Instant, bound: Duration) -> bool {
        match &self.state {
            State::Passing(tunnel) => tunnel.is_silent(now, bound),
            State::Calling(_) | State::Taken => false,
        }
    }

    /// Counts up what was moved.
    fn count_into(&self, passed: &mut Passed, now: Instant) {
        passed.duration = now.saturating_duration_since(passed.since);
        if let State::Passing(tunnel) = &self.state {
            passed.received = tunnel.sent();
            passed.sent = tunnel.received();
        }
    }

    fn idle_bound(&self) -> Duration {
        self.proxy()
            .and_then(|proxy| proxy.idle_timeout)
            .unwrap_or(FOR_EVER)
    }

    fn proxy(&self) -> Option<&TcpProxy> {
        match &self.listener.chains.get(self.chain)?.network {
            Network::Tcp(proxy) => Some(proxy),
            Network::Http(_) => None,
        }
    }
}

impl Engine {
    /// Passes a client's bytes on; `ahead` was read from it already.
    pub(crate) fn forward(
        &mut self,
        key: ConnKey,
        wire: Wire,
        connection: Connection,
        ahead: Vec<u8>,
    ) {
        let calling = Calling {
            client: wire,
            ahead,
            upstream: None,
            target: None,
            session: None,
            patience: None,
            said: Vec::new(),
            last: None,
        };
        let forward = Forward {
            state: State::Calling(Box::new(calling)),
            listener: connection.listener.clone(),
            client: connection.client.ip(),
            wanted: connection.local,
            chain: connection.chain,
            tried: Vec::new(),
            other: None,
            timer: None,
            load: None,
            watched: None,
            place: None,
            holding: Holding::default(),
            passed: Passed::begin(connection, self.now),
        };
        self.put(key, Conn::Forward(Box::new(forward)));
        self.call(key);
    }

    fn forward_of(&mut self, key: ConnKey) -> Option<&mut Forward> {
        match self.conns.get_mut(key)? {
            Conn::Forward(forward) => Some(forward),
            _ => None,
        }
    }

    /// Calls the next endpoint.
    fn call(&mut self, key: ConnKey) {
        if let Err(failure) = self.try_call(key) {
            let last = self
                .forward_of(key)
                .and_then(|forward| match &mut forward.state {
                    State::Calling(calling) => calling.last.take(),
                    State::Passing(_) | State::Taken => None,
                });
            let failure = last.unwrap_or(failure);
            let row = crate::record::response_flags::answer(failure.kind);
            self.observer.connection_refused(row.counter);
            if let Some(passed) = self.forward_of(key).and_then(|it| it.passed.as_mut()) {
                let again = match passed.attempts {
                    0 | 1 => Flags::NONE,
                    _ => Flags::RETRY_LIMIT,
                };
                passed.flags = row.flags.with(again);
                passed.failure = failure.reason();
            }
            tracing::debug!(?failure, "connection not passed on");
            self.end_forward(key);
        }
    }

    fn try_call(&mut self, key: ConnKey) -> Result<(), Failure> {
        let config = self.live.current();
        let (target, load) = self.pick_tcp(key, &config)?;
        let session = dial::session(&self.client_tls, &target, Carries::Tcp)?;
        let refused = |error: io::Error| dial::refused(target.address, &error);
        let mut socket = dial::begin(&target)?;
        let other = self.enter_other(&mut socket, key).map_err(refused)?;
        let patience = Patience::new(self.now + target.connect_timeout, config.clone());
        if let Some(timer) = self
            .forward_of(key)
            .and_then(|forward| forward.timer.take())
        {
            self.timers.cancel(timer);
        }
        let timer = self.timers.set(patience.next(self.now), Due::Conn(key));
        if let Some(forward) = self.forward_of(key) {
            if let Some(passed) = &mut forward.passed {
                passed.endpoint = Some(target.address);
                passed.attempts += 1;
            }
            forward.other = Some(other);
            forward.timer = Some(timer);
            forward.load = load;
            if let State::Calling(calling) = &mut forward.state {
                calling.upstream = Some(Wire::new(socket));
                calling.target = Some(target);
                calling.session = session;
                calling.patience = Some(patience);
            }
        }
        Ok(())
    }

    fn pick_tcp(
        &mut self,
        key: ConnKey,
        config: &Config,
    ) -> Result<(Target, Option<LoadGuard>), Failure> {
        let Some(Conn::Forward(forward)) = self.conns.get_mut(key) else {
            return Err(FailureKind::DownstreamGone.into());
        };
        if forward.tried.len() >= TRIES {
            return Err(FailureKind::NoHealthyUpstream.into());
        }
        let random = &mut self.random;
        let proxy = forward.proxy().ok_or(FailureKind::RouteUnusable)?;
        let name = proxy
            .cluster(|| random.u64(..))
            .ok_or(FailureKind::NoCluster)?
            .clone();
        let by_source = proxy.by_source;
        if let Some(passed) = &mut forward.passed {
            passed.cluster = Some(name.clone());
        }
        let cluster = config.cluster(&name).ok_or(FailureKind::NoCluster)?;
        // That of the endpoint before this one is free again.
        forward.place = None;
        if let Some(breaker) = &cluster.breaker {
            let permit = breaker.take(Resource::Connections);
            forward.place = Some(permit.ok_or(FailureKind::Overflow)?);
        }
        if matches!(cluster.discovery, Discovery::OriginalDst) {
            return Ok((forward.original_destination(cluster)?, None));
        }
        let endpoints = config
            .endpoints_for_use(cluster)
            .ok_or(FailureKind::NoHealthyUpstream)?;
        let hash = by_source.then(|| hash::of_address(forward.client));
        let tried = tried(endpoints, &forward.tried);
        let wish = Wish {
            hash,
            tried: &tried,
            attempts: CHOICES,
            now: self.now,
        };
        let picked = self.balancers.pick(cluster, endpoints, wish, random);
        let choice = picked.ok_or(FailureKind::NoHealthyUpstream)?;
        let endpoint = endpoints.all.get(choice.index);
        let endpoint = endpoint.ok_or(FailureKind::NoHealthyUpstream)?;
        let target = target(cluster, endpoint.address, cluster.transport_to(endpoint));
        forward.tried.push(endpoint.address);
        forward.watched = choice.watched;
        Ok((target, Some(choice.load)))
    }

    /// Something has happened on one of the two sockets.
    pub(crate) fn forward_ready(&mut self, key: ConnKey) {
        match self.forward_of(key).map(|forward| &forward.state) {
            Some(State::Calling(_)) => self.answer_call(key),
            Some(State::Passing(_)) => self.pass(key),
            Some(State::Taken) | None => {}
        }
    }

    fn answer_call(&mut self, key: ConnKey) {
        let mut scratch = self.lend_scratch();
        let answered = match self.forward_of(key) {
            Some(forward) => forward.advance_call(&mut scratch),
            None => Ok(false),
        };
        self.return_scratch(scratch);
        match answered {
            Ok(false) => {}
            Ok(true) => self.join(key),
            Err(failure) => self.call_failed(key, failure),
        }
    }

    fn call_failed(&mut self, key: ConnKey, failure: Failure) {
        if let Some(outcome) = failure.outcome() {
            self.report_call(key, outcome);
        }
        let other = self.forward_of(key).and_then(|forward| {
            if let State::Calling(calling) = &mut forward.state {
                calling.upstream = None;
                calling.last = Some(failure);
            }
            forward.other.take()
        });
        if let Some(other) = other {
            self.conns.remove(other);
        }
        self.call(key);
    }

    /// Tells whoever keeps an eye on the endpoint what became of calling it.
    fn report_call(&mut self, key: ConnKey, outcome: Outcome) {
        if let Some(Conn::Forward(forward)) = self.conns.get_mut(key)
            && let Some(watched) = forward.watched.take()
        {
            watched.report(outcome, self.now, &mut self.random);
        }
    }

    fn join(&mut self, key: ConnKey) {
        self.report_call(key, Outcome::Answer(200));
        let now = self.now;
        let Some(forward) = self.forward_of(key) else {
            return;
        };
        if let State::Calling(calling) = std::mem::replace(&mut forward.state, State::Taken)
            && let Calling {
                client,
                ahead,
                upstream: Some(upstream),
                said,
                ..
            } = *calling
        {
            if let Some(passed) = &mut forward.passed {
                passed.local = upstream.socket_ref().local_addr().ok();
            }
            let tunnel = Tunnel::new(client, upstream, ahead, said, now);
            forward.state = State::Passing(Box::new(tunnel));
        }
        let (timer, bound) = (forward.timer.take(), forward.idle_bound());
        let timer = self.reset_timer(timer, bound, Due::Conn(key));
        if let Some(forward) = self.forward_of(key) {
            forward.timer = Some(timer);
        }
        self.pass(key);
    }

    fn pass(&mut self, key: ConnKey) {
        let now = self.now;
        let mut scratch = self.lend_scratch();
        let Some(Conn::Forward(forward)) = self.conns.get_mut(key) else {
            return self.return_scratch(scratch);
        };
        let State::Passing(tunnel) = &mut forward.state else {
            return self.return_scratch(scratch);
        };
        self.tunnels.read_at_once(self.held.at_once());
        let mut means = Means {
            shared: &mut self.tunnels,
            scratch: &mut scratch,
            sealing: &mut self.sealing,
        };
        let progress = tunnel.advance(&mut means, now);
        self.held.note(&mut forward.holding, tunnel.held());
        let (sent, received) = (tunnel.sent(), tunnel.received());
        self.return_scratch(scratch);
        match progress {
            Progress::Wait => {}
            Progress::Again => self.work.push_back(Work::Read(key)),
            Progress::Done => {
                tracing::debug!(sent, received, "passed-on connection ended");
                self.end_forward(key);
            }
            Progress::Broken(error) => {
                tracing::debug!(%error, sent, received, "passed-on connection broke");
                self.end_forward(key);
            }
        }
    }

    /// The call took too long, or nothing has passed for too long.
    pub(crate) fn forward_due(&mut self, key: ConnKey) {
        let (now, known) = (self.now, self.live.current());
        let Some(Conn::Forward(forward)) = self.conns.get_mut(key) else {
            return;
        };
        let bound = forward.idle_bound();
        let look = match &mut forward.state {
            State::Calling(calling) => match calling.over(now, &known, &mut self.listed) {
                Some(failure) => return self.call_failed(key, failure),
                None => calling.patience.as_ref().map(|patience| patience.next(now)),
            },
            State::Passing(tunnel) => match tunnel.idle_since() + bound {
                over if over <= now => return self.end_forward(key),
                over => Some(over),
            },
            State::Taken => return,
        };
        forward.timer = look.map(|at| self.timers.set(at, Due::Conn(key)));
    }

    /// Ends a connection that is passed on for want of memory: neither peer must take what it got for
    /// everything.
    pub(crate) fn cut_forward(&mut self, key: ConnKey) {
        if let Some(Forward {
            state: State::Passing(tunnel),
            ..
        }) = self.forward_of(key)
        {
            tunnel.cut();
        }
        self.end_forward(key);
    }

    fn end_forward(&mut self, key: ConnKey) {
        if let Some(Conn::Forward(mut forward)) = self.remove(key) {
            if let Some(mut passed) = forward.passed.take() {
                forward.count_into(&mut passed, self.now);
                self.observer.connection_passed(&passed);
            }
            if let Some(other) = forward.other {
                self.conns.remove(other);
            }
            if let Some(timer) = forward.timer {
                self.timers.cancel(timer);
            }
        }
    }
}

/// Which of the endpoints were tried. That is known by address: each try is of those that there are by then.
fn tried(endpoints: &Endpoints, tried: &[SocketAddr]) -> SmallVec<[usize; TRIES]> {
    let was_tried = |index: &usize| {
        let endpoint = endpoints.all.get(*index);
        endpoint.is_some_and(|endpoint| tried.contains(&endpoint.address))
    };
    match tried {
        [] => SmallVec::new(),
        _ => (0..endpoints.all.len()).filter(was_tried).collect(),
    }
}

fn target(cluster: &Cluster, address: SocketAddr, transport: &Transport) -> Target {
    Target {
        address,
        source: cluster.source_for(address.ip()),
        tls: match transport {
            Transport::Plain => None,
            Transport::Tls(tls) => Some(tls.clone()),
        },
        speak: Speak::Http1,
        connect_timeout: cluster.connect_timeout.max(Duration::from_millis(1)),
        idle_timeout: None,
        max_requests: None,
        max_duration: None,
        max_streams: None,
        keepalive: cluster.keepalive,
        breaker: None,
    }
}

impl Calling {
    /// Why the endpoint is not waited for any longer.
    fn over(&mut self, now: Instant, known: &Arc<Config>, listed: &mut Listed) -> Option<Failure> {
        let (patience, target) = (self.patience.as_mut()?, self.target.as_ref()?);
        patience.over(now, target.address, known, listed)
    }
}

impl Forward {
    /// Where the client wanted to go. There is no other place to try.
    fn original_destination(&mut self, cluster: &Cluster) -> Result<Target, Failure> {
        if !self.tried.is_empty() || self.wanted == self.listener.address {
            return Err(FailureKind::NoHealthyUpstream.into());
        }
        self.tried.push(self.wanted);
        Ok(target(cluster, self.wanted, &cluster.transport))
    }

    fn advance_call(&mut self, scratch: &mut Scratch) -> Result<bool, Failure> {
        let State::Calling(calling) = &mut self.state else {
            return Ok(false);
        };
        let Calling {
            upstream,
            target,
            session,
            said,
            ..
        } = &mut **calling;
        let (Some(upstream), Some(target)) = (upstream, target) else {
            return Ok(false);
        };
        dial::advance(upstream, target.address, session, said, scratch)
    }
}

#[cfg(test)]
mod tests;
