use super::*;

fn host(text: &str) -> Hostname {
    Hostname::parse(text).unwrap()
}

#[test]
fn wildcards_compare_by_suffix() {
    assert!(host("*.com").matches("a.b.com"));
    assert!(!host("*.foo.com").matches("foo.com"));
    assert!(host("*").matches("x"));
    assert!(host("*.com").covers(&host("*.foo.com")));
    assert!(!host("*.foo.com").covers(&host("*.com")));
    assert!(host("Reviews").matches("reviews"));
}

#[test]
fn specific_hosts_sort_first() {
    let mut hosts = [
        host("*"),
        host("*.com"),
        host("a.com"),
        host("*.foo.com"),
        host("b.a.com"),
    ];
    hosts.sort_by_key(Hostname::specificity);
    let names: Vec<_> = hosts.iter().map(Hostname::as_str).collect();
    assert_eq!(names, ["b.a.com", "a.com", "*.foo.com", "*.com", "*"]);
}

#[test]
fn bad_hosts_are_refused() {
    for bad in [
        "",
        "a..b",
        "a b",
        "-a",
        "a.*.b",
        "*a.com",
        "a/b",
        &"x".repeat(64),
    ] {
        assert!(Hostname::parse(bad).is_err(), "{bad}");
    }
    for good in ["10.0.0.1", "::1", "a", "*.a", "my_host.x"] {
        assert!(Hostname::parse(good).is_ok(), "{good}");
    }
}

#[test]
fn a_key_prints_as_users_write_it() {
    let key = ResourceKey {
        group: "networking.istio.io".into(),
        kind: "VirtualService".into(),
        namespace: "default".into(),
        name: "reviews".into(),
    };
    assert_eq!(key.to_string(), "virtualservice default/reviews");
}
