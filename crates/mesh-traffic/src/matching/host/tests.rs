use proptest::prelude::*;

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

/// The rule as the documentation words it, without an index.
fn slow<'d>(domains: &[&'d str], name: &str) -> Option<&'d str> {
    let longest = |fits: &dyn Fn(&str) -> bool| {
        let fitting = domains.iter().copied().filter(|domain| fits(domain));
        fitting.max_by_key(|domain| domain.len())
    };
    // A star stands for one character at least.
    let stands = |domain: &str| domain != "*" && name.len() >= domain.len();
    let ends = |domain: &str| domain.strip_prefix('*').is_some_and(|s| name.ends_with(s));
    let starts = |domain: &str| {
        domain
            .strip_suffix('*')
            .is_some_and(|p| name.starts_with(p))
    };
    longest(&|domain| domain == name)
        .or_else(|| longest(&|domain| stands(domain) && ends(domain)))
        .or_else(|| longest(&|domain| stands(domain) && starts(domain)))
        .or_else(|| longest(&|domain| domain == "*"))
}

proptest! {
    #[test]
    fn the_index_finds_what_the_rule_says(
        domains in proptest::collection::btree_set(r"\*?[ab.]{1,4}|[ab.]{1,4}\*|\*", 0..8),
        name in "[ab.]{0,6}",
    ) {
        let domains: Vec<_> = domains.iter().map(String::as_str).collect();
        let mut hosts = Hosts::default();
        for (index, domain) in domains.iter().enumerate() {
            prop_assert!(hosts.insert(domain, index));
        }
        hosts.finish();
        prop_assert_eq!(hosts.find(&name).map(|i| domains[i]), slow(&domains, &name));
    }
}
