//! Resident memory of sidecars that nobody uses, and of the control plane.

use super::container::Container;
use super::sheet::Row;
use super::{Bench, HERE, QUIET, rest, services};
use crate::evidence::Door;
use crate::remote::fetch;
use crate::world::SYSTEM;

/// The control plane: `app` of the pods, and what their container is called.
const COMPONENTS: [(&str, &str); 3] = [
    ("pilot", "discovery"),
    ("security", "citadel"),
    ("telemetry", "mixer"),
];

/// With nothing in the cluster but what is measured.
pub(super) fn empty(bench: &Bench) {
    measured(bench, "");
}

/// With a thousand Services that nobody uses.
pub(super) fn with_services(bench: &Bench) {
    services::ensure(bench);
    measured(bench, ", 1,000 services");
    // Afterwards: the page itself takes memory.
    let pod = bench.world.pod(HERE, "app=client");
    let door = Door::to(&bench.world, &pod, 15000);
    let (_, clusters) = fetch(&format!("{}/clusters", door.url), &[]).unwrap();
    let last = services::host(services::COUNT - 1);
    assert!(clusters.contains(&last), "the sidecar knows {last}");
}

#[track_caller]
fn measured(bench: &Bench, with: &str) {
    let world = &bench.world;
    rest(QUIET);
    let pods = world.pods(HERE, "app in (client,server)");
    let sidecars = pods.iter().map(|pod| {
        let sidecar = Container::of(world, pod, "istio-proxy");
        sidecar.rss_mib()
    });
    bench.row(Row::median(
        &format!("sidecar RSS{with}"),
        "MiB",
        sidecars.collect(),
    ));
    let parts = COMPONENTS.map(|(app, container)| {
        let pod = world.pod(SYSTEM, &format!("app={app}"));
        Container::of(world, &pod, container).rss_mib()
    });
    let all = vec![parts.iter().sum()];
    bench.row(Row::median(&format!("control plane RSS{with}"), "MiB", all));
    for ((_, container), part) in COMPONENTS.iter().zip(parts) {
        let component = match *container {
            "discovery" => "pilot",
            other => other,
        };
        bench.row(Row::median(
            &format!("{component} RSS{with}"),
            "MiB",
            vec![part],
        ));
    }
}
