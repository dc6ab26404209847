use std::time::UNIX_EPOCH;

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

fn start() -> SystemTime {
    UNIX_EPOCH + 500_000 * HOUR
}

#[test]
fn a_certificate_is_renewed_at_half_of_its_life_and_a_little_spread() {
    let after = |chance| {
        let at = renew_at(start(), start() + 24 * HOUR, chance);
        at.duration_since(start()).unwrap()
    };
    assert_eq!(after(0.5), 12 * HOUR);
    let spread = (24 * HOUR).mul_f64(0.01);
    assert!(after(0.0) >= 12 * HOUR - spread && after(0.0) < 12 * HOUR);
    assert!(after(1.0) <= 12 * HOUR + spread && after(1.0) > 12 * HOUR);
}

#[test]
fn a_certificate_of_five_seconds_is_not_due_when_it_arrives() {
    let at = renew_at(start(), start() + Duration::from_secs(5), 0.5);
    assert_eq!(
        at.duration_since(start()).unwrap(),
        Duration::from_millis(2500)
    );
}

#[test]
fn an_expired_certificate_is_due_at_once() {
    assert_eq!(renew_at(start(), start() - HOUR, 0.9), start());
}

#[test]
fn a_long_lived_certificate_is_retried_as_the_back_off_says() {
    let step = Duration::from_secs(150);
    let (end, now) = (start() + 24 * HOUR, start() + 12 * HOUR);
    assert_eq!(retry_after(step, start(), end, now), step);
}

#[test]
fn a_short_lived_certificate_is_retried_several_times_before_it_expires() {
    let end = start() + Duration::from_secs(5);
    let (mut now, mut tries) = (start() + Duration::from_millis(2500), 0);
    while now < end {
        now += retry_after(Duration::from_secs(150), start(), end, now);
        tries += 1;
    }
    assert!(tries >= 4, "{tries}");
}

#[test]
fn tries_never_come_closer_than_a_tenth_of_a_second() {
    let (step, end) = (HOUR, start() + Duration::from_millis(200));
    let shortest = Duration::from_millis(100);
    assert_eq!(retry_after(step, start(), end, start()), shortest);
    assert_eq!(retry_after(step, start(), end, end + HOUR), shortest);
}

#[test]
fn after_the_expiry_of_a_short_one_tries_stay_frequent() {
    let end = start() + Duration::from_secs(8);
    let wait = retry_after(Duration::from_secs(150), start(), end, end + HOUR);
    assert_eq!(wait, Duration::from_secs(1));
}
