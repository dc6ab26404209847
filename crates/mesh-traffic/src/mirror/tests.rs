use super::*;
use crate::testing::call;

fn mirror(to: To, host: HostOf) -> Mirror {
    Mirror {
        to,
        share: Share::ALL,
        host,
    }
}

#[track_caller]
fn check_host(host: HostOf, authority: &str, expected: &str) {
    let mut copy = call(&format!("GET http://{authority}/"));
    mirror(To::Cluster("a".into()), host).rename(&mut copy);
    assert_eq!(copy.authority, expected);
}

#[test]
fn the_host_of_a_copy_says_that_it_is_one() {
    check_host(HostOf::Marked, "reviews", "reviews-shadow");
    check_host(HostOf::Marked, "reviews:9080", "reviews-shadow:9080");
    check_host(HostOf::Marked, "[::1]:80", "[::1]-shadow:80");
    check_host(HostOf::Same, "reviews:9080", "reviews:9080");
    check_host(HostOf::Literal("else".into()), "reviews:9080", "else");
}

#[test]
fn a_request_may_name_the_cluster_that_gets_its_copy() {
    let named = mirror(To::Header(HeaderName::parse("X-To")), HostOf::Marked);
    let to = |request: &str| named.cluster(&call(request)).map(Cow::into_owned);
    assert_eq!(to("GET http://a/\nx-to: b\nx-to: c").as_deref(), Some("b"));
    assert_eq!(to("GET http://a/\nx-to:"), None);
    assert_eq!(to("GET http://a/"), None);
    let by_host = mirror(To::Header(HeaderName::parse("host")), HostOf::Marked);
    let head = call("GET http://a:80/");
    assert_eq!(by_host.cluster(&head).as_deref(), Some("a:80"));
}
