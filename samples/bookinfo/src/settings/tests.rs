use super::*;

fn mk_environment(pairs: &[(&str, &str)]) -> Environment {
    Environment::from_lookup(|name| {
        let found = pairs.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| (*value).to_owned())
    })
}

#[test]
fn a_service_is_called_by_its_name_unless_told_otherwise() {
    let plain = mk_environment(&[]);
    assert_eq!(plain.authority("reviews").unwrap(), "reviews:9080");
    let domain = mk_environment(&[("SERVICES_DOMAIN", "books.svc")]);
    assert_eq!(
        domain.authority("reviews").unwrap(),
        "reviews.books.svc:9080"
    );
    let moved = mk_environment(&[
        ("REVIEWS_HOSTNAME", "127.7.1.12"),
        ("REVIEWS_SERVICE_PORT", "9081"),
    ]);
    assert_eq!(moved.authority("reviews").unwrap(), "127.7.1.12:9081");
}

#[test]
fn a_port_that_is_no_number_is_named() {
    let wrong = mk_environment(&[("RATINGS_SERVICE_PORT", "tcp://10.0.0.1:9080")]);
    let error = wrong.authority("ratings").unwrap_err().to_string();
    assert!(error.contains("RATINGS_SERVICE_PORT"), "{error}");
}

#[test]
fn the_pod_names_itself() {
    let check = |pairs: &[(&str, &str)], expected: &str| {
        assert_eq!(mk_environment(pairs).pod_name("reviews"), expected);
    };
    check(&[], "reviews");
    check(&[("SERVICE_VERSION", "v2")], "reviews-v2");
    check(
        &[("SERVICE_VERSION", "v2"), ("HOSTNAME", "reviews-v2-0")],
        "reviews-v2-0",
    );
}
