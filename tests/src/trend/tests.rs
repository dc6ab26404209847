use super::*;

fn trend(value: impl Fn(f64) -> f64) -> Trend {
    let moments = (0..300).map(f64::from);
    let points: Vec<_> = moments.map(|at| (at, value(at))).collect();
    Trend::of(&points).unwrap()
}

#[test]
fn steady_growth_is_seen() {
    let trend = trend(|at| 4096.0 + 25.0 * at);
    assert!((trend.slope - 25.0).abs() < 1e-6, "{trend:?}");
    assert!(trend.exceeds(20.0));
}

#[test]
fn growth_below_the_bound_is_none() {
    assert!(!trend(|at| 19.0 * at).exceeds(20.0));
    assert!(!trend(|_| 1.0).exceeds(0.0));
}

#[test]
fn what_comes_and_goes_is_no_growth() {
    // A megabyte for half a minute, again and again; the last one has no time to go.
    let trend = trend(|at| if at % 55.0 > 25.0 { 1e6 } else { 0.0 });
    assert!(trend.error > 100.0, "{trend:?}");
    assert!(!trend.exceeds(20.0), "{trend:?}");
}

#[test]
fn what_wanders_for_minutes_behind_what_jumps_each_second_is_no_growth() {
    // 300 KiB up and down in four minutes, looked at from its lowest to its highest, under a noise that hides it.
    let wander = |at: f64| 150e3 * (1.0 - (at * std::f64::consts::TAU / 240.0).cos());
    let trend = trend(|at| wander(at) + if at % 2.0 < 1.0 { 300e3 } else { 0.0 });
    assert!(!trend.exceeds(20.0), "{trend:?}");
}

#[test]
fn growth_by_pages_is_seen_through_what_comes_and_goes() {
    let noise = |at: f64| if at % 7.0 > 3.0 { 40_960.0 } else { 0.0 };
    let trend = trend(|at| (at * 300.0 / 4096.0).floor() * 4096.0 + noise(at));
    assert!(trend.exceeds(20.0), "{trend:?}");
}

#[test]
fn two_looks_say_nothing() {
    assert_eq!(Trend::of(&[(0.0, 1.0), (1.0, 9.0)]), None);
    assert_eq!(Trend::of(&[(1.0, 1.0), (1.0, 2.0), (1.0, 3.0)]), None);
}
