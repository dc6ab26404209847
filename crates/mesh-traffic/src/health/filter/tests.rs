use std::sync::Arc;

use mesh_model::time::Clock;
use mesh_test::clock::fixed;

use super::*;
use crate::cluster::Cluster;
use crate::endpoint::{Endpoint, Endpoints};
use crate::testing::{eds_cluster, mk_endpoint};

const SECOND: Duration = Duration::from_secs(1);

fn mk_filter(kind: Who) -> HealthFilter {
    HealthFilter {
        headers: Vec::new(),
        kind,
    }
}

fn mk_stands(status: u16) -> Stands {
    Stands {
        status,
        degraded: false,
    }
}

/// A cluster of endpoints of which so many are healthy.
fn mk_config(healthy: u16, total: u16) -> Config {
    let cluster = Cluster::compile(&eds_cluster()).unwrap();
    let endpoint = |number| Endpoint {
        health: if number < healthy {
            Health::Healthy
        } else {
            Health::Unhealthy
        },
        ..mk_endpoint(number)
    };
    let all = (0..total).map(endpoint).collect();
    let mut config = Config::default();
    let endpoints = Arc::new(Endpoints::new(cluster.name.clone(), all));
    config.endpoints.insert(cluster.name.clone(), endpoints);
    config
        .clusters
        .insert(cluster.name.clone(), Arc::new(cluster));
    config
}

#[test]
fn an_operator_has_the_last_word() {
    let (config, now) = (Config::default(), fixed().now());
    let filter = mk_filter(Who::Application);
    assert_eq!(filter.answer(false, &config, now), None);
    assert_eq!(filter.answer(true, &config, now), Some(mk_stands(503)));
}

#[test]
fn what_the_application_says_counts_for_a_while() {
    let (config, now) = (Config::default(), fixed().now());
    let filter = mk_filter(Who::Cached {
        time: 10 * SECOND,
        answered: Mutex::default(),
    });
    assert_eq!(filter.answer(false, &config, now), None);
    filter.note(mk_stands(204), now);
    filter.note(mk_stands(500), now + 5 * SECOND);
    let later = now + 9 * SECOND;
    assert_eq!(filter.answer(false, &config, later), Some(mk_stands(204)));
    let later = now + 10 * SECOND;
    assert_eq!(filter.answer(false, &config, later), None);
    filter.note(mk_stands(500), later);
    assert_eq!(filter.answer(false, &config, later), Some(mk_stands(500)));
}

#[test]
fn enough_endpoints_must_be_healthy() {
    let now = fixed().now();
    let name = eds_cluster().name;
    let status = |config: &Config, name: &str, percent| {
        let filter = mk_filter(Who::Clusters(vec![(name.into(), percent)]));
        filter.answer(false, config, now).unwrap().status
    };
    for (healthy, total, percent, expected) in [
        (1, 4, 25.0, 200),
        (1, 4, 25.1, 503),
        (0, 4, 0.0, 200),
        (0, 0, 0.0, 200),
        (0, 0, 1.0, 503),
    ] {
        let config = mk_config(healthy, total);
        assert_eq!(
            status(&config, &name, percent),
            expected,
            "{healthy}/{total}"
        );
    }
    assert_eq!(status(&mk_config(1, 1), "other", 0.0), 503);
}
