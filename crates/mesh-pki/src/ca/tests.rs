use mesh_model::ident::SpiffeId;
use mesh_model::time::Clock;
use mesh_test::clock;
use mesh_test::pki::{Authority, Defect};

use super::*;
use crate::bundle::TrustBundle;
use crate::svid::{SvidError, Usage, validate_x509_svid};
use crate::template::{self, Profile};

const ID: &str = "spiffe://cluster.local/ns/default/sa/a";

fn now() -> SystemTime {
    clock::fixed().wall()
}

fn domain() -> TrustDomain {
    TrustDomain::parse("cluster.local").unwrap()
}

fn ca() -> Ca {
    let serial = Serial::random().unwrap();
    Ca::create_root(&domain(), Key::generate().unwrap(), serial, now()).unwrap()
}

fn order(ca: &Ca) -> ToBeSigned {
    let profile = Profile {
        identity: SpiffeId::parse(ID).unwrap(),
        dns_names: Vec::new(),
        key: Key::generate().unwrap().public(),
        lifetime: Duration::from_secs(3600),
        serial: Serial::random().unwrap(),
    };
    template::leaf(&profile, ca.facts(), now()).unwrap()
}

#[test]
fn a_root_names_its_trust_domain_and_may_only_sign() {
    let ca = ca();
    assert_eq!(ca.facts().uris, ["spiffe://cluster.local"]);
    let root = chain::parse(&ca.facts().der).unwrap();
    let usage = root.key_usage().unwrap().unwrap();
    assert_eq!(usage.value.to_string(), "Key Cert Sign, CRL Sign");
    assert!(usage.critical);
    assert_eq!(root.subject().to_string(), "O=cluster.local");
}

#[test]
fn what_a_ca_signs_its_bundle_vouches_for() {
    let ca = ca();
    let signed = ca.sign(&order(&ca)).unwrap();
    let bundle = TrustBundle::new(domain(), vec![ca.facts().der.clone()]).unwrap();
    let id = validate_x509_svid(&[signed], &bundle, Usage::Client, now());
    assert_eq!(id, Ok(SpiffeId::parse(ID).unwrap()));
}

#[test]
fn a_rehearsal_convinces_nobody() {
    let ca = ca();
    let rehearsal = ca.rehearsal(Key::generate().unwrap()).unwrap();
    let signed = rehearsal.sign(&order(&ca)).unwrap();
    let bundle = TrustBundle::new(domain(), vec![ca.facts().der.clone()]).unwrap();
    let verdict = validate_x509_svid(&[signed], &bundle, Usage::Client, now());
    assert!(
        matches!(verdict, Err(SvidError::Untrusted(_))),
        "{verdict:?}"
    );
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let error = Ca::new(ca().facts().der.clone(), Key::generate().unwrap()).unwrap_err();
    assert!(matches!(error, CaError::KeyMismatch), "{error}");
}

#[test]
fn a_leaf_or_a_ca_that_may_not_sign_is_no_ca() {
    let root = Authority::root("cluster.local", now());
    let cannot_sign = root.intermediate("cluster.local", false);
    let leaf = root.leaf(ID);
    let flagged = root.defective(ID, Defect::KeyCertSign);
    for (certificate, key, want) in [
        (&leaf.chain[0], leaf.key_pem.as_str(), "basic constraints"),
        (&flagged.chain[0], &flagged.key_pem, "basic constraints"),
        (cannot_sign.der(), cannot_sign.key_pem(), "keyCertSign"),
    ] {
        let key = Key::from_pem(key).unwrap();
        let error = Ca::new(certificate.clone(), key).unwrap_err().to_string();
        assert!(error.contains(want), "{error}");
    }
}

#[test]
fn a_ca_is_printed_without_its_key() {
    let text = format!("{:?}", ca());
    assert!(text.starts_with("Ca { facts:"), "{text}");
    assert!(!text.to_lowercase().contains("issuer"), "{text}");
}
