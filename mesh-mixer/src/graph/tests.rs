use serde_json::{Value, json};

use super::*;

const MINUTE: Duration = Duration::from_secs(60);
const PRODUCTPAGE: &str = "spiffe://cluster.local/ns/default/sa/bookinfo-productpage";
const REVIEWS: &str = "spiffe://cluster.local/ns/default/sa/bookinfo-reviews";

/// A series of requests from productpage to reviews-v1, as `reporter` labels it, with changes.
fn mk_series(
    metric: &str,
    reporter: &str,
    changes: &[(&str, &str)],
    reading: Reading,
) -> (Key, Reading) {
    let mut labels = BTreeMap::from([
        ("reporter", reporter),
        ("source_workload", "productpage-v1"),
        ("source_workload_namespace", "default"),
        ("source_app", "productpage"),
        ("source_version", "v1"),
        ("source_principal", PRODUCTPAGE),
        ("destination_workload", "reviews-v1"),
        ("destination_workload_namespace", "default"),
        ("destination_version", "v1"),
        ("destination_principal", REVIEWS),
        ("destination_service", "reviews.default.svc.cluster.local"),
        ("destination_service_name", "reviews"),
        ("destination_service_namespace", "default"),
        ("request_protocol", "http"),
        ("response_code", "200"),
        ("grpc_response_status", ""),
        (
            "connection_security_policy",
            if reporter == "destination" {
                "mutual_tls"
            } else {
                "unknown"
            },
        ),
    ]);
    labels.extend(changes.iter().copied());
    (Key::new(metric, labels).unwrap(), reading)
}

fn requests(reporter: &str, changes: &[(&str, &str)], total: u64, lately: u64) -> (Key, Reading) {
    let reading = Reading {
        bounds: &[],
        total: [total].into(),
        lately: vec![lately],
    };
    mk_series(REQUESTS, reporter, changes, reading)
}

fn durations(reporter: &str, buckets: [u64; 3]) -> (Key, Reading) {
    let reading = Reading {
        bounds: &[1.0, 5.0],
        total: buckets.into(),
        lately: buckets.to_vec(),
    };
    mk_series(DURATION, reporter, &[], reading)
}

fn draw(readings: &[(Key, Reading)]) -> Value {
    serde_json::to_value(Graph::of(readings, MINUTE)).unwrap()
}

#[track_caller]
fn check_edges(readings: &[(Key, Reading)], fields: &[&str], expected: Value) {
    let graph = draw(readings);
    let edges = graph["edges"].as_array().unwrap();
    let row = |edge: &Value| -> Value {
        fields
            .iter()
            .map(|field| edge.pointer(field).unwrap().clone())
            .collect()
    };
    let got: Value = edges.iter().map(row).collect();
    assert_eq!(got, expected, "{graph:#}");
}

#[test]
fn an_empty_mesh_is_an_empty_graph() {
    let expected = json!({"version": 1, "window_seconds": 60, "services": [], "edges": []});
    assert_eq!(draw(&[]), expected);
}

#[test]
fn an_edge_says_all_that_the_contract_promises() {
    let readings = [
        requests("destination", &[], 100, 60),
        requests("destination", &[("response_code", "503")], 20, 20),
        durations("destination", [50, 50, 0]),
    ];
    let expected = json!({
        "version": 1,
        "window_seconds": 60,
        "services": [{"name": "reviews", "namespace": "default", "versions": ["v1"]}],
        "edges": [{
            "source": {"workload": "productpage-v1", "namespace": "default",
                       "app": "productpage", "version": "v1"},
            "destination": {"service": "reviews", "namespace": "default",
                            "workload": "reviews-v1", "version": "v1"},
            "protocol": "http",
            "requests_per_second": 1.333,
            "requests_total": 120,
            "error_share": 0.25,
            "latency_ms": {"p50": 1.0, "p90": 4.2, "p99": 4.92},
            "mutual_tls": true,
        }],
    });
    assert_eq!(draw(&readings), expected);
}

#[test]
fn a_request_that_both_ends_report_counts_once() {
    let fields = ["/destination/workload", "/requests_total"];
    let both = [
        requests("source", &[], 11, 11),
        requests("destination", &[], 10, 10),
    ];
    check_edges(&both, &fields, json!([["reviews-v1", 10]]));
    check_edges(&both[..1], &fields, json!([["reviews-v1", 11]]));
    // An end that does not know the other's version does not make another edge.
    let unsure = [
        requests("source", &[("destination_version", "unknown")], 11, 11),
        requests("destination", &[("source_app", "unknown")], 10, 10),
    ];
    check_edges(&unsure, &fields, json!([["reviews-v1", 10]]));
}

#[test]
fn requests_that_no_longer_arrive_are_seen_from_their_source() {
    let readings = [
        requests("source", &[], 10, 0),
        requests("source", &[("response_code", "503")], 5, 5),
        requests("destination", &[], 10, 0),
    ];
    check_edges(
        &readings,
        &["/requests_total", "/error_share"],
        json!([[15, 1.0]]),
    );
    // With both ends silent, the destination's total stays.
    let silent = [
        requests("source", &[], 11, 0),
        requests("destination", &[], 10, 0),
    ];
    check_edges(
        &silent,
        &["/requests_total", "/requests_per_second"],
        json!([[10, 0.0]]),
    );
}

#[test]
fn requests_that_found_no_destination_are_an_edge_of_their_own() {
    let lost = [
        ("destination_workload", "unknown"),
        ("destination_version", "unknown"),
        ("response_code", "503"),
    ];
    let readings = [
        requests("source", &[], 10, 10),
        requests("source", &lost, 2, 2),
        requests("destination", &[], 10, 10),
    ];
    let fields = ["/destination/workload", "/requests_total", "/error_share"];
    let expected = json!([["reviews-v1", 10, 0.0], ["unknown", 2, 1.0]]);
    check_edges(&readings, &fields, expected);
}

#[test]
fn errors_are_the_servers_faults() {
    let check = |changes: &[(&str, &str)], expected: f64| {
        let readings = [requests("destination", changes, 1, 1)];
        check_edges(&readings, &["/error_share"], json!([[expected]]));
    };
    check(&[("response_code", "200")], 0.0);
    check(&[("response_code", "404")], 0.0);
    check(&[("response_code", "500")], 1.0);
    check(&[("response_code", "555")], 1.0);
    check(&[("response_code", "0")], 1.0);
    check(&[("grpc_response_status", "0")], 0.0);
    check(&[("grpc_response_status", "5")], 0.0);
    check(&[("grpc_response_status", "14")], 1.0);
}

#[test]
fn an_edge_is_secure_when_all_its_requests_are() {
    let check = |readings: &[(Key, Reading)], expected: bool| {
        check_edges(readings, &["/mutual_tls"], json!([[expected]]));
    };
    let plain = [("connection_security_policy", "none")];
    check(&[requests("destination", &[], 5, 5)], true);
    check(&[requests("destination", &plain, 5, 5)], false);
    let mixed = |lately| {
        [
            requests("destination", &[], 5, 5),
            requests("destination", &plain, 1, lately),
        ]
    };
    check(&mixed(1), false);
    check(&mixed(0), true);
    // The source says whom it verified, not how.
    check(&[requests("source", &[], 5, 5)], true);
    check(
        &[requests(
            "source",
            &[("destination_principal", "unknown")],
            5,
            5,
        )],
        false,
    );
}

#[test]
fn connections_stand_for_requests_of_tcp() {
    let reading = Reading {
        bounds: &[],
        total: [6].into(),
        lately: vec![6],
    };
    let tcp = mk_series(
        CONNECTIONS,
        "destination",
        &[("request_protocol", "tcp")],
        reading,
    );
    let fields = [
        "/protocol",
        "/requests_total",
        "/requests_per_second",
        "/latency_ms/p50",
    ];
    check_edges(&[tcp], &fields, json!([["tcp", 6, 0.1, null]]));
}

#[test]
fn services_list_their_versions_and_leave_out_what_is_none() {
    let readings = [
        requests("destination", &[], 1, 1),
        requests(
            "destination",
            &[
                ("destination_workload", "reviews-v3"),
                ("destination_version", "v3"),
            ],
            1,
            1,
        ),
        requests(
            "destination",
            &[
                ("source_workload", "unknown"),
                ("destination_version", "unknown"),
            ],
            1,
            1,
        ),
        requests(
            "source",
            &[("destination_service_name", "PassthroughCluster")],
            1,
            1,
        ),
        requests("source", &[("destination_service_name", "unknown")], 1, 1),
        requests(
            "source",
            &[
                ("destination_service_name", "ratings"),
                ("destination_service_namespace", "other"),
            ],
            1,
            1,
        ),
    ];
    let expected = json!([
        {"name": "reviews", "namespace": "default", "versions": ["v1", "v3"]},
        {"name": "ratings", "namespace": "other", "versions": ["v1"]},
    ]);
    assert_eq!(draw(&readings)["services"], expected);
}

#[test]
fn series_without_labels_are_unknown_and_without_reporter_left_out() {
    let reading = Reading {
        bounds: &[],
        total: [1].into(),
        lately: vec![1],
    };
    let bare = |labels: &[(&'static str, &'static str)]| {
        (
            Key::new(REQUESTS, labels.iter().copied()).unwrap(),
            reading.clone(),
        )
    };
    check_edges(&[bare(&[])], &["/protocol"], json!([]));
    let fields = ["/source/workload", "/destination/service", "/mutual_tls"];
    let expected = json!([["unknown", "unknown", false]]);
    check_edges(&[bare(&[("reporter", "source")])], &fields, expected);
}
