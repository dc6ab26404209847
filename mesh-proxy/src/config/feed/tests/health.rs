//! Clusters with health checks: they wait for the first probe of each endpoint.

use std::net::SocketAddr;

use mesh_proto::envoy::envoy::config::core::v3::health_check::{HealthChecker, TcpHealthCheck};
use mesh_traffic::health::{Checker, Failed, Kind as Failure, Outcome};

use super::*;
use crate::testing::{health_check, pb_address};

const PASS: Outcome = Outcome::Passed { degraded: false };

/// A cluster of endpoints under the same name, with a check that wants so many successes in a row.
fn mk_checked(healthy_threshold: u32) -> Upsert {
    let mut check = health_check(HealthChecker::TcpHealthCheck(TcpHealthCheck::default()));
    if let Some(threshold) = &mut check.healthy_threshold {
        threshold.value = healthy_threshold;
    }
    let message = cluster::Cluster {
        name: "c".to_owned(),
        cluster_discovery_type: Some(cluster::cluster::ClusterDiscoveryType::Type(3)),
        health_checks: vec![check],
        ..Default::default()
    };
    upsert("c", &healthy_threshold.to_string(), &message)
}

fn at(number: u8) -> SocketAddr {
    ([10, 0, 0, number], 80).into()
}

fn mk_members(numbers: &[u8]) -> Upsert {
    let one = |number: &u8| endpoint::LbEndpoint {
        host_identifier: Some(endpoint::lb_endpoint::HostIdentifier::Endpoint(
            endpoint::Endpoint {
                address: Some(pb_address(at(*number))),
                ..Default::default()
            },
        )),
        ..Default::default()
    };
    let message = endpoint::ClusterLoadAssignment {
        cluster_name: "c".to_owned(),
        endpoints: vec![endpoint::LocalityLbEndpoints {
            lb_endpoints: numbers.iter().map(one).collect(),
            ..Default::default()
        }],
        ..Default::default()
    };
    upsert("c", &format!("{numbers:?}"), &message)
}

impl Feed {
    /// The checks of clusters that are in force, and of those that wait.
    fn checks(&self) -> (Vec<Checker>, Vec<Checker>) {
        let config = self.live.current();
        let of = |cluster: &Arc<Cluster>| cluster.checker.clone().unwrap();
        let in_force = config.clusters.values().map(of).collect();
        (in_force, config.warming.values().map(of).collect())
    }

    /// What the prober does when it is told of news.
    fn look(&self) {
        self.live.change(Config::clone);
    }

    fn usable(&self) -> usize {
        let config = self.live.current();
        let cluster = config.cluster("c").unwrap();
        config.endpoints_of(cluster).unwrap().usable()
    }
}

fn take(checker: &Checker, number: u8, outcome: Outcome) {
    checker.take(at(number), outcome, &mut || 0).unwrap();
}

#[test]
fn a_cluster_is_in_force_once_each_endpoint_was_probed() {
    let mut feed = feed();
    feed.give(Kind::Cluster, &[mk_checked(2)]);
    feed.give(Kind::Listener, &[]);
    feed.give(Kind::Endpoint, &[mk_members(&[1, 2])]);
    let (in_force, waits) = feed.checks();
    assert_eq!((in_force.len(), waits.len()), (0, 1));
    take(&waits[0], 1, PASS);
    feed.look();
    assert_eq!(feed.checks().0.len(), 0);
    assert!(!feed.catalog.is_ready());
    take(&waits[0], 2, Outcome::Failed(Failed::of(Failure::Timeout)));
    assert!(feed.live.current().is_behind_checks());
    feed.look();
    feed.names.rest_is_complete();
    assert_eq!(feed.checks(), (waits, Vec::new()));
    assert_eq!(feed.usable(), 1);
    assert!(feed.catalog.is_ready());
}

#[test]
fn the_same_check_does_not_wait_again_and_another_leaves_the_old_in_force() {
    let mut feed = feed();
    feed.give(Kind::Cluster, &[mk_checked(2)]);
    feed.give(Kind::Endpoint, &[mk_members(&[1])]);
    let first = feed.checks().1;
    take(&first[0], 1, PASS);
    feed.look();
    feed.give(Kind::Cluster, &[mk_checked(2)]);
    assert_eq!(feed.checks(), (first.clone(), Vec::new()));
    // A new endpoint has to pass; its cluster does not wait for it.
    feed.give(Kind::Endpoint, &[mk_members(&[1, 2])]);
    assert_eq!((feed.checks().0, feed.usable()), (first.clone(), 1));
    feed.give(Kind::Cluster, &[mk_checked(3)]);
    let (in_force, waits) = feed.checks();
    assert_eq!((in_force, waits.len()), (first, 1));
    take(&waits[0], 1, PASS);
    take(&waits[0], 2, PASS);
    feed.look();
    assert_eq!((feed.checks(), feed.usable()), ((waits, Vec::new()), 2));
    feed.take_away(Kind::Cluster, "c");
    assert_eq!(feed.checks(), (Vec::new(), Vec::new()));
}
