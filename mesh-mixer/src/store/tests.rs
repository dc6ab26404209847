use mesh_model::time::Clock as _;
use mesh_proto::telemetry::Histogram;
use mesh_runtime::metrics::BOUNDS;
use mesh_test::clock;
use proptest::prelude::*;

use super::*;

fn mk_peer(name: &str) -> SpiffeId {
    SpiffeId::parse(&format!("spiffe://cluster.local/ns/default/sa/{name}")).unwrap()
}

fn mk_key(metric: &str, value: &str) -> Key {
    Key::new(metric, [("destination_workload", value)]).unwrap()
}

const DURATION: &str = "istio_request_duration_milliseconds";

fn mk_histogram(bounds: &[f64], counts: &[u64], sum: f64) -> Amount {
    Amount::Histogram(Histogram {
        bounds: bounds.to_vec(),
        counts: counts.to_vec(),
        sum,
    })
}

/// Buckets of which the first ones are these.
fn mk_counts(first: &[u64]) -> Vec<u64> {
    let mut counts = first.to_vec();
    counts.resize(BOUNDS.len() + 1, 0);
    counts
}

/// A store with one open life, `one`, of the identity `a`.
struct Fixture {
    store: Store,
    now: Instant,
    sequence: u64,
}

impl Fixture {
    fn new(limits: Limits) -> Self {
        let now = clock::fixed().now();
        let mut store = Store::new(limits, now);
        store.open(&"one".into(), &mk_peer("a"), now).unwrap();
        Self {
            store,
            now,
            sequence: 0,
        }
    }

    fn declare(&mut self, peer: &str, key: &Key) -> Result<Key, Refusal> {
        self.store.declare(&mk_peer(peer), key.clone(), self.now)
    }

    /// Declares and adds in a batch of its own.
    fn add(&mut self, key: &Key, amount: Amount) -> Vec<Refusal> {
        self.declare("a", key).unwrap();
        self.sequence += 1;
        let entries = [(Some(key), Some(&amount))].into_iter();
        let counted = self
            .store
            .count(&"one".into(), self.sequence, entries, self.now);
        counted.unwrap().refused
    }

    fn counter(&self, key: &Key) -> Option<u64> {
        let mut readings = self.store.readings();
        readings
            .find(|(k, _)| *k == key)
            .and_then(|(_, v)| v.counter())
    }
}

fn mk_fixture() -> Fixture {
    Fixture::new(Limits::default())
}

#[test]
fn deltas_of_all_instances_add_up_in_one_series() {
    let mut f = mk_fixture();
    let key = mk_key("istio_requests_total", "reviews-v1");
    f.add(&key, Amount::Counter(3));
    f.store.open(&"two".into(), &mk_peer("b"), f.now).unwrap();
    let seven = Amount::Counter(7);
    let entries = [(Some(&key), Some(&seven))].into_iter();
    f.store.count(&"two".into(), 1, entries, f.now).unwrap();
    assert_eq!(f.counter(&key), Some(10));
    assert_eq!(f.store.series(), 1);
}

#[test]
fn a_batch_that_comes_again_is_acknowledged_and_not_counted() {
    let mut f = mk_fixture();
    let key = f
        .declare("a", &mk_key("istio_requests_total", "x"))
        .unwrap();
    let check = |f: &mut Fixture, sequence: u64, expected: Counted, total: u64| {
        let one = Amount::Counter(1);
        let entries = [(Some(&key), Some(&one))].into_iter();
        let counted = f
            .store
            .count(&"one".into(), sequence, entries, f.now)
            .unwrap();
        assert_eq!(
            (counted, f.counter(&key)),
            (expected, Some(total)),
            "{sequence}"
        );
    };
    let counted = |acknowledged, duplicate, skipped| Counted {
        acknowledged,
        duplicate,
        skipped,
        refused: Vec::new(),
    };
    // This process began later than the proxy: the first number is taken as it comes.
    check(&mut f, 40, counted(40, false, 0), 1);
    check(&mut f, 40, counted(40, true, 0), 1);
    check(&mut f, 41, counted(41, false, 0), 2);
    check(&mut f, 3, counted(41, true, 0), 2);
    check(&mut f, 44, counted(44, false, 2), 3);
    check(&mut f, 42, counted(44, true, 0), 3);
    check(&mut f, u64::MAX, counted(u64::MAX, false, u64::MAX - 45), 4);
    let none = f.store.count(&"one".into(), 0, std::iter::empty(), f.now);
    assert_eq!(none, Err(NotCounted::NoNumber));
    let closed = f.store.count(&"two".into(), 1, std::iter::empty(), f.now);
    assert_eq!(closed, Err(NotCounted::NotOpen));
}

#[test]
fn a_life_belongs_to_who_named_it_until_it_is_forgotten() {
    let mut f = mk_fixture();
    let (a, b) = (mk_peer("a"), mk_peer("b"));
    let mut open = |peer: &SpiffeId, now| f.store.open(&"one".into(), peer, now);
    assert_eq!(open(&b, f.now), Err(NotCounted::NotYours));
    open(&a, f.now).unwrap();
    // While one of its two streams is open it is remembered, however silent.
    let later = f.now + Duration::from_secs(100_000);
    f.store.close(&"one".into(), f.now);
    f.store.forget_silent(later);
    assert_eq!((f.store.instances(), f.store.streams()), (1, 1));
    f.store.close(&"one".into(), later);
    f.store.forget_silent(later + Duration::from_secs(3599));
    assert_eq!(f.store.instances(), 1);
    f.store.forget_silent(later + Duration::from_secs(3600));
    assert_eq!((f.store.instances(), f.store.streams()), (0, 0));
    f.store.open(&"one".into(), &b, later).unwrap();
}

#[test]
fn histograms_add_up_bucket_by_bucket() {
    let mut f = mk_fixture();
    let key = mk_key(DURATION, "x");
    let mut add = |counts: &[u64], sum| {
        let amount = mk_histogram(&BOUNDS, &mk_counts(counts), sum);
        assert_eq!(f.add(&key, amount), []);
    };
    add(&[1, 2, 3], 30.0);
    add(&[1, 0, 1], 12.5);
    let (_, value) = f.store.readings().next().unwrap();
    let counts = mk_counts(&[2, 2, 4]);
    let expected: (&[f64], &[u64], f64) = (&BOUNDS, &counts, 42.5);
    assert_eq!(value.histogram(), Some(expected));
}

#[test]
fn what_contradicts_its_metric_is_left_out_and_named() {
    let mut f = mk_fixture();
    let (histogram, counter) = (mk_key(DURATION, "x"), mk_key("istio_requests_total", "x"));
    let counts = mk_counts(&[1, 1]);
    let mut check = |key: &Key, amount: Amount, expected: Refusal| {
        let shown = format!("{key:?} {amount:?}");
        assert_eq!(f.add(key, amount), [expected], "{shown}");
    };
    // The first to report has no more to say about bounds and kind than anybody else.
    for bounds in [&[][..], &[1.0], &BOUNDS[1..], &[f64::NAN; 19]] {
        let amount = mk_histogram(bounds, &vec![1; bounds.len() + 1], 2.0);
        check(&histogram, amount, Refusal::Bounds);
    }
    for counts in [&[][..], &counts[1..]] {
        check(
            &histogram,
            mk_histogram(&BOUNDS, counts, 2.0),
            Refusal::Shape,
        );
    }
    for sum in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY, -1.0] {
        check(
            &histogram,
            mk_histogram(&BOUNDS, &counts, sum),
            Refusal::Shape,
        );
    }
    check(&histogram, Amount::Counter(1), Refusal::Kind);
    check(&counter, mk_histogram(&BOUNDS, &counts, 2.0), Refusal::Kind);
    assert_eq!(f.store.readings().count(), 0);
    assert_eq!(f.add(&counter, Amount::Counter(1)), []);
    assert_eq!(f.add(&histogram, mk_histogram(&BOUNDS, &counts, 2.0)), []);
}

#[test]
fn a_metric_that_the_hub_does_not_know_takes_no_room() {
    let mut f = mk_fixture();
    for metric in ["m_total", "istio_requests_total_sum", "istio_requests"] {
        let declared = f.declare("a", &mk_key(metric, "x"));
        assert_eq!(declared, Err(Refusal::Unknown), "{metric}");
    }
    assert_eq!((f.store.series(), f.store.bytes()), (0, 0));
}

#[test]
fn a_delta_without_series_or_value_spoils_no_other() {
    let mut f = mk_fixture();
    let key = f
        .declare("a", &mk_key("istio_requests_total", "x"))
        .unwrap();
    let stranger = mk_key("istio_requests_total", "never declared");
    let two = Amount::Counter(2);
    let entries = [
        (None, Some(&two)),
        (Some(&key), None),
        (Some(&stranger), Some(&two)),
        (Some(&key), Some(&two)),
    ];
    let counted = f.store.count(&"one".into(), 1, entries.into_iter(), f.now);
    let expected = [Refusal::Undeclared, Refusal::Kind, Refusal::Undeclared];
    assert_eq!(counted.unwrap().refused, expected);
    assert_eq!(f.counter(&key), Some(2));
}

#[test]
fn sums_stop_at_the_largest_number() {
    let mut f = mk_fixture();
    let key = mk_key("istio_requests_total", "x");
    f.add(&key, Amount::Counter(u64::MAX));
    f.add(&key, Amount::Counter(u64::MAX));
    assert_eq!(f.counter(&key), Some(u64::MAX));
    let key = mk_key(DURATION, "x");
    for _ in 0..3 {
        let amount = mk_histogram(&BOUNDS, &mk_counts(&[u64::MAX]), f64::MAX);
        assert_eq!(f.add(&key, amount), []);
    }
    let mut histograms = f
        .store
        .readings()
        .filter_map(|(_, value)| value.histogram());
    let counts = mk_counts(&[u64::MAX]);
    let expected: (&[f64], &[u64], f64) = (&BOUNDS, &counts, f64::MAX);
    assert_eq!(histograms.next(), Some(expected));
}

#[test]
fn one_identity_cannot_use_up_the_room_of_all() {
    let mut f = Fixture::new(Limits {
        series: 40,
        ..Limits::default()
    });
    let declared = (0..100).map(|n| {
        f.declare("a", &mk_key("istio_requests_total", &n.to_string()))
            .is_ok()
    });
    assert_eq!(declared.filter(|ok| *ok).count(), 10);
    let refused = f.declare("a", &mk_key("istio_requests_total", "x"));
    assert_eq!(refused, Err(Refusal::Limit));
    f.declare("b", &mk_key("istio_requests_total", "y"))
        .unwrap();
    // What is there already may be declared by anybody.
    f.declare("a", &mk_key("istio_requests_total", "y"))
        .unwrap();
}

#[test]
fn bytes_are_bounded_like_series() {
    let limits = Limits {
        bytes: 40_000,
        ..Limits::default()
    };
    let mut f = Fixture::new(limits);
    let mut refused = 0;
    for n in 0..200 {
        let key = mk_key(DURATION, &n.to_string());
        let Ok(key) = f.declare("a", &key) else {
            refused += 1;
            continue;
        };
        refused += f
            .add(&key, mk_histogram(&BOUNDS, &mk_counts(&[1]), 1.0))
            .len();
    }
    assert!(refused > 100, "{refused}");
    assert!(f.store.bytes() <= 10_000, "{}", f.store.bytes());
}

#[test]
fn idle_series_give_way_when_room_is_short() {
    let limits = Limits {
        series: 4,
        share: 1,
        ..Limits::default()
    };
    let mut f = Fixture::new(limits);
    let held = f
        .declare("a", &mk_key("istio_requests_total", "held"))
        .unwrap();
    for n in 0..3 {
        f.add(
            &mk_key("istio_requests_total", &n.to_string()),
            Amount::Counter(1),
        );
    }
    let new = mk_key("istio_requests_total", "new");
    f.now += Duration::from_secs(599);
    assert_eq!(f.declare("a", &new), Err(Refusal::Limit));
    // Looking for room is not repeated at once.
    f.now += Duration::from_secs(1);
    assert_eq!(f.declare("a", &new), Err(Refusal::Limit));
    f.now += Duration::from_secs(10);
    f.declare("a", &new).unwrap();
    // What an open stream still means to count stays.
    assert_eq!(f.add(&held, Amount::Counter(1)), []);
    assert_eq!(f.store.series(), 2);
}

#[test]
fn lives_and_streams_are_bounded() {
    let limits = Limits {
        instances: 8,
        streams_per_identity: 3,
        ..Limits::default()
    };
    let mut f = Fixture::new(limits);
    let mut open = |peer: &str, name: &str| f.store.open(&name.into(), &mk_peer(peer), f.now);
    assert_eq!(open("a", "two"), Ok(()));
    assert_eq!(open("a", "three"), Err(NotCounted::TooManyOfYours));
    assert_eq!(open("a", "two"), Ok(()));
    assert_eq!(open("a", "two"), Err(NotCounted::TooManyOfYours));
    for (peer, name) in [
        ("b", "b1"),
        ("b", "b2"),
        ("c", "c1"),
        ("c", "c2"),
        ("d", "d1"),
        ("d", "d2"),
    ] {
        assert_eq!(open(peer, name), Ok(()));
    }
    assert_eq!(open("e", "e1"), Err(NotCounted::TooMany));
}

#[test]
fn the_graph_gets_the_last_minute_beside_the_total() {
    let mut f = mk_fixture();
    let key = mk_key("istio_requests_total", "x");
    f.add(
        &mk_key("istio_tcp_sent_bytes_total", "x"),
        Amount::Counter(1),
    );
    f.add(&key, Amount::Counter(5));
    f.now += Duration::from_secs(61);
    f.add(&key, Amount::Counter(2));
    let (watched, covered) = f.store.watched(f.now);
    let reading = Reading {
        bounds: &[],
        total: [7].into(),
        lately: vec![2],
    };
    assert_eq!(watched, [(key, reading)]);
    assert_eq!(covered, Duration::from_secs(56));
}

/// What happens between a proxy and the hub.
#[derive(Debug, Clone)]
enum Event {
    /// The proxy makes a batch and sends it.
    Send(u64),
    /// The hub reads the next batch of the newest stream, or of the stream before it.
    Read { newest: bool },
    /// The proxy reads the answers that are there.
    Acknowledge,
    /// The proxy loses the connection and sends all that was not acknowledged on a new one.
    Reconnect,
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        4 => (1_u64..100).prop_map(Event::Send),
        4 => Just(Event::Read { newest: true }),
        2 => Just(Event::Read { newest: false }),
        2 => Just(Event::Acknowledge),
        1 => Just(Event::Reconnect),
    ]
}

proptest! {
    /// However the connection breaks, every batch is counted once, and none that was acknowledged
    /// is missing.
    #[test]
    fn each_batch_counts_once(events in proptest::collection::vec(event(), 0..200)) {
        let mut f = mk_fixture();
        let key = f.declare("a", &mk_key("istio_requests_total", "x")).unwrap();
        // A stream holds the batches on their way and, once read, the hub's answer to them.
        type Stream = (std::collections::VecDeque<(u64, u64)>, u64);
        let mut streams: Vec<Stream> = vec![Stream::default()];
        let mut pending: Vec<(u64, u64)> = Vec::new();
        let (mut made, mut next) = (0, 1);
        let read = |f: &mut Fixture, stream: &mut Stream| {
            let Some((sequence, amount)) = stream.0.pop_front() else { return };
            let amount = Amount::Counter(amount);
            let entries = [(Some(&key), Some(&amount))].into_iter();
            let counted = f.store.count(&"one".into(), sequence, entries, f.now).unwrap();
            assert!(counted.acknowledged >= sequence);
            assert_eq!(counted.skipped, 0);
            stream.1 = counted.acknowledged;
        };
        for event in events {
            match event {
                Event::Send(amount) => {
                    made += amount;
                    pending.push((next, amount));
                    streams.last_mut().unwrap().0.push_back((next, amount));
                    next += 1;
                }
                Event::Read { newest } => {
                    let at = streams.len() - 1;
                    let at = if newest { at } else { at.saturating_sub(1) };
                    read(&mut f, &mut streams[at]);
                }
                Event::Acknowledge => {
                    let acknowledged = streams.last().unwrap().1;
                    pending.retain(|(sequence, _)| *sequence > acknowledged);
                }
                Event::Reconnect => streams.push((pending.iter().copied().collect(), 0)),
            }
        }
        let unread: u64 = pending.iter().map(|(_, amount)| *amount).sum();
        let counted = f.counter(&key).unwrap_or(0);
        prop_assert!(counted <= made && counted >= made - unread);
        streams.push((pending.iter().copied().collect(), 0));
        while !streams.last().unwrap().0.is_empty() {
            let last = streams.len() - 1;
            read(&mut f, &mut streams[last]);
        }
        prop_assert_eq!(f.counter(&key).unwrap_or(0), made);
    }
}
