use mesh_model::time::Clock;
use mesh_runtime::SystemClock;

use super::*;
use crate::testing::mk_cluster;
use crate::upstream::balance::Balancers;

fn at(last: u8) -> SocketAddr {
    ([10, 0, 0, last], 80).into()
}

/// The endpoints that are picked where these are and those were tried.
#[track_caller]
fn check(are: &[u8], tried: &[u8], expect: &[u8]) {
    let addresses: Vec<_> = are.iter().map(|last| at(*last)).collect();
    let cluster = mk_cluster("app", &addresses);
    let Discovery::Static(endpoints) = &cluster.discovery else {
        unreachable!("the cluster has its endpoints written in it")
    };
    let tried: Vec<_> = tried.iter().map(|last| at(*last)).collect();
    let (balancers, mut random) = (Balancers::default(), fastrand::Rng::with_seed(7));
    let mut next = || {
        let tried = super::tried(endpoints, &tried);
        let wish = Wish {
            hash: None,
            tried: &tried,
            attempts: CHOICES,
            now: SystemClock.now(),
        };
        let picked = balancers.pick(&cluster, endpoints, wish, &mut random);
        endpoints.all[picked.unwrap().index].address
    };
    let mut picked: Vec<_> = (0..2 * are.len()).map(|_| next()).collect();
    picked.sort_unstable();
    picked.dedup();
    let expect: Vec<_> = expect.iter().map(|last| at(*last)).collect();
    assert_eq!(picked, expect, "of {addresses:?}, after {tried:?}");
}

#[test]
fn an_endpoint_that_was_tried_is_avoided_wherever_it_stands() {
    check(&[1, 2], &[], &[1, 2]);
    check(&[1, 2], &[1], &[2]);
    check(&[2, 1], &[1], &[2]);
    check(&[3, 2, 1], &[1, 3], &[2]);
}

#[test]
fn an_endpoint_that_is_gone_stands_for_no_other() {
    check(&[2, 3], &[1], &[2, 3]);
}

#[test]
fn where_all_were_tried_any_is_tried_again() {
    check(&[1], &[1], &[1]);
}
