//! Certificates are renewed under load without anybody noticing.

use std::time::Duration;

use mesh_model::time::Clock;
use mesh_runtime::SystemClock;
use mesh_tests::{Caller, Metrics, Setup, fetch};

/// How long the load goes on: a dozen lifetimes and two dozen renewals of every certificate.
const LOAD: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn certificates_of_five_seconds_renew_for_a_minute_under_load_with_zero_failures() {
    let mesh = Setup::bookinfo().set("citadel.workload-cert-ttl=5s").up();
    let productpage = mesh.status().workload("productpage").clone();
    let certs = format!("{}/certs", productpage.admin);
    let (_, first) = fetch(&certs, &[]).await;

    let mut kept = Caller::through(productpage.outbound.as_deref().unwrap()).await;
    let started = SystemClock.now();
    let mut requests = 0_u32;
    while SystemClock.now().duration_since(started) < LOAD {
        let (status, body) = kept.answer("http://details:9080/details/0", &[]).await;
        assert_eq!(status, 200, "request {requests}: {body}");
        // A new connection to the mesh as well: it may meet a certificate that was just renewed.
        let mut fresh = Caller::through(productpage.outbound.as_deref().unwrap()).await;
        let (status, body) = fresh.answer("http://ratings:9080/ratings/0", &[]).await;
        assert_eq!(status, 200, "request {requests}: {body}");
        requests += 2;
    }
    assert!(requests > 1000, "only {requests} requests in a minute");

    let (_, last) = fetch(&certs, &[]).await;
    assert_ne!(
        first, last,
        "the sidecar shows the certificate that it started with"
    );
    let citadel = mesh.status().component("citadel").clone();
    let metrics = Metrics::scrape(&format!("{}/metrics", citadel.admin)).await;
    let issued = metrics.sum("citadel_server_success_cert_issuance_count", &[]);
    assert!(issued > 100, "citadel issued only {issued} certificates");
}
