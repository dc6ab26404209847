use super::*;

#[test]
fn back_off_doubles_to_its_longest_and_starts_over() {
    let mut backoff = Backoff::new(Duration::from_millis(100), Duration::from_secs(1));
    let steps: Vec<_> = (0..6).map(|_| backoff.delay(1.0).as_millis()).collect();
    assert_eq!(steps, [100, 200, 400, 800, 1000, 1000]);
    backoff.reset();
    assert_eq!(backoff.delay(0.0), Duration::from_millis(50));
}

#[test]
fn moments_are_written_in_utc() {
    for (seconds, want) in [
        (0, "1970-01-01T00:00:00Z"),
        (951_782_399, "2000-02-28T23:59:59Z"),
        (951_782_400, "2000-02-29T00:00:00Z"),
        (951_868_800, "2000-03-01T00:00:00Z"),
        (1_767_225_599, "2025-12-31T23:59:59Z"),
        (1_767_225_600, "2026-01-01T00:00:00Z"),
        (4_107_542_400, "2100-03-01T00:00:00Z"),
    ] {
        assert_eq!(rfc3339(UNIX_EPOCH + Duration::from_secs(seconds)), want);
    }
}
