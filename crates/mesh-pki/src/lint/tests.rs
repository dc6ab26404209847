use std::time::{Duration, SystemTime};

use mesh_model::ident::{SpiffeId, TrustDomain};
use mesh_model::time::Clock;
use mesh_test::clock;
use mesh_test::pki::{Authority, Defect};

use super::*;
use crate::ca::Ca;
use crate::key::Key;
use crate::template::{self, Profile, Serial};

const ID: &str = "spiffe://cluster.local/ns/default/sa/a";

fn now() -> SystemTime {
    clock::fixed().wall()
}

fn ca() -> Ca {
    let domain = TrustDomain::parse("cluster.local").unwrap();
    let serial = Serial::random().unwrap();
    Ca::create_root(&domain, Key::generate().unwrap(), serial, now()).unwrap()
}

fn order(signer: &CertificateFacts) -> ToBeSigned {
    let profile = Profile {
        identity: SpiffeId::parse(ID).unwrap(),
        dns_names: Vec::new(),
        key: Key::generate().unwrap().public(),
        lifetime: Duration::from_secs(3600),
        serial: Serial::random().unwrap(),
    };
    template::leaf(&profile, signer, now()).unwrap()
}

#[test]
fn what_the_template_makes_breaks_no_rule() {
    let ca = ca();
    for _ in 0..50 {
        let ordered = order(ca.facts());
        let signed = ca.sign(&ordered).unwrap();
        assert_eq!(check_leaf(&signed, &ordered, ca.facts()), Ok(()));
    }
}

/// Rules that a defect breaks, beyond those that any certificate made elsewhere breaks.
fn broken_by(defect: Defect) -> Vec<&'static str> {
    let root = Authority::root("cluster.local", now());
    let signer = chain::facts(root.der()).unwrap();
    let leaf = root.defective(ID, defect);
    let findings = check_leaf(&leaf.chain[0], &order(&signer), &signer).unwrap_err();
    let made_elsewhere = ["serial", "public key"];
    let rules = findings.into_iter().map(|finding| finding.rule);
    rules
        .filter(|rule| !made_elsewhere.contains(rule))
        .collect()
}

#[test]
fn each_rule_sees_its_fault() {
    for (defect, want) in [
        (Defect::None, &[][..]),
        (Defect::NoName, &["name"]),
        (Defect::TwoNames, &["name"]),
        (Defect::NotSpiffe, &["name"]),
        (Defect::NoPath, &["name"]),
        (Defect::WithDnsName, &["name"]),
        (Defect::NameNotCritical, &["name"]),
        (Defect::NameExtensionTwice, &["name"]),
        (Defect::DamagedName, &["name"]),
        (Defect::NoKeyUsage, &["key usage"]),
        (Defect::KeyUsageNotCritical, &["key usage"]),
        (Defect::NoDigitalSignature, &["key usage"]),
        (Defect::KeyCertSign, &["key usage"]),
        (Defect::CrlSign, &["key usage"]),
        (Defect::NoExtendedKeyUsage, &["extended key usage"]),
        (Defect::ServerOnly, &["extended key usage"]),
        (Defect::ClientOnly, &["extended key usage"]),
        (Defect::Ca, &["basic constraints"]),
        (Defect::NoBasicConstraints, &["basic constraints"]),
        (Defect::Expired, &["validity"]),
        (Defect::NotYetValid, &["validity"]),
        (Defect::OutlivesRoot, &["validity", "within signer"]),
        (Defect::UnknownCritical, &["extensions"]),
    ] {
        assert_eq!(broken_by(defect), want, "{defect:?}");
    }
}

#[test]
fn the_defaults_of_the_library_would_not_pass() {
    let ca = ca();
    let ordered = order(ca.facts());
    let key = rcgen::KeyPair::generate().unwrap();
    let plain = rcgen::CertificateParams::new(vec![]).unwrap();
    let der = plain.self_signed(&key).unwrap().into();
    let findings = check_leaf(&der, &ordered, ca.facts()).unwrap_err();
    let rules: Vec<_> = findings.iter().map(|finding| finding.rule).collect();
    for rule in [
        "serial",
        "empty subject",
        "issuer",
        "name",
        "key usage",
        "validity",
    ] {
        assert!(rules.contains(&rule), "{rule}: {rules:?}");
    }
}

#[test]
fn a_certificate_over_another_key_or_serial_is_not_the_one_ordered() {
    let ca = ca();
    let signed = ca.sign(&order(ca.facts())).unwrap();
    let findings = check_leaf(&signed, &order(ca.facts()), ca.facts()).unwrap_err();
    let rules: Vec<_> = findings.iter().map(|finding| finding.rule).collect();
    assert_eq!(rules, ["serial", "public key"]);
}

#[test]
fn garbage_has_no_form() {
    let ca = ca();
    let findings = check_leaf(
        &CertificateDer::from(vec![1, 2, 3]),
        &order(ca.facts()),
        ca.facts(),
    );
    assert_eq!(findings.unwrap_err()[0].rule, "form");
}
