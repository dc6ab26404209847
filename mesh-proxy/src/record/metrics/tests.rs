use mesh_runtime::metrics::BOUNDS;

use super::*;
use crate::config::node::tests::mk_workload;
use crate::record::metrics::cells::{Histogram, HistogramTotals};
use crate::record::metrics::memo::Place;
use crate::record::peer::Peers;
use crate::record::tests::Fixture;

fn count(shard: &mut Shard, peers: &mut Peers, fixture: &Fixture) {
    let record = fixture.record();
    let peer = peers.of(&record);
    shard.request(&record, &peer);
}

fn requests(metrics: &Metrics) -> Vec<u64> {
    metrics
        .totals()
        .iter()
        .map(|total| total.request.requests)
        .collect()
}

#[test]
fn shards_of_all_workers_add_up() {
    let metrics = Metrics::new();
    let (mut one, mut two) = (metrics.shard(&mk_workload()), metrics.shard(&mk_workload()));
    let (mut peers, fixture) = (Peers::new(), Fixture::client());
    for _ in 0..3 {
        count(&mut one, &mut peers, &fixture);
    }
    count(&mut two, &mut peers, &fixture);
    assert_eq!(requests(&metrics), [4]);
    let total = metrics.totals().remove(0).request;
    assert_eq!((total.duration.count(), total.duration.sum), (4, 48.0));
    assert_eq!(
        (total.request_bytes.sum, total.response_bytes.sum),
        (400.0, 4.0 * 345.0)
    );
}

#[test]
fn a_repeated_combination_builds_no_labels() {
    let (metrics, mut memo, mut peers) = (Metrics::new(), Memo::new(), Peers::new());
    let fixture = Fixture::client();
    let own = Side::own(&mk_workload());
    let mut place = |expect_new: bool| -> Place {
        let record = fixture.record();
        let peer = peers.of(&record);
        memo.place(&record, &peer, |entered| {
            assert!(expect_new, "labels were built again");
            entered.place(&metrics, labels::of(&record, &own, &peer))
        })
    };
    let first = place(true);
    assert!(Arc::ptr_eq(&first.cells, &place(false).cells));
}

#[test]
fn what_differs_in_a_label_is_a_series_of_its_own() {
    let metrics = Metrics::new();
    let mut shard = metrics.shard(&mk_workload());
    let mut peers = Peers::new();
    let base = Fixture::client();
    let mut other_status = Fixture::client();
    other_status.response.status = 503;
    let mut other_flags = Fixture::client();
    other_flags.response.flags = mesh_traffic::Flags::UPSTREAM_TIMEOUT;
    let mut other_peer = Fixture::client();
    other_peer.workload = Some("reviews-v2;default;reviews;v2;Kubernetes".into());
    let mut plain = Fixture::client();
    plain.identity = None;
    for fixture in [
        &base,
        &other_status,
        &other_flags,
        &other_peer,
        &plain,
        &base,
    ] {
        count(&mut shard, &mut peers, fixture);
    }
    assert_eq!(requests(&metrics), [2, 1, 1, 1, 1]);
}

#[test]
fn a_cluster_that_was_compiled_anew_goes_on_in_its_series() {
    let metrics = Metrics::new();
    let mut shard = metrics.shard(&mk_workload());
    let mut peers = Peers::new();
    count(&mut shard, &mut peers, &Fixture::client());
    count(&mut shard, &mut peers, &Fixture::client());
    assert_eq!(requests(&metrics), [2]);
}

#[test]
fn no_cluster_of_a_former_configuration_is_kept() {
    let metrics = Metrics::new();
    let mut shard = metrics.shard(&mk_workload());
    let mut peers = Peers::new();
    for _ in 0..1000 {
        let fixture = Fixture::client();
        count(&mut shard, &mut peers, &fixture);
        let cluster = fixture.record().cluster.map(Arc::downgrade).unwrap();
        drop(fixture);
        assert_eq!(cluster.strong_count(), 0);
    }
    assert_eq!(requests(&metrics), [1000]);
}

#[test]
fn series_are_bounded_and_sums_stay_right() {
    let metrics = Metrics::of_at_most(3);
    let mut shard = metrics.shard(&mk_workload());
    let mut peers = Peers::new();
    let mut fixture = Fixture::client();
    fixture.cluster = None;
    for n in 0..100 {
        fixture.request.authority = format!("host-{n}");
        count(&mut shard, &mut peers, &fixture);
    }
    assert_eq!(requests(&metrics), [1, 1, 1, 97]);
    let overflow = metrics.totals().pop().unwrap().labels;
    assert_eq!(
        (overflow[0].as_str(), overflow[14].as_str()),
        ("source", "overflow")
    );
    assert_eq!(metrics.failures().1, 97);
    let cells = metrics
        .0
        .lock()
        .series
        .last()
        .map(|series| series.cells.len());
    assert_eq!(cells, Some(1));
}

#[test]
fn failures_are_counted_by_reason() {
    let metrics = Metrics::new();
    let mut shard = metrics.shard(&mk_workload());
    let mut fixture = Fixture::client();
    fixture.response.failure = Some(FailureKind::NoHealthyUpstream);
    count(&mut shard, &mut Peers::new(), &fixture);
    shard.connection_failed("handshake");
    let (failures, _) = metrics.failures();
    assert_eq!(
        (failures["no_healthy_upstream"], failures["handshake"]),
        (1, 1)
    );
    assert_eq!(failures["no_route"], 0);
}

#[test]
fn observations_go_to_the_bucket_whose_bound_they_do_not_exceed() {
    let place = |value: f64| {
        let cells = RequestCells::default();
        cells.duration.observe(value);
        let totals = RequestTotals::sum(std::iter::once(&cells));
        totals.duration.counts.iter().position(|count| *count == 1)
    };
    assert_eq!(place(0.0), Some(0));
    assert_eq!(place(0.5), Some(0));
    assert_eq!(place(0.51), Some(1));
    assert_eq!(place(3_600_000.0), Some(BOUNDS.len() - 1));
    assert_eq!(place(1e12), Some(BOUNDS.len()));
    let _unused = Histogram::default();
}

#[test]
fn differences_of_histograms_are_exact() {
    let cells = RequestCells::default();
    cells.duration.observe(3.0);
    let before = RequestTotals::sum(std::iter::once(&cells)).duration;
    cells.duration.observe(30.0);
    let after = RequestTotals::sum(std::iter::once(&cells)).duration;
    let mut expected = HistogramTotals::default();
    expected.counts[5] = 1;
    expected.sum = 30.0;
    assert_eq!(after.since(&before), expected);
}

#[test]
fn the_text_is_prometheus_format() {
    let metrics = Metrics::new();
    let mut fixture = Fixture::client();
    fixture.cluster = None;
    fixture.request.authority = "a\"b\\c".into();
    count(
        &mut metrics.shard(&mk_workload()),
        &mut Peers::new(),
        &fixture,
    );
    let text = metrics.text();
    assert!(text.contains(
        "# TYPE istio_requests_total counter\nistio_requests_total{reporter=\"source\","
    ));
    assert!(text.contains("destination_service=\"a\\\"b\\\\c\""));
    assert!(text.contains(",le=\"10\"} 0\n") && text.contains(",le=\"25\"} 1\n"));
    assert!(text.contains(",le=\"+Inf\"} 1\n"));
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (_, value) = line.rsplit_once(' ').unwrap();
        assert!(value.parse::<f64>().is_ok(), "{line}");
    }
}

/// docs/telemetry.md names every metric and every label.
#[test]
fn every_metric_and_label_is_documented() {
    let docs = include_str!("../../../../docs/telemetry.md");
    let text = Metrics::new().text();
    let metrics = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .map(|rest| rest.split(' ').next().unwrap_or_default());
    for name in metrics.chain(NAMES) {
        assert!(
            docs.contains(&format!("`{name}`")),
            "docs/telemetry.md lacks {name}"
        );
    }
}
