use super::*;

#[track_caller]
fn check(text: &str, seconds: i64, printed: &str) {
    let parsed = Timestamp::parse(text).unwrap();
    assert_eq!(parsed.seconds, seconds, "{text}");
    assert_eq!(parsed.to_string(), printed, "{text}");
}

#[test]
fn moments_are_read_and_printed_in_utc() {
    check("1970-01-01T00:00:00Z", 0, "1970-01-01T00:00:00Z");
    check(
        "2024-02-29T12:00:00Z",
        1_709_208_000,
        "2024-02-29T12:00:00Z",
    );
    check(
        "2026-11-21T08:15:30+02:00",
        1_795_241_730,
        "2026-11-21T06:15:30Z",
    );
    check(
        "2000-03-01T00:00:00.25Z",
        951_868_800,
        "2000-03-01T00:00:00.250000000Z",
    );
}

#[test]
fn order_is_that_of_time_and_not_of_text() {
    let early = Timestamp::parse("2026-11-21T08:00:00+02:00").unwrap();
    let late = Timestamp::parse("2026-11-21T07:00:00Z").unwrap();
    assert!(early < late);
}

#[test]
fn other_text_is_no_moment() {
    for text in [
        "",
        "2026-11-21",
        "2026-13-01T00:00:00Z",
        "2026-01-01T25:00:00Z",
        "now",
    ] {
        assert_eq!(Timestamp::parse(text), None, "{text}");
    }
}

#[test]
fn the_systems_time_is_printed_alike() {
    let moment = UNIX_EPOCH + Duration::from_secs(1_709_208_000);
    assert_eq!(Timestamp::from(moment).to_string(), "2024-02-29T12:00:00Z");
}
