//! The loop of a worker: sockets become ready, connections are driven, and each connection that
//! has something to send is flushed once per turn, so that what belongs together leaves together.
//!
//! Everything here runs on one thread and never waits. Connections and requests live in slot maps
//! and know each other by key; a key whose owner is gone finds nobody, which ends the matter.

mod conns;
mod faults;

use std::collections::VecDeque;
use std::io;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use mesh_http::{RequestHead, ResponseHead};
use mesh_model::Str;
use mesh_model::time::Clock;
use mesh_pki::live::LiveIdentity;
use mio::{Events, Poll, Token};
use slotmap::{SecondaryMap, SlotMap, new_key_type};
use tokio::sync::mpsc;

pub(crate) use self::conns::Conn;
use self::conns::key_of;
use crate::config::live::LiveConfig;
use crate::conn::accept::Accepted;
use crate::conn::handshake::ServerConfigs;
use crate::conn::tunnel;
use crate::conn::wire::scratch::{Scratch, Sealing};
use crate::http::exchange::OwnMetadata;
use crate::http::flow::Flow;
use crate::http::observe::Observer;
use crate::upstream::balance::Balancers;
use crate::upstream::dial::patience::Listed;
use crate::upstream::failed::Passing;
use crate::upstream::pool::{PoolKey, Pools};
use crate::upstream::tls::TlsConfigs;
use crate::worker::buffers::Buffers;
use crate::worker::held::Held;
use crate::worker::overload::bounds::Admission;
use crate::worker::overload::{Level, Overload};
use crate::worker::spares::Spares;
use crate::worker::timers::{TimerKey, Timers};
use crate::worker::{Shared, Signals};

new_key_type! {
    /// A connection of a worker.
    pub(crate) struct ConnKey;
    /// A request of a worker.
    pub(crate) struct FlowKey;
}

/// The token by which other threads wake a worker.
pub(crate) const WAKER: Token = Token(usize::MAX);
/// Events that are taken from the kernel at once.
const EVENTS: usize = 512;
/// How long a turn may take before the kernel is asked again who else is ready: connections with
/// much to move must not keep the others waiting.
const TURN: Duration = Duration::from_millis(2);
/// After how many pieces of work the time is looked at.
const LOOK_AT_CLOCK: u32 = 8;
/// How often what is no longer used is put away.
const SWEEP: Duration = Duration::from_secs(10);

/// What a timer is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Due {
    /// A connection's times are to be looked at.
    Conn(ConnKey),
    /// A request's times are to be looked at.
    Flow(FlowKey),
    /// Unused things are to be put away.
    Sweep,
    /// Memory is short.
    Relief,
}

/// What is still to be done in this turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    /// A connection may have something to be read.
    Read(ConnKey),
    /// A connection to an endpoint has served its request.
    Free(ConnKey),
    /// A connection was left with bytes that could not be decoded at the time.
    Decode(ConnKey),
    /// A request hears what came of its call to a service.
    Told(FlowKey),
    /// Some who wait for a connection may need another one.
    Dial(PoolKey),
}

/// One worker.
pub(crate) struct Engine {
    pub(crate) live: Arc<LiveConfig>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) own: OwnMetadata,
    pub(crate) observer: Rc<dyn Observer>,
    pub(crate) balancers: Balancers,
    pub(crate) random: fastrand::Rng,
    pub(crate) server_tls: ServerConfigs,
    pub(crate) client_tls: TlsConfigs,
    /// The time of this turn.
    pub(crate) now: Instant,
    pub(crate) conns: SlotMap<ConnKey, Conn>,
    pub(crate) flows: SlotMap<FlowKey, Box<Flow>>,
    pub(crate) pools: Pools,
    /// Where endpoints are, for those that wait for one.
    pub(crate) listed: Listed,
    pub(crate) timers: Timers<Due>,
    pub(crate) work: VecDeque<Work>,
    /// Heads that codecs fill, kept for their buffers.
    pub(crate) request_head: Option<Box<RequestHead>>,
    pub(crate) response_head: ResponseHead,
    /// Buffers for what connections send, shared by those that are not all busy at once.
    pub(crate) buffers: Buffers,
    /// How many of the requests are copies of others.
    pub(crate) copies: usize,
    /// How many of them are calls to services.
    pub(crate) calls: usize,
    /// What requests need, for the next ones.
    pub(crate) spares: Spares,
    pub(crate) signals: Arc<Signals>,
    /// How short of memory the process is, and how short it was when we last looked.
    pub(crate) overload: Arc<Overload>,
    pub(crate) level: Level,
    /// What peers do not take.
    pub(crate) held: Held,
    /// Bytes that were taken in and could not be passed on since the memory was last looked at.
    pub(crate) unsampled: usize,
    /// Clients' connections count for as long as they are open.
    pub(crate) admitted: SecondaryMap<ConnKey, Admission>,
    /// What connections that are passed on share.
    pub(crate) tunnels: tunnel::Shared,
    /// Endpoints whose connections are closed when they cease to pass their health check.
    pub(crate) passing: Passing,
    /// The last call to look at them that was followed.
    failures: u64,
    /// The last call to finish that was followed.
    drains: u64,
    dirty: Vec<ConnKey>,
    /// Buffers for what leaves by TLS.
    pub(crate) sealing: Sealing,
    scratch: Option<Box<Scratch>>,
    inbox: mpsc::Receiver<Accepted>,
    identity: Option<LiveIdentity>,
    poll: Option<Poll>,
    registry: mio::Registry,
}

impl Engine {
    /// A worker with empty pools.
    ///
    /// # Errors
    /// When the poll's registry cannot be shared.
    pub(crate) fn new(
        shared: &Shared,
        poll: Poll,
        inbox: mpsc::Receiver<Accepted>,
        signals: Arc<Signals>,
    ) -> io::Result<Self> {
        let now = shared.clock.now();
        let mut timers = Timers::new(now);
        timers.set(now + SWEEP, Due::Sweep);
        Ok(Self {
            live: shared.live.clone(),
            clock: shared.clock.clone(),
            own: shared.own.clone(),
            observer: (shared.observers)(),
            balancers: Balancers::default(),
            random: fastrand::Rng::new(),
            server_tls: ServerConfigs::new(shared.identity.clone(), shared.clock.clone()),
            client_tls: TlsConfigs::new(shared.identity.clone(), shared.clock.clone()),
            now,
            conns: SlotMap::with_key(),
            flows: SlotMap::with_key(),
            pools: Pools::default(),
            listed: Listed::default(),
            timers,
            work: VecDeque::new(),
            request_head: None,
            response_head: ResponseHead::default(),
            buffers: Buffers::default(),
            copies: 0,
            calls: 0,
            spares: Spares::default(),
            held: Held::new(shared.overload.budget(signals.workers)),
            signals,
            overload: shared.overload.clone(),
            level: Level::Calm,
            unsampled: 0,
            admitted: SecondaryMap::new(),
            tunnels: tunnel::Shared::default(),
            passing: Passing::default(),
            failures: 0,
            drains: 0,
            dirty: Vec::new(),
            sealing: Sealing::new(),
            scratch: Some(Scratch::new()),
            inbox,
            identity: shared.identity.clone(),
            registry: poll.registry().try_clone()?,
            poll: Some(poll),
        })
    }

    /// Runs until the worker is told to stop.
    pub(crate) fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS);
        let Some(mut poll) = self.poll.take() else {
            return;
        };
        while !self.signals.stop.load(Ordering::Acquire) {
            let wait = match self.work.is_empty() && self.dirty.is_empty() {
                true => self
                    .timers
                    .next()
                    .map(|at| at.saturating_duration_since(self.clock.now())),
                false => Some(Duration::ZERO),
            };
            match poll.poll(&mut events, wait) {
                Ok(()) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => {
                    tracing::error!(%error, "worker cannot poll");
                    return;
                }
            }
            self.turn(&events);
        }
    }

    /// One turn: what the kernel tells, what others sent, what is due, and what follows from it.
    fn turn(&mut self, events: &Events) {
        self.now = self.clock.now();
        let mut woken = false;
        for event in events {
            if event.token() == WAKER {
                woken = true;
            } else {
                self.socket_ready(event);
            }
        }
        if woken {
            self.take_accepted();
            let drains = self.signals.drains.load(Ordering::Acquire);
            if std::mem::replace(&mut self.drains, drains) != drains {
                self.look_for_drains();
            }
            let failures = self.signals.failures.load(Ordering::Acquire);
            if std::mem::replace(&mut self.failures, failures) != failures {
                self.leave_failed();
            }
            self.follow_overload();
        }
        self.expire();
        self.settle();
        self.ease();
    }

    fn socket_ready(&mut self, event: &mio::event::Event) {
        let key = key_of(event.token());
        let Some(conn) = self.conns.get_mut(key) else {
            return;
        };
        match conn {
            Conn::Forward(forward) => {
                forward.client_ready(event);
                self.work.push_back(Work::Read(key));
                return;
            }
            Conn::ForwardEnd(whole) => {
                let whole = *whole;
                if let Some(Conn::Forward(forward)) = self.conns.get_mut(whole) {
                    forward.upstream_ready(event);
                    self.work.push_back(Work::Read(whole));
                }
                return;
            }
            _ => {}
        }
        if let Some(wire) = conn.wire() {
            wire.ready(event);
            if wire.is_readable() {
                self.work.push_back(Work::Read(key));
            }
        }
        self.mark(key);
    }

    /// Works until nothing more can be done without waiting, or until others must have their turn:
    /// what is left then goes on behind them.
    fn settle(&mut self) {
        let mut done = 0u32;
        loop {
            while let Some(work) = self.work.pop_front() {
                self.guarded(work);
                done += 1;
                if done.is_multiple_of(LOOK_AT_CLOCK) && self.turn_is_over() {
                    return self.flush_all();
                }
            }
            let Some(key) = self.dirty.pop() else {
                return;
            };
            self.guard(key, |engine| engine.flush(key));
        }
    }

    fn turn_is_over(&self) -> bool {
        self.clock.now().saturating_duration_since(self.now) >= TURN
    }

    fn flush_all(&mut self) {
        for key in std::mem::take(&mut self.dirty) {
            self.guard(key, |engine| engine.flush(key));
        }
    }

    fn guarded(&mut self, work: Work) {
        let key = match work {
            Work::Read(key) | Work::Free(key) | Work::Decode(key) => key,
            // No connection is at fault if this fails.
            Work::Dial(_) => ConnKey::default(),
            Work::Told(flow) => self
                .flows
                .get(flow)
                .map_or_else(ConnKey::default, |flow| flow.down),
        };
        self.guard(key, |engine| engine.drive(work));
    }

    fn drive(&mut self, work: Work) {
        match work {
            Work::Read(key) => match self.conns.get(key) {
                Some(Conn::Opening(_)) => self.opening_ready(key),
                Some(Conn::Downstream(_)) => self.read_downstream(key),
                Some(Conn::Link(_)) => self.read_link(key),
                Some(Conn::Closing(_)) => self.read_closing(key),
                Some(Conn::Forward(_)) => self.forward_ready(key),
                Some(Conn::ForwardEnd(_) | Conn::Taken) | None => {}
            },
            Work::Free(key) => self.free_link(key),
            Work::Dial(pool) => self.dial_for_waiting(pool),
            Work::Told(flow) => self.call_told(flow),
            Work::Decode(key) => {
                if let Some(Conn::Downstream(_)) = self.conns.get(key) {
                    self.decode_downstream_again(key);
                }
            }
        }
    }

    fn flush(&mut self, key: ConnKey) {
        match self.conns.get_mut(key) {
            Some(Conn::Opening(_)) => self.flush_opening(key),
            Some(Conn::Downstream(down)) => {
                down.dirty = false;
                self.flush_downstream(key);
            }
            Some(Conn::Link(link)) => {
                link.dirty = false;
                self.flush_link(key);
            }
            _ => {}
        }
    }

    /// Sees to it that a connection is flushed at the end of the turn.
    pub(crate) fn mark(&mut self, key: ConnKey) {
        let dirty = match self.conns.get_mut(key) {
            Some(Conn::Downstream(down)) => &mut down.dirty,
            Some(Conn::Link(link)) => &mut link.dirty,
            Some(Conn::Opening(_)) => {
                self.dirty.push(key);
                return;
            }
            _ => return,
        };
        if !std::mem::replace(dirty, true) {
            self.dirty.push(key);
        }
    }

    /// Lends the buffers for reading; nobody else reads meanwhile.
    pub(crate) fn lend_scratch(&mut self) -> Box<Scratch> {
        self.scratch.take().unwrap_or_else(Scratch::new)
    }

    /// Takes the buffers back.
    pub(crate) fn return_scratch(&mut self, scratch: Box<Scratch>) {
        self.scratch = Some(scratch);
    }

    /// Who we are.
    pub(crate) fn own_identity(&self) -> Option<Str> {
        let identity = self.identity.as_ref()?;
        let current = identity.current();
        Some(current.spiffe_id().to_string().into())
    }

    fn take_accepted(&mut self) {
        while let Ok(accepted) = self.inbox.try_recv() {
            // What has no key yet is dropped with the panic itself.
            self.guard(ConnKey::default(), |engine| engine.open(accepted));
        }
    }

    fn look_for_drains(&mut self) {
        let keys: Vec<ConnKey> = self.conns.keys().collect();
        for key in keys {
            if let Some(Conn::Downstream(_)) = self.conns.get(key) {
                self.follow_drain(key);
            }
        }
    }

    fn expire(&mut self) {
        let mut due = Vec::new();
        self.timers.expire(self.now, &mut due);
        for due in due {
            match due {
                Due::Conn(key) => self.guard(key, |engine| engine.conn_due(key)),
                Due::Flow(key) => {
                    let client = self.flows.get(key).map(|flow| flow.down);
                    self.guard(client.unwrap_or_default(), |engine| engine.flow_due(key));
                }
                Due::Sweep => self.sweep(),
                Due::Relief => self.relieve_again(),
            }
        }
    }

    fn conn_due(&mut self, key: ConnKey) {
        match self.conns.get(key) {
            Some(Conn::Opening(_)) => self.opening_due(key),
            Some(Conn::Downstream(_)) => self.downstream_due(key),
            Some(Conn::Link(_)) => self.link_due(key),
            Some(Conn::Closing(_)) => {
                self.remove(key);
            }
            Some(Conn::Forward(_)) => self.forward_due(key),
            Some(Conn::ForwardEnd(_) | Conn::Taken) | None => {}
        }
    }

    fn sweep(&mut self) {
        self.sweep_links();
        self.spares.sweep();
        self.buffers.sweep();
        self.sealing.sweep();
        self.observer.sweep();
        if let Some(scratch) = &mut self.scratch {
            scratch.sweep();
        }
        for conn in self.conns.values_mut() {
            conn.rest();
        }
        let config = self.live.current();
        self.balancers.sweep(&config, self.now, &mut self.random);
        self.listed.clear();
        self.timers.set(self.now + SWEEP, Due::Sweep);
    }

    /// Sets a timer anew.
    pub(crate) fn reset_timer(
        &mut self,
        timer: Option<TimerKey>,
        after: Duration,
        due: Due,
    ) -> TimerKey {
        if let Some(timer) = timer {
            self.timers.cancel(timer);
        }
        self.timers.set(self.now + after, due)
    }
}

#[cfg(test)]
mod tests;
