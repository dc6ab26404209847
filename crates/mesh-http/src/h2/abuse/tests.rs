use std::time::Duration;

use super::*;

fn start() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "only differences count")]
    Instant::now()
}

#[test]
fn a_purse_is_filled_by_time_and_by_work() {
    let now = start();
    let mut purse = Purse::new(Rule {
        at_once: 2,
        per_second: 10,
        earned: 3,
        at_most: 5,
    });
    assert!(purse.spend(2, now, 0));
    assert!(!purse.spend(1, now, 0));
    assert!(purse.spend(3, now, 1));
    assert!(!purse.spend(1, now, 1));
    assert!(!purse.spend(2, now + Duration::from_millis(100), 1));
    assert!(purse.spend(1, now + Duration::from_millis(100), 1));
    let later = now + Duration::from_secs(100);
    assert!(purse.spend(5, later, 1));
    assert!(!purse.spend(1, later, 1));
}
