use std::collections::BTreeMap;

use mesh_model::service::Health;
use proptest::prelude::*;

use super::*;

const RING: Hashing = Hashing::Ring {
    least: 1024,
    most: 8 << 20,
    by_hostname: false,
};
const MAGLEV: Hashing = Hashing::Maglev {
    size: 65_537,
    by_hostname: false,
};

fn endpoints(weights: &[u32]) -> Arc<Endpoints> {
    endpoints_from(1000, weights)
}

fn endpoints_from(first: u16, weights: &[u32]) -> Arc<Endpoints> {
    let endpoint = |(number, weight): (usize, &u32)| Endpoint {
        address: ([10, 0, 0, 1], first + u16::try_from(number).unwrap()).into(),
        weight: *weight,
        health: Health::Healthy,
        priority: 0,
        locality: Default::default(),
        hostname: Some(format!("host-{}", number / 2).as_str().into()),
        transport_match: Vec::new(),
        workload: None,
        probing: Default::default(),
    };
    let all = weights.iter().enumerate().map(endpoint).collect();
    Arc::new(Endpoints::new("e".into(), all))
}

fn laid(hashing: Hashing, endpoints: &Arc<Endpoints>) -> Table {
    let plan = endpoints.plan(false);
    let pool = plan.at(0, 0).and_then(|at| plan.pool(at));
    let nobody = Pool::default();
    Table::new(hashing, endpoints, pool.unwrap_or(&nobody))
}

/// How often each endpoint owns one of many hashes.
fn shares(laid: &Table) -> BTreeMap<usize, usize> {
    let mut counts = BTreeMap::new();
    for number in 0..100_000u32 {
        let hash = xxh64(&number.to_le_bytes(), 0);
        *counts.entry(laid.owner(hash, 0).unwrap()).or_default() += 1;
    }
    counts
}

#[test]
fn shares_follow_weights() {
    let endpoints = endpoints(&[1, 2, 1]);
    let ring = shares(&laid(RING, &endpoints));
    assert!((40_000..60_000).contains(&ring[&1]), "{ring:?}");
    let maglev = shares(&laid(MAGLEV, &endpoints));
    assert!((49_000..51_000).contains(&maglev[&1]), "{maglev:?}");
    assert_eq!((ring.len(), maglev.len()), (3, 3));
}

#[test]
fn a_ring_has_the_points_of_its_weights() {
    let points = |weights: &[u32], least, most| {
        let hashing = Hashing::Ring {
            least,
            most,
            by_hostname: false,
        };
        let laid = laid(hashing, &endpoints(weights));
        let Table::Ring(points) = laid else {
            unreachable!()
        };
        let mut counts = vec![0; weights.len()];
        for (_, index) in points {
            counts[index as usize] += 1;
        }
        counts
    };
    assert_eq!(points(&[1, 1], 1024, 8 << 20), [512, 512]);
    // The lightest gets a whole number.
    assert_eq!(points(&[1, 2], 10, 8 << 20), [4, 8]);
    assert_eq!(points(&[1, 1, 1, 1], 1024, 2), [1, 0, 1, 0]);
}

#[test]
fn nobody_owns_anything_where_there_is_nobody() {
    for hashing in [RING, MAGLEV] {
        assert_eq!(laid(hashing, &endpoints(&[])).owner(7, 0), None);
    }
}

#[test]
fn endpoints_may_be_laid_by_their_names() {
    let by_name = Hashing::Maglev {
        size: 65_537,
        by_hostname: true,
    };
    let (first, second) = (endpoints(&[1; 6]), endpoints_from(7000, &[1; 6]));
    let (one, other) = (laid(by_name, &first), laid(by_name, &second));
    let name = |laid: &Table, hash| first.all[laid.owner(hash, 0).unwrap()].hostname.clone();
    assert!((0..1000).all(|hash| name(&one, hash) == name(&other, hash)));
    let by_address = laid(MAGLEV, &second);
    assert!((0..1000).any(|hash| name(&one, hash) != name(&by_address, hash)));
}

#[test]
fn it_is_laid_for_one_set_of_endpoints() {
    let (one, other) = (endpoints(&[1]), endpoints(&[1]));
    let laid = Laid::new(RING, (&one, false));
    assert!(laid.is_for(RING, (&one, false)));
    assert!(!laid.is_for(RING, (&one, true)));
    assert!(!laid.is_for(RING, (&other, false)));
    assert!(!laid.is_for(MAGLEV, (&one, false)));
}

proptest! {
    /// When one of many goes, most hashes stay with their owners.
    #[test]
    fn few_hashes_move(count in 3usize..20, hashes in prop::collection::vec(any::<u64>(), 500)) {
        let all = endpoints(&vec![1; count]);
        let fewer = endpoints(&vec![1; count - 1]);
        for hashing in [RING, MAGLEV] {
            let (before, after) = (laid(hashing, &all), laid(hashing, &fewer));
            let stayed = |hash: &&u64| before.owner(**hash, 0) == after.owner(**hash, 0);
            let kept = hashes.iter().filter(stayed).count();
            let fair = hashes.len() * (count - 1) / count;
            prop_assert!(kept * 10 > fair * 7, "{kept} of {}, {hashing:?}", hashes.len());
        }
    }

    /// Every further attempt has an owner too.
    #[test]
    fn attempts_have_owners(hash in any::<u64>(), attempt in 0u32..20) {
        let endpoints = endpoints(&[3, 1, 1]);
        for hashing in [RING, MAGLEV] {
            prop_assert!(laid(hashing, &endpoints).owner(hash, attempt).is_some());
        }
    }
}
