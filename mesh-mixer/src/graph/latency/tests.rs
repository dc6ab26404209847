use super::*;

fn check(bounds: &[f64], buckets: &[u64], expected: [Option<f64>; 3]) {
    let mut histogram = Histogram::default();
    histogram.add(bounds, buckets);
    let Latency { p50, p90, p99 } = histogram.percentiles();
    assert_eq!([p50, p90, p99], expected, "{bounds:?} {buckets:?}");
}

#[test]
fn percentiles_lie_evenly_within_a_bucket() {
    check(
        &[1.0, 5.0],
        &[100, 0, 0],
        [Some(0.5), Some(0.9), Some(0.99)],
    );
    check(
        &[1.0, 5.0],
        &[50, 50, 0],
        [Some(1.0), Some(4.2), Some(4.92)],
    );
    check(&[1.0, 5.0], &[0, 0, 7], [Some(5.0); 3]);
    check(&[1.0, 5.0], &[0, 0, 0], [None; 3]);
    check(&[], &[3], [None; 3]);
    check(
        &[1.0],
        &[u64::MAX, u64::MAX],
        [Some(0.5), Some(0.9), Some(0.99)],
    );
}

#[test]
fn series_with_the_same_bounds_are_added() {
    let mut histogram = Histogram::default();
    histogram.add(&[1.0, 5.0], &[10, 0, 0]);
    histogram.add(&[1.0, 5.0], &[0, 10, 0]);
    histogram.add(&[2.0], &[1000, 0]);
    assert_eq!(histogram.percentiles().p50, Some(1.0));
    assert_eq!(histogram.percentiles().p90, Some(4.2));
}
