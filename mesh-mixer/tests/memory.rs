//! The bound on memory is one on the machine's memory, not only on our own reckoning.
#![expect(clippy::unwrap_used, reason = "helpers of tests report by panicking")]

use std::time::Duration;

use mesh_mixer::series::Key;
use mesh_mixer::store::{Limits, Store};
use mesh_model::ident::SpiffeId;
use mesh_model::time::Clock as _;
use mesh_proto::telemetry::Histogram;
use mesh_proto::telemetry::delta::Value as Amount;
use mesh_runtime::metrics::BOUNDS;
use mesh_test::clock;

/// Bytes of memory that this process holds.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let kilobytes = line.unwrap().split_whitespace().nth(1).unwrap();
    kilobytes.parse::<usize>().unwrap() * 1024
}

/// Adds to as many series as the store takes from four faulty identities, all the minute long.
fn fill(store: &mut Store, metric: &str, amount: &Amount, limits: Limits) {
    let start = clock::fixed().now();
    for peer in 0..limits.share {
        let identity = format!("spiffe://cluster.local/ns/default/sa/faulty{peer}");
        let identity = SpiffeId::parse(&identity).unwrap();
        let instance = format!("{peer}").as_str().into();
        store.open(&instance, &identity, start).unwrap();
        let mut sequence = 0;
        let mut keys = Vec::new();
        for number in 0..limits.series {
            let value = format!("{peer}-{number}");
            let key = Key::new(metric, [("app", value.as_str())]).unwrap();
            let Ok(key) = store.declare(&identity, key, start) else {
                break;
            };
            sequence += 1;
            let entry = [(Some(&key), Some(amount))];
            let counted = store.count(&instance, sequence, entry.into_iter(), start);
            if !counted.unwrap().refused.is_empty() {
                break;
            }
            keys.push(key);
        }
        for step in 1..16 {
            let now = start + Duration::from_secs(5 * step);
            let entries = keys.iter().map(|key| (Some(key), Some(amount)));
            sequence += 1;
            store.count(&instance, sequence, entries, now).unwrap();
        }
    }
}

#[test]
fn faulty_peers_cannot_make_the_store_larger_than_its_bound() {
    let limits = Limits::default();
    let histogram = Amount::Histogram(Histogram {
        bounds: BOUNDS.to_vec(),
        counts: vec![1; BOUNDS.len() + 1],
        sum: 1.0,
    });
    let kinds = [
        ("istio_request_duration_milliseconds", histogram),
        ("istio_requests_total", Amount::Counter(1)),
    ];
    let before = resident();
    for (metric, amount) in kinds {
        let mut store = Store::new(limits, clock::fixed().now());
        fill(&mut store, metric, &amount, limits);
        let grown = resident().saturating_sub(before);
        assert!(
            store.bytes() > limits.bytes / 4,
            "{metric}: {} bytes",
            store.bytes()
        );
        assert!(
            grown < limits.bytes + limits.bytes / 4,
            "{metric}: {} series took {grown} bytes, reckoned were {}",
            store.series(),
            store.bytes()
        );
    }
}
