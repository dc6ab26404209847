//! Circuit breakers and outlier detection, as a DestinationRule asks for them.

use std::path::Path;

use mesh_test::eventually::eventually_async;
use mesh_tests::{Caller, Mesh, Setup, fetch};

fn up() -> Mesh {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("soak/mesh");
    Setup::default().source(folder).up()
}

async fn caller(mesh: &Mesh) -> Caller {
    let outbound = mesh.status().workload("caller").outbound.clone();
    Caller::through(&outbound.unwrap_or_default()).await
}

fn rule(host: &str, policy: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {{name: {host}}}
spec:
  host: {host}
  trafficPolicy: {{{policy}}}
"
    )
}

/// A number that the caller's sidecar tells of a cluster.
async fn stat(mesh: &Mesh, cluster: &str, name: &str) -> Option<u64> {
    let admin = mesh.status().workload("caller").admin.clone();
    let (_, stats) = fetch(&format!("{admin}/stats"), &[]).await;
    let line = format!("cluster.{cluster}.{name}: ");
    stats
        .lines()
        .find_map(|told| told.strip_prefix(&*line)?.parse().ok())
}

async fn stat_is(mesh: &Mesh, cluster: &str, name: &str, value: u64) {
    eventually_async(name, || async move {
        match stat(mesh, cluster, name).await {
            Some(seen) if seen == value => Ok(()),
            seen => Err(seen),
        }
    })
    .await;
}

#[tokio::test]
async fn a_circuit_breaker_answers_what_is_too_much() {
    const CLUSTER: &str = "outbound|8080||steady.default.svc.cluster.local";
    let mesh = up();
    let bound = "connectionPool: {http: {http2MaxRequests: 1}}";
    mesh.apply(&rule("steady", bound));
    let (mut first, mut second) = (caller(&mesh).await, caller(&mesh).await);
    let refuse = async {
        stat_is(&mesh, CLUSTER, "upstream_rq_active", 1).await;
        let refused = second.get("http://steady:8080/seen", &[]).await.unwrap();
        assert_eq!(refused.status(), 503);
        assert_eq!(refused.headers()["x-envoy-overloaded"], "true");
    };
    let slow = first.answer("http://steady:8080/after/3000", &[]);
    let ((status, _), ()) = tokio::join!(slow, refuse);
    assert_eq!(status, 200);
    stat_is(&mesh, CLUSTER, "upstream_rq_active", 0).await;
    let (status, body) = second.answer("http://steady:8080/seen", &[]).await;
    assert_eq!(status, 200, "{body}");
    let overflows = stat(&mesh, CLUSTER, "upstream_rq_pending_overflow").await;
    assert_eq!(overflows, Some(1));

    // Without bounds nothing is counted.
    mesh.apply(&rule("steady", "loadBalancer: {simple: RANDOM}"));
    assert_eq!(stat(&mesh, CLUSTER, "upstream_rq_active").await, None);
}

#[tokio::test]
async fn an_endpoint_that_fails_is_put_out_and_comes_back() {
    const CLUSTER: &str = "outbound|8080||web.default.svc.cluster.local";
    let mesh = up();
    let put_out = "outlierDetection: {consecutive5xxErrors: 3, interval: 1s, baseEjectionTime: 5s}";
    mesh.apply(&rule("web", put_out));
    let mut caller = caller(&mesh).await;
    let mut failures = 0;
    for _ in 0..60 {
        let (status, _) = caller.answer("http://web:8080/failing/v2", &[]).await;
        failures += usize::from(status == 500);
    }
    // Of three endpoints one may be out in any case, though 10 % of them, the default, are none.
    assert_eq!(failures, 3);
    assert_eq!(
        stat(&mesh, CLUSTER, "outlier_detection.ejections_active").await,
        Some(1)
    );
    let admin = mesh.status().workload("caller").admin.clone();
    let (_, clusters) = fetch(&format!("{admin}/clusters"), &[]).await;
    let ejected = clusters.lines().filter(|line| {
        line.starts_with(CLUSTER) && line.ends_with("health_flags::/failed_outlier_check")
    });
    assert_eq!(ejected.count(), 1, "{clusters}");

    stat_is(&mesh, CLUSTER, "outlier_detection.ejections_active", 0).await;
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..60 {
        let answer = caller.get("http://web:8080/seen", &[]).await.unwrap();
        assert_eq!(answer.status(), 200);
        seen.insert(answer.headers()["x-server-name"].clone());
    }
    assert_eq!(seen.len(), 3, "{seen:?}");
    assert_eq!(
        stat(&mesh, CLUSTER, "outlier_detection.ejections_enforced_total").await,
        Some(1)
    );
}
