//! Listening sockets: opened, kept and closed as the configuration says.
//!
//! A socket belongs to an address, not to a listener: while any listener has that address it stays
//! open, so no client is refused because a listener changed. Connections are handed to the workers
//! in turn: two connections of one peer never end up on the same worker by chance.

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
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::conn::accept::Accepted;
use crate::conn::drain::{Drain, Phase};
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
    /// A socket is opened.
    Open(Arc<Listener>),
    /// Connections are from now on taken by this listener; open ones go on as they are.
    Renew(Arc<Listener>),
    /// The same, and open ones finish.
    Replace(Arc<Listener>),
    /// The socket is closed, open connections finish.
    Close(SocketAddr),
}

/// What to do so that open sockets fit the configuration; addresses that fit are not mentioned.
#[must_use]
pub fn plan(open: &BTreeMap<SocketAddr, Arc<Listener>>, config: &Config) -> Vec<Step> {
    let mut wanted: BTreeMap<SocketAddr, &Arc<Listener>> = BTreeMap::new();
    for listener in config
        .listeners
        .values()
        .filter(|listener| listener.bind_to_port)
    {
        // The control plane refuses two listeners of one address; should they come, the first by
        // name takes the connections.
        wanted.entry(listener.address).or_insert(listener);
    }
    let mut steps = Vec::new();
    for address in open.keys().filter(|address| !wanted.contains_key(address)) {
        steps.push(Step::Close(*address));
    }
    for (address, listener) in wanted {
        let listener = listener.clone();
        match open.get(&address) {
            None => steps.push(Step::Open(listener)),
            Some(current) if Arc::ptr_eq(current, &listener) => {}
            Some(current) if current.same_but_routes(&listener) => {
                steps.push(Step::Renew(listener));
            }
            Some(_) => steps.push(Step::Replace(listener)),
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
}

struct Open {
    serving: Arc<ArcSwap<Serving>>,
    stop: CancellationToken,
}

/// Who takes the next connection, and how its connections learn that they are to finish.
struct Serving {
    listener: Arc<Listener>,
    drain: Drain,
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
        }
    }

    /// Brings the sockets into line with a configuration.
    ///
    /// # Errors
    /// The addresses that could not be opened; the others are in force. Call again to try again.
    pub fn apply(&mut self, config: &Config) -> Result<(), Vec<(SocketAddr, io::Error)>> {
        let current = self
            .open
            .iter()
            .map(|(address, open)| (*address, open.listener()));
        let mut failed = Vec::new();
        for step in plan(&current.collect(), config) {
            match step {
                Step::Open(listener) => {
                    let address = listener.address;
                    if let Err(error) = self.open(listener) {
                        failed.push((address, error));
                    }
                }
                Step::Renew(listener) => self.renew(listener),
                Step::Replace(listener) => self.replace(listener),
                Step::Close(address) => self.close(address),
            }
        }
        if failed.is_empty() {
            Ok(())
        } else {
            Err(failed)
        }
    }

    /// Closes all sockets.
    pub fn close_all(&mut self) {
        for (_, open) in std::mem::take(&mut self.open) {
            open.stop.cancel();
        }
    }

    fn open(&mut self, listener: Arc<Listener>) -> io::Result<()> {
        let address = listener.address;
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
            stop: stop.clone(),
        };
        self.tasks.spawn("accept", accept(accepting));
        self.open.insert(address, Open { serving, stop });
        tracing::debug!(%address, "listener opened");
        Ok(())
    }

    fn renew(&self, listener: Arc<Listener>) {
        if let Some(open) = self.open.get(&listener.address) {
            let drain = open.serving.load().drain.clone();
            open.serving.store(Arc::new(Serving { listener, drain }));
        }
    }

    fn replace(&self, listener: Arc<Listener>) {
        if let Some(open) = self.open.get(&listener.address) {
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
        turn = turn.wrapping_add(1);
        let accepted = Accepted {
            socket: stream,
            client,
            local,
            listener,
            drain,
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
