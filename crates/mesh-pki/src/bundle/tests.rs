use mesh_model::time::Clock;
use mesh_test::clock;
use mesh_test::pki::Authority;

use super::*;

fn now() -> SystemTime {
    clock::fixed().wall()
}

fn domain() -> TrustDomain {
    TrustDomain::parse("cluster.local").unwrap()
}

fn check_refused(pem: &str, want: &str) {
    let error = TrustBundle::from_pem(domain(), pem)
        .unwrap_err()
        .to_string();
    assert!(error.contains(want), "{want}: {error}");
}

#[test]
fn several_roots_are_held_in_order_and_once_each() {
    let (one, two) = (
        Authority::root("cluster.local", now()),
        Authority::root("cluster.local", now()),
    );
    let pem = one.pem() + &two.pem() + &one.pem();
    let bundle = TrustBundle::from_pem(domain(), &pem).unwrap();
    assert_eq!(bundle.to_pem(), one.pem() + &two.pem());
    assert_eq!(bundle.roots().len(), 2);
}

#[test]
fn a_root_without_an_identity_belongs_to_the_bundle_it_is_in() {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::default();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign];
    let pem = params.self_signed(&key).unwrap().pem();
    assert!(TrustBundle::from_pem(domain(), &pem).is_ok());
}

#[test]
fn a_bundle_with_one_bad_entry_is_refused_whole() {
    let root = Authority::root("cluster.local", now());
    let good = root.pem();
    let pem = |der| chain::to_pem(der);
    check_refused("", "no certificate");
    let leaf = root.leaf("spiffe://cluster.local/ns/default/sa/a");
    check_refused(
        &(good.clone() + &pem(&leaf.chain[0])),
        "certificate 1 is no root",
    );
    let foreign = Authority::root("other.local", now());
    check_refused(&foreign.pem(), "it belongs to trust domain other.local");
    let weak = root.intermediate("cluster.local", false);
    check_refused(&(good + &weak.pem()), "keyCertSign");
}

#[test]
fn expired_roots_are_no_anchors() {
    let (old, new) = (
        Authority::expired_root("cluster.local", now()),
        Authority::root("cluster.local", now()),
    );
    let bundle = TrustBundle::from_pem(domain(), &(old.pem() + &new.pem())).unwrap();
    assert_eq!(bundle.anchors().len(), 2);
    assert_eq!(bundle.current_anchors(now()), bundle.anchors()[1..]);
}
