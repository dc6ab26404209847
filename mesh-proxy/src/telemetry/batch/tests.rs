use super::*;
use crate::record::metrics::cells::RequestCells;

/// Totals of two series after that many requests.
fn totals(first: u64, second: u64) -> Vec<Total> {
    let total = |name: &str, requests: u64| {
        let cells = RequestCells::default();
        for _ in 0..requests {
            cells.requests.add(1);
            cells.duration.observe(3.0);
        }
        let mut labels: Labels = std::array::from_fn(|_| Str::default());
        labels[0] = name.into();
        Total {
            labels: Arc::new(labels),
            request: RequestTotals::sum(std::iter::once(&cells)),
        }
    };
    vec![total("first", first), total("second", second)]
}

/// `series:value` of the counters in a batch.
fn counters(batch: &ReportRequest) -> Vec<(u32, u64)> {
    let counter = |delta: &Delta| match delta.value {
        Some(delta::Value::Counter(count)) => Some((delta.series, count)),
        _ => None,
    };
    batch.deltas.iter().filter_map(counter).collect()
}

#[test]
fn nothing_changed_is_nothing_told() {
    let mut batcher = Batcher::new("i".into());
    assert_eq!(batcher.next(&totals(0, 0)), None);
    assert!(batcher.next(&totals(1, 0)).is_some());
    batcher.acknowledged(1);
    assert_eq!(batcher.next(&totals(1, 0)), None);
}

#[test]
fn deltas_are_what_came_since_and_series_are_defined_once() {
    let mut batcher = Batcher::new("i".into());
    let first = batcher.next(&totals(2, 0)).unwrap();
    assert_eq!((first.sequence, counters(&first)), (1, vec![(0, 2)]));
    let names: Vec<_> = first
        .series
        .iter()
        .map(|series| series.metric.as_str())
        .collect();
    assert_eq!(names, METRICS);
    assert_eq!(first.series[0].labels[0].value, "first");
    batcher.acknowledged(1);
    let second = batcher.next(&totals(5, 1)).unwrap();
    assert_eq!(
        (second.sequence, counters(&second)),
        (2, vec![(0, 3), (4, 1)])
    );
    assert_eq!(
        second
            .series
            .iter()
            .map(|series| series.id)
            .collect::<Vec<_>>(),
        [4, 5, 6, 7]
    );
    let Some(delta::Value::Histogram(duration)) = &second.deltas[1].value else {
        panic!("{:?}", second.deltas[1]);
    };
    assert_eq!(
        (duration.counts[2], duration.sum, duration.counts.len()),
        (3, 9.0, 20)
    );
}

#[test]
fn one_batch_is_under_way_and_the_rest_accumulates() {
    let mut batcher = Batcher::new("i".into());
    batcher.next(&totals(1, 0)).unwrap();
    assert_eq!(batcher.next(&totals(4, 0)), None);
    assert_eq!(batcher.next(&totals(9, 2)), None);
    batcher.acknowledged(1);
    let next = batcher.next(&totals(9, 2)).unwrap();
    assert_eq!(counters(&next), [(0, 8), (4, 2)]);
}

#[test]
fn an_unacknowledged_batch_comes_again_unchanged_with_its_definitions() {
    let mut batcher = Batcher::new("i".into());
    let first = batcher.next(&totals(2, 0)).unwrap();
    assert_eq!(batcher.connected(), Some(first.clone()));
    assert_eq!(batcher.next(&totals(7, 0)), None);
    assert_eq!(batcher.connected(), Some(first));
    batcher.acknowledged(1);
    assert_eq!(batcher.connected(), None);
    let next = batcher.next(&totals(7, 0)).unwrap();
    assert_eq!(
        (next.sequence, counters(&next), next.series.len()),
        (2, vec![(0, 5)], 4)
    );
}

#[test]
fn an_old_acknowledgement_does_not_settle_the_present_batch() {
    let mut batcher = Batcher::new("i".into());
    batcher.next(&totals(1, 0)).unwrap();
    batcher.acknowledged(1);
    batcher.next(&totals(2, 0)).unwrap();
    batcher.acknowledged(1);
    assert!(batcher.is_waiting());
}

#[test]
fn very_many_series_go_out_in_several_batches() {
    let mut batcher = Batcher::new("i".into());
    let one = totals(1, 0).remove(0);
    let many: Vec<_> = (0..MAX_LABEL_SETS + 10).map(|_| one.clone()).collect();
    assert_eq!(
        counters(&batcher.next(&many).unwrap()).len(),
        MAX_LABEL_SETS
    );
    batcher.acknowledged(1);
    assert_eq!(counters(&batcher.next(&many).unwrap()).len(), 10);
}
