use std::sync::Arc;
use std::time::{Duration, SystemTime};

use mesh_model::ident::{SpiffeId, TrustDomain};
use mesh_model::time::Clock;
use mesh_pki::bundle::TrustBundle;
use mesh_pki::ca::Ca;
use mesh_pki::key::Key;
use mesh_pki::template::{DnsName, Profile, Serial};
use mesh_test::clock;

use super::issue::issue;
use super::prepare::prepare;
use crate::signer::Signer;

const ID: &str = "spiffe://cluster.local/ns/default/sa/reviews";

fn now() -> SystemTime {
    clock::fixed().wall()
}

fn ca() -> Ca {
    let domain = TrustDomain::parse("cluster.local").unwrap();
    let serial = Serial::random().unwrap();
    Ca::create_root(&domain, Key::generate().unwrap(), serial, now()).unwrap()
}

fn signer_with_root(ca: Ca, root: &Ca) -> Signer {
    let domain = TrustDomain::parse("cluster.local").unwrap();
    let bundle = TrustBundle::new(domain, vec![root.facts().der.clone()]).unwrap();
    Signer::new(ca, Key::generate().unwrap(), Arc::new(bundle)).unwrap()
}

fn signer() -> Signer {
    let ca = ca();
    let root = ca.rehearsal(Key::generate().unwrap()).unwrap();
    signer_with_root(ca, &root)
}

fn profile(identity: &str) -> Profile {
    Profile {
        identity: SpiffeId::parse(identity).unwrap(),
        dns_names: Vec::new(),
        key: Key::generate().unwrap().public(),
        lifetime: Duration::from_secs(3600),
        serial: Serial::random().unwrap(),
    }
}

#[test]
fn a_server_that_others_call_has_its_names_in_the_dns_too() {
    let signer = signer();
    let profile = Profile {
        dns_names: vec![DnsName::parse("istio-pilot.istio-system.svc").unwrap()],
        ..profile(ID)
    };
    let issued = issue(prepare(&profile, &signer, now()).unwrap(), &signer).unwrap();
    assert_eq!(issued.leaf.uris, [ID]);
    // As the API server would.
    let leaf = webpki::EndEntityCert::try_from(issued.der()).unwrap();
    let called = |name: &str| {
        let name = rustls_pki_types::ServerName::try_from(name)
            .unwrap()
            .to_owned();
        leaf.verify_is_valid_for_subject_name(&name)
    };
    called("istio-pilot.istio-system.svc").unwrap();
    called("istio-pilot.default.svc").unwrap_err();
}

#[test]
fn a_leaf_says_what_was_ordered_and_nothing_else() {
    let (signer, profile) = (signer(), profile(ID));
    let issued = issue(prepare(&profile, &signer, now()).unwrap(), &signer).unwrap();
    assert_eq!(issued.identity, profile.identity);
    assert_eq!(issued.leaf.uris, [ID]);
    assert_eq!(issued.leaf.spki, profile.key.spki());
    assert_eq!(issued.leaf.not_after, now() + profile.lifetime);
    assert!(!issued.leaf.is_ca);
}

#[test]
fn nothing_is_prepared_under_an_expired_signer() {
    let signer = signer();
    let late = signer.certificate().not_after + Duration::from_secs(1);
    let error = prepare(&profile(ID), &signer, late).unwrap_err();
    assert_eq!(error.label(), "template");
}

#[test]
fn what_the_bundle_does_not_vouch_for_does_not_leave() {
    let signer = signer_with_root(ca(), &ca());
    let token = prepare(&profile(ID), &signer, now()).unwrap();
    let error = issue(token, &signer).unwrap_err();
    assert_eq!(error.label(), "recheck");
}

#[test]
fn an_identity_of_another_trust_domain_does_not_leave() {
    let signer = signer();
    let profile = profile("spiffe://other.local/ns/default/sa/reviews");
    let token = prepare(&profile, &signer, now()).unwrap();
    let error = issue(token, &signer).unwrap_err();
    assert!(
        error.to_string().contains("is not of trust domain"),
        "{error}"
    );
}
