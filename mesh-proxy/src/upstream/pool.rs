//! Connections to upstreams, kept by one worker for all of its requests.
//!
//! HTTP/1 connections wait on a stack, the freshest on top. HTTP/2 connections are shared; while
//! one is being opened the requests that want it wait for that one. All bounds are constants here.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::{Duration, Instant};

use mesh_http::{RequestHead, Version};
use mesh_model::Str;
use mesh_model::time::Clock;
use mesh_pki::live::LiveIdentity;
use mesh_runtime::Tasks;
use tokio::sync::Notify;

use crate::http::body::Body;
use crate::http::connect::Connected;
use crate::http::failure::{Failure, FailureKind};
use crate::http::with_end::WithEnd;
use crate::upstream::dial::{self, Dialed};
use crate::upstream::hyper_adapter::{After, Answer, Http1, Http2, ready_again};
use crate::upstream::target::{Speak, Target};
use crate::upstream::tls::{Carries, TlsConfigs, is_of_mesh};

/// Idle HTTP/1 connections kept per target.
const IDLE_HTTP1: usize = 256;
/// How long an idle connection is kept where the cluster says nothing. Shorter than Envoy's hour:
/// each one costs memory on both ends, and opening another costs less than a millisecond.
const IDLE_TIME: Duration = Duration::from_secs(60);
/// Streams on one HTTP/2 connection before another is opened beside it.
const STREAMS: u32 = 100;
/// HTTP/2 connections per target.
const HTTP2_CONNECTIONS: usize = 4;

/// All pools of one worker.
pub struct Pools {
    pools: RefCell<HashMap<Target, Rc<Pool>, ahash::RandomState>>,
    tls: Rc<TlsConfigs>,
    tasks: Tasks,
    clock: Arc<dyn Clock>,
}

/// Connections to one target.
#[derive(Default)]
struct Pool {
    idle: RefCell<Vec<Idle>>,
    shared: RefCell<Vec<Rc<Shared>>>,
    dialing: RefCell<Option<Rc<Dialing>>>,
    /// Whether the last handshake chose HTTP/1, so that there is nothing to share.
    speaks_http1: Cell<bool>,
}

struct Idle {
    connection: Http1,
    about: Rc<About>,
    since: Instant,
}

struct Shared {
    connection: Http2,
    about: Rc<About>,
    streams: Cell<u32>,
    idle_since: Cell<Instant>,
    used: Cell<bool>,
}

struct About {
    mutual_tls: bool,
    peer: Option<Str>,
    local: Option<std::net::SocketAddr>,
}

/// A connection that is being opened for everybody who waits for it.
#[derive(Default)]
struct Dialing {
    done: RefCell<Option<Result<(), (FailureKind, String)>>>,
    woken: Notify,
}

/// A connection, for one request.
pub struct Lease {
    kind: Kind,
    connected: Connected,
    pool: Weak<Pool>,
    clock: Arc<dyn Clock>,
    tasks: Tasks,
}

enum Kind {
    Own(Http1, Rc<About>),
    Shared(Stream),
}

/// One stream of a shared connection; counts as long as it is held.
struct Stream(Rc<Shared>, Arc<dyn Clock>);

impl Drop for Stream {
    fn drop(&mut self) {
        let streams = self.0.streams.get().saturating_sub(1);
        self.0.streams.set(streams);
        if streams == 0 {
            self.0.idle_since.set(self.1.now());
        }
    }
}

impl Pools {
    /// Empty pools.
    #[must_use]
    pub fn new(identity: Option<LiveIdentity>, tasks: Tasks, clock: Arc<dyn Clock>) -> Self {
        let tls = Rc::new(TlsConfigs::new(identity, clock.clone()));
        Self {
            pools: RefCell::default(),
            tls,
            tasks,
            clock,
        }
    }

    /// TLS towards upstreams, for connections that carry no HTTP.
    #[must_use]
    pub fn tls(&self) -> &TlsConfigs {
        &self.tls
    }

    /// A connection to `target`: one from the pool unless `fresh` asks for a new one.
    ///
    /// # Errors
    /// A [`Failure`] after which nothing has been sent. Dropping the future is harmless.
    pub async fn lease(&self, target: &Target, reuse: Option<Duration>) -> Result<Lease, Failure> {
        let pool = self.pool(target);
        if let Some(lease) = self.take_shared(&pool) {
            self.grow(&pool, target);
            return Ok(lease);
        }
        if let Some(within) = reuse
            && let Some(lease) = self.take_idle(&pool, target, within)
        {
            return Ok(lease);
        }
        if target.speak == Speak::Http1 || pool.speaks_http1.get() {
            return self.open_own(&pool, target).await;
        }
        let dialing = self.dial_shared(&pool, target)?;
        dialing.wait().await?;
        match self
            .take_shared(&pool)
            .or_else(|| self.take_idle(&pool, target, Duration::MAX))
        {
            Some(lease) => Ok(lease),
            // ALPN chose HTTP/1 and somebody else was quicker.
            None => self.open_own(&pool, target).await,
        }
    }

    fn pool(&self, target: &Target) -> Rc<Pool> {
        let mut pools = self.pools.borrow_mut();
        if let Some(pool) = pools.get(target) {
            return pool.clone();
        }
        let pool = Rc::new(Pool::default());
        pools.insert(target.clone(), pool.clone());
        pool
    }

    fn take_shared(&self, pool: &Rc<Pool>) -> Option<Lease> {
        let mut shared = pool.shared.borrow_mut();
        shared.retain(|connection| !connection.connection.is_closed());
        let best = shared
            .iter()
            .min_by_key(|connection| connection.streams.get())?;
        let idle = match best.streams.get() {
            0 => self
                .clock
                .now()
                .saturating_duration_since(best.idle_since.get()),
            _ => Duration::ZERO,
        };
        best.streams.set(best.streams.get() + 1);
        let connected = best
            .about
            .connected(Version::Http2, best.used.replace(true), idle);
        let stream = Stream(best.clone(), self.clock.clone());
        Some(self.lease_of(pool, Kind::Shared(stream), connected))
    }

    fn take_idle(&self, pool: &Rc<Pool>, target: &Target, within: Duration) -> Option<Lease> {
        let now = self.clock.now();
        let bound = target.idle_timeout.unwrap_or(IDLE_TIME);
        loop {
            let idle = pool.idle.borrow_mut().pop()?;
            let since = now.saturating_duration_since(idle.since);
            if since > within {
                // The one used last comes first, so all the others have been idle for longer.
                pool.idle.borrow_mut().push(idle);
                return None;
            }
            if idle.connection.is_closed() || since > bound {
                continue;
            }
            let connected = idle.about.connected(Version::Http11, true, since);
            return Some(self.lease_of(pool, Kind::Own(idle.connection, idle.about), connected));
        }
    }

    async fn open_own(&self, pool: &Rc<Pool>, target: &Target) -> Result<Lease, Failure> {
        let plan = dial::plan(&self.tls, target, Carries::Http(Speak::Http1))?;
        let dialed = dial::dial(plan).await?;
        let about = About::of(&dialed, target);
        let connection = Http1::start(dialed.io, &self.tasks).await?;
        let connected = about.connected(Version::Http11, false, Duration::ZERO);
        Ok(self.lease_of(pool, Kind::Own(connection, about), connected))
    }

    /// Opens a second connection ahead of need when the ones there are busy.
    fn grow(&self, pool: &Rc<Pool>, target: &Target) {
        let busy = {
            let shared = pool.shared.borrow();
            shared.len() < HTTP2_CONNECTIONS && shared.iter().all(|c| c.streams.get() >= STREAMS)
        };
        if busy && let Err(failure) = self.dial_shared(pool, target) {
            tracing::debug!(?failure, "no further connection");
        }
    }

    fn dial_shared(&self, pool: &Rc<Pool>, target: &Target) -> Result<Rc<Dialing>, Failure> {
        let mut slot = pool.dialing.borrow_mut();
        if let Some(dialing) = &*slot {
            return Ok(dialing.clone());
        }
        let plan = dial::plan(&self.tls, target, Carries::Http(target.speak))?;
        let dialing = Rc::new(Dialing::default());
        *slot = Some(dialing.clone());
        let told = dialing.clone();
        let (pool, target) = (pool.clone(), target.clone());
        let (tasks, clock) = (self.tasks.clone(), self.clock.clone());
        self.tasks.spawn_local("upstream dial", async move {
            let opened = open_shared(plan, &pool, &target, &tasks, &*clock).await;
            pool.dialing.borrow_mut().take();
            told.finish(opened);
        });
        Ok(dialing)
    }

    fn lease_of(&self, pool: &Rc<Pool>, kind: Kind, connected: Connected) -> Lease {
        Lease {
            kind,
            connected,
            pool: Rc::downgrade(pool),
            clock: self.clock.clone(),
            tasks: self.tasks.clone(),
        }
    }

    /// Closes connections that were idle for too long, and forgets empty pools.
    pub fn sweep(&self) {
        let now = self.clock.now();
        self.pools.borrow_mut().retain(|target, pool| {
            let bound = target.idle_timeout.unwrap_or(IDLE_TIME);
            let old = |since: Instant| now.saturating_duration_since(since) > bound;
            let mut idle = pool.idle.borrow_mut();
            idle.retain(|idle| !idle.connection.is_closed() && !old(idle.since));
            let mut shared = pool.shared.borrow_mut();
            shared.retain(|c| {
                !c.connection.is_closed() && (c.streams.get() > 0 || !old(c.idle_since.get()))
            });
            !idle.is_empty() || !shared.is_empty() || pool.dialing.borrow().is_some()
        });
    }
}

async fn open_shared(
    plan: dial::Plan,
    pool: &Pool,
    target: &Target,
    tasks: &Tasks,
    clock: &dyn Clock,
) -> Result<(), Failure> {
    let dialed = dial::dial(plan).await?;
    let about = About::of(&dialed, target);
    let http2 = dialed.http2 || (target.tls.is_none() && target.speak == Speak::Http2);
    pool.speaks_http1.set(!http2);
    if http2 {
        let connection = Http2::start(dialed.io, tasks).await?;
        pool.shared.borrow_mut().push(Rc::new(Shared {
            connection,
            about,
            streams: Cell::new(0),
            idle_since: Cell::new(clock.now()),
            used: Cell::new(false),
        }));
    } else if target.speak == Speak::Http2 {
        return Err(Failure::safe(FailureKind::ConnectFailed)
            .caused_by("the upstream does not speak HTTP/2"));
    } else {
        let connection = Http1::start(dialed.io, tasks).await?;
        pool.idle.borrow_mut().push(Idle {
            connection,
            about,
            since: clock.now(),
        });
    }
    Ok(())
}

impl Dialing {
    fn finish(&self, result: Result<(), Failure>) {
        let told = result.map_err(|failure| (failure.kind, failure.reason()));
        *self.done.borrow_mut() = Some(told);
        self.woken.notify_waiters();
    }

    async fn wait(&self) -> Result<(), Failure> {
        loop {
            let woken = self.woken.notified();
            if let Some(done) = &*self.done.borrow() {
                return done
                    .clone()
                    .map_err(|(kind, why)| Failure::safe(kind).caused_by(why));
            }
            woken.await;
        }
    }
}

impl About {
    fn of(dialed: &Dialed, target: &Target) -> Rc<Self> {
        // A name in a certificate means something only if the mesh's own root vouched for it.
        let of_mesh = target.tls.as_deref().is_some_and(is_of_mesh);
        let peer = dialed.peer.clone().filter(|_| of_mesh);
        Rc::new(Self {
            mutual_tls: peer.is_some(),
            peer,
            local: dialed.local,
        })
    }

    fn connected(&self, version: Version, reused: bool, idle: Duration) -> Connected {
        Connected {
            reused,
            idle,
            version,
            mutual_tls: self.mutual_tls,
            peer: self.peer.clone(),
            local: self.local,
        }
    }
}

impl Lease {
    /// What the stages see of it.
    #[must_use]
    pub fn connected(&self) -> &Connected {
        &self.connected
    }

    /// Sends a request and waits for the head of its answer. The connection goes back to the pool
    /// when the answer's body was read to its end.
    ///
    /// # Errors
    /// A [`Failure`]. Dropping the future gives up the connection or resets the stream.
    pub async fn send(self, head: &RequestHead, body: Body) -> Result<Answer, Failure> {
        let Self {
            kind,
            pool,
            clock,
            tasks,
            ..
        } = self;
        match kind {
            Kind::Shared(stream) => {
                let mut connection = stream.0.connection.clone();
                let mut answer = connection.send(head, body).await?;
                answer.body = WithEnd::wrap(answer.body, move |_| drop(stream));
                Ok(answer)
            }
            Kind::Own(connection, about) => {
                let (mut answer, after) = connection.send(head, body).await?;
                if let After::Kept(connection) = after {
                    let back = move |whole| {
                        if whole {
                            give_back(connection, about, pool, clock, &tasks);
                        }
                    };
                    answer.body = WithEnd::wrap(answer.body, back);
                }
                Ok(answer)
            }
        }
    }
}

/// Puts a connection back as soon as it takes another request.
fn give_back(
    connection: Http1,
    about: Rc<About>,
    pool: Weak<Pool>,
    clock: Arc<dyn Clock>,
    tasks: &Tasks,
) {
    tasks.spawn_local("http1 idle", async move {
        let Some(connection) = ready_again(connection).await else {
            return;
        };
        let Some(pool) = pool.upgrade() else { return };
        let mut idle = pool.idle.borrow_mut();
        if idle.len() < IDLE_HTTP1 {
            idle.push(Idle {
                connection,
                about,
                since: clock.now(),
            });
        }
    });
}
