use super::*;

#[test]
fn durations_are_read_like_gos() {
    for (text, want) in [
        ("0", Duration::ZERO),
        ("0s", Duration::ZERO),
        ("5s", Duration::from_secs(5)),
        ("24h", Duration::from_secs(24 * 3600)),
        ("2160h", Duration::from_secs(90 * 24 * 3600)),
        ("1h30m", Duration::from_secs(5400)),
        ("1.5s", Duration::from_millis(1500)),
        (".25m", Duration::from_secs(15)),
        ("250ms", Duration::from_millis(250)),
        ("3us", Duration::from_micros(3)),
        ("3\u{b5}s", Duration::from_micros(3)),
        ("7ns", Duration::from_nanos(7)),
    ] {
        assert_eq!(parse_duration(text), Ok(want), "{text}");
    }
}

#[test]
fn what_is_no_duration_is_refused_with_the_reason() {
    for (text, why) in [
        ("", "it is empty"),
        ("5", "a number has no unit"),
        ("h", "a unit has no number"),
        (".s", "a unit has no number"),
        ("-5s", "a unit is unknown"),
        ("5 s", "a unit is unknown"),
        ("5d", "a unit is unknown"),
        ("1.2.3s", "a number is damaged"),
        ("5s3", "a number has no unit"),
        ("99999999999999999999h", "it is too long"),
        ("999999999999999999h", "it is too long"),
    ] {
        let error = parse_duration(text).unwrap_err();
        assert_eq!(error.why, why, "{text}");
    }
}

#[test]
fn the_error_says_what_was_written_and_how_to_write_it() {
    let text = parse_duration("5 minutes").unwrap_err().to_string();
    assert!(text.starts_with("\"5 minutes\" is no duration"), "{text}");
    assert!(text.contains("1h30m"), "{text}");
}
