use std::collections::BTreeMap;

use mesh_model::ident::SpiffeId;
use mesh_model::time::Clock as _;
use mesh_proto::telemetry::Histogram;
use mesh_proto::telemetry::delta::Value as Amount;
use mesh_runtime::metrics::BOUNDS;
use mesh_test::clock;
use proptest::prelude::*;

use super::*;
use crate::store::Limits;

fn mk_store(series: &[(Key, Amount)]) -> Store {
    let now = clock::fixed().now();
    let peer = SpiffeId::parse("spiffe://cluster.local/ns/a/sa/b").unwrap();
    let mut store = Store::new(
        Limits {
            share: 1,
            ..Limits::default()
        },
        now,
    );
    store.open(&"one".into(), &peer, now).unwrap();
    for (key, _) in series {
        store.declare(&peer, key.clone(), now).unwrap();
    }
    let entries = series.iter().map(|(key, amount)| (Some(key), Some(amount)));
    store.count(&"one".into(), 1, entries, now).unwrap();
    store
}

fn mk_key(metric: &str, labels: &[(&str, &str)]) -> Key {
    Key::new(metric, labels.iter().copied()).unwrap()
}

/// A sample: name, labels in their order, value.
type Sample = (String, Vec<(String, String)>, f64);

/// Reads the text format by its grammar, and holds it to its rules.
fn parse(text: &str) -> Vec<Sample> {
    let mut types: BTreeMap<String, String> = BTreeMap::new();
    let mut samples = Vec::new();
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, kind) = rest.split_once(' ').unwrap();
            assert!(["counter", "histogram"].contains(&kind), "{line}");
            let before = types.insert(name.to_owned(), kind.to_owned());
            assert!(before.is_none(), "{name} is declared twice");
            continue;
        }
        if line.starts_with("# HELP ") {
            continue;
        }
        let sample = parse_sample(line);
        // Every sample belongs to the family that was declared last.
        let family = types.keys().find(|name| {
            sample.0 == **name
                || ["_bucket", "_sum", "_count"]
                    .iter()
                    .any(|end| sample.0 == format!("{name}{end}"))
        });
        assert!(family.is_some(), "{line} has no TYPE");
        samples.push(sample);
    }
    samples
}

fn parse_sample(line: &str) -> Sample {
    let end = line.find(['{', ' ']).unwrap();
    let (name, mut rest) = line.split_at(end);
    let mut labels = Vec::new();
    if rest.starts_with('{') {
        while !rest.starts_with("} ") {
            let (label, after) = rest.split_at(1).1.split_once("=\"").unwrap();
            let (value, after) = parse_value(after);
            labels.push((label.to_owned(), value));
            rest = after;
        }
        rest = rest.split_at(1).1;
    }
    let value = match rest.trim_start() {
        "+Inf" => f64::INFINITY,
        number => number.parse().unwrap(),
    };
    (name.to_owned(), labels, value)
}

/// Text up to the closing quote, unescaped, and what follows it.
fn parse_value(text: &str) -> (String, &str) {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return (value, text.split_at(at + 1).1),
            '\\' => match chars.next().unwrap().1 {
                'n' => value.push('\n'),
                other => value.push(other),
            },
            other => value.push(other),
        }
    }
    panic!("{text} has no closing quote");
}

#[test]
fn counters_and_histograms_are_written_as_prometheus_reads_them() {
    let mut counts = vec![0; BOUNDS.len() + 1];
    (counts[0], counts[3], counts[BOUNDS.len()]) = (1, 2, 3);
    let histogram = Amount::Histogram(Histogram {
        bounds: BOUNDS.to_vec(),
        counts,
        sum: 99.25,
    });
    let labels = [("app", "a"), ("code", "200")];
    let store = mk_store(&[
        (mk_key("istio_requests_total", &labels), Amount::Counter(7)),
        (mk_key("istio_requests_total", &[]), Amount::Counter(1)),
        (mk_key("istio_request_bytes", &labels), histogram),
    ]);
    let mut expected = "\
# HELP istio_request_bytes Bytes of requests, headers included
# TYPE istio_request_bytes histogram
"
    .to_owned();
    for (place, bound) in BOUNDS.iter().enumerate() {
        let below = if place < 3 { 1 } else { 3 };
        expected += &format!(
            "istio_request_bytes_bucket{{app=\"a\",code=\"200\",le=\"{bound}\"}} {below}\n"
        );
    }
    expected += "\
istio_request_bytes_bucket{app=\"a\",code=\"200\",le=\"+Inf\"} 6
istio_request_bytes_sum{app=\"a\",code=\"200\"} 99.25
istio_request_bytes_count{app=\"a\",code=\"200\"} 6
# HELP istio_requests_total Requests that were completed
# TYPE istio_requests_total counter
istio_requests_total 1
istio_requests_total{app=\"a\",code=\"200\"} 7
";
    assert_eq!(text(&store), expected);
}

#[test]
fn a_series_that_was_only_declared_is_not_shown() {
    let mut store = mk_store(&[]);
    let peer = SpiffeId::parse("spiffe://cluster.local/ns/a/sa/b").unwrap();
    let now = clock::fixed().now();
    store
        .declare(&peer, mk_key("istio_requests_total", &[]), now)
        .unwrap();
    assert_eq!(text(&store), "");
}

proptest! {
    #[test]
    fn whatever_is_in_the_store_can_be_read_back(
        counters in proptest::collection::btree_map("[^\\x00]{0,12}", any::<u32>(), 0..8),
        counts in proptest::collection::vec(any::<u32>(), BOUNDS.len() + 1),
    ) {
        let mut series: Vec<_> = counters
            .iter()
            .map(|(text, count)| {
                let key = mk_key("istio_requests_total", &[("label", text), ("other", "\\\"\n")]);
                (key, Amount::Counter((*count).into()))
            })
            .collect();
        let counts: Vec<u64> = counts.into_iter().map(u64::from).collect();
        let histogram = Histogram { bounds: BOUNDS.to_vec(), counts: counts.clone(), sum: 3.5 };
        series.push((mk_key("istio_response_bytes", &[]), Amount::Histogram(histogram)));
        let samples = parse(&text(&mk_store(&series)));

        let value = |name: &str, label: (&str, &str)| {
            let wanted = (label.0.to_owned(), label.1.to_owned());
            let mut found = samples.iter().filter(|(n, labels, _)| n == name && labels.contains(&wanted));
            let value = found.next().map(|(_, _, value)| *value);
            assert!(found.next().is_none(), "{name} {label:?} is there twice");
            value
        };
        for (text, count) in &counters {
            prop_assert_eq!(value("istio_requests_total", ("label", text)), Some(f64::from(*count)));
        }
        let all: u64 = counts.iter().sum();
        prop_assert_eq!(value("istio_response_bytes_bucket", ("le", "+Inf")), Some(all as f64));
        prop_assert_eq!(value("istio_response_bytes_bucket", ("le", "0.5")), Some(counts[0] as f64));
        prop_assert_eq!(samples.len(), counters.len() + BOUNDS.len() + 3);
    }
}
