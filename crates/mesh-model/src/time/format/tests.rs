use std::time::Duration;

use super::*;

/// 2026-01-02T03:04:05.678901234Z, a Friday.
#[track_caller]
fn check(format: &str, expect: &str) {
    let at = UNIX_EPOCH + Duration::new(1_767_323_045, 678_901_234);
    check_at(at, format, expect);
}

#[track_caller]
fn check_at(at: SystemTime, format: &str, expect: &str) {
    let mut out = Vec::new();
    TimeFormat::parse(format).unwrap().write(at, &mut out);
    assert_eq!(String::from_utf8(out).unwrap(), expect, "{format}");
}

#[test]
fn every_conversion_is_printed() {
    check("%Y-%m-%dT%H:%M:%S%z", "2026-01-02T03:04:05+0000");
    check("%F %T %R %D", "2026-01-02 03:04:05 03:04 01/02/26");
    check(
        "%a %A, %e. %b %B %h %y",
        "Fri Friday,  2. Jan January Jan 26",
    );
    check("%j %I %p %Z%n%t%%", "002 03 AM UTC\n\t%");
    check("", "");
}

#[test]
fn fractions_have_the_digits_that_are_asked_for() {
    check("%s.%3f", "1767323045.678");
    check("%f %1f %6f %9f", "678901234 6 678901 678901234");
    check_at(UNIX_EPOCH, "%s %3f %f", "0 000 000000000");
}

#[test]
fn without_a_format_it_is_envoys() {
    let mut out = Vec::new();
    let at = UNIX_EPOCH + Duration::from_millis(1_767_323_045_078);
    TimeFormat::default().write(at, &mut out);
    assert_eq!(out, b"2026-01-02T03:04:05.078Z");
}

#[test]
fn days_and_halves_are_counted_right() {
    let day =
        |days: u64, hours: u64| UNIX_EPOCH + Duration::from_secs(days * 86_400 + hours * 3600);
    check_at(day(0, 0), "%a %j %I%p", "Thu 001 12AM");
    check_at(day(0, 12), "%I%p", "12PM");
    check_at(day(0, 23), "%I%p", "11PM");
    // 2024-12-31, a leap year.
    check_at(day(20_088, 0), "%F %j %a", "2024-12-31 366 Tue");
}

#[test]
fn what_is_no_conversion_is_named() {
    for (format, expect) in [("%Q", "%Q"), ("%3S", "%3S"), ("x%", "%")] {
        let error = TimeFormat::parse(format).unwrap_err().to_string();
        assert_eq!(
            error,
            format!("{expect} is no conversion that is supported")
        );
    }
}
