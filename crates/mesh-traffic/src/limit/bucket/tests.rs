use super::*;
use crate::testing::now;

fn bucket(most: u32, tokens: u32, every: Duration) -> Bucket {
    Bucket::new(Filling {
        most,
        tokens,
        every,
    })
}

fn takes(bucket: &Bucket, now: Instant) -> usize {
    (0..1000).filter(|_| bucket.take(now)).count()
}

#[test]
fn a_full_bucket_gives_what_it_holds_and_then_what_has_come_since() {
    let start = now();
    let at = |millis| start + Duration::from_millis(millis);
    let bucket = bucket(3, 1, Duration::from_millis(100));
    assert_eq!(takes(&bucket, start), 3);
    assert_eq!(takes(&bucket, at(99)), 0);
    assert_eq!(takes(&bucket, at(100)), 1);
    assert_eq!(takes(&bucket, at(350)), 2);
    assert_eq!(takes(&bucket, at(100_000)), 3);
}

#[test]
fn tokens_that_come_together_come_one_by_one() {
    let start = now();
    let bucket = bucket(10, 10, Duration::from_secs(1));
    assert_eq!(takes(&bucket, start), 10);
    assert_eq!(takes(&bucket, start + Duration::from_millis(501)), 5);
}

#[test]
fn a_bucket_that_holds_nothing_gives_nothing() {
    let bucket = bucket(0, 1, Duration::from_secs(1));
    assert_eq!(takes(&bucket, now() + Duration::from_secs(60)), 0);
}

#[test]
fn rates_that_leave_a_remainder_cost_no_token() {
    let start = now();
    let bucket = bucket(7, 3, Duration::from_secs(1));
    assert_eq!(takes(&bucket, start), 7);
    // 3 a second, for a thousand seconds, a second at a time.
    let got: usize = (1..=1000)
        .map(|second| takes(&bucket, start + Duration::from_secs(second)))
        .sum();
    assert_eq!(got, 3000);
}

#[test]
fn a_worker_whose_clock_is_behind_takes_nothing_twice() {
    let start = now();
    let bucket = bucket(1, 1, Duration::from_secs(1));
    assert!(bucket.take(start + Duration::from_millis(5)));
    assert!(!bucket.take(start));
    assert!(!bucket.take(start + Duration::from_millis(1004)));
    assert!(bucket.take(start + Duration::from_millis(1005)));
}

#[test]
fn the_window_says_what_is_left_and_when_there_is_more() {
    let start = now();
    let bucket = bucket(2, 1, Duration::from_secs(10));
    let full = Window {
        most: 2,
        remaining: 2,
        next: Duration::ZERO,
    };
    assert_eq!(bucket.window(start), full);
    assert_eq!(takes(&bucket, start), 2);
    let empty = bucket.window(start + Duration::from_secs(4));
    assert_eq!((empty.most, empty.remaining), (2, 0));
    assert!(empty.next.abs_diff(Duration::from_secs(6)) < Duration::from_millis(1));
}

#[test]
fn many_workers_get_no_more_than_there_is() {
    let start = now();
    let bucket = bucket(10_000, 1, Duration::from_secs(3600));
    let taken: usize = std::thread::scope(|scope| {
        let worker = || (0..20_000).filter(|_| bucket.take(start)).count();
        let workers: Vec<_> = (0..4).map(|_| scope.spawn(worker)).collect();
        workers.into_iter().map(|it| it.join().unwrap()).sum()
    });
    assert_eq!(taken, 10_000);
}
