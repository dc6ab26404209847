use super::*;

#[track_caller]
fn check(domains: &[&str], ignore_port: bool, authority: &str, expect: Option<&str>) {
    let mut hosts = Hosts::new(ignore_port);
    for (index, domain) in domains.iter().enumerate() {
        assert!(hosts.insert(domain, index), "{domain}");
    }
    hosts.finish();
    let found = hosts.find(authority).map(|index| domains[index]);
    assert_eq!(found, expect, "{authority} among {domains:?}");
}

#[test]
fn the_most_specific_domain_wins() {
    let domains = ["*", "foo.*", "foo.b*", "*.com", "*.bar.com", "foo.bar.com"];
    let found = |authority, expect| check(&domains, false, authority, Some(expect));
    found("foo.bar.com", "foo.bar.com");
    found("FOO.Bar.com", "foo.bar.com");
    found("x.bar.com", "*.bar.com");
    found("y.x.bar.com", "*.bar.com");
    found("foo.com", "*.com");
    found("foo.baz", "foo.b*");
    found("foo.example", "foo.*");
    found("", "*");
}

#[test]
fn a_star_stands_for_something() {
    check(&["*.com"], false, ".com", None);
    check(&["foo.*"], false, "foo.", None);
}

#[test]
fn ports_count_unless_they_are_to_be_ignored() {
    check(&["reviews"], false, "reviews:9080", None);
    check(
        &["reviews:9080"],
        false,
        "reviews:9080",
        Some("reviews:9080"),
    );
    check(&["reviews"], true, "reviews:9080", Some("reviews"));
    check(&["[::1]"], true, "[::1]:80", Some("[::1]"));
}

#[test]
fn a_domain_is_claimed_once_without_regard_to_case() {
    let mut hosts = Hosts::default();
    for domain in ["a", "*.b", "c.*", "*"] {
        assert!(hosts.insert(domain, 0));
        assert!(!hosts.insert(&domain.to_ascii_uppercase(), 1));
    }
}
