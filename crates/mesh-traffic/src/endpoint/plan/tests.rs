use std::sync::Arc;

use super::*;
use crate::endpoint::{Endpoints, LocalityWeight};
use crate::testing::mk_endpoint;

/// A hundred endpoints of each priority, of which so many are healthy and so many degraded.
fn mk_levels(levels: &[(u32, u32)]) -> Vec<Endpoint> {
    let level = |(priority, (healthy, degraded)): (u32, &(u32, u32))| {
        let (healthy, degraded) = (*healthy, *degraded);
        (0..100).map(move |number| Endpoint {
            priority,
            health: match number {
                _ if number < healthy => Health::Healthy,
                _ if number < healthy + degraded => Health::Degraded,
                _ => Health::Unhealthy,
            },
            ..mk_endpoint(u16::try_from(priority * 100 + number).unwrap())
        })
    };
    (0..).zip(levels).flat_map(level).collect()
}

fn mk_healthy(levels: &[u32]) -> Vec<Endpoint> {
    let levels: Vec<_> = levels.iter().map(|healthy| (*healthy, 0)).collect();
    mk_levels(&levels)
}

/// How many of a hundred lots fall to each level and kind.
fn lots(plan: &Plan, threshold: u8) -> Vec<(usize, Who, usize)> {
    let mut counts: Vec<(usize, Who, usize)> = Vec::new();
    for lot in 0..100 {
        let Some(At { level, who }) = plan.at(threshold, lot) else {
            continue;
        };
        match counts.iter_mut().find(|c| (c.0, c.1) == (level, who)) {
            Some(count) => count.2 += 1,
            None => counts.push((level, who, 1)),
        }
    }
    counts
}

/// What of a hundred requests each priority gets, without panic.
fn loads(healthy: &[u32]) -> Vec<usize> {
    let plan = Plan::by_health(&mk_healthy(healthy), &Terms::default());
    let lots = lots(&plan, 0);
    let load = |level| lots.iter().filter(move |lot| lot.0 == level);
    (0..healthy.len())
        .map(|level| load(level).map(|lot| lot.2).sum())
        .collect()
}

/// Envoy's tables in `arch_overview/upstream/load_balancing/priority.rst`.
#[test]
fn what_a_priority_cannot_take_spills_over() {
    for (healthy, expected) in [
        ([100, 100], [100, 0]),
        ([72, 100], [100, 0]),
        ([71, 100], [99, 1]),
        ([50, 100], [70, 30]),
        ([25, 100], [35, 65]),
        ([0, 100], [0, 100]),
        ([72, 72], [100, 0]),
        ([71, 71], [99, 1]),
        ([50, 50], [70, 30]),
        ([25, 25], [50, 50]),
    ] {
        assert_eq!(loads(&healthy), expected, "{healthy:?}");
    }
    for (healthy, expected) in [
        ([100, 100, 100], [100, 0, 0]),
        ([71, 71, 100], [99, 1, 0]),
        ([25, 100, 100], [35, 65, 0]),
        ([25, 25, 100], [35, 35, 30]),
        // 36 %, 36 % and 28 % there; in whole per cent what is left over goes to the first.
        ([25, 25, 20], [37, 35, 28]),
    ] {
        assert_eq!(loads(&healthy), expected, "{healthy:?}");
    }
}

/// Envoy's tables in `arch_overview/upstream/load_balancing/panic_threshold.rst`.
#[test]
fn panic_is_of_priorities_and_only_when_nobody_else_can_take_it() {
    use Who::{Everyone, Healthy};
    for (healthy, first, second) in [
        ([25, 100], (Healthy, 35), (Healthy, 65)),
        ([71, 71], (Healthy, 99), (Healthy, 1)),
        ([50, 60], (Healthy, 70), (Healthy, 30)),
        ([25, 25], (Everyone, 50), (Everyone, 50)),
        ([5, 65], (Everyone, 8), (Healthy, 92)),
        ([0, 0], (Everyone, 50), (Everyone, 50)),
    ] {
        let plan = Plan::by_health(&mk_healthy(&healthy), &Terms::default());
        let expected = [(0, first.0, first.1), (1, second.0, second.1)];
        assert_eq!(lots(&plan, 50), expected, "{healthy:?}");
    }
}

#[test]
fn without_a_threshold_nobody_healthy_is_nobody() {
    let plan = Plan::by_health(&mk_healthy(&[0, 0]), &Terms::default());
    assert_eq!(lots(&plan, 0), []);
    assert_eq!(lots(&Plan::default(), 50), []);
}

#[test]
fn half_of_a_single_priority_is_no_panic_and_less_is() {
    for (healthy, who) in [(50, Who::Healthy), (49, Who::Everyone), (0, Who::Everyone)] {
        let plan = Plan::by_health(&mk_healthy(&[healthy]), &Terms::default());
        assert_eq!(lots(&plan, 50), [(0, who, 100)], "{healthy}");
    }
}

#[test]
fn the_degraded_take_what_all_healthy_ones_cannot() {
    let plan = |levels: &[(u32, u32)]| Plan::by_health(&mk_levels(levels), &Terms::default());
    let alone = lots(&plan(&[(50, 50)]), 0);
    assert_eq!(alone, [(0, Who::Healthy, 70), (0, Who::Degraded, 30)]);
    // The healthy ones of the next priority come first.
    let second = lots(&plan(&[(25, 75), (25, 0)]), 0);
    let expected = [
        (0, Who::Healthy, 35),
        (1, Who::Healthy, 35),
        (0, Who::Degraded, 30),
    ];
    assert_eq!(second, expected);
}

#[test]
fn the_factor_and_weights_may_count() {
    let terms = Terms {
        overprovisioning: 100,
        ..Terms::default()
    };
    let plan = Plan::by_health(&mk_healthy(&[71, 100]), &terms);
    let expected = [(0, Who::Healthy, 71), (1, Who::Healthy, 29)];
    assert_eq!(lots(&plan, 0), expected);

    let terms = Terms {
        by_weight: true,
        ..terms
    };
    let mut all = mk_healthy(&[50, 100]);
    for endpoint in &mut all {
        endpoint.weight = if endpoint.health == Health::Healthy {
            3
        } else {
            1
        };
    }
    let plan = Plan::by_health(&all, &terms);
    let expected = [(0, Who::Healthy, 75), (1, Who::Healthy, 25)];
    assert_eq!(lots(&plan, 0), expected);
}

fn mk_zone(zone: &str) -> Arc<Locality> {
    Arc::new(Locality {
        zone: zone.into(),
        ..Locality::default()
    })
}

/// What of all requests goes to X, whose weight is 1, beside Y, which weighs 2.
fn share_of_x(healthy: u16, weights: &[(&str, u32)]) -> f64 {
    let (x, y) = (mk_zone("x"), mk_zone("y"));
    let endpoint = |number: u16| Endpoint {
        locality: if number < 100 { x.clone() } else { y.clone() },
        health: match number < healthy || number >= 100 {
            true => Health::Healthy,
            false => Health::Unhealthy,
        },
        ..mk_endpoint(number)
    };
    let weight = |(zone, weight): &(&str, u32)| LocalityWeight {
        priority: 0,
        locality: mk_zone(zone),
        weight: *weight,
    };
    let terms = Terms {
        localities: weights.iter().map(weight).collect(),
        ..Terms::default()
    };
    let all = (0..150).map(endpoint).collect();
    let endpoints = Endpoints::on_terms("e".into(), all, terms);
    let plan = endpoints.plan(true);
    let pool = plan.pool(plan.at(0, 0).unwrap()).unwrap();
    let of_x = pool.members.iter().enumerate().filter(|m| *m.1 < 100);
    of_x.map(|(position, _)| pool.share(position)).sum()
}

/// Envoy's table in `arch_overview/upstream/load_balancing/locality_weight.rst`.
#[test]
fn localities_get_shares_by_weight_and_availability() {
    let weights = [("x", 1), ("y", 2)];
    for (healthy, expected) in [(100, 33), (70, 33), (69, 32), (50, 26), (25, 15), (0, 0)] {
        let share = share_of_x(healthy, &weights);
        let difference = (share * 100.0 - f64::from(expected)).abs();
        assert!(difference < 1.0, "{healthy}: {share}");
    }
}

#[test]
fn a_locality_without_a_weight_gets_nothing_unless_none_has_one() {
    assert!((share_of_x(100, &[("x", 7)]) - 1.0).abs() < 1e-9);
    assert!(share_of_x(100, &[("y", 7)]) < 1e-9);
    // A hundred and fifty alike.
    assert!((share_of_x(100, &[]) - 2.0 / 3.0).abs() < 1e-9);
    // The one that has a weight has nobody.
    assert!((share_of_x(100, &[("z", 7)]) - 2.0 / 3.0).abs() < 1e-9);
}

#[test]
fn localities_mean_nothing_to_a_cluster_that_does_not_weigh_them() {
    let terms = Terms {
        localities: vec![LocalityWeight {
            priority: 0,
            locality: mk_zone("x"),
            weight: 1,
        }],
        ..Terms::default()
    };
    let endpoints = Endpoints::on_terms("e".into(), vec![mk_endpoint(0)], terms);
    let plan = endpoints.plan(false);
    let pool = plan.pool(plan.at(0, 0).unwrap()).unwrap();
    assert_eq!(pool.members, [0]);
}
