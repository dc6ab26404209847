use super::*;

#[test]
fn short_hosts_belong_to_the_objects_namespace() {
    let resolved = |host| resolve_host(host, "shop", "cluster.local").map(|host| host.to_string());
    assert_eq!(
        resolved("reviews").unwrap(),
        "reviews.shop.svc.cluster.local"
    );
    assert_eq!(resolved("reviews.prod").unwrap(), "reviews.prod");
    assert_eq!(resolved("*").unwrap(), "*");
    assert_eq!(resolved("*.example.com").unwrap(), "*.example.com");
    assert_eq!(resolved("10.0.0.1").unwrap(), "10.0.0.1");
    assert_eq!(resolved("::1").unwrap(), "::1");
    assert!(resolved("").is_err());
    assert!(resolved("no spaces").is_err());
}

#[test]
fn export_is_bound_to_namespaces() {
    let seen = |to: &[&str]| {
        let to: Vec<String> = to.iter().map(ToString::to_string).collect();
        (exported(&to, "a", "a"), exported(&to, "a", "b"))
    };
    assert_eq!(seen(&[]), (true, true));
    assert_eq!(seen(&["*"]), (true, true));
    assert_eq!(seen(&["."]), (true, false));
    assert_eq!(seen(&["b"]), (false, true));
    assert_eq!(seen(&["~"]), (false, false));
}

#[test]
fn gateways_are_named_in_three_ways() {
    assert_eq!(resolve_gateway("edge", "shop"), ("shop", "edge"));
    assert_eq!(resolve_gateway("infra/edge", "shop"), ("infra", "edge"));
    assert_eq!(
        resolve_gateway("edge.infra.svc.cluster.local", "shop"),
        ("infra", "edge")
    );
}
