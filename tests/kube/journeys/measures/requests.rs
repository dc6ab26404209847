//! Requests per second from pod to pod: through two sidecars that take mutual TLS alone, and without any.
//! All of it shares the machine: server, load generator, both sidecars, and the cluster.

use std::time::Duration;

use serde_json::json;

use super::container::Container;
use super::load::{BODY, IMAGE, Load, Report, SERVE, pack};
use super::sheet::Row;
use super::{Bench, rest};
use crate::app::App;
use crate::world::World;

const MESHED: &str = "throughput";
const BARE: &str = "throughput-bare";
/// Connections, and seconds of each run.
const CONNECTIONS: usize = 64;
const SECONDS: u64 = 10;
const RUNS: usize = 3;
/// A part of a run in which all is under way.
const BEFORE: Duration = Duration::from_secs(3);
const WITHIN: Duration = Duration::from_secs(6);

pub(super) fn run(bench: &Bench) {
    let world = &bench.world;
    pack(world);
    world.cluster.namespace(BARE);
    world.meshed(MESHED);
    world.cluster.apply(&json!({
        "apiVersion": "security.istio.io/v1",
        "kind": "PeerAuthentication",
        "metadata": {"name": "default", "namespace": MESHED},
        "spec": {"mtls": {"mode": "STRICT"}},
    }));
    for namespace in [MESHED, BARE] {
        for name in ["server", "client"] {
            let app = App::new(namespace, name).program(IMAGE, &SERVE);
            app.apply(world);
        }
    }
    for namespace in [MESHED, BARE] {
        world.all_rolled_out(namespace);
    }
    through_sidecars(bench);
    without(bench);
    world.forget(MESHED);
    world.forget(BARE);
}

#[track_caller]
fn through_sidecars(bench: &Bench) {
    let world = &bench.world;
    let (client, server) = (
        world.pod(MESHED, "app=client"),
        world.pod(MESHED, "app=server"),
    );
    let parts = [
        ("load generator", Container::of(world, &client, "app")),
        (
            "client's sidecar",
            Container::of(world, &client, "istio-proxy"),
        ),
        (
            "server's sidecar",
            Container::of(world, &server, "istio-proxy"),
        ),
        ("server", Container::of(world, &server, "app")),
    ];
    load(world, MESHED, |load| load.answered(world));
    let mut reports = Vec::new();
    let mut used = parts.each_ref().map(|_| Vec::new());
    for _ in 0..RUNS {
        let (report, cpu) = std::thread::scope(|scope| {
            let under_way = scope.spawn(|| load(world, MESHED, |load| load.run(world)));
            let cpu = while_loaded(&parts.each_ref().map(|(_, container)| container));
            (under_way.join().expect("the load"), cpu)
        });
        for (samples, cpu) in used.iter_mut().zip(cpu) {
            samples.push(cpu / (report.rps * WITHIN.as_secs_f64()));
        }
        reports.push(report);
    }
    rows(bench, "through two sidecars, mTLS", &reports);
    for ((who, _), samples) in parts.iter().zip(used) {
        let name = format!("requests through two sidecars, mTLS: CPU per request, {who}");
        bench.row(Row::median(&name, "us", samples));
    }
    let sidecars = parts.iter().filter(|(who, _)| who.ends_with("sidecar"));
    let memory = sidecars.map(|(_, sidecar)| sidecar.rss_mib()).collect();
    bench.row(Row::median("sidecar RSS after that load", "MiB", memory));
}

#[track_caller]
fn without(bench: &Bench) {
    let world = &bench.world;
    load(world, BARE, |load| load.answered(world));
    let runs = (0..RUNS).map(|_| load(world, BARE, |load| load.run(world)));
    rows(bench, "without a mesh", &runs.collect::<Vec<Report>>());
}

/// Does something with the load of a namespace.
fn load<T>(world: &World, namespace: &str, act: impl FnOnce(&Load<'_>) -> T) -> T {
    let (client, body) = (world.pod(namespace, "app=client"), BODY.to_string());
    act(&Load {
        client: &client,
        address: world.service(namespace, "server"),
        host: "server",
        connections: CONNECTIONS,
        seconds: SECONDS,
        more: &["--expect", &body],
    })
}

/// Processor time that containers use within [`WITHIN`] of a load that begins now, in microseconds.
fn while_loaded<const N: usize>(containers: &[&Container; N]) -> [f64; N] {
    rest(BEFORE);
    let before = containers.map(Container::cpu_us);
    rest(WITHIN);
    let mut used = containers.map(Container::cpu_us);
    for (used, before) in used.iter_mut().zip(before) {
        *used -= before;
    }
    used
}

#[track_caller]
fn rows(bench: &Bench, way: &str, reports: &[Report]) {
    let all = |of: fn(&Report) -> f64| reports.iter().map(of).collect::<Vec<f64>>();
    bench.row(Row::median(
        &format!("requests {way}"),
        "1/s",
        all(|report| report.rps),
    ));
    let [p50, p99] = ["p50", "p99"].map(|share| format!("requests {way}: {share}"));
    bench.row(Row::median(&p50, "us", all(|report| report.p50_us)));
    bench.row(Row::median(&p99, "us", all(|report| report.p99_us)));
    for fault in reports.iter().filter_map(Report::fault) {
        bench.fault(&format!("{way}: {fault}"));
    }
}
