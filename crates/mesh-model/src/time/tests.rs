use super::*;

#[test]
fn back_off_doubles_to_its_longest_and_starts_over() {
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
    let steps: Vec<_> = (0..6).map(|_| backoff.delay(1.0).as_millis()).collect();
    assert_eq!(steps, [100, 200, 400, 800, 1000, 1000]);
    backoff.reset();
    assert_eq!(backoff.delay(0.0), Duration::from_millis(50));
}
