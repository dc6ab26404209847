//! Parts of the cluster and of the mesh are killed and replaced while applications are used.

use std::collections::BTreeMap;
use std::time::Duration;

use mesh_test::eventually;
use mesh_test::eventually::eventually_for;
use serde_json::Value;

use crate::app::App;
use crate::evidence::Door;
use crate::remote::{Remote, Tally, fetch};
use crate::shop::Shop;
use crate::world::{Pod, SYSTEM, World};

const HERE: &str = "steady";
const OUTSIDE: &str = "steady-visitors";
const SERVER: &str = "deployment/server";
/// Requests per second from pod to pod, and of visitors to the page.
const RATE: u32 = 100;
const VISITS: u32 = 10;
/// How long the API server is away.
const OUTAGE: Duration = Duration::from_secs(60);
/// How soon proxies know what the API server says.
const SOON: Duration = Duration::from_secs(5);

pub(crate) fn run(world: &World) {
    world.meshed(HERE);
    world.cluster.namespace(OUTSIDE);
    App::new(HERE, "server").replicas(3).apply(world);
    App::new(HERE, "client").apply(world);
    App::new(OUTSIDE, "visitor").deploy(world);
    world.all_rolled_out(HERE);
    Shop::of(world).open();
    let loads = Loads::start(world);

    api_server(world, &loads);
    control_plane(world, &loads);
    for part in ["kubelet", "containerd", "etcd"] {
        world.cluster.stop(part);
        world.cluster.start(part);
        world.answering();
        scale(world, 4);
        scale(world, 3);
        loads.unharmed(part);
    }
    for replicas in [1, 5, 1] {
        scale(world, replicas);
        loads.unharmed(&format!("scaled to {replicas}"));
    }
    scale(world, 3);
    replaced(world, &loads);
    loads.end(world);

    sidecar(world);
    scale(world, 2);
    agree(world);
    world.forget(HERE);
    world.forget(OUTSIDE);
}

/// What is under way the whole time.
struct Loads {
    client: Remote,
    visitor: Remote,
}

impl Loads {
    #[track_caller]
    fn start(world: &World) -> Self {
        let loads = Self {
            client: world.remote(HERE, "client"),
            visitor: world.remote(OUTSIDE, "visitor"),
        };
        loads.client.load("http://server/", RATE, "server");
        let page = format!("http://istio-ingressgateway.{SYSTEM}/productpage");
        loads.visitor.load(&page, VISITS, "Reviewer1");
        loads
    }

    /// Fails at once if any request did.
    #[track_caller]
    fn unharmed(&self, what: &str) {
        self.client.tally().assert_unharmed(what, 1);
        self.visitor.tally().assert_unharmed(what, 1);
    }

    /// Waits until so much time has passed, by the requests of the client.
    #[track_caller]
    fn pass(&self, time: Duration) {
        let until = self.client.tally().sent + u64::from(RATE) * time.as_secs();
        eventually_for(time * 2, "requests go on", || match self.client.tally() {
            tally if tally.sent >= until => Ok(()),
            tally => Err(tally.sent),
        });
    }

    #[track_caller]
    fn end(self, world: &World) {
        let seconds = OUTAGE.as_secs();
        let client = self.client.end();
        client.assert_unharmed("from pod to pod", u64::from(RATE) * seconds);
        let visitor = self.visitor.end();
        visitor.assert_unharmed("the page", u64::from(VISITS) * seconds);
        Shop::of(world).open();
    }
}

/// Killed right after a change, away for a minute, and another change when it is back.
#[track_caller]
fn api_server(world: &World, loads: &Loads) {
    scale(world, 5);
    world.cluster.stop("apiserver");
    loads.pass(OUTAGE);
    loads.unharmed("without API server");
    world.cluster.start("apiserver");
    world.answering();
    scale(world, 2);
    scale(world, 3);
    loads.unharmed("the API server is back");
}

#[track_caller]
fn control_plane(world: &World, loads: &Loads) {
    for (app, container) in [
        ("pilot", "discovery"),
        ("security", "citadel"),
        ("telemetry", "mixer"),
    ] {
        let pod = world.pod(SYSTEM, &format!("app={app}"));
        world.kill_and_see(&pod, container);
        scale(world, 4);
        scale(world, 3);
        loads.unharmed(app);
    }
}

/// Pods are deleted while they serve.
#[track_caller]
fn replaced(world: &World, loads: &Loads) {
    for pod in world.pods(HERE, "app=server") {
        let named = format!("pod/{}", pod.name);
        world.kubectl(&["delete", &named, "-n", HERE]);
        world.ready(HERE, "app=server", 3);
        loads.unharmed("a pod was deleted");
    }
}

/// Of a sidecar that is killed nothing is lost but what it has in its hands.
#[track_caller]
fn sidecar(world: &World) {
    let client = world.remote(HERE, "client");
    client.load("http://server/", RATE, "server");
    let pod = world.pod(HERE, "app=server");
    let served = |tally: &Tally| tally.good > 100;
    eventually("the load", || Some(client.tally()).filter(served).ok_or(()));
    world.kill_and_see(&pod, "istio-proxy");
    let tally = client.end();
    // At this rate hardly more than one is under way at a time.
    assert!(tally.failed <= 3, "{tally:#?}");
}

#[track_caller]
fn scale(world: &World, replicas: u32) {
    let replicas = format!("--replicas={replicas}");
    eventually("a Deployment is scaled", || {
        let output = world
            .cluster
            .run("kubectl", &["scale", SERVER, &replicas, "-n", HERE]);
        let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
        output.status.success().then_some(()).ok_or(complaint)
    });
    world.rolled_out(HERE, SERVER);
}

/// Endpoints by cluster: those of Services, or those of a proxy.
type Endpoints = BTreeMap<String, Vec<String>>;

/// Every proxy has the endpoints that the API server has.
#[track_caller]
fn agree(world: &World) {
    let mut proxies = world.pods(SYSTEM, "istio in (ingressgateway,egressgateway)");
    for namespace in [HERE, "default"] {
        proxies.extend(world.pods(namespace, "security.istio.io/tlsMode=istio,app!=server"));
    }
    let opened = |pod: &Pod| (pod.clone(), Door::to(world, pod, 15000));
    let mut doors: Vec<(Pod, Door)> = proxies.iter().map(opened).collect();
    assert!(doors.len() >= 9, "{doors:?}");
    for replicas in ["--replicas=4", "--replicas=1"] {
        world.kubectl(&["scale", SERVER, replicas, "-n", HERE]);
        world.rolled_out(HERE, SERVER);
        eventually_for(SOON, "proxies have the endpoints of the API server", || {
            let slices = slices(world);
            let mut differs = Vec::new();
            for (pod, door) in &mut doors {
                let seen = of_proxy(door);
                if seen.is_err() {
                    // kubectl gives up forwarding when a connection breaks off.
                    *door = Door::to(world, pod, 15000);
                }
                if seen.as_ref() != Ok(&slices) {
                    differs.push((pod.name.clone(), seen));
                }
            }
            let all = differs.is_empty();
            all.then_some(())
                .ok_or_else(|| format!("{differs:?} and not {slices:?}"))
        });
    }
}

/// Ready endpoints of the Services of a few namespaces.
#[track_caller]
fn slices(world: &World) -> Endpoints {
    let mut endpoints = Endpoints::new();
    for namespace in [HERE, "default"] {
        let list = world.object(&["endpointslices", "-n", namespace]);
        for slice in list["items"].as_array().unwrap() {
            let service = slice["metadata"]["labels"]["kubernetes.io/service-name"]
                .as_str()
                .unwrap();
            if service == "kubernetes" {
                continue;
            }
            let addresses = slice["endpoints"].as_array().into_iter().flatten();
            let ready = addresses.filter(|one| one["conditions"]["ready"] == true);
            let addresses: Vec<&str> = ready
                .map(|one| one["addresses"][0].as_str().unwrap())
                .collect();
            for port in slice["ports"].as_array().into_iter().flatten() {
                let name = format!("{service}.{namespace} {}", port["name"].as_str().unwrap());
                let all = addresses
                    .iter()
                    .map(|address| format!("{address}:{}", port["port"]));
                endpoints.entry(name).or_default().extend(all);
            }
        }
    }
    sorted(endpoints)
}

/// The same from a proxy's clusters.
#[track_caller]
fn of_proxy(door: &Door) -> Result<Endpoints, String> {
    let (_, page) = fetch(&format!("{}/clusters?format=json", door.url), &[])?;
    let page: Value = serde_json::from_str(&page).unwrap();
    let mut endpoints = Endpoints::new();
    for cluster in page["cluster_statuses"].as_array().unwrap() {
        let Some(name) = of_service(cluster["name"].as_str().unwrap()) else {
            continue;
        };
        let hosts = cluster["host_statuses"].as_array().into_iter().flatten();
        let hosts = hosts.filter(|host| host["health_status"]["eds_health_status"] == "HEALTHY");
        let all = hosts.map(|host| {
            let address = &host["address"]["socket_address"];
            format!(
                "{}:{}",
                address["address"].as_str().unwrap(),
                address["port_value"]
            )
        });
        endpoints.entry(name).or_default().extend(all);
    }
    Ok(sorted(endpoints))
}

/// `outbound|80||server.steady.svc.cluster.local` as `server.steady http`.
fn of_service(cluster: &str) -> Option<String> {
    let parts: Vec<&str> = cluster.split('|').collect();
    let &["outbound", port, "", host] = parts.as_slice() else {
        return None;
    };
    let host = host.strip_suffix(".svc.cluster.local")?;
    let namespace = host.rsplit('.').next()?;
    let name = match port {
        "80" | "9080" => "http",
        "8081" => "tcp-echo",
        "8082" => "tcp-greeter",
        _ => return None,
    };
    [HERE, "default"]
        .contains(&namespace)
        .then(|| format!("{host} {name}"))
}

fn sorted(mut endpoints: Endpoints) -> Endpoints {
    endpoints.values_mut().for_each(|all| all.sort());
    endpoints
}
