//! Pilot with five thousand pods behind a thousand Services, all of them objects of the real API server:
//! what it holds, and how long it takes to know them.
//!
//! The pods are on a node that is only an object, which says once that it is ready: nothing runs there,
//! nothing is scheduled there, and for ten minutes nobody misses it.

use std::time::Duration;

use mesh_test::eventually;
use mesh_test::eventually::eventually_for;
use mesh_tests::processes;
use serde_json::{Value, json};

use super::api::{Api, Ask};
use super::container::Container;
use super::services::{self, MANY};
use super::sheet::Row;
use super::{Bench, HERE, QUIET, rest};
use crate::remote::fetch;
use crate::runner::say;
use crate::world::{POD_IMAGE, Pod, SYSTEM, World};

/// The node of the pods.
pub(crate) const ELSEWHERE: &str = "elsewhere";
const PODS: usize = 5000;
const RESTARTS: usize = 3;
/// Longer than that is no start.
const PATIENCE: Duration = Duration::from_secs(120);

pub(super) fn run(bench: &Bench) {
    let world = &bench.world;
    services::ensure(bench);
    say(&format!("  {PODS} pods"));
    fill(&Api::of(world));
    let pilot = world.pod(SYSTEM, "app=pilot");
    rest(QUIET);
    let memory = || Container::of(world, &pilot, "discovery");
    let grown = vec![memory().rss_mib()];
    bench.row(Row::median("pilot RSS, 5,000 pods came", "MiB", grown));
    let (mut starts, mut settled, mut peaks) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..RESTARTS {
        starts.push(started(world, &pilot));
        rest(QUIET);
        settled.push(memory().rss_mib());
        peaks.push(memory().peak_mib());
    }
    let name = "pilot ready after its start, 5,000 pods";
    bench.row(Row::median(name, "s", starts));
    bench.row(Row::median("pilot RSS, 5,000 pods", "MiB", settled));
    bench.row(Row::median(
        "pilot RSS at its most, 5,000 pods",
        "MiB",
        peaks,
    ));
    let pods = world.pods(HERE, "app in (client,server)");
    let sidecars = pods
        .iter()
        .map(|pod| Container::of(world, pod, "istio-proxy"));
    let sidecars = sidecars.map(|sidecar| sidecar.rss_mib()).collect();
    bench.row(Row::median("sidecar RSS, 5,000 pods", "MiB", sidecars));
}

/// Seconds from the start of pilot's process to its first answer that it is ready: everything is listed
/// and made into configuration, and it has its certificate.
///
/// The container is killed, so that the pod's address is known before the process is there. The kernel
/// tells the start to a hundredth of a second, and pilot is asked every hundredth.
#[track_caller]
fn started(world: &World, pilot: &Pod) -> f64 {
    let url = format!("http://{}:15014/readyz", pilot.address);
    let ready = || match fetch(&url, &[]) {
        Ok((200, _)) => Ok(()),
        other => Err(other),
    };
    let before = world.restarts(pilot, "discovery");
    world.kill(pilot, "discovery");
    eventually("pilot is gone", || match ready() {
        Ok(()) => Err("it answers"),
        Err(_) => Ok(()),
    });
    eventually_for(PATIENCE, "pilot is ready", ready);
    let now = processes::since_boot().as_secs_f64();
    eventually("the kubelet says so", || {
        let restarts = world.restarts(pilot, "discovery");
        (restarts > before).then_some(()).ok_or(restarts)
    });
    now - Container::of(world, pilot, "discovery").started()
}

/// The node, the pods, and that they are endpoints of the Services.
#[track_caller]
fn fill(api: &Api) {
    let node = json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": ELSEWHERE},
        "spec": {"unschedulable": true},
    });
    api.all(&[Ask::create("/api/v1/nodes", node)]);
    let alive = json!({"conditions": [{"type": "Ready", "status": "True", "reason": "Said"}]});
    api.all(&[Ask::status(&format!("/api/v1/nodes/{ELSEWHERE}"), &alive)]);
    let list = format!("/api/v1/namespaces/{MANY}/pods");
    let made = (0..PODS).map(|number| Ask::create(&list, pod(number)));
    api.all(&made.collect::<Vec<Ask>>());
    let run = (0..PODS).map(|number| {
        let address = address(number);
        let conditions = ["Initialized", "ContainersReady", "Ready", "PodScheduled"]
            .map(|kind| json!({"type": kind, "status": "True"}));
        let status = json!({"phase": "Running", "podIP": address, "podIPs": [{"ip": address}],
            "conditions": conditions});
        Ask::status(&format!("{list}/{}", name(number)), &status)
    });
    api.all(&run.collect::<Vec<Ask>>());
    let slices = (0..services::COUNT).map(|service| {
        let own = (service..PODS).step_by(services::COUNT);
        let endpoints: Vec<Value> = own.map(endpoint).collect();
        services::slice(service, &format!("s{service}-pods"), json!(endpoints))
    });
    api.all(&slices.collect::<Vec<Ask>>());
}

fn name(number: usize) -> String {
    format!("s{}-{number}", number % services::COUNT)
}

fn address(number: usize) -> String {
    format!("10.252.{}.{}", number / 250, 1 + number % 250)
}

fn pod(number: usize) -> Value {
    let service = format!("s{}", number % services::COUNT);
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name(number),
            "labels": {"app": service, "version": "v1", "security.istio.io/tlsMode": "istio"},
        },
        "spec": {
            "nodeName": ELSEWHERE,
            "containers": [{"name": "app", "image": POD_IMAGE, "ports": [{"containerPort": 8000}]}],
        },
    })
}

fn endpoint(number: usize) -> Value {
    json!({
        "addresses": [address(number)],
        "conditions": {"ready": true, "serving": true, "terminating": false},
        "nodeName": ELSEWHERE,
        "targetRef": {"kind": "Pod", "namespace": MANY, "name": name(number)},
    })
}
