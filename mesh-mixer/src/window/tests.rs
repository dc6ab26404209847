use super::*;

const fn at(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_minute_is_kept_and_no_more() {
    let mut window = Window::default();
    window.add(at(0), &[1, 10]);
    window.add(at(4), &[1, 10]);
    window.add(at(30), &[2, 0]);
    let check = |window: &Window, now: u64, expected: [u64; 2]| {
        assert_eq!(window.sums(at(now), 2), expected, "at {now}");
    };
    check(&window, 30, [4, 20]);
    check(&window, 59, [4, 20]);
    check(&window, 60, [2, 0]);
    check(&window, 89, [2, 0]);
    check(&window, 90, [0, 0]);
    check(&window, 10_000, [0, 0]);
}

#[test]
fn silence_costs_nothing_and_noise_a_bound() {
    let mut window = Window::default();
    for second in 0..10_000 {
        window.add(at(second), &[1]);
        assert!(window.steps.len() <= STEPS);
    }
    window.add(at(1_000_000), &[1]);
    assert_eq!(window.steps.len(), 1);
}

#[test]
fn sums_stop_at_the_largest_number() {
    let mut window = Window::default();
    window.add(at(0), &[u64::MAX]);
    window.add(at(9), &[u64::MAX]);
    assert_eq!(window.sums(at(9), 1), [u64::MAX]);
}

#[test]
fn a_steady_rate_is_the_same_at_every_moment() {
    let mut window = Window::default();
    for second in 0..300_u32 {
        window.add(at(second.into()), &[10]);
        // All of this second has been added, so the window ends at its end.
        let end = at(u64::from(second) + 1) - Duration::from_nanos(1);
        if second >= 60 {
            let sum = window.sums(end, 1)[0];
            let rate = sum as f64 / covered(end).as_secs_f64();
            assert!((rate - 10.0).abs() < 0.01, "{rate} at {second}");
        }
    }
}
