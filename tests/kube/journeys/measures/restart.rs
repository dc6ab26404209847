//! Requests that fail while their server is restarted again and again: an application that ends at
//! SIGTERM at once, behind a sidecar, and a client that never asks twice.

use std::time::Duration;

use super::load::{self, Load};
use super::sheet::Row;
use super::{Bench, rest};
use crate::app::App;

const HERE: &str = "restarted";
const SERVER: &str = "deployment/server";
const RATE: &str = "200";
const SECONDS: u64 = 100;
/// kubectl tells one restart from the next by the second.
const PAUSE: Duration = Duration::from_secs(1);

pub(super) fn run(bench: &Bench) {
    let world = &bench.world;
    load::pack(world);
    world.meshed(HERE);
    App::new(HERE, "server").replicas(3).apply(world);
    App::new(HERE, "client")
        .program(load::IMAGE, &load::SERVE)
        .apply(world);
    world.all_rolled_out(HERE);
    let load = Load {
        client: &world.pod(HERE, "app=client"),
        address: world.service(HERE, "server"),
        host: "server",
        connections: 8,
        seconds: SECONDS,
        more: &["--rate", RATE],
    };
    load.answered(world);
    let (report, restarts) = std::thread::scope(|scope| {
        let load = scope.spawn(|| load.run(world));
        let mut restarts = 0_u32;
        while !load.is_finished() {
            world.kubectl(&["rollout", "restart", SERVER, "-n", HERE]);
            world.rolled_out(HERE, SERVER);
            restarts += 1;
            rest(PAUSE);
        }
        (load.join().expect("the load"), restarts)
    });
    for (what, unit, value) in [
        ("failed", "requests", report.errors as f64),
        ("sent", "requests", (report.answers + report.errors) as f64),
        ("restarts of three pods", "times", f64::from(restarts)),
        ("p99", "us", report.p99_us),
    ] {
        let name = format!("rolling restarts at 200 rps: {what}");
        bench.row(Row::median(&name, unit, vec![value]));
    }
    if let Some(fault) = report.fault() {
        bench.fault(&format!("rolling restarts: {fault}"));
    }
    world.forget(HERE);
}
