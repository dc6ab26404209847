use mesh_model::ident::TrustDomain;
use mesh_model::time::Clock;
use mesh_test::clock;

use super::*;
use crate::ca::{Ca, ROOT_LIFETIME};
use crate::key::Key;

const HOUR: Duration = Duration::from_secs(3600);

fn now() -> SystemTime {
    clock::fixed().wall()
}

fn ca() -> Ca {
    let domain = TrustDomain::parse("cluster.local").unwrap();
    let serial = Serial::random().unwrap();
    Ca::create_root(&domain, Key::generate().unwrap(), serial, now()).unwrap()
}

fn profile(lifetime: Duration) -> Profile {
    Profile {
        identity: SpiffeId::parse("spiffe://cluster.local/ns/default/sa/a").unwrap(),
        dns_names: Vec::new(),
        key: Key::generate().unwrap().public(),
        lifetime,
        serial: Serial::random().unwrap(),
    }
}

#[test]
fn validity_starts_two_minutes_ago_and_ends_with_the_lifetime() {
    let leaf = leaf(&profile(HOUR), ca().facts(), now()).unwrap();
    assert_eq!(leaf.not_before(), now() - BACKDATE);
    assert_eq!(leaf.not_after(), now() + HOUR);
}

#[test]
fn a_leaf_never_outlives_its_signer() {
    let ca = ca();
    let late = ca.facts().not_after - HOUR / 2;
    let leaf = leaf(&profile(HOUR), ca.facts(), late).unwrap();
    assert_eq!(leaf.not_after(), ca.facts().not_after);
}

#[test]
fn a_leaf_never_starts_before_its_signer() {
    let ca = ca();
    let leaf = leaf(&profile(HOUR), ca.facts(), ca.facts().not_before).unwrap();
    assert_eq!(leaf.not_before(), ca.facts().not_before);
}

#[test]
fn a_signer_outside_its_dates_signs_nothing() {
    let ca = ca();
    let expired = ca.facts().not_after + Duration::from_secs(1);
    let not_after = ca.facts().not_after;
    let want = TemplateError::SignerNotCurrent { not_after };
    let error = leaf(&profile(HOUR), ca.facts(), expired).unwrap_err();
    assert_eq!(error, want);
    let early = ca.facts().not_before - Duration::from_secs(1);
    assert_eq!(leaf(&profile(HOUR), ca.facts(), early).unwrap_err(), want);
}

#[test]
fn the_identity_of_a_trust_domain_is_for_no_leaf() {
    let mut profile = profile(HOUR);
    profile.identity = SpiffeId::parse("spiffe://cluster.local").unwrap();
    let error = leaf(&profile, ca().facts(), now()).unwrap_err();
    assert_eq!(error, TemplateError::NoPath(profile.identity));
}

#[test]
fn two_certificates_over_one_key_have_their_own_serials() {
    let (ca, one) = (ca(), profile(HOUR));
    let two = Profile {
        serial: Serial::random().unwrap(),
        ..one.clone()
    };
    let serial = |profile: &Profile| {
        let signed = ca.sign(&leaf(profile, ca.facts(), now()).unwrap()).unwrap();
        chain::facts(&signed).unwrap().serial
    };
    assert_ne!(serial(&one), serial(&two));
}

#[test]
fn a_serial_is_the_number_that_was_given() {
    let ca = ca();
    for first in [0x00, 0x01, 0x7f, 0x80, 0xff] {
        let mut bytes = [0xa5; 16];
        bytes[0] = first;
        let profile = Profile {
            serial: Serial::from_bytes(bytes),
            ..profile(HOUR)
        };
        let ordered = leaf(&profile, ca.facts(), now()).unwrap();
        let signed = ca.sign(&ordered).unwrap();
        let got = chain::facts(&signed).unwrap().serial;
        let got: Vec<_> = got.into_iter().skip_while(|byte| *byte == 0).collect();
        let want: Vec<_> = bytes.into_iter().skip_while(|byte| *byte == 0).collect();
        assert_eq!(got, want);
    }
}

#[test]
fn a_root_lives_ten_years() {
    assert_eq!(ca().facts().not_after, now() + ROOT_LIFETIME);
}

#[test]
fn a_fraction_of_a_second_is_cut() {
    let now = now() + Duration::from_millis(900);
    let leaf = leaf(&profile(Duration::from_secs(5)), ca().facts(), now).unwrap();
    assert_eq!(leaf.not_after(), self::now() + Duration::from_secs(5));
}
