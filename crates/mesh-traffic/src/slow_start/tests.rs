use mesh_model::time::Clock;
use mesh_test::clock::fixed;

use super::*;
use crate::endpoint::Endpoint;
use crate::testing::mk_endpoint;

const SECOND: Duration = Duration::from_secs(1);

fn mk_rules(aggression: f64) -> Rules {
    Rules {
        window: 100 * SECOND,
        aggression,
        least: 0.1,
    }
}

fn mk_endpoints(numbers: &[u16]) -> Arc<Endpoints> {
    let all = numbers.iter().map(|number| mk_endpoint(*number)).collect();
    Arc::new(Endpoints::new("e".into(), all))
}

/// Chances in whole per cent of the greatest.
fn percent(warmth: &Warmth) -> Vec<u32> {
    let percent = |chance: &u32| (f64::from(*chance) / f64::from(CERTAIN) * 100.0).round() as u32;
    warmth.chances.iter().map(percent).collect()
}

#[test]
fn the_part_grows_with_time_as_envoys_formula_says() {
    for (aggression, seconds, expected) in [
        (1.0, 0, 0.1),
        (1.0, 5, 0.1),
        (1.0, 50, 0.5),
        (1.0, 100, 1.0),
        (2.0, 25, 0.5),
        (2.0, 81, 0.9),
        (0.5, 50, 0.25),
    ] {
        let part = mk_rules(aggression).part(seconds * SECOND);
        assert!(
            (part - expected).abs() < 1e-9,
            "{aggression} {seconds}: {part}"
        );
    }
}

#[test]
fn who_comes_later_warms_up_and_then_is_like_the_others() {
    let now = fixed().now();
    let mut warmth = Warmth::new(SlowStart::new(mk_rules(1.0)));
    let first = mk_endpoints(&[0, 1]);
    warmth.refresh(&first, now);
    // Where all are new nobody is.
    assert_eq!(percent(&warmth), [0; 0]);
    warmth.refresh(&first, now + 200 * SECOND);
    assert_eq!(warmth.next, None);

    let both = mk_endpoints(&[0, 1, 2]);
    let added = now + 300 * SECOND;
    warmth.refresh(&both, added);
    assert_eq!(percent(&warmth), [100, 100, 10]);
    warmth.refresh(&both, added + 60 * SECOND);
    assert_eq!(percent(&warmth), [100, 100, 60]);
    warmth.refresh(&both, added + 100 * SECOND);
    assert_eq!(percent(&warmth), [0; 0]);
    assert_eq!(warmth.next, None);
}

#[test]
fn chances_are_not_looked_at_for_every_request() {
    let now = fixed().now();
    let start = SlowStart::new(mk_rules(1.0));
    start.note(&mk_endpoints(&[0]), now);
    let mut warmth = Warmth::new(start);
    let both = mk_endpoints(&[0, 1]);
    let added = now + 100 * SECOND;
    warmth.refresh(&both, added);
    let next = added + SECOND / 2;
    assert_eq!(warmth.next, Some(next));
    warmth.refresh(&both, next - Duration::from_millis(1));
    assert_eq!(warmth.next, Some(next));
    warmth.refresh(&both, next);
    assert!(warmth.next > Some(next));
}

#[test]
fn an_endpoint_is_new_when_it_is_healthy_for_the_first_time() {
    let now = fixed().now();
    let start = SlowStart::new(mk_rules(1.0));
    let second = |health| {
        let second = Endpoint {
            health,
            ..mk_endpoint(1)
        };
        Arc::new(Endpoints::new("e".into(), vec![mk_endpoint(0), second]))
    };
    let at = |endpoints: &Arc<Endpoints>, seconds: u32| {
        let mut warmth = Warmth::new(start.clone());
        warmth.refresh(endpoints, now + seconds * SECOND);
        percent(&warmth)
    };
    assert_eq!(at(&second(Health::Unhealthy), 0), [0; 0]);
    assert_eq!(at(&second(Health::Healthy), 150), [100, 10]);
    // Who was ejected is as old as before when it comes back.
    assert_eq!(at(&second(Health::Unhealthy), 160), [0; 0]);
    assert_eq!(at(&second(Health::Healthy), 200), [100, 50]);
    // Who was away is new again.
    assert_eq!(at(&mk_endpoints(&[0]), 300), [0; 0]);
    assert_eq!(at(&second(Health::Healthy), 400), [100, 10]);
}

#[test]
fn another_version_of_the_cluster_goes_on_with_what_is_known() {
    let before = SlowStart::new(mk_rules(1.0));
    let later = SlowStart::new(mk_rules(1.0));
    assert!(later != before);
    assert!(later.following(&before) == before);
    assert!(SlowStart::new(mk_rules(2.0)).following(&before) != before);
}
