use mesh_proto::telemetry::delta::Value as Amount;
use mesh_proto::telemetry::{Delta, Label};
use mesh_test::clock;

use super::*;

const REQUESTS: &str = "istio_requests_total";

/// What the hub shows when these versions were counted so often.
fn shown(versions: &[(&str, u64)]) -> String {
    let mut text = "# HELP istio_requests_total Requests that were completed\n\
                    # TYPE istio_requests_total counter\n"
        .to_owned();
    for (version, count) in versions {
        text += &format!(
            "istio_requests_total{{destination_version=\"{version}\",reporter=\"destination\"}} {count}\n"
        );
    }
    text
}

fn mk_hub() -> (Hub, Registry) {
    let registry = Registry::new();
    let hub = Hub::new(Limits::default(), Arc::new(clock::fixed()), &registry);
    (hub.unwrap(), registry)
}

fn mk_peer(name: &str) -> SpiffeId {
    SpiffeId::parse(&format!("spiffe://cluster.local/ns/default/sa/{name}")).unwrap()
}

fn mk_label((name, value): (&str, &str)) -> Label {
    Label {
        name: name.to_owned(),
        value: value.to_owned(),
    }
}

fn mk_declared(id: u32, metric: &str, value: &str) -> Declared {
    let labels = [("reporter", "destination"), ("destination_version", value)];
    Declared {
        id,
        metric: metric.to_owned(),
        labels: labels.map(mk_label).into(),
    }
}

fn mk_batch(sequence: u64, series: Vec<Declared>, deltas: &[(u32, u64)]) -> ReportRequest {
    let delta = |(series, added): &(u32, u64)| Delta {
        series: *series,
        value: Some(Amount::Counter(*added)),
    };
    ReportRequest {
        instance: "one".to_owned(),
        sequence,
        series,
        deltas: deltas.iter().map(delta).collect(),
    }
}

#[test]
fn numbers_mean_series_for_the_length_of_a_stream() {
    let (hub, _) = mk_hub();
    let mut first = hub.reader(mk_peer("a"));
    let series = vec![mk_declared(1, REQUESTS, "x"), mk_declared(2, REQUESTS, "y")];
    first
        .take(&mk_batch(1, series, &[(1, 10), (2, 20)]))
        .unwrap();
    first.take(&mk_batch(2, vec![], &[(1, 1)])).unwrap();
    drop(first);
    // On the next stream the same number is another series.
    let mut second = hub.reader(mk_peer("a"));
    let series = vec![mk_declared(1, REQUESTS, "y")];
    let answer = second
        .take(&mk_batch(3, series, &[(1, 5), (2, 100)]))
        .unwrap();
    assert_eq!(answer.acknowledged, 3);
    assert_eq!(hub.metrics(), shown(&[("x", 11), ("y", 25)]));
}

#[test]
fn a_batch_sent_again_on_a_new_stream_still_declares_its_series() {
    let (hub, _) = mk_hub();
    let batch = mk_batch(1, vec![mk_declared(1, REQUESTS, "x")], &[(1, 10)]);
    hub.reader(mk_peer("a")).take(&batch).unwrap();
    let mut again = hub.reader(mk_peer("a"));
    assert_eq!(again.take(&batch).unwrap().acknowledged, 1);
    again.take(&mk_batch(2, vec![], &[(1, 1)])).unwrap();
    assert_eq!(hub.metrics(), shown(&[("x", 11)]));
}

#[test]
fn what_is_malformed_is_left_out_and_counted() {
    let (hub, registry) = mk_hub();
    let mut reader = hub.reader(mk_peer("a"));
    let series = vec![
        mk_declared(1, REQUESTS, "x"),
        mk_declared(2, "not a name", "x"),
        mk_declared(3, REQUESTS, &"x".repeat(2000)),
        mk_declared(4, "unheard_of_total", "x"),
    ];
    let batch = mk_batch(1, series, &[(1, 1), (2, 1), (3, 1), (4, 1), (5, 1)]);
    assert_eq!(reader.take(&batch).unwrap().acknowledged, 1);
    reader.take(&batch).unwrap();
    hub.measure();
    let text = mesh_runtime::metrics::text(&registry);
    for expected in [
        "mesh_mixer_batches_total{result=\"counted\"} 1",
        "mesh_mixer_batches_total{result=\"duplicate\"} 1",
        "mesh_mixer_refused_deltas_total{reason=\"undeclared\"} 4",
        "mesh_mixer_refused_series_total{reason=\"malformed\"} 4",
        "mesh_mixer_refused_series_total{reason=\"unknown\"} 2",
        "mesh_mixer_refused_series_total{reason=\"foreign\"} 0",
        "mesh_mixer_series 1",
        "mesh_mixer_instances 1",
        "mesh_mixer_streams 1",
    ] {
        assert!(text.contains(expected), "{expected} not in {text}");
    }
}

#[test]
fn a_proxy_reports_of_itself_alone() {
    let (hub, registry) = mk_hub();
    let a = mk_peer("a").to_string();
    let own = |id, principal: &str| {
        let mut declared = mk_declared(id, REQUESTS, "x");
        let labels = [
            ("destination_principal", principal),
            ("destination_workload_namespace", "default"),
            ("destination_workload", "a-v1"),
        ];
        declared.labels.extend(labels.map(mk_label));
        declared
    };
    let series = vec![own(1, &a), own(2, &mk_peer("b").to_string())];
    let batch = mk_batch(1, series, &[(1, 7), (2, 1000)]);
    assert_eq!(
        hub.reader(mk_peer("a")).take(&batch).unwrap().acknowledged,
        1
    );
    assert!(hub.metrics().ends_with("} 7\n"), "{}", hub.metrics());
    assert_eq!(hub.metrics().lines().count(), 3);
    let text = mesh_runtime::metrics::text(&registry);
    for expected in [
        "mesh_mixer_refused_series_total{reason=\"foreign\"} 1",
        "mesh_mixer_refused_deltas_total{reason=\"undeclared\"} 1",
    ] {
        assert!(text.contains(expected), "{expected} not in {text}");
    }
}

#[test]
fn who_reports_of_others_is_in_the_log_once() {
    let (hub, _) = mk_hub();
    assert!(hub.is_first_offence(&mk_peer("a")));
    assert!(!hub.is_first_offence(&mk_peer("a")));
    assert!(hub.is_first_offence(&mk_peer("b")));
    for number in 0..=MAX_WARNED {
        hub.is_first_offence(&mk_peer(&format!("peer{number}")));
    }
    assert!(hub.0.warned.lock().len() <= MAX_WARNED);
}

#[test]
fn a_stream_speaks_for_one_instance_of_its_own() {
    let (hub, _) = mk_hub();
    let named = |name: &str| ReportRequest {
        instance: name.to_owned(),
        ..mk_batch(1, vec![], &[])
    };
    for name in ["", &"x".repeat(257)] {
        let broken = hub.reader(mk_peer("a")).take(&named(name));
        assert!(matches!(broken, Err(Broken::Instance)), "{broken:?}");
    }
    let mut reader = hub.reader(mk_peer("a"));
    reader.take(&named("one")).unwrap();
    assert!(matches!(reader.take(&named("two")), Err(Broken::Instance)));
    let broken = hub.reader(mk_peer("b")).take(&named("one"));
    assert!(matches!(
        broken,
        Err(Broken::NotCounted(NotCounted::NotYours))
    ));
}

#[test]
fn a_stream_numbers_a_bounded_count_of_series() {
    let (hub, _) = mk_hub();
    let mut reader = hub.reader(mk_peer("a"));
    let most = u32::try_from(MAX_DECLARED).unwrap();
    let series = (0..most + 10).map(|id| mk_declared(id, REQUESTS, "x"));
    reader.take(&mk_batch(1, series.collect(), &[])).unwrap();
    assert_eq!(reader.declared.len(), MAX_DECLARED);
}

#[test]
fn the_graph_follows_the_clock() {
    let clock = clock::fixed();
    let hub = Hub::new(Limits::default(), Arc::new(clock.clone()), &Registry::new()).unwrap();
    let mut reader = hub.reader(mk_peer("a"));
    let requests = mk_declared(1, REQUESTS, "x");
    reader
        .take(&mk_batch(1, vec![requests], &[(1, 120)]))
        .unwrap();
    let rate = |hub: &Hub| {
        let graph = serde_json::to_value(hub.graph()).unwrap();
        graph["edges"][0]["requests_per_second"].as_f64().unwrap()
    };
    clock.advance(Duration::from_secs(5));
    assert_eq!(rate(&hub), 2.182);
    clock.advance(Duration::from_secs(60));
    assert_eq!(rate(&hub), 0.0);
}
