//! Connections to endpoints, kept by one worker for all of its requests.
//!
//! HTTP/1 connections wait on a stack, the freshest on top. HTTP/2 connections are shared. Whoever
//! needs a connection that is not there waits in line; whichever comes first, a new one or one that
//! is free again, goes to the head of the line. Bounds are constants here, but for those of a cluster's
//! circuit breakers: its connections and the requests that wait for one or have one are counted.

use std::cell::Cell;
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use mesh_http::Version;
use mesh_traffic::breaker::{Breaker, Permit, Resource};
use slotmap::{SlotMap, new_key_type};

use crate::http::connect::Connected;
use crate::http::failure::{Failure, FailureKind};
use crate::http::flow::Flow;
use crate::upstream::target::{Speak, Target};
use crate::worker::engine::{Conn, ConnKey, Engine, FlowKey, Work};

new_key_type! {
    /// The connections to one target.
    pub(crate) struct PoolKey;
}

/// Idle HTTP/1 connections kept per target.
const IDLE_HTTP1: usize = 256;
/// Targets whose unused connections are kept. A workload that is let through to wherever it wants
/// calls any number of them, most of them once.
const KEPT_TARGETS: usize = 4_096;
/// Streams on one HTTP/2 connection before another is opened beside it.
const STREAMS: usize = 100;
/// HTTP/2 connections per target.
const HTTP2_CONNECTIONS: usize = 4;
/// Requests that may wait for a connection to one target. Istio's default is no bound at all
/// (`maxPendingRequests` 2^32-1); how many there can be is bounded by the clients' connections and
/// streams, and memory by the overload manager, so this only ends what cannot be meant.
const WAITING: usize = 65_536;

/// All pools of one worker.
#[derive(Default)]
pub(crate) struct Pools {
    by_target: HashMap<Target, PoolKey, ahash::RandomState>,
    pools: SlotMap<PoolKey, Pool>,
}

/// Connections to one target.
pub(crate) struct Pool {
    pub(crate) target: Target,
    idle: Vec<(ConnKey, Instant)>,
    shared: Vec<ConnKey>,
    dialing: usize,
    waiting: VecDeque<(FlowKey, u32)>,
    /// Whether the last handshake chose HTTP/1, so that there is nothing to share.
    speaks_http1: bool,
    /// How many connections there are, where a circuit breaker counts them.
    counted: Option<Rc<Cell<u32>>>,
}

/// A connection's place among those of its pool and of its cluster.
pub(crate) struct Place {
    pool: Rc<Cell<u32>>,
    _cluster: Permit,
}

impl Place {
    fn new(pool: &Rc<Cell<u32>>, cluster: Permit) -> Self {
        pool.set(pool.get().saturating_add(1));
        Self {
            pool: pool.clone(),
            _cluster: cluster,
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.pool.set(self.pool.get().saturating_sub(1));
    }
}

/// What came of the wish for a connection.
pub(crate) enum Leased {
    /// It is there.
    Now(ConnKey, Connected),
    /// The request will be told.
    Later,
    /// There will be none.
    Failed(Failure),
}

impl Pools {
    /// Where the connections of a pool lead.
    pub(crate) fn address_of(&self, pool: PoolKey) -> Option<SocketAddr> {
        Some(self.pools.get(pool)?.target.address)
    }
}

impl Pool {
    fn new(target: Target) -> Self {
        Self {
            target,
            idle: Vec::new(),
            shared: Vec::new(),
            dialing: 0,
            waiting: VecDeque::new(),
            speaks_http1: false,
            counted: None,
        }
    }

    /// Room for another connection; `None` where there is none. Each pool has one in any case (as with Envoy):
    /// who waits here is not served by the connections to other endpoints.
    fn place(&mut self, breaker: &Breaker) -> Option<Place> {
        let counted = self.counted.get_or_insert_default();
        let permit = match counted.get() {
            0 => Some(breaker.take_anyway(Resource::Connections)),
            _ => breaker.take(Resource::Connections),
        };
        permit.map(|permit| Place::new(counted, permit))
    }

    /// How many connections there may be that are shared.
    fn most_shared(&self) -> usize {
        match self.target.max_streams {
            // Each carries less than it could.
            Some(_) => usize::MAX,
            None => HTTP2_CONNECTIONS,
        }
    }

    /// Whether those who wait need another connection.
    fn wants_connection(&self) -> bool {
        let enough = match self.target.max_streams {
            Some(_) => usize::MAX,
            None => 1,
        };
        match self.shares() {
            true => !self.waiting.is_empty() && self.shared.len() < enough && self.dialing == 0,
            false => self.dialing < self.waiting.len(),
        }
    }

    /// Those whose clients have gone meanwhile wait for nothing.
    fn forget_gone(&mut self, flows: &SlotMap<FlowKey, Box<Flow>>) {
        let waits = |(flow, ticket): &(FlowKey, u32)| {
            flows.get(*flow).is_some_and(|flow| flow.waits(*ticket))
        };
        self.waiting.retain(waits);
    }

    fn shares(&self) -> bool {
        self.target.speak != Speak::Http1 && !self.speaks_http1
    }

    fn idle_bound(&self) -> Duration {
        self.target.idle_timeout.unwrap_or(Duration::MAX)
    }
}

impl Pools {
    fn of(&mut self, target: &Target) -> PoolKey {
        if let Some(key) = self.by_target.get(target) {
            if let Some(pool) = self.pools.get_mut(*key)
                && pool.target.is_kept_otherwise(target)
            {
                pool.target = target.clone();
            }
            return *key;
        }
        let key = self.pools.insert(Pool::new(target.clone()));
        self.by_target.insert(target.clone(), key);
        key
    }
}

impl Engine {
    /// A connection to `target` for a request: one from the pool, unless what is there has been
    /// idle for longer than `reuse`.
    pub(crate) fn lease(
        &mut self,
        flow: FlowKey,
        target: &Target,
        reuse: Option<Duration>,
    ) -> Leased {
        let key = self.pools.of(target);
        if let Some(link) = self.shared_with_room(key) {
            return self.leased(key, flow, link);
        }
        if let Some(link) = reuse.and_then(|within| self.take_idle(key, within)) {
            let leased = self.leased(key, flow, link);
            if matches!(leased, Leased::Failed(_)) {
                self.work.push_back(Work::Free(link));
            }
            return leased;
        }
        let pending = match &target.breaker {
            None => None,
            Some(breaker) => match breaker.take(Resource::Pending) {
                Some(permit) => Some(permit),
                None => return Leased::Failed(FailureKind::Overflow.into()),
            },
        };
        let Some(pool) = self.pools.pools.get_mut(key) else {
            return Leased::Failed(FailureKind::RouteUnusable.into());
        };
        if pool.waiting.len() >= WAITING {
            pool.forget_gone(&self.flows);
        }
        if pool.waiting.len() >= WAITING {
            return Leased::Failed(FailureKind::Overflow.into());
        }
        let ticket = match self.flows.get_mut(flow) {
            Some(waiting) => {
                waiting.permit = pending;
                waiting.ticket
            }
            None => 0,
        };
        pool.waiting.push_back((flow, ticket));
        let enough = pool.shares() && (pool.dialing > 0 || pool.shared.len() >= pool.most_shared());
        if !enough && let Err(failure) = self.dial_for(key) {
            if let Some(pool) = self.pools.pools.get_mut(key) {
                pool.waiting.retain(|(waiting, _)| *waiting != flow);
            }
            return Leased::Failed(failure);
        }
        Leased::Later
    }

    /// Begins to open another connection, if circuit breakers let it; says whether they did.
    fn dial_for(&mut self, key: PoolKey) -> Result<bool, Failure> {
        let Some(pool) = self.pools.pools.get_mut(key) else {
            return Err(FailureKind::RouteUnusable.into());
        };
        let place = match pool.target.breaker.clone() {
            None => None,
            Some(breaker) => match pool.place(&breaker) {
                Some(place) => Some(place),
                None => return Ok(false),
            },
        };
        let target = pool.target.clone();
        pool.dialing += 1;
        let dialed = self.dial(key, &target, place);
        if dialed.is_err()
            && let Some(pool) = self.pools.pools.get_mut(key)
        {
            pool.dialing -= 1;
        }
        dialed.map(|()| true)
    }

    fn leased(&mut self, key: PoolKey, flow: FlowKey, link: ConnKey) -> Leased {
        if !self.may_begin(key, flow) {
            return Leased::Failed(FailureKind::Overflow.into());
        }
        match self.connected(link) {
            Some(connected) => Leased::Now(link, connected),
            None => Leased::Failed(Failure::safe(FailureKind::UpstreamClosed)),
        }
    }

    /// Whether a request may be under way, which is counted from now on where a circuit breaker counts.
    fn may_begin(&mut self, key: PoolKey, flow: FlowKey) -> bool {
        let pool = self.pools.pools.get(key);
        let Some(breaker) = pool.and_then(|pool| pool.target.breaker.as_ref()) else {
            return true;
        };
        let permit = breaker.take(Resource::Requests);
        let may = permit.is_some();
        if let Some(flow) = self.flows.get_mut(flow) {
            flow.permit = permit;
        }
        may
    }

    /// What the stages see of a connection; it counts as used from now on.
    fn connected(&mut self, key: ConnKey) -> Option<Connected> {
        let now = self.now;
        let link = self.link(key)?;
        let idle = match link.streams.is_empty() {
            true => now.saturating_duration_since(link.idle_since),
            false => Duration::ZERO,
        };
        let about = link.about();
        Some(Connected {
            reused: link.use_once_more(),
            idle,
            version: link.version(),
            mutual_tls: about.mutual_tls,
            peer: about.peer,
            local: about.local,
        })
    }

    /// The HTTP/2 connection with the fewest streams.
    fn shared_with_room(&mut self, key: PoolKey) -> Option<ConnKey> {
        let pool = self.pools.pools.get(key)?;
        if pool.shared.is_empty() {
            return None;
        }
        if pool.target.max_duration.is_some() {
            self.drain_old(key);
        }
        let pool = self.pools.pools.get(key)?;
        let mut best: Option<(usize, ConnKey)> = None;
        for link_key in &pool.shared {
            let Some(Conn::Link(link)) = self.conns.get(*link_key) else {
                continue;
            };
            let streams = link.streams.len();
            if link.room() > 0 && best.is_none_or(|(fewest, _)| streams < fewest) {
                best = Some((streams, *link_key));
            }
        }
        let (streams, link) = best?;
        let grows =
            streams >= STREAMS && pool.dialing == 0 && pool.shared.len() < HTTP2_CONNECTIONS;
        if grows && let Err(failure) = self.dial_for(key) {
            tracing::debug!(?failure, "no further connection");
        }
        Some(link)
    }

    /// Shared connections that are too old take no further request.
    fn drain_old(&mut self, key: PoolKey) {
        let now = self.now;
        let is_old = |key: &ConnKey| match self.conns.get(*key) {
            Some(Conn::Link(link)) => link.is_old(now),
            _ => false,
        };
        let shared = self.pools.pools.get(key).map(|pool| pool.shared.iter());
        let old: Vec<_> = shared
            .into_iter()
            .flatten()
            .copied()
            .filter(is_old)
            .collect();
        for link in old {
            self.drain_link(link);
        }
    }

    fn take_idle(&mut self, key: PoolKey, within: Duration) -> Option<ConnKey> {
        let now = self.now;
        let pool = self.pools.pools.get_mut(key)?;
        let bound = pool.idle_bound();
        let (link, since) = pool.idle.last().copied()?;
        let idle = now.saturating_duration_since(since);
        // The one used last comes first, so all the others have been idle for longer.
        if idle > within || idle > bound {
            return None;
        }
        pool.idle.pop();
        if self.link(link).is_some_and(|link| link.is_old(now)) {
            self.retire_link(link);
            return self.take_idle(key, within);
        }
        Some(link)
    }

    /// A connection that was being opened is there.
    pub(crate) fn pool_opened(&mut self, key: PoolKey, link: ConnKey) {
        let is_h2 = self
            .link(link)
            .is_some_and(|link| link.version() == Version::Http2);
        if let Some(pool) = self.pools.pools.get_mut(key) {
            pool.dialing = pool.dialing.saturating_sub(1);
            pool.speaks_http1 = !is_h2;
            if is_h2 {
                pool.shared.push(link);
            }
        }
        if is_h2 {
            self.serve_waiting(key);
            // It may carry fewer than those who wait.
            self.dial_for_waiting(key);
        } else {
            self.pool_free(key, link);
            // ALPN may have chosen HTTP/1: each of those who waited for one connection needs its own.
            self.dial_for_waiting(key);
        }
    }

    /// Opens connections for those who wait and would not be served by those that there are.
    pub(crate) fn dial_for_waiting(&mut self, key: PoolKey) {
        while let Some(pool) = self.pools.pools.get_mut(key) {
            if !pool.wants_connection() {
                return;
            }
            pool.forget_gone(&self.flows);
            if !pool.wants_connection() {
                return;
            }
            match self.dial_for(key) {
                Ok(true) => {}
                Ok(false) => return,
                Err(failure) => return self.pool_failed_all(key, &failure),
            }
        }
    }

    /// A connection that was being opened came to nothing.
    pub(crate) fn pool_unopened(&mut self, key: PoolKey, failure: &Failure) {
        let Some(pool) = self.pools.pools.get_mut(key) else {
            return;
        };
        pool.dialing = pool.dialing.saturating_sub(1);
        if pool.shares() {
            return self.pool_failed_all(key, failure);
        }
        let counts = pool.target.breaker.is_some();
        if let Some((flow, ticket)) = self.next_waiting(key) {
            self.tell_unconnected(flow, ticket, failure);
        }
        if counts {
            // Others may wait for the place that it had.
            self.work.push_back(Work::Dial(key));
        }
    }

    fn pool_failed_all(&mut self, key: PoolKey, failure: &Failure) {
        let waiting = match self.pools.pools.get_mut(key) {
            Some(pool) => std::mem::take(&mut pool.waiting),
            None => return,
        };
        for (flow, ticket) in waiting {
            self.tell_unconnected(flow, ticket, failure);
        }
    }

    fn tell_unconnected(&mut self, flow: FlowKey, ticket: u32, failure: &Failure) {
        if self.flows.get(flow).is_some_and(|flow| flow.waits(ticket)) {
            let told = Failure::safe(failure.kind).caused_by(failure.reason());
            self.flow_unconnected(flow, told);
        }
    }

    /// The first in line that still waits.
    fn next_waiting(&mut self, key: PoolKey) -> Option<(FlowKey, u32)> {
        let pool = self.pools.pools.get_mut(key)?;
        while let Some((flow, ticket)) = pool.waiting.pop_front() {
            if self.flows.get(flow).is_some_and(|flow| flow.waits(ticket)) {
                return Some((flow, ticket));
            }
        }
        None
    }

    /// The first in line that may begin; those who may not are told.
    fn next_to_begin(&mut self, key: PoolKey) -> Option<FlowKey> {
        while let Some((flow, ticket)) = self.next_waiting(key) {
            if self.may_begin(key, flow) {
                return Some(flow);
            }
            self.tell_unconnected(flow, ticket, &FailureKind::Overflow.into());
        }
        None
    }

    /// A connection of HTTP/1 takes another request.
    pub(crate) fn pool_free(&mut self, key: PoolKey, link: ConnKey) {
        let now = self.now;
        if self.link(link).is_some_and(|link| link.is_old(now)) {
            return self.retire_link(link);
        }
        if let Some(flow) = self.next_to_begin(key) {
            if let Some(connected) = self.connected(link) {
                self.flow_connected(flow, link, connected);
            }
            return;
        }
        let now = self.now;
        let crowded = self.pools.by_target.len() > KEPT_TARGETS;
        let full = match self.pools.pools.get_mut(key) {
            Some(pool) if pool.idle.len() < IDLE_HTTP1 && !crowded => {
                pool.idle.push((link, now));
                false
            }
            Some(_) | None => true,
        };
        if full {
            self.remove(link);
        }
    }

    /// A shared connection may have room for those who wait.
    pub(crate) fn serve_waiting(&mut self, key: PoolKey) {
        loop {
            if self
                .pools
                .pools
                .get(key)
                .is_none_or(|pool| pool.waiting.is_empty())
            {
                return;
            }
            let Some(link) = self.shared_with_room(key) else {
                return;
            };
            let Some(flow) = self.next_to_begin(key) else {
                return;
            };
            if let Some(connected) = self.connected(link) {
                self.flow_connected(flow, link, connected);
            }
        }
    }

    /// A connection takes no further request.
    pub(crate) fn pool_forget(&mut self, key: PoolKey, link: ConnKey) {
        let Some(pool) = self.pools.pools.get_mut(key) else {
            return;
        };
        pool.idle.retain(|(idle, _)| *idle != link);
        pool.shared.retain(|shared| *shared != link);
        // Those who hoped for it need another, once it has left its place.
        if pool.wants_connection() {
            self.work.push_back(Work::Dial(key));
        }
    }

    /// Closes connections that were idle for too long, and forgets empty pools.
    pub(crate) fn sweep_links(&mut self) {
        self.close_idle_links(Duration::MAX);
    }

    /// Closes connections that were idle for longer than `most`, or than their pool's own bound,
    /// and forgets empty pools; how many were closed.
    pub(crate) fn close_idle_links(&mut self, most: Duration) -> usize {
        let now = self.now;
        let mut old = Vec::new();
        for pool in self.pools.pools.values() {
            let bound = pool.idle_bound().min(most);
            let is_old = |since: Instant| now.saturating_duration_since(since) > bound;
            let is_used_up = |key: ConnKey| match self.conns.get(key) {
                Some(Conn::Link(link)) => link.is_old(now),
                _ => false,
            };
            old.extend(
                pool.idle
                    .iter()
                    .filter(|(link, since)| is_old(*since) || is_used_up(*link))
                    .map(|(link, _)| *link),
            );
            for key in &pool.shared {
                if let Some(Conn::Link(link)) = self.conns.get(*key)
                    && link.streams.is_empty()
                    && (is_old(link.idle_since) || link.is_old(now))
                {
                    old.push(*key);
                }
            }
        }
        let closed = old.len();
        for link in old {
            self.retire_link(link);
        }
        let Pools { by_target, pools } = &mut self.pools;
        by_target.retain(|_, key| {
            let in_use = pools.get(*key).is_some_and(|pool| {
                !pool.idle.is_empty()
                    || !pool.shared.is_empty()
                    || !pool.waiting.is_empty()
                    || pool.dialing > 0
            });
            if !in_use {
                pools.remove(*key);
            }
            in_use
        });
        closed
    }
}
