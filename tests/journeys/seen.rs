//! What the mesh shows of itself: metrics on both sides, the graph, access logs, admin pages.

use mesh_test::eventually_async;
use mesh_tests::{Caller, Mesh, Metrics, Setup, fetch};
use serde_json::Value;

const LABELS: [&str; 25] = [
    "reporter",
    "source_workload",
    "source_canonical_service",
    "source_canonical_revision",
    "source_workload_namespace",
    "source_principal",
    "source_app",
    "source_version",
    "source_cluster",
    "destination_workload",
    "destination_workload_namespace",
    "destination_principal",
    "destination_app",
    "destination_version",
    "destination_service",
    "destination_canonical_service",
    "destination_canonical_revision",
    "destination_service_name",
    "destination_service_namespace",
    "destination_cluster",
    "request_protocol",
    "response_code",
    "grpc_response_status",
    "response_flags",
    "connection_security_policy",
];

async fn ten_calls(mesh: &Mesh) {
    let mut caller = Caller::through(
        mesh.status()
            .workload("productpage")
            .outbound
            .as_deref()
            .unwrap(),
    )
    .await;
    for _ in 0..10 {
        assert_eq!(
            caller.answer("http://details:9080/details/0", &[]).await.0,
            200
        );
    }
}

#[tokio::test]
async fn both_sides_count_a_request_with_the_full_set_of_labels() {
    let mesh = Setup::bookinfo().up();
    ten_calls(&mesh).await;
    let status = mesh.status();
    let sides = [
        ("source", &status.workload("productpage").admin, "unknown"),
        (
            "destination",
            &status.workload("details").admin,
            "mutual_tls",
        ),
    ];
    for (reporter, admin, policy) in sides {
        let page = format!("{admin}/stats/prometheus");
        let expect = [
            ("reporter", reporter),
            ("source_workload", "productpage-v1"),
            ("source_workload_namespace", "default"),
            (
                "source_principal",
                "spiffe://cluster.local/ns/default/sa/bookinfo-productpage",
            ),
            ("source_app", "productpage"),
            ("source_version", "v1"),
            ("destination_workload", "details-v1"),
            (
                "destination_principal",
                "spiffe://cluster.local/ns/default/sa/bookinfo-details",
            ),
            ("destination_app", "details"),
            ("destination_version", "v1"),
            ("destination_service", "details.default.svc.cluster.local"),
            ("destination_service_name", "details"),
            ("destination_service_namespace", "default"),
            ("request_protocol", "http"),
            ("response_code", "200"),
            ("response_flags", "-"),
            ("connection_security_policy", policy),
        ];
        eventually_async("ten requests are counted", || async {
            let metrics = Metrics::scrape(&page).await;
            let counted = metrics.sum("istio_requests_total", &expect);
            if counted == 10 {
                Ok(())
            } else {
                Err(metrics
                    .samples
                    .into_iter()
                    .filter(|s| s.metric == "istio_requests_total")
                    .collect::<Vec<_>>())
            }
        })
        .await;
        let metrics = Metrics::scrape(&page).await;
        for metric in [
            "istio_requests_total",
            "istio_request_duration_milliseconds",
        ] {
            let sample = metrics
                .of(metric, &expect)
                .next()
                .unwrap_or_else(|| panic!("no {metric}"));
            for label in LABELS {
                assert!(
                    sample.labels.contains_key(label),
                    "{metric} has no label {label}"
                );
            }
        }
    }
}

#[tokio::test]
async fn the_hub_shows_the_whole_mesh() {
    let mesh = Setup::bookinfo().up();
    let page = format!("{}/productpage", mesh.status().ingress.http);
    for _ in 0..30 {
        assert_eq!(fetch(&page, &[]).await.0, 200);
    }
    let hub = mesh.hub_metrics();
    let labels = [
        ("reporter", "destination"),
        ("destination_service_name", "productpage"),
        ("response_code", "200"),
    ];
    eventually_async("the hub has counted every page", || async {
        let sum = Metrics::scrape(&hub)
            .await
            .sum("istio_requests_total", &labels);
        if sum == 30 { Ok(()) } else { Err(sum) }
    })
    .await;
    let edges = eventually_async("the graph has every edge", || async {
        let (_, text) = fetch(&mesh.hub_graph(), &[]).await;
        let graph: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        let edges = graph["edges"].as_array().cloned().unwrap_or_default();
        let pair = |edge: &Value| {
            let side =
                |side: &str, field: &str| edge[side][field].as_str().unwrap_or_default().to_owned();
            (side("source", "workload"), side("destination", "workload"))
        };
        let pairs: Vec<_> = edges.iter().map(pair).collect();
        let wanted = [
            ("istio-ingressgateway", "productpage-v1"),
            ("productpage-v1", "details-v1"),
            ("productpage-v1", "reviews-v1"),
            ("productpage-v1", "reviews-v2"),
            ("productpage-v1", "reviews-v3"),
            ("reviews-v2", "ratings-v1"),
            ("reviews-v3", "ratings-v1"),
        ];
        let missing = |(from, to): &&(&str, &str)| !pairs.iter().any(|(f, t)| f == from && t == to);
        match wanted.iter().find(missing) {
            None => Ok(edges),
            Some(missing) => Err(format!("{missing:?} is not among {pairs:?}")),
        }
    })
    .await;
    for edge in &edges {
        assert!(
            edge["requests_per_second"]
                .as_f64()
                .is_some_and(|rate| rate > 0.0),
            "{edge}"
        );
        assert_eq!(edge["error_share"].as_f64(), Some(0.0), "{edge}");
        assert!(
            edge["latency_ms"]["p50"]
                .as_f64()
                .is_some_and(|ms| ms > 0.0),
            "{edge}"
        );
    }
}

#[tokio::test]
async fn the_access_log_has_istios_default_format() {
    let mesh = Setup::bookinfo().up();
    let productpage = mesh.status().workload("productpage").clone();
    let mut caller = Caller::through(productpage.outbound.as_deref().unwrap()).await;
    let headers = [
        ("x-request-id", "6a1c0c1e-0000-4000-8000-000000000001"),
        ("user-agent", "journey/1.0"),
    ];
    assert_eq!(
        caller
            .answer("http://details:9080/details/0?q=1", &headers)
            .await
            .0,
        200
    );
    let line = eventually_async("the line is written", || async {
        let log = mesh.meshctl_ok(&["logs", "productpage-v1-0", "--proxy", "--tail", "200"]);
        let line = log
            .lines()
            .find(|line| line.contains("6a1c0c1e"))
            .map(str::to_owned);
        line.ok_or(log)
    })
    .await;
    let start = line.find("[2").expect("the line opens with the time");
    let line = line.get(start..).unwrap();
    assert!(
        line.contains(r#"] "GET /details/0?q=1 HTTP/1.1" 200 - via_upstream - "-" 0 "#),
        "{line}"
    );
    assert!(
        line.contains(
            r#""-" "journey/1.0" "6a1c0c1e-0000-4000-8000-000000000001" "details:9080" "127."#
        ),
        "{line}"
    );
    assert!(
        line.contains("outbound|9080||details.default.svc.cluster.local 127."),
        "{line}"
    );
    assert!(line.ends_with("- default"), "{line}");
}

#[tokio::test]
async fn admin_pages_tell_what_a_sidecar_holds() {
    let mesh = Setup::bookinfo().up();
    let admin = mesh.status().workload("productpage").admin.clone();
    assert_eq!(fetch(&format!("{admin}/ready"), &[]).await.0, 200);
    let (_, clusters) = fetch(&format!("{admin}/clusters"), &[]).await;
    assert!(
        clusters.contains("outbound|9080|v1|reviews.default.svc.cluster.local::"),
        "{clusters}"
    );
    let (_, certs) = fetch(&format!("{admin}/certs"), &[]).await;
    let certs: Value = serde_json::from_str(&certs).unwrap();
    let name = &certs["certificates"][0]["cert_chain"][0]["subject_alt_names"][0]["uri"];
    assert_eq!(
        name, "spiffe://cluster.local/ns/default/sa/bookinfo-productpage",
        "{certs}"
    );
    let (_, dump) = fetch(&format!("{admin}/config_dump"), &[]).await;
    let dump: Value = serde_json::from_str(&dump).unwrap();
    let types: Vec<_> = dump["configs"]
        .as_array()
        .unwrap()
        .iter()
        .map(|c| c["@type"].as_str().unwrap().to_owned())
        .collect();
    for kind in [
        "ListenersConfigDump",
        "ClustersConfigDump",
        "RoutesConfigDump",
    ] {
        assert!(types.iter().any(|t| t.ends_with(kind)), "{types:?}");
    }
    assert!(!dump.to_string().contains("PRIVATE KEY"));
}
