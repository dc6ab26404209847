use proptest::prelude::*;

use super::*;
use crate::cluster::{Hashing, LbPolicy};
use crate::endpoint::{Endpoint, LocalityWeight, Terms};
use crate::slow_start::{Rules, SlowStart};
use crate::testing::mk_endpoint;
use mesh_model::service::{Health, Locality};
use mesh_model::time::Clock;
use mesh_test::clock::fixed;
use std::time::Duration;

fn endpoint(number: usize, health: Health, weight: u32, priority: u32) -> Endpoint {
    Endpoint {
        weight,
        health,
        priority,
        ..mk_endpoint(u16::try_from(number).unwrap())
    }
}

fn set(all: Vec<Endpoint>) -> Arc<Endpoints> {
    Arc::new(Endpoints::new("e".into(), all))
}

fn weighted(weights: &[u32]) -> Arc<Endpoints> {
    let all = weights.iter().enumerate();
    let all = all.map(|(i, weight)| endpoint(i, Health::Healthy, *weight, 0));
    set(all.collect())
}

fn balancer(policy: LbPolicy) -> Balancer {
    Balancer {
        policy,
        panic_threshold: 0,
        weighs_localities: false,
        turn: 0,
        laid: None,
        warmth: None,
    }
}

fn idle() -> Choice<'static> {
    Choice {
        load: &|_| 0,
        hash: None,
        tried: &[],
        attempts: 1,
        now: fixed().now(),
    }
}

/// How often each endpoint is picked in so many draws.
fn counts(policy: LbPolicy, endpoints: &Arc<Endpoints>, draws: usize) -> Vec<usize> {
    counts_of(balancer(policy), endpoints, draws)
}

fn counts_of(mut balancer: Balancer, endpoints: &Arc<Endpoints>, draws: usize) -> Vec<usize> {
    let (mut random, idle) = (xorshift(7), idle());
    let mut counts = vec![0; endpoints.all.len()];
    for _ in 0..draws {
        counts[balancer.pick(endpoints, &idle, &mut random).unwrap()] += 1;
    }
    counts
}

fn xorshift(seed: u64) -> impl FnMut() -> u64 {
    let mut state = seed | 1;
    move || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state
    }
}

#[test]
fn round_robin_takes_turns() {
    assert_eq!(
        counts(LbPolicy::RoundRobin, &weighted(&[1, 1, 1]), 9),
        [3, 3, 3]
    );
}

#[test]
fn the_less_loaded_of_two_wins() {
    let endpoints = weighted(&[1, 1]);
    let choice = Choice {
        load: &|index| [5, 1][index],
        ..idle()
    };
    let mut draws = [0, u64::MAX].into_iter().cycle();
    let mut random = || draws.next().unwrap();
    let mut balancer = balancer(LbPolicy::LeastRequest { choices: 2 });
    assert_eq!(balancer.pick(&endpoints, &choice, &mut random), Some(1));
    assert_eq!(balancer.pick(&endpoints, &choice, &mut random), Some(1));
}

#[test]
fn nobody_healthy_means_nobody() {
    let endpoints = set(vec![endpoint(0, Health::Unhealthy, 1, 0)]);
    let mut random = xorshift(1);
    for policy in [
        LbPolicy::RoundRobin,
        LbPolicy::Random,
        LbPolicy::LeastRequest { choices: 2 },
    ] {
        assert_eq!(
            balancer(policy).pick(&endpoints, &idle(), &mut random),
            None
        );
        assert_eq!(
            balancer(policy).pick(&Arc::default(), &idle(), &mut random),
            None
        );
    }
}

#[test]
fn in_panic_everybody_is_taken() {
    let endpoints = set(vec![
        endpoint(0, Health::Unhealthy, 1, 0),
        endpoint(1, Health::Unhealthy, 1, 0),
    ]);
    let mut balancer = Balancer {
        panic_threshold: 50,
        ..balancer(LbPolicy::RoundRobin)
    };
    assert!(
        balancer
            .pick(&endpoints, &idle(), &mut xorshift(1))
            .is_some()
    );
}

#[test]
fn a_worse_priority_waits_for_the_better_to_be_gone() {
    let with = |first: Health| {
        let all = vec![endpoint(0, first, 1, 0), endpoint(1, Health::Healthy, 1, 1)];
        let endpoints = set(all);
        balancer(LbPolicy::Random).pick(&endpoints, &idle(), &mut xorshift(3))
    };
    assert_eq!(with(Health::Healthy), Some(0));
    assert_eq!(with(Health::Draining), Some(1));
}

#[test]
fn an_endpoint_tried_before_is_taken_only_when_there_is_no_other() {
    let tried = |tried: &'static [usize]| Choice {
        tried,
        attempts: 1,
        ..idle()
    };
    let endpoints = weighted(&[1, 1, 1]);
    let mut turns = balancer(LbPolicy::RoundRobin);
    let mut pick = |choice| turns.pick(&endpoints, &choice, &mut xorshift(1));
    for _ in 0..6 {
        assert_eq!(pick(tried(&[0, 2])), Some(1));
    }
    assert!(pick(tried(&[0, 1, 2])).is_some());
}

#[test]
fn a_hash_stays_with_its_endpoint_and_a_retry_goes_to_another() {
    let endpoints = weighted(&[1; 5]);
    for hashing in [
        Hashing::Ring {
            least: 1024,
            most: 2048,
            by_hostname: false,
        },
        Hashing::Maglev {
            size: 251,
            by_hostname: false,
        },
    ] {
        let mut balancer = balancer(LbPolicy::Hash(hashing));
        let mut random = xorshift(5);
        let mut of = |hash: Option<u64>, tried: &[usize]| {
            let choice = Choice {
                hash,
                tried,
                attempts: 5,
                ..idle()
            };
            balancer.pick(&endpoints, &choice, &mut random).unwrap()
        };
        let first = of(Some(7 << 60), &[]);
        assert!((0..20).all(|_| of(Some(7 << 60), &[]) == first));
        assert_ne!(of(Some(7 << 60), &[first]), first);
        // Without a hash chance decides.
        assert!((0..50).any(|_| of(None, &[]) != first));
    }
}

const POLICIES: [LbPolicy; 4] = [
    LbPolicy::RoundRobin,
    LbPolicy::Random,
    LbPolicy::LeastRequest { choices: 2 },
    LbPolicy::Hash(Hashing::Maglev {
        size: 65_537,
        by_hostname: false,
    }),
];

#[track_caller]
fn near(policy: LbPolicy, counts: &[usize], expected: &[usize]) {
    let near = |(count, expected): (&usize, &usize)| count.abs_diff(*expected) < 300;
    let all = counts.iter().zip(expected).all(near);
    assert!(all, "{policy:?}: {counts:?}, not {expected:?}");
}

#[test]
fn half_of_a_priority_healthy_leaves_three_tenths_to_the_next() {
    let endpoints = set(vec![
        endpoint(0, Health::Healthy, 1, 0),
        endpoint(1, Health::Unhealthy, 1, 0),
        endpoint(2, Health::Healthy, 1, 1),
        endpoint(3, Health::Healthy, 1, 1),
    ]);
    for policy in POLICIES {
        let counts = counts(policy, &endpoints, 10_000);
        near(policy, &counts, &[7000, 0, 1500, 1500]);
    }
}

/// One endpoint in zone a, and three in zone b, with these weights.
fn zones(a: u32, b: u32) -> Arc<Endpoints> {
    let zone = |name: &str| {
        Arc::new(Locality {
            zone: name.into(),
            ..Locality::default()
        })
    };
    let all = (0..4u16).map(|number| Endpoint {
        locality: zone(if number == 0 { "a" } else { "b" }),
        ..mk_endpoint(number)
    });
    let weight = |(name, weight)| LocalityWeight {
        priority: 0,
        locality: zone(name),
        weight,
    };
    let terms = Terms {
        localities: [("a", a), ("b", b)].map(weight).into(),
        ..Terms::default()
    };
    Arc::new(Endpoints::on_terms("e".into(), all.collect(), terms))
}

#[test]
fn localities_get_their_shares_whatever_the_policy() {
    for policy in POLICIES {
        let balancer = Balancer {
            weighs_localities: true,
            ..balancer(policy)
        };
        let counts = counts_of(balancer, &zones(80, 20), 30_000);
        near(policy, &counts, &[24_000, 2000, 2000, 2000]);
    }
}

#[test]
fn load_shifts_nothing_from_one_locality_to_another() {
    let mut balancer = Balancer {
        weighs_localities: true,
        ..balancer(LbPolicy::LeastRequest { choices: 2 })
    };
    let choice = Choice {
        // All are busy where most is sent to.
        load: &|index| [9, 0, 0, 5][index],
        ..idle()
    };
    let (endpoints, mut random) = (zones(80, 20), xorshift(3));
    let mut counts = [0usize; 4];
    for _ in 0..10_000 {
        counts[balancer.pick(&endpoints, &choice, &mut random).unwrap()] += 1;
    }
    assert!(counts[0].abs_diff(8000) < 300, "{counts:?}");
    assert!(counts[3] < counts[1] / 2, "{counts:?}");
}

#[test]
fn a_retry_goes_to_another_priority_that_has_a_share() {
    let endpoints = set(vec![
        endpoint(0, Health::Healthy, 1, 0),
        endpoint(1, Health::Unhealthy, 1, 0),
        endpoint(2, Health::Healthy, 1, 1),
    ]);
    let choice = Choice {
        tried: &[0],
        ..idle()
    };
    let mut random = xorshift(1);
    for policy in POLICIES {
        let mut balancer = balancer(policy);
        for _ in 0..20 {
            assert_eq!(balancer.pick(&endpoints, &choice, &mut random), Some(2));
        }
    }
}

#[test]
fn who_is_new_gets_little() {
    let start = SlowStart::new(Rules {
        window: Duration::from_secs(100),
        aggression: 1.0,
        least: 0.1,
    });
    let endpoints = weighted(&[1, 1, 2]);
    let old = set(endpoints.all[..2].to_vec());
    start.note(
        &old,
        fixed().now().checked_sub(Duration::from_secs(200)).unwrap(),
    );
    let warm = [LbPolicy::RoundRobin, LbPolicy::LeastRequest { choices: 2 }];
    for policy in warm {
        let balancer = Balancer {
            warmth: Some(Warmth::new(start.clone())),
            ..balancer(policy)
        };
        // 1 : 1 : a tenth of 2.
        let counts = counts_of(balancer, &endpoints, 22_000);
        near(policy, &counts, &[10_000, 10_000, 2000]);
    }
}

proptest! {
    /// Over many choices, each endpoint gets its share and no unhealthy one gets any.
    #[test]
    fn weights_are_honoured(
        weights in proptest::collection::vec(1u32..20, 1..8),
        sick in any::<prop::sample::Index>(),
        policy in prop_oneof![
            Just(LbPolicy::RoundRobin),
            Just(LbPolicy::Random),
            Just(LbPolicy::LeastRequest { choices: 2 }),
        ],
    ) {
        let mut all: Vec<_> = weights.iter().enumerate()
            .map(|(i, weight)| endpoint(i, Health::Healthy, *weight, 0)).collect();
        let sick = sick.index(all.len());
        if all.len() > 1 {
            all[sick].health = Health::Unhealthy;
        }
        let total: u32 = all.iter().filter(|e| e.health == Health::Healthy).map(|e| e.weight).sum();
        let endpoints = set(all);
        let draws = 4000;
        for (count, endpoint) in counts(policy, &endpoints, draws).iter().zip(&endpoints.all) {
            if endpoint.health != Health::Healthy {
                prop_assert_eq!(*count, 0);
                continue;
            }
            let share = f64::from(endpoint.weight) / f64::from(total);
            let expected = share * draws as f64;
            // Five sigma of a binomial distribution; round robin lies far within.
            let bound = 5.0 * (expected * (1.0 - share)).sqrt() + 2.0;
            prop_assert!((*count as f64 - expected).abs() <= bound, "{count} of {expected}");
        }
    }

    /// Weighted turns never run ahead of or behind their share by more than a few requests.
    #[test]
    fn weighted_turns_are_even(weights in proptest::collection::vec(1u32..50, 2..6), draws in 1usize..500) {
        let endpoints = weighted(&weights);
        let total: u32 = weights.iter().sum();
        for (count, weight) in counts(LbPolicy::RoundRobin, &endpoints, draws).iter().zip(&weights) {
            let expected = f64::from(*weight) / f64::from(total) * draws as f64;
            prop_assert!((*count as f64 - expected).abs() <= 5.0, "{count} of {expected}");
        }
    }
}
