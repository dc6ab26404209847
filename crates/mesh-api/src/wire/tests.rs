use super::*;

#[track_caller]
fn check(text: &str, nanoseconds: Option<u64>) {
    assert_eq!(
        parse_duration(text),
        nanoseconds.map(Duration::from_nanos),
        "{text:?}"
    );
}

#[test]
fn durations_are_read_exactly() {
    check("1.5s", Some(1_500_000_000));
    check("0.3s", Some(300_000_000));
    check("100ms", Some(100_000_000));
    check("1h30m", Some(5_400_000_000_000));
    check("0s", Some(0));
    check(".5s", Some(500_000_000));
    check("1us", Some(1_000));
}

#[test]
fn other_text_is_no_duration() {
    for text in [
        "",
        "s",
        ".s",
        "1",
        "1.5",
        "-1s",
        "1 s",
        "1d",
        "1.2.3s",
        "1e3s",
        "99999999999999999999s",
    ] {
        check(text, None);
    }
}
