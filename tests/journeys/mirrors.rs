//! Copies of requests: another version gets them, and nobody waits for it.

use mesh_test::eventually::eventually_async;
use mesh_tests::{Caller, Metrics, Setup, Stars, stars};

const REQUESTS: u64 = 20;

/// Reviews' v1 answers; v3 gets this share of copies.
fn mirrored(share: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {{name: reviews}}
spec:
  hosts: [reviews]
  http:
  - route: [{{destination: {{host: reviews, subset: v1}}}}]
    mirrors: [{{destination: {{host: reviews, subset: v3}}, percentage: {{value: {share}}}}}]
"
    )
}

async fn sum(admin: &str, metric: &str, labels: &[(&str, &str)]) -> u64 {
    let metrics = Metrics::scrape(&format!("{admin}/stats/prometheus")).await;
    metrics.sum(metric, labels)
}

#[tokio::test]
async fn another_version_gets_copies_marked_as_such() {
    let mesh = Setup::bookinfo().up();
    let status = mesh.status();
    let productpage = status.workload("productpage").clone();
    let v3 = status.workload("reviews-v3").admin.clone();
    let mut caller = Caller::through(productpage.outbound.as_deref().unwrap()).await;
    for share in ["0", "100"] {
        mesh.apply(&mirrored(share));
        for _ in 0..REQUESTS {
            let (status, body) = caller
                .answer(
                    "http://reviews:9080/reviews/0",
                    &[("user-agent", "mirrored")],
                )
                .await;
            assert_eq!((status, stars(&body)), (200, Stars::None));
        }
    }
    let served = [("reporter", "destination")];
    eventually_async("every copy of the second half comes to v3", || async {
        match sum(&v3, "istio_requests_total", &served).await {
            REQUESTS => Ok(()),
            other => Err(other),
        }
    })
    .await;
    let answered = [("result", "answered")];
    eventually_async("each is answered", || async {
        let name = "mesh_proxy_mirrored_requests_total";
        match sum(&productpage.admin, name, &answered).await {
            REQUESTS => Ok(()),
            other => Err(other),
        }
    })
    .await;
    let to_v3 = [("reporter", "source"), ("destination_version", "v3")];
    let counted = sum(&productpage.admin, "istio_requests_total", &to_v3).await;
    assert_eq!(counted, 0, "istio: whoever makes a copy does not count it");
    eventually_async("the log of v3 knows them by their host", || async {
        let log = mesh.meshctl_ok(&["logs", "reviews-v3-0", "--proxy", "--tail", "200"]);
        let lines = log.lines().filter(|line| line.contains("\"mirrored\""));
        let marked = lines.filter(|line| line.contains("\"reviews-shadow:9080\""));
        match marked.count() as u64 {
            REQUESTS => Ok(()),
            _ => Err(log),
        }
    })
    .await;
}
