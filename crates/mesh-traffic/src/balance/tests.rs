use proptest::prelude::*;

use super::*;
use crate::cluster::LbPolicy;
use crate::endpoint::Endpoint;
use mesh_model::service::Health;

fn endpoint(number: usize, health: Health, weight: u32, priority: u32) -> Endpoint {
    Endpoint {
        address: ([10, 0, 0, 1], 1000 + u16::try_from(number).unwrap()).into(),
        weight,
        health,
        priority,
        locality: Default::default(),
        hostname: None,
        transport_match: Vec::new(),
        workload: None,
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
        turn: 0,
        laid: None,
    }
}

const IDLE: Choice<'static> = Choice {
    load: &|_| 0,
    hash: None,
    tried: &[],
    attempts: 1,
};

/// How often each endpoint is picked in so many draws.
fn counts(policy: LbPolicy, endpoints: &Arc<Endpoints>, draws: usize) -> Vec<usize> {
    let mut balancer = balancer(policy);
    let mut random = xorshift(7);
    let mut counts = vec![0; endpoints.all.len()];
    for _ in 0..draws {
        counts[balancer.pick(endpoints, &IDLE, &mut random).unwrap()] += 1;
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
        ..IDLE
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
        assert_eq!(balancer(policy).pick(&endpoints, &IDLE, &mut random), None);
        assert_eq!(
            balancer(policy).pick(&Arc::default(), &IDLE, &mut random),
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
    assert!(balancer.pick(&endpoints, &IDLE, &mut xorshift(1)).is_some());
}

#[test]
fn a_worse_priority_waits_for_the_better_to_be_gone() {
    let with = |first: Health| {
        let all = vec![endpoint(0, first, 1, 0), endpoint(1, Health::Healthy, 1, 1)];
        let endpoints = set(all);
        balancer(LbPolicy::Random).pick(&endpoints, &IDLE, &mut xorshift(3))
    };
    assert_eq!(with(Health::Healthy), Some(0));
    assert_eq!(with(Health::Draining), Some(1));
}

#[test]
fn an_endpoint_tried_before_is_taken_only_when_there_is_no_other() {
    let tried = |tried: &'static [usize]| Choice {
        tried,
        attempts: 1,
        ..IDLE
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
                ..IDLE
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
