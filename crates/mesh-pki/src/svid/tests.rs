use mesh_model::time::Clock;
use mesh_test::clock;
use mesh_test::pki::{Authority, Certified, Defect};

use super::*;

const ID: &str = "spiffe://cluster.local/ns/default/sa/a";

fn now() -> SystemTime {
    clock::fixed().wall()
}

fn root() -> Authority {
    Authority::root("cluster.local", now())
}

fn bundle(roots: &[&Authority]) -> TrustBundle {
    let domain = TrustDomain::parse("cluster.local").unwrap();
    let roots = roots.iter().map(|root| root.der().clone()).collect();
    TrustBundle::new(domain, roots).unwrap()
}

/// What a verdict says: accepted in both uses, or the words of the refusal.
#[derive(Clone, Copy)]
enum Want {
    Accept,
    Refuse(&'static str),
}
use Want::{Accept, Refuse};

#[track_caller]
fn check_as(chain: &[CertificateDer<'_>], bundle: &TrustBundle, usage: Usage, want: Want) {
    let got = validate_x509_svid(chain, bundle, usage, now());
    match (want, got) {
        (Accept, Ok(id)) => assert_eq!(id.to_string(), ID),
        (Refuse(words), Err(error)) if error.to_string().contains(words) => {}
        (Accept, got) => panic!("{usage:?}: {got:?}, expected it to be accepted"),
        (Refuse(words), got) => panic!("{usage:?}: {got:?}, expected: {words}"),
    }
}

#[track_caller]
fn check(chain: &[CertificateDer<'_>], bundle: &TrustBundle, want: Want) {
    check_as(chain, bundle, Usage::Client, want);
    check_as(chain, bundle, Usage::Server, want);
}

#[track_caller]
fn check_defect(defect: Defect, want: Want) {
    let root = root();
    let leaf = root.defective(ID, defect);
    check(&leaf.chain, &bundle(&[&root]), want);
}

#[test]
fn each_rule_of_an_svid_holds_for_leaves() {
    check_defect(Defect::None, Accept);
    check_defect(Defect::WithDnsName, Accept);
    check_defect(Defect::NoExtendedKeyUsage, Accept);
    check_defect(Defect::NoBasicConstraints, Accept);
    check_defect(Defect::OutlivesRoot, Accept);
    check_defect(Defect::NoName, Refuse("has 0 URI names"));
    check_defect(Defect::TwoNames, Refuse("has 2 URI names"));
    check_defect(Defect::NameExtensionTwice, Refuse("damaged"));
    check_defect(Defect::DamagedName, Refuse("damaged"));
    check_defect(Defect::NotSpiffe, Refuse("no SPIFFE ID"));
    check_defect(Defect::NoPath, Refuse("has no path"));
    check_defect(Defect::NameNotCritical, Refuse("not critical"));
    check_defect(Defect::NoKeyUsage, Refuse("key usage is missing"));
    check_defect(
        Defect::KeyUsageNotCritical,
        Refuse("key usage is not critical"),
    );
    check_defect(Defect::NoDigitalSignature, Refuse("lacks digitalSignature"));
    check_defect(Defect::KeyCertSign, Refuse("has keyCertSign"));
    check_defect(Defect::CrlSign, Refuse("has cRLSign"));
    check_defect(Defect::Ca, Refuse("say that it is a CA"));
    check_defect(Defect::ServerOnly, Refuse("lacks clientAuth"));
    check_defect(Defect::ClientOnly, Refuse("lacks serverAuth"));
    check_defect(Defect::Expired, Refuse("CertExpired"));
    check_defect(Defect::NotYetValid, Refuse("CertNotValidYet"));
    check_defect(
        Defect::UnknownCritical,
        Refuse("UnsupportedCriticalExtension"),
    );
}

#[test]
fn an_identity_of_another_trust_domain_is_refused_whoever_signed_it() {
    let root = root();
    let leaf = root.leaf("spiffe://other.local/ns/default/sa/a");
    check(
        &leaf.chain,
        &bundle(&[&root]),
        Refuse("is not of trust domain cluster.local"),
    );
}

#[test]
fn a_root_that_is_not_in_the_bundle_is_nobody() {
    let leaf = root().leaf(ID);
    check(&leaf.chain, &bundle(&[&root()]), Refuse("not trusted"));
}

#[test]
fn each_root_of_a_bundle_vouches() {
    let (one, two) = (root(), root());
    let both = bundle(&[&one, &two]);
    check(&one.leaf(ID).chain, &both, Accept);
    check(&two.leaf(ID).chain, &both, Accept);
}

#[test]
fn an_expired_root_vouches_for_nobody() {
    let expired = Authority::expired_root("cluster.local", now());
    let leaf = expired.leaf(ID);
    check(
        &leaf.chain,
        &bundle(&[&expired]),
        Refuse("root that signed"),
    );
    let other = root();
    check(
        &leaf.chain,
        &bundle(&[&expired, &other]),
        Refuse("root that signed"),
    );
}

#[test]
fn a_root_that_is_not_yet_valid_vouches_for_nobody() {
    let hour = std::time::Duration::from_secs(3600);
    let early = Authority::root_valid("cluster.local", now(), now() + hour, now() + 2 * hour);
    check(
        &early.leaf(ID).chain,
        &bundle(&[&early]),
        Refuse("root that signed"),
    );
}

#[test]
fn a_root_issued_again_with_its_key_vouches_for_old_leaves() {
    let expired = Authority::expired_root("cluster.local", now());
    let renewed = expired.reissued("cluster.local");
    let leaf = expired.leaf(ID);
    check(&leaf.chain, &bundle(&[&renewed]), Accept);
    check(&leaf.chain, &bundle(&[&expired, &renewed]), Accept);
}

#[test]
fn a_root_presented_with_the_chain_does_no_harm() {
    let root = root();
    let mut chain = root.leaf(ID).chain;
    chain.push(root.der().clone());
    check(&chain, &bundle(&[&root]), Accept);
}

#[test]
fn a_root_presented_as_a_leaf_is_refused() {
    let root = root();
    check(
        &[root.der().clone()],
        &bundle(&[&root]),
        Refuse("has no path"),
    );
}

#[test]
fn intermediates_vouch_if_they_may_sign_for_this_trust_domain() {
    let root = root();
    let bundle = bundle(&[&root]);
    let under = |authority: &Authority| -> Certified { authority.leaf(ID) };
    check(
        &under(&root.intermediate("cluster.local", true)).chain,
        &bundle,
        Accept,
    );
    let weak = root.intermediate("cluster.local", false);
    check(&under(&weak).chain, &bundle, Refuse("keyCertSign"));
    let foreign = root.intermediate("other.local", true);
    check(
        &under(&foreign).chain,
        &bundle,
        Refuse("trust domain other.local"),
    );
    let deep = root
        .intermediate("cluster.local", true)
        .intermediate("cluster.local", true);
    check(&under(&deep).chain, &bundle, Accept);
}

#[test]
fn an_intermediate_that_is_not_sent_is_missed() {
    let root = root();
    let leaf = root.intermediate("cluster.local", true).leaf(ID);
    check(&leaf.chain[..1], &bundle(&[&root]), Refuse("not trusted"));
}

#[test]
fn nothing_and_garbage_are_refused() {
    let bundle = bundle(&[&root()]);
    check(&[], &bundle, Refuse("no certificate was presented"));
    let garbage = CertificateDer::from(vec![0x30, 0x03, 0x02, 0x01, 0x00]);
    check(&[garbage], &bundle, Refuse("damaged"));
}

#[test]
fn a_leaf_with_any_byte_changed_is_refused() {
    let root = root();
    let (bundle, leaf) = (bundle(&[&root]), root.leaf(ID));
    for at in 0..leaf.chain[0].len() {
        let mut changed = leaf.chain[0].to_vec();
        changed[at] ^= 0x01;
        let chain = [CertificateDer::from(changed)];
        let verdict = validate_x509_svid(&chain, &bundle, Usage::Client, now());
        assert!(verdict.is_err(), "byte {at}");
    }
}

#[test]
fn the_name_of_a_validated_peer_is_read() {
    let leaf = root().leaf(ID);
    assert_eq!(peer_spiffe_id(&leaf.chain).unwrap().to_string(), ID);
    assert_eq!(peer_spiffe_id(&[]), Err(SvidError::NoCertificate));
}
