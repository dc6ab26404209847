use mesh_model::time::Clock;
use mesh_runtime::SystemClock;

use super::*;

fn now() -> Instant {
    SystemClock.now()
}

const BOUND: Option<Duration> = Some(Duration::from_secs(10));

#[test]
fn a_body_must_bring_240_bytes_per_second() {
    let begun = now();
    let mut pace = Pace::begin(begun, BOUND);
    assert_eq!(pace.due(), begun + GRACE);
    assert!(pace.keeps_up(begun + GRACE, 2400, false));
    assert_eq!(pace.due(), begun + 2 * GRACE);
    assert!(pace.keeps_up(begun + 2 * GRACE, 4800, false));
    assert!(!pace.keeps_up(begun + 3 * GRACE, 7199, false));
}

#[test]
fn what_came_early_does_not_pay_for_later() {
    let begun = now();
    let mut pace = Pace::begin(begun, None);
    assert!(pace.keeps_up(begun + GRACE, 1_000_000, false));
    assert!(!pace.keeps_up(begun + 2 * GRACE, 1_000_100, false));
}

#[test]
fn a_client_that_waits_for_us_is_not_slow() {
    let begun = now();
    let mut pace = Pace::begin(begun, BOUND);
    assert!(pace.keeps_up(begun + GRACE, 0, true));
    assert!(!pace.keeps_up(begun + 2 * GRACE, 0, false));
}
