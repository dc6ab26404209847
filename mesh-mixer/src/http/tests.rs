use ::http::Method;
use mesh_test::clock;
use serde_json::Value;

use super::*;
use crate::store::Limits;

fn mk_hub(registry: &Registry) -> Hub {
    Hub::new(Limits::default(), Arc::new(clock::fixed()), registry).unwrap()
}

fn get(pages: &Admin, path: &str) -> Page {
    pages.answer(&Method::GET, path, &Default::default())
}

#[test]
fn the_mesh_is_served_as_text_and_as_json() {
    let pages = mesh(&mk_hub(&Registry::new()));
    assert_eq!(get(&pages, "/metrics").status, 200);
    let graph = get(&pages, "/graph");
    assert_eq!(
        (graph.status, graph.content_type),
        (200, "application/json")
    );
    let graph: Value = serde_json::from_slice(&graph.body).unwrap();
    assert_eq!(graph["version"], 1);
}

#[test]
fn readiness_waits_for_the_certificate_and_health_does_not() {
    let registry = Registry::new();
    let ready = Ready::default();
    let pages = admin(&mk_hub(&registry), registry, ready.clone());
    assert_eq!(get(&pages, "/healthz").status, 200);
    assert_eq!(get(&pages, "/readyz").status, 503);
    ready.set();
    assert_eq!(get(&pages, "/readyz").status, 200);
    let metrics = get(&pages, "/metrics");
    let metrics = String::from_utf8_lossy(&metrics.body).into_owned();
    assert!(metrics.contains("mesh_mixer_series 0"), "{metrics}");
}
