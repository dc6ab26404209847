use mesh_model::ident::SpiffeId;
use mesh_model::time::Clock;
use mesh_pki::svid::{Usage, validate_x509_svid};
use mesh_test::clock;
use mesh_test::pki::Authority as Test;

use super::*;
use crate::authority::Authority;

const DOMAIN: &str = "cluster.local";
const DAY: Duration = Duration::from_secs(24 * 3600);

fn now() -> SystemTime {
    clock::fixed().wall()
}

fn domain() -> TrustDomain {
    TrustDomain::parse(DOMAIN).unwrap()
}

fn root() -> Test {
    Test::root(DOMAIN, now())
}

fn pem(certificates: &[&Test]) -> String {
    certificates.iter().map(|one| one.pem()).collect()
}

/// Istio's files.
fn parts(signer: &Test, issuers: &[&Test], roots: &[&Test]) -> Parts {
    Parts {
        layout: Layout::Istio,
        key: signer.key_pem().to_owned(),
        certificate: signer.pem(),
        issuers: pem(issuers),
        roots: pem(roots),
    }
}

/// A root, and two CAs below it, the lower of which signs.
struct Tree {
    root: Test,
    upper: Test,
    signer: Test,
}

fn tree() -> Tree {
    let root = root();
    let upper = root.intermediate(DOMAIN, true);
    let signer = upper.intermediate(DOMAIN, true);
    Tree {
        root,
        upper,
        signer,
    }
}

/// Checks that a CA is taken, and that what it signs is believed by who knows the roots alone.
#[track_caller]
fn check_taken(parts: &Parts, above: &[&Test]) {
    let signer = parts.signer(&domain(), now()).unwrap();
    let want: Vec<_> = above.iter().map(|one| one.der().clone()).collect();
    assert_eq!(signer.above(), want);
    let bundle = signer.bundle().clone();
    let authority = Authority::new(signer, Arc::new(clock::fixed()));
    let identity = SpiffeId::parse("spiffe://cluster.local/ns/default/sa/reviews").unwrap();
    let key = Key::generate().unwrap().public();
    let issued = authority.issue(identity.clone(), key, 90 * DAY).unwrap();
    let answer = authority.answer(&issued);
    assert_eq!(answer.len(), 2 + above.len(), "one certificate per element");
    let (roots, chain) = answer.split_last().unwrap();
    assert_eq!(*roots, bundle.to_pem());
    let chain = chain::from_pem(&chain.concat()).unwrap();
    let judged = validate_x509_svid(&chain, &bundle, Usage::Server, now()).unwrap();
    assert_eq!(judged, identity);
    // It does not outlive who has signed it.
    assert!(issued.leaf.not_after <= authority.signer().certificate().not_after);
}

#[track_caller]
fn check_refused(parts: &Parts, part: Part, why: &str) {
    let refused = parts.signer(&domain(), now()).unwrap_err();
    assert!(refused.why.contains(why), "{why}: {refused:?}");
    assert_eq!(refused.part, part, "{refused:?}");
}

#[test]
fn a_root_signs_alone_and_an_intermediate_with_what_is_above_it() {
    let Tree {
        root,
        upper,
        signer,
    } = &tree();
    check_taken(&parts(root, &[], &[root]), &[]);
    check_taken(&parts(upper, &[], &[root]), &[upper]);
    check_taken(&parts(signer, &[upper], &[root]), &[signer, upper]);
}

#[test]
fn a_chain_may_hold_more_in_any_order() {
    let Tree {
        root,
        upper,
        signer,
    } = &tree();
    let above = [signer, upper];
    // istio: the chain begins with the signer itself, and its own scripts add the root.
    check_taken(&parts(signer, &[signer, upper], &[root]), &above);
    check_taken(&parts(signer, &[signer, upper, root], &[root]), &above);
    check_taken(&parts(signer, &[root, upper, signer], &[root]), &above);
}

#[test]
fn an_empty_chain_is_none() {
    let Tree { root, upper, .. } = &tree();
    for blank in ["", "\n", "# nothing between\r\n"] {
        let mut parts = parts(upper, &[], &[root]);
        parts.issuers = blank.to_owned();
        check_taken(&parts, &[upper]);
    }
}

#[test]
fn several_roots_are_all_handed_out() {
    let Tree {
        root,
        upper,
        signer,
    } = &tree();
    let old = self::root();
    check_taken(&parts(signer, &[upper], &[&old, root]), &[signer, upper]);
}

#[test]
fn a_tls_secrets_certificate_brings_its_chain() {
    let Tree {
        root,
        upper,
        signer,
    } = &tree();
    let mut parts = parts(signer, &[], &[root]);
    parts.layout = Layout::Tls;
    parts.certificate = pem(&[signer, upper]);
    check_taken(&parts, &[signer, upper]);
    parts.certificate = pem(&[signer]);
    check_refused(&parts, Part::Roots, "tls.crt is not among the roots");
}

#[test]
fn windows_line_ends_comments_and_rubbish_behind_it_change_nothing() {
    let Tree {
        root,
        upper,
        signer,
    } = &tree();
    let mut parts = parts(signer, &[upper], &[root]);
    let dress = |text: &mut String| {
        *text = format!("# ours\r\n{}\r\nrubbish \u{0}", text.replace('\n', "\r\n"));
    };
    dress(&mut parts.key);
    dress(&mut parts.certificate);
    dress(&mut parts.issuers);
    dress(&mut parts.roots);
    check_taken(&parts, &[signer, upper]);
}

#[test]
fn a_key_that_is_not_the_certificates_is_refused() {
    let root = root();
    let mut parts = parts(&root, &[], &[&root]);
    parts.key = self::root().key_pem().to_owned();
    let why = "the private key does not belong to the certificate (the key is ca-key.pem)";
    check_refused(&parts, Part::Certificate, why);
    parts.key =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIGbMFcG\n-----END ENCRYPTED PRIVATE KEY-----\n"
            .to_owned();
    check_refused(&parts, Part::Key, "encrypted keys are not supported");
}

#[test]
fn a_root_that_has_signed_nothing_here_is_refused() {
    let Tree {
        root,
        upper,
        signer,
    } = &tree();
    let other = self::root();
    let why = "ca-cert.pem is not among the roots, and no way leads to one of them";
    check_refused(&parts(root, &[], &[&other]), Part::Roots, why);
    check_refused(&parts(signer, &[upper], &[&other]), Part::Roots, why);
    check_refused(&parts(signer, &[], &[root]), Part::Roots, why);
}

#[test]
fn who_may_not_sign_or_not_now_is_refused() {
    let root = root();
    let leaf = root.leaf("spiffe://cluster.local/ns/default/sa/a");
    let mut of_leaf = parts(&root, &[], &[&root]);
    of_leaf.certificate = chain::to_pem(&leaf.chain[0]);
    of_leaf.key.clone_from(&leaf.key_pem);
    let why = "basic constraints do not say CA";
    check_refused(&of_leaf, Part::Certificate, why);
    let cannot = root.intermediate(DOMAIN, false);
    let why = "key usage keyCertSign is missing";
    check_refused(&parts(&cannot, &[], &[&root]), Part::Certificate, why);
    let below = cannot.intermediate(DOMAIN, true);
    let why = "its key usage lacks keyCertSign";
    check_refused(&parts(&below, &[&cannot], &[&root]), Part::Issuers, why);
    let expired = Test::expired_root(DOMAIN, now());
    let why = "is valid from 2025-12-31T00:00:00Z to 2025-12-31T23:00:00Z only";
    check_refused(&parts(&expired, &[], &[&expired]), Part::Certificate, why);
    let below = expired.intermediate(DOMAIN, true);
    let why = "the root that signed";
    check_refused(&parts(&below, &[], &[&expired]), Part::Roots, why);
}

#[test]
fn a_ca_of_another_trust_domain_is_refused() {
    let root = root();
    let foreign = Test::root("other.local", now());
    let why = "it belongs to trust domain other.local";
    check_refused(&parts(&foreign, &[], &[&foreign]), Part::Roots, why);
    check_refused(&parts(&root, &[], &[&root, &foreign]), Part::Roots, why);
}

#[test]
fn the_signing_certificate_is_exactly_one() {
    let Tree {
        root,
        upper,
        signer,
    } = &tree();
    let mut parts = parts(signer, &[], &[root]);
    parts.certificate = pem(&[signer, upper]);
    let why = "2 certificates, exactly one is expected; those above it belong into cert-chain.pem";
    check_refused(&parts, Part::Certificate, why);
}
