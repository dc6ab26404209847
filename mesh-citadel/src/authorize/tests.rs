use super::*;

#[test]
fn a_workload_may_have_its_own_identity_and_no_other() {
    const OWN: &str = "spiffe://cluster.local/ns/default/sa/reviews";
    for (wanted, allowed) in [
        (OWN, true),
        ("spiffe://cluster.local/ns/default/sa/ratings", false),
        ("spiffe://cluster.local/ns/other/sa/reviews", false),
        ("spiffe://other.local/ns/default/sa/reviews", false),
        ("spiffe://cluster.local/ns/default/sa/reviews/more", false),
        ("spiffe://cluster.local", false),
    ] {
        let identity = SpiffeId::parse(OWN).unwrap();
        let wanted = SpiffeId::parse(wanted).unwrap();
        let verdict = authorize(&Caller::Workload { identity }, &wanted, "istio-system");
        assert_eq!(verdict.is_ok(), allowed, "{wanted}");
    }
}

#[test]
fn nobody_is_given_citadels_own_identity() {
    let domain = SpiffeId::parse("spiffe://a.b").unwrap();
    for namespace in ["istio-system", "mesh"] {
        let identity = citadel(domain.trust_domain(), namespace).unwrap();
        let caller = Caller::Workload {
            identity: identity.clone(),
        };
        authorize(&caller, &identity, namespace).unwrap_err();
    }
}
