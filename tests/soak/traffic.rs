//! The mixed load: what is sent, how often, and which way.
//!
//! Every kind is a small type that makes one exchange and judges it. Pacing is part of the load: it
//! keeps the rate the same on every machine that can carry it.

use std::sync::Arc;
use std::time::Duration;

use mesh_runtime::Tasks;
use tokio::time::{MissedTickBehavior, interval};

use crate::http::Http;
use crate::ledger::{Judged, Ledger};
use crate::world::World;

mod bytes;
mod configured;
mod grpc;
mod malformed;
mod requests;
mod resets;
mod slow;
mod websocket;

use bytes::Bytes;
use configured::{Configured, Switched, TimedOut};
use grpc::{Stream, Unary};
use malformed::Malformed;
use requests::{Burst, Kept, Once, Unsteady};
use resets::{Aborted, ClosedEarly, Dropped, GivenUp};
use slow::{SlowReader, SlowServer, SlowWriter};
use websocket::WebSocket;

/// No exchange takes longer; one that does is a failure.
const LONGEST: Duration = Duration::from_secs(30);

/// One kind of exchange.
pub(crate) trait Traffic: Send + 'static {
    /// Which way it goes.
    fn way(&self) -> &'static str;

    /// Makes one.
    fn once(&mut self) -> impl Future<Output = Judged> + Send;
}

/// Whoever starts traffic and enters what comes of it.
#[derive(Clone)]
pub(crate) struct Drivers {
    pub(crate) tasks: Tasks,
    pub(crate) ledger: Arc<Ledger>,
}

impl Drivers {
    /// Makes one exchange every `pace` until the end, and none before the last has ended.
    pub(crate) fn drive(&self, name: &'static str, pace: Duration, mut traffic: impl Traffic) {
        let (stopping, ledger) = (self.tasks.stopping().clone(), self.ledger.clone());
        let way = traffic.way();
        self.tasks.spawn(name, async move {
            let mut pace = interval(pace);
            pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
            while stopping.run_until_cancelled(pace.tick()).await.is_some() {
                let judged = tokio::time::timeout(LONGEST, traffic.once()).await;
                let judged = judged.unwrap_or_else(|_| Err(format!("no end within {LONGEST:?}")));
                ledger.enter(name, judged.map_err(|error| format!("{way}: {error}")));
            }
        });
    }
}

/// Starts everything.
pub(crate) fn start(world: &World, drivers: &Drivers, seed: u64) {
    let tasks = &drivers.tasks;
    let mut chances = fastrand::Rng::with_seed(seed);
    let mut chance = || chances.fork();
    let ms = Duration::from_millis;

    // Ordinary requests of all sizes, by every way in.
    for way in world.ways() {
        for _ in 0..2 {
            let kept = Kept::new(way.clone(), Http::One, tasks, chance());
            drivers.drive("http/1 kept alive", ms(80), kept);
        }
        let once = Once::new(way.clone(), tasks, chance());
        drivers.drive("http/1 once", ms(250), once);
        let burst = Burst::new(way, tasks, chance());
        drivers.drive("http/2 streams", ms(400), burst);
    }
    for way in world.grpc_ways() {
        drivers.drive("grpc unary", ms(100), Unary::new(way.clone(), chance()));
        drivers.drive("grpc stream", ms(1000), Stream::new(way, chance()));
    }
    for way in world.steady_ways() {
        drivers.drive("websocket", ms(150), WebSocket::new(way, chance()));
    }
    drivers.drive("tcp", ms(250), Bytes::new(world.greeter(), chance()));

    // What the configuration decides.
    let course = &world.course;
    for way in [world.web(), world.web_at_gateway()] {
        let configured = Configured::new(way.clone(), course, tasks);
        drivers.drive("as configured", ms(100), configured);
        drivers.drive("route timeout", ms(1000), TimedOut::new(way, course, tasks));
    }
    drivers.drive(
        "peer policy",
        ms(250),
        Switched::denied(world.web_v1_inside(), course),
    );
    drivers.drive(
        "gateway host",
        ms(250),
        Switched::extra(world.extra(), course),
    );

    // Peers that break off.
    for way in world.steady_ways() {
        drivers.drive(
            "given up",
            ms(500),
            GivenUp::new(way.clone(), tasks, chance()),
        );
        drivers.drive(
            "closed early",
            ms(500),
            ClosedEarly::new(way.clone(), chance()),
        );
        for http in [Http::One, Http::Two] {
            let aborted = Aborted::new(way.clone(), http, tasks, chance());
            drivers.drive("server aborts", ms(1000), aborted);
        }
        drivers.drive("server drops", ms(1000), Dropped::new(way, tasks));
    }
    for _ in 0..2 {
        let unsteady = Unsteady::new(world.unsteady(), tasks, chance());
        drivers.drive("server ends idle", ms(70), unsteady);
    }

    // Peers that take their time.
    for way in world.steady_ways() {
        drivers.drive("slow reader", ms(1000), SlowReader::new(way.clone()));
        drivers.drive("slow writer", ms(1000), SlowWriter::new(way.clone()));
        drivers.drive(
            "slow server",
            ms(500),
            SlowServer::new(way.clone(), tasks, chance()),
        );
        drivers.drive("malformed", ms(500), Malformed::new(way));
    }
}
