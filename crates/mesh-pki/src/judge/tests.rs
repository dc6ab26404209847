use std::time::Duration;

use mesh_model::ident::TrustDomain;
use mesh_model::time::Clock;
use mesh_test::clock;
use mesh_test::pki::{Authority, Defect};

use super::*;

const ID: &str = "spiffe://cluster.local/ns/default/sa/a";
const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3600);

fn now() -> SystemTime {
    clock::fixed().wall()
}

fn judge(root: &Authority) -> Judge {
    let domain = TrustDomain::parse("cluster.local").unwrap();
    Judge::new(Arc::new(
        TrustBundle::new(domain, vec![root.der().clone()]).unwrap(),
    ))
}

fn known(judge: &Judge) -> usize {
    judge.proofs.load().len()
}

#[test]
fn a_chain_is_proved_once() {
    let root = Authority::root("cluster.local", now());
    let (judge, leaf) = (judge(&root), root.leaf(ID));
    for _ in 0..2 {
        let identity = judge.validate(&leaf.chain, Usage::Client, now());
        assert_eq!(identity.unwrap().to_string(), ID);
        assert_eq!(known(&judge), 1);
    }
}

#[test]
fn what_is_known_ends_with_the_leaf() {
    let root = Authority::root("cluster.local", now());
    let (judge, leaf) = (judge(&root), root.leaf(ID));
    let at = |moment| judge.validate(&leaf.chain, Usage::Client, moment);
    at(now()).unwrap();
    at(now() + HOUR).unwrap();
    let late = at(now() + HOUR + SECOND).unwrap_err();
    assert!(
        matches!(
            late,
            SvidError::Untrusted(webpki::Error::CertExpired { .. })
        ),
        "{late}"
    );
}

#[test]
fn what_is_known_ends_with_the_root() {
    let root = Authority::root_valid("cluster.local", now(), now() - HOUR, now() + SECOND);
    let (judge, leaf) = (judge(&root), root.leaf(ID));
    let at = |moment| judge.validate(&leaf.chain, Usage::Server, moment);
    at(now()).unwrap();
    at(now() + SECOND).unwrap();
    assert_eq!(at(now() + 2 * SECOND), Err(SvidError::RootNotCurrent));
}

#[test]
fn a_clock_that_was_set_back_proves_anew() {
    let root = Authority::root("cluster.local", now());
    let (judge, leaf) = (judge(&root), root.leaf(ID));
    judge.validate(&leaf.chain, Usage::Client, now()).unwrap();
    let early = now() - 400 * 24 * HOUR;
    judge
        .validate(&leaf.chain, Usage::Client, early)
        .unwrap_err();
}

#[test]
fn another_use_and_another_chain_are_proved_by_themselves() {
    let root = Authority::root("cluster.local", now());
    let (judge, leaf) = (judge(&root), root.leaf(ID));
    judge.validate(&leaf.chain, Usage::Client, now()).unwrap();
    judge.validate(&leaf.chain, Usage::Server, now()).unwrap();
    let mut longer = leaf.chain;
    longer.push(root.der().clone());
    judge.validate(&longer, Usage::Client, now()).unwrap();
    assert_eq!(known(&judge), 3);
}

#[test]
fn what_is_refused_is_not_remembered() {
    let root = Authority::root("cluster.local", now());
    let judge = judge(&root);
    let stranger = Authority::root("cluster.local", now()).leaf(ID);
    let client = |chain: &[CertificateDer<'_>]| judge.validate(chain, Usage::Client, now());
    client(&stranger.chain).unwrap_err();
    client(&root.defective(ID, Defect::Ca).chain).unwrap_err();
    client(&[]).unwrap_err();
    assert_eq!(known(&judge), 0);
}

#[test]
fn many_peers_do_not_fill_the_memory() {
    let root = Authority::root("cluster.local", now());
    let judge = judge(&root);
    for _ in 0..=MOST {
        let leaf = root.leaf(ID);
        judge.validate(&leaf.chain, Usage::Client, now()).unwrap();
    }
    assert_eq!(known(&judge), 1);
}

#[test]
fn what_has_ended_goes_when_another_comes() {
    let root = Authority::root("cluster.local", now());
    let judge = judge(&root);
    for _ in 0..3 {
        let leaf = root.leaf_for(ID, SECOND);
        judge.validate(&leaf.chain, Usage::Client, now()).unwrap();
    }
    assert_eq!(known(&judge), 3);
    let later = now() + 2 * SECOND;
    let leaf = root.leaf(ID);
    judge.validate(&leaf.chain, Usage::Client, later).unwrap();
    assert_eq!(known(&judge), 1);
}
