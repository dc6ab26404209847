//! Listening sockets: opened, kept and closed as the configuration says.
//!
//! A socket belongs to an address, not to a listener: while any listener has that address it stays
//! open, so no client is refused because a listener changed. Connections are handed to the workers
//! in turn: two connections of one peer never end up on the same worker by chance.
//!
//! Some listeners bind nothing: they take connections that were redirected to another one.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use arc_swap::ArcSwap;
use mesh_model::time::Backoff;
use mesh_runtime::Tasks;
use mesh_traffic::Listener;
use mesh_traffic::config::Config;
use mesh_traffic::listener::OriginalDestination;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::conn::accept::Accepted;
use crate::conn::drain::{Drain, Phase};
use crate::conn::redirect::{self, Redirected, Takers};
use crate::worker::Door;
use crate::worker::overload::bounds::Count;
use crate::worker::overload::{Action, Overload};

/// Connections that the kernel keeps for us until we accept them.
const BACKLOG: i32 = 4096;
/// How long accepting pauses when the process has no file left.
const OUT_OF_FILES: Duration = Duration::from_millis(100);

/// What is to be done with one address so that it fits the configuration.
#[derive(Debug)]
pub enum Step {
    /// The address is opened.
    Open(SocketAddr, Arc<Listener>),
    /// Connections are from now on taken by this listener; open ones go on as they are.
    Renew(SocketAddr, Arc<Listener>),
    /// The same, and open ones finish.
    Replace(SocketAddr, Arc<Listener>),
    /// The address is closed, open connections finish.
    Close(SocketAddr),
}

/// Listeners by their addresses.
type ByAddress<'c> = BTreeMap<SocketAddr, &'c Arc<Listener>>;

/// The listeners that have sockets.
#[must_use]
pub fn bound(config: &Config) -> ByAddress<'_> {
    by_address(config, |listener| listener.bind_to_port)
}

/// The listeners that have none.
#[must_use]
pub fn unbound(config: &Config) -> ByAddress<'_> {
    by_address(config, |listener| !listener.bind_to_port)
}

fn by_address(config: &Config, wanted: fn(&Listener) -> bool) -> ByAddress<'_> {
    let mut found = ByAddress::new();
    for listener in config.listeners.values().filter(|one| wanted(one)) {
        for address in listener.addresses() {
            // The control plane refuses two listeners of one address; should they come, the first
            // by name takes the connections.
            found.entry(address).or_insert(listener);
        }
    }
    found
}

/// What to do so that open addresses are those that are wanted; those that fit are not mentioned.
#[must_use]
pub fn plan(open: &BTreeMap<SocketAddr, Arc<Listener>>, wanted: &ByAddress<'_>) -> Vec<Step> {
    let mut steps = Vec::new();
    for address in open.keys().filter(|address| !wanted.contains_key(address)) {
        steps.push(Step::Close(*address));
    }
    for (&address, &listener) in wanted {
        let listener = listener.clone();
        match open.get(&address) {
            None => steps.push(Step::Open(address, listener)),
            Some(current) if Arc::ptr_eq(current, &listener) => {}
            Some(current) if current.same_but_routes(&listener) => {
                steps.push(Step::Renew(address, listener));
            }
            Some(_) => steps.push(Step::Replace(address, listener)),
        }
    }
    steps
}

/// The open sockets of a process.
pub struct Listeners {
    open: BTreeMap<SocketAddr, Open>,
    doors: Vec<Door>,
    tasks: Tasks,
    drain_time: Duration,
    drain: Drain,
    overload: Arc<Overload>,
    takers: Arc<ArcSwap<Takers>>,
    destination: FindDestination,
}

/// Finds the address that a connection had before it was redirected.
pub(crate) type FindDestination =
    Arc<dyn Fn(&std::net::TcpStream, SocketAddr) -> Option<SocketAddr> + Send + Sync>;

struct Open {
    serving: Arc<ArcSwap<Serving>>,
    stop: CancellationToken,
}

/// Who takes the next connection, and how its connections learn that they are to finish.
pub(crate) struct Serving {
    pub(crate) listener: Arc<Listener>,
    pub(crate) drain: Drain,
}

impl Listeners {
    /// No sockets yet; connections go through `doors` in turn.
    ///
    /// Once `draining` is cancelled all connections are asked to finish; new ones are still taken,
    /// and finish after one answer.
    #[must_use]
    pub fn new(
        doors: Vec<Door>,
        tasks: Tasks,
        drain_time: Duration,
        draining: CancellationToken,
        overload: Arc<Overload>,
    ) -> Self {
        let drain = Drain::default();
        let begin = (drain.clone(), doors.clone(), tasks.clone());
        tasks.spawn("drain", async move {
            let (drain, doors, tasks) = begin;
            let begun = tasks.stopping().run_until_cancelled(draining.cancelled());
            if begun.await.is_some() {
                begin_drain(&tasks, &drain, &doors, drain_time);
            }
        });
        Self {
            open: BTreeMap::new(),
            doors,
            tasks,
            drain_time,
            drain,
            overload,
            takers: Arc::default(),
            destination: Arc::new(redirect::destination),
        }
    }

    /// The same without asking the kernel where connections were going.
    #[cfg(test)]
    pub(crate) fn finding(self, destination: FindDestination) -> Self {
        Self {
            destination,
            ..self
        }
    }

    /// Brings the sockets into line with a configuration.
    ///
    /// # Errors
    /// The addresses that could not be opened; the others are in force. Call again to try again.
    pub fn apply(&mut self, config: &Config) -> Result<(), Vec<(SocketAddr, io::Error)>> {
        // First, so that what is redirected from now on finds its listener.
        self.apply_unbound(config);
        let current = self
            .open
            .iter()
            .map(|(address, open)| (*address, open.listener()));
        let mut failed = Vec::new();
        for step in plan(&current.collect(), &bound(config)) {
            match step {
                Step::Open(address, listener) => {
                    if let Err(error) = self.open(address, listener) {
                        failed.push((address, error));
                    }
                }
                Step::Renew(address, listener) => self.renew(address, listener),
                Step::Replace(address, listener) => self.replace(address, listener),
                Step::Close(address) => self.close(address),
            }
        }
        if failed.is_empty() {
            Ok(())
        } else {
            Err(failed)
        }
    }

    /// Brings the listeners without sockets into line with a configuration.
    fn apply_unbound(&self, config: &Config) {
        let before = self.takers.load_full();
        let current = before
            .unbound
            .iter()
            .map(|(address, serving)| (*address, serving.listener.clone()));
        let steps = plan(&current.collect(), &unbound(config));
        let own_ports = redirected_to(config);
        if steps.is_empty() && own_ports == before.own_ports {
            return;
        }
        let mut unbound = before.unbound.clone();
        for step in steps {
            match step {
                Step::Open(address, listener) => {
                    let drain = self.fresh_drain();
                    unbound.insert(address, Arc::new(Serving { listener, drain }));
                }
                Step::Renew(address, listener) => {
                    if let Some(serving) = unbound.get_mut(&address) {
                        let drain = serving.drain.clone();
                        *serving = Arc::new(Serving { listener, drain });
                    }
                }
                Step::Replace(address, listener) => {
                    let drain = self.fresh_drain();
                    let serving = Arc::new(Serving { listener, drain });
                    if let Some(before) = unbound.insert(address, serving) {
                        self.begin_drain(&before.drain);
                    }
                }
                Step::Close(address) => {
                    if let Some(before) = unbound.remove(&address) {
                        self.begin_drain(&before.drain);
                    }
                }
            }
        }
        self.takers.store(Arc::new(Takers { unbound, own_ports }));
    }

    /// Closes all sockets.
    pub fn close_all(&mut self) {
        for (_, open) in std::mem::take(&mut self.open) {
            open.stop.cancel();
        }
    }

    fn open(&mut self, address: SocketAddr, listener: Arc<Listener>) -> io::Result<()> {
        let socket = bind(address)?;
        let drain = self.fresh_drain();
        let serving = Arc::new(ArcSwap::from_pointee(Serving { listener, drain }));
        let stop = CancellationToken::new();
        let accepting = Accepting {
            socket,
            serving: serving.clone(),
            doors: self.doors.clone(),
            overload: self.overload.clone(),
            count: Count::default(),
            takers: self.takers.clone(),
            destination: self.destination.clone(),
            stop: stop.clone(),
        };
        self.tasks.spawn("accept", accept(accepting));
        self.open.insert(address, Open { serving, stop });
        tracing::debug!(%address, "listener opened");
        Ok(())
    }

    fn renew(&self, address: SocketAddr, listener: Arc<Listener>) {
        if let Some(open) = self.open.get(&address) {
            let drain = open.serving.load().drain.clone();
            open.serving.store(Arc::new(Serving { listener, drain }));
        }
    }

    fn replace(&self, address: SocketAddr, listener: Arc<Listener>) {
        if let Some(open) = self.open.get(&address) {
            let drain = self.fresh_drain();
            let before = open.serving.swap(Arc::new(Serving { listener, drain }));
            self.begin_drain(&before.drain);
        }
    }

    fn close(&mut self, address: SocketAddr) {
        if let Some(open) = self.open.remove(&address) {
            open.stop.cancel();
            self.begin_drain(&open.serving.load().drain);
            tracing::debug!(%address, "listener closed");
        }
    }

    fn fresh_drain(&self) -> Drain {
        self.drain.child()
    }

    fn begin_drain(&self, drain: &Drain) {
        begin_drain(&self.tasks, drain, &self.doors, self.drain_time);
    }
}

impl Open {
    fn listener(&self) -> Arc<Listener> {
        self.serving.load().listener.clone()
    }
}

/// The ports to which connections are redirected.
fn redirected_to(config: &Config) -> Vec<u16> {
    let listeners = config.listeners.values();
    listeners
        .filter(|one| one.bind_to_port && one.original != OriginalDestination::Ignored)
        .map(|one| one.address.port())
        .collect()
}

/// Asks connections to finish, and closes what is idle when the drain time is over.
///
/// Until then connections of HTTP/2 finish at once, which their peers follow without loss; those
/// of HTTP/1 with their next answer.
fn begin_drain(tasks: &Tasks, drain: &Drain, doors: &[Door], drain_time: Duration) {
    reach(drain, Phase::Begun, doors);
    let (drain, doors) = (drain.clone(), doors.to_vec());
    let stopping = tasks.stopping().clone();
    tasks.spawn("drain", async move {
        // Whether the time is over or the process is: there is nothing to wait for any more.
        let _over = stopping
            .run_until_cancelled(tokio::time::sleep(drain_time))
            .await;
        reach(&drain, Phase::Due, &doors);
    });
}

fn reach(drain: &Drain, phase: Phase, doors: &[Door]) {
    drain.reach(phase);
    for door in doors {
        door.look_for_drains();
    }
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // Those of IPv4 have an address of their own, as in Envoy without `ipv4_compat`.
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    TcpListener::from_std(socket.into())
}

/// A socket, and where its connections go.
struct Accepting {
    socket: TcpListener,
    serving: Arc<ArcSwap<Serving>>,
    doors: Vec<Door>,
    overload: Arc<Overload>,
    count: Count,
    takers: Arc<ArcSwap<Takers>>,
    destination: FindDestination,
    stop: CancellationToken,
}

/// Takes connections until stopped, while there is room for them, and hands them to the workers in
/// turn.
async fn accept(from: Accepting) {
    let Accepting {
        socket,
        serving,
        doors,
        overload,
        count,
        takers,
        destination,
        stop,
    } = from;
    let mut turn = 0usize;
    let mut pause = Backoff::new(OUT_OF_FILES, OUT_OF_FILES * 8);
    loop {
        let next = async {
            overload.room(&count).await;
            socket.accept().await
        };
        let Some(accepted) = stop.run_until_cancelled(next).await else {
            return;
        };
        let (stream, client) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                tracing::warn!(%error, "connection not accepted");
                tokio::time::sleep(pause.delay(fastrand::f64())).await;
                continue;
            }
        };
        pause.reset();
        // A client that is gone again has no address.
        let (Ok(local), Ok(stream)) = (stream.local_addr(), stream.into_std()) else {
            continue;
        };
        let Some(admission) = overload.bounds().admit(&count, client.ip()) else {
            overload.count(Action::ClientRefused);
            continue;
        };
        let serving = serving.load();
        let (listener, drain) = (serving.listener.clone(), serving.drain.clone());
        let redirected = match listener.original {
            OriginalDestination::Ignored => None,
            OriginalDestination::Restored | OriginalDestination::HandedOver => Some(Redirected {
                destination: destination(&stream, local),
                takers: takers.load_full(),
            }),
        };
        turn = turn.wrapping_add(1);
        let accepted = Accepted {
            socket: stream,
            client,
            local,
            listener,
            drain,
            redirected,
            admission,
        };
        if !hand_over(accepted, &doors, turn).await {
            return;
        }
    }
}

/// Gives a connection to the worker whose turn it is, to another one if that has its hands full,
/// and waits when all have: then the kernel's queue holds back the clients. False: nobody is left.
async fn hand_over(accepted: Accepted, doors: &[Door], turn: usize) -> bool {
    let mut accepted = accepted;
    for offset in 0..doors.len() {
        let Some(door) = doors.get(turn.wrapping_add(offset) % doors.len()) else {
            break;
        };
        match door.try_send(accepted) {
            Ok(()) => return true,
            Err(refused) => accepted = *refused,
        }
    }
    match doors.get(turn % doors.len().max(1)) {
        Some(door) => door.send(accepted).await,
        None => false,
    }
}

#[cfg(test)]
mod tests;
