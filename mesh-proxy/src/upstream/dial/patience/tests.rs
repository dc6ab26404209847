use mesh_model::time::Clock as _;
use mesh_runtime::SystemClock;

use super::*;
use crate::testing::{mk_cluster, mk_config};

fn at(last: u8) -> SocketAddr {
    ([10, 0, 0, last], 80).into()
}

/// A configuration with endpoints there.
fn mk(last: &[u8]) -> Arc<Config> {
    let all: Vec<_> = last.iter().map(|last| at(*last)).collect();
    let cluster = mk_cluster("app", &all);
    Arc::new(mk_config(Vec::new(), Vec::new(), vec![cluster]))
}

/// Looks at these configurations, one after the other; which look was the last.
fn ends(begun: &Arc<Config>, then: &[&Arc<Config>], listed: &mut Listed) -> Option<usize> {
    let now = SystemClock.now();
    let mut patience = Patience::new(now + LOOK, begun.clone());
    let mut looks = then.iter();
    looks.position(|known| patience.over(now, at(1), known, listed).is_some())
}

#[test]
fn whoever_is_taken_away_is_waited_for_no_longer() {
    let (there, others, gone) = (mk(&[1]), mk(&[2, 1]), mk(&[2]));
    let ends = |then: &[_]| ends(&there, then, &mut Listed::default());
    assert_eq!(ends(&[&there, &others, &others]), None);
    assert_eq!(ends(&[&gone]), Some(0));
    assert_eq!(ends(&[&there, &others, &gone]), Some(2));
}

#[test]
fn where_nobody_was_meant_to_be_nobody_can_be_taken_away() {
    let (gone, nobody, there) = (mk(&[2]), mk(&[]), mk(&[1]));
    let ends = |then: &[_]| ends(&gone, then, &mut Listed::default());
    assert_eq!(ends(&[&nobody, &gone]), None);
    assert_eq!(ends(&[&there, &gone]), Some(1));
}

#[test]
fn a_configuration_is_searched_once_however_many_wait() {
    let (there, others) = (mk(&[1]), mk(&[1, 2]));
    let mut listed = Listed::default();
    assert_eq!(ends(&there, &[&there, &there], &mut listed), None);
    assert_eq!(listed.0.len(), 0);
    assert_eq!(ends(&there, &[&others], &mut listed), None);
    let made: Vec<_> = listed.0.iter().map(|of| of.config.as_ptr()).collect();
    assert_eq!(made, [Arc::as_ptr(&there), Arc::as_ptr(&others)]);
    // What is there already is asked, or this would be found out.
    listed.0.iter_mut().for_each(|of| of.addresses.clear());
    assert_eq!(ends(&there, &[&others, &others], &mut listed), None);
    listed.0[0].addresses.insert(at(1));
    assert_eq!(ends(&there, &[&others], &mut listed), Some(0));
}

#[test]
fn the_addresses_of_the_last_two_configurations_are_kept() {
    let mut listed = Listed::default();
    let all: Vec<_> = (0..5).map(|_| mk(&[1])).collect();
    let then: Vec<_> = all.iter().collect();
    assert_eq!(ends(&mk(&[1]), &then, &mut listed), None);
    let kept: Vec<_> = listed.0.iter().map(|of| of.config.as_ptr()).collect();
    assert_eq!(kept, [Arc::as_ptr(&all[3]), Arc::as_ptr(&all[4])]);
}
