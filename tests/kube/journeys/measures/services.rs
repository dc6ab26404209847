//! A thousand Services that nobody uses, with two endpoints each.

use mesh_test::eventually;
use mesh_tests::Metrics;
use serde_json::{Value, json};

use super::Bench;
use super::api::{Api, Ask};
use crate::remote::fetch;
use crate::runner::say;
use crate::world::{SYSTEM, World};

/// Their namespace.
pub(super) const MANY: &str = "many";
/// How many.
pub(super) const COUNT: usize = 1000;

/// Makes them, unless they are there, and waits until pilot knows them.
#[track_caller]
pub(super) fn ensure(bench: &Bench) {
    let world = &bench.world;
    if known(world).is_ok() {
        return;
    }
    say(&format!("  {COUNT} services with two endpoints each"));
    world.cluster.namespace(MANY);
    let api = Api::of(world);
    let services: Vec<Ask> = (0..COUNT).map(service).collect();
    api.all(&services);
    let slices = (0..COUNT).map(|index| {
        let addresses = [250, 251].map(|network| {
            let address = format!("10.{network}.{}.{}", index / 100, 1 + index % 100);
            json!({"addresses": [address]})
        });
        slice(index, &format!("s{index}"), json!(addresses))
    });
    api.all(&slices.collect::<Vec<Ask>>());
    eventually("pilot knows the services", || known(world));
}

/// The name of one within the mesh.
pub(super) fn host(index: usize) -> String {
    format!("s{index}.{MANY}.svc.cluster.local")
}

fn service(index: usize) -> Ask {
    let object = json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": format!("s{index}")},
        "spec": {"ports": [{"name": "http", "port": 8000}]},
    });
    Ask::create(&format!("/api/v1/namespaces/{MANY}/services"), object)
}

/// Endpoints of one.
pub(super) fn slice(index: usize, name: &str, endpoints: Value) -> Ask {
    let object = json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name,
            "labels": {"kubernetes.io/service-name": format!("s{index}")}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8000, "protocol": "TCP"}],
        "endpoints": endpoints,
    });
    let list = format!("/apis/discovery.k8s.io/v1/namespaces/{MANY}/endpointslices");
    Ask::create(&list, object)
}

/// Whether pilot has them all, by its own count.
fn known(world: &World) -> Result<(), String> {
    let pilot = world.pod(SYSTEM, "app=pilot");
    let (_, page) = fetch(&format!("http://{}:15014/metrics", pilot.address), &[])?;
    let services = Metrics::parse(&page).sum("pilot_services", &[]);
    let all = services >= COUNT as u64;
    all.then_some(())
        .ok_or_else(|| format!("{services} services"))
}
