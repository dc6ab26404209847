use super::*;

const HOUR: Duration = Duration::from_secs(3600);

#[test]
fn a_longer_lifetime_than_allowed_is_refused_and_not_cut() {
    let lifetimes = Lifetimes::new(HOUR, 2 * HOUR).unwrap();
    let second = Duration::from_secs(1);
    assert_eq!(lifetimes.of(None), Ok(HOUR));
    assert_eq!(lifetimes.of(Some(second)), Ok(second));
    assert_eq!(lifetimes.of(Some(2 * HOUR)), Ok(2 * HOUR));
    let (asked, longest) = (2 * HOUR + second, 2 * HOUR);
    assert_eq!(lifetimes.of(Some(asked)), Err(TooLong { asked, longest }));
}

#[test]
fn a_default_below_a_second_or_above_the_longest_is_refused() {
    let short = Duration::from_millis(999);
    assert_eq!(Lifetimes::new(short, HOUR), Err(BadLifetimes::TooShort));
    let (default, longest) = (2 * HOUR, HOUR);
    let want = Err(BadLifetimes::DefaultTooLong { default, longest });
    assert_eq!(Lifetimes::new(default, longest), want);
}
