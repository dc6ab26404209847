use mesh_model::ident::TrustDomain;
use mesh_model::time::Clock;
use mesh_test::clock;
use mesh_test::pki::Authority;

use super::*;

const DOMAIN: &str = "cluster.local";

fn now() -> SystemTime {
    clock::fixed().wall()
}

fn bundle(roots: &[&Authority]) -> TrustBundle {
    let roots = roots.iter().map(|root| root.der().clone()).collect();
    TrustBundle::new(TrustDomain::parse(DOMAIN).unwrap(), roots).unwrap()
}

fn way(
    signer: &Authority,
    given: &[&Authority],
    bundle: &TrustBundle,
) -> Result<Vec<CertificateDer<'static>>, String> {
    let given: Vec<_> = given.iter().map(|given| given.der().clone()).collect();
    let facts = chain::facts(signer.der()).unwrap();
    issuers(&facts, &given, bundle, now()).map_err(|error| error.to_string())
}

#[test]
fn a_root_needs_nobody_and_what_a_root_signed_nobody_else() {
    let root = Authority::root(DOMAIN, now());
    let signer = root.intermediate(DOMAIN, true);
    assert_eq!(way(&root, &[], &bundle(&[&root])), Ok(vec![]));
    assert_eq!(way(&signer, &[], &bundle(&[&root])), Ok(vec![]));
    assert_eq!(
        way(&signer, &[&signer, &root], &bundle(&[&root])),
        Ok(vec![])
    );
}

#[test]
fn the_way_is_found_whatever_the_order() {
    let root = Authority::root(DOMAIN, now());
    let first = root.intermediate(DOMAIN, true);
    let second = first.intermediate(DOMAIN, true);
    let signer = second.intermediate(DOMAIN, true);
    let other = Authority::root(DOMAIN, now());
    let want = vec![second.der().clone(), first.der().clone()];
    for given in [
        [&second, &first, &root, &signer],
        [&first, &second, &other, &other],
        [&signer, &root, &first, &second],
    ] {
        let roots = bundle(&[&other, &root]);
        assert_eq!(way(&signer, &given, &roots), Ok(want.clone()));
    }
}

#[test]
fn a_way_that_ends_before_a_root_is_none() {
    let root = Authority::root(DOMAIN, now());
    let first = root.intermediate(DOMAIN, true);
    let signer = first.intermediate(DOMAIN, true);
    // Same names, other keys.
    let other = Authority::root(DOMAIN, now());
    let foreign = other.intermediate(DOMAIN, true);
    let unsigned = "nobody here has signed \"O=cluster.local, CN=intermediate\"";
    let check = |given: &[&Authority], roots: &Authority, want: &str| {
        let refused = way(&signer, given, &bundle(&[roots])).unwrap_err();
        assert_eq!(refused, want);
    };
    check(&[], &root, unsigned);
    check(&[&foreign], &root, unsigned);
    check(&[&first], &other, unsigned);
    let root_unsigned = "nobody here has signed \"O=cluster.local, CN=root\"";
    check(&[&first, &root], &other, root_unsigned);
}

#[test]
fn who_is_on_the_way_must_be_allowed_to_sign_now() {
    let root = Authority::root(DOMAIN, now());
    let cannot = root.intermediate(DOMAIN, false);
    let signer = cannot.intermediate(DOMAIN, true);
    let refused = way(&signer, &[&cannot], &bundle(&[&root])).unwrap_err();
    assert!(
        refused.contains("its key usage lacks keyCertSign"),
        "{refused}"
    );
    let foreign = root.intermediate("other.local", true);
    let signer = foreign.intermediate(DOMAIN, true);
    let refused = way(&signer, &[&foreign], &bundle(&[&root])).unwrap_err();
    assert!(refused.contains("trust domain other.local"), "{refused}");
    let expired = Authority::expired_root(DOMAIN, now());
    let signer = expired.intermediate(DOMAIN, true);
    let refused = way(&signer, &[], &bundle(&[&expired, &root])).unwrap_err();
    assert!(refused.starts_with("the root that signed"), "{refused}");
}
