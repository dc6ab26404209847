use super::*;

#[track_caller]
fn check(text: &str, expect: Result<&str, ()>) {
    let got = SpiffeId::parse(text)
        .map(|id| id.to_string())
        .map_err(|_| ());
    assert_eq!(got, expect.map(str::to_owned), "{text}");
}

#[test]
fn spiffe_ids_are_parsed_by_the_standard() {
    check(
        "spiffe://cluster.local/ns/default/sa/reviews",
        Ok("spiffe://cluster.local/ns/default/sa/reviews"),
    );
    check(
        "SPIFFE://Cluster.Local/ns/A",
        Ok("spiffe://cluster.local/ns/A"),
    );
    check("spiffe://td", Ok("spiffe://td"));
    check("http://td/x", Err(()));
    check("spiffe:///x", Err(()));
    check("spiffe://td/", Err(()));
    check("spiffe://td/a//b", Err(()));
    check("spiffe://td/a/../b", Err(()));
    check("spiffe://td/a/", Err(()));
    check("spiffe://td:80/a", Err(()));
    check("spiffe://td/a?x", Err(()));
    check("spiffe://td/a%20b", Err(()));
    check(&format!("spiffe://td/{}", "a".repeat(2048)), Err(()));
}

#[test]
fn a_workload_identity_names_its_account() {
    let account = ServiceAccount::new("default", "reviews").unwrap();
    let id = SpiffeId::of_workload(&TrustDomain::parse("td").unwrap(), &account);
    assert_eq!(id.to_string(), "spiffe://td/ns/default/sa/reviews");
    assert_eq!(id.service_account(), Some(account));
    assert_eq!(
        SpiffeId::parse("spiffe://td/ns/a/sa/b/c")
            .unwrap()
            .service_account(),
        None
    );
    assert!(ServiceAccount::new("default", "a/b").is_err());
    assert!(ServiceAccount::new("", "a").is_err());
}
