//! How soon the injector answers the API server, whose part a client plays at a steady rate: the review
//! of a pod, over TLS, by the Service that the webhook's configuration names.

use std::time::Duration;

use mesh_model::time::Clock;
use mesh_runtime::SystemClock;
use mesh_test::client::{Client, Failure, Http};
use mesh_test::tls::careless_client;
use rustls::pki_types::ServerName;
use serde_json::{Value, json};

use super::sheet::Row;
use super::{Bench, HERE};
use crate::app::App;
use crate::remote::block_on;
use crate::world::SYSTEM;

/// Time between two reviews.
const EVERY: Duration = Duration::from_millis(20);
const REVIEWS: u32 = 1000;

pub(super) fn run(bench: &Bench) {
    let address = bench.world.service(SYSTEM, "istio-pilot");
    let samples = block_on(asked(&format!("{address}:443"))).unwrap();
    bench.row(Row::median(
        "webhook answers, median",
        "ms",
        samples.clone(),
    ));
    bench.row(Row::p99("webhook answers, p99", "ms", samples));
}

/// Times in milliseconds, of one that was late because of the one before from when it was due.
async fn asked(address: &str) -> Result<Vec<f64>, Failure> {
    let config = careless_client(None, &[b"http/1.1"]);
    let name = ServerName::try_from("istio-pilot.istio-system.svc")?;
    let connected = Client::tls(address.parse()?, name, config, Http::One);
    let mut client = Box::pin(connected).await?;
    let review = review().to_string();
    let kind = [("content-type", "application/json")];
    let start = SystemClock.now();
    let mut samples = Vec::new();
    for number in 0..REVIEWS {
        let due = start + EVERY * number;
        let now = SystemClock.now();
        let from = if now < due {
            tokio::time::sleep(due - now).await;
            SystemClock.now()
        } else {
            due
        };
        let answer = client
            .post("https://istio-pilot/inject", &kind, review.clone())
            .await?;
        samples.push(SystemClock.now().duration_since(from).as_secs_f64() * 1000.0);
        let answer: Value = serde_json::from_slice(answer.body())?;
        assert_eq!(answer["response"]["patchType"], "JSONPatch", "{answer:#}");
    }
    Ok(samples)
}

/// What the API server asks when a pod is created.
fn review() -> Value {
    let mut pod = App::new(HERE, "reviewed").template();
    pod["apiVersion"] = "v1".into();
    pod["kind"] = "Pod".into();
    pod["metadata"]["generateName"] = "reviewed-".into();
    json!({
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "resource": {"group": "", "version": "v1", "resource": "pods"},
            "namespace": HERE,
            "operation": "CREATE",
            "object": pod,
        },
    })
}
