use super::*;
use crate::testing::{call, facts};

fn policy(from: HashFrom) -> HashPolicy {
    HashPolicy {
        from,
        terminal: false,
    }
}

fn header(name: &str) -> HashPolicy {
    policy(HashFrom::Header {
        name: HeaderName::parse(name),
        rewrite: None,
    })
}

fn cookie(ttl: Option<u64>) -> HashPolicy {
    policy(HashFrom::Cookie(Cookie {
        name: "user".into(),
        path: "/shop".into(),
        ttl: ttl.map(Duration::from_secs),
        attributes: vec![
            ("SameSite".into(), "Lax".into()),
            ("Secure".into(), "".into()),
        ],
    }))
}

fn hash(policies: &[HashPolicy], request: &str) -> Option<u64> {
    of_request(policies, &call(request), &facts()).hash
}

#[test]
fn headers_are_hashed_by_their_values() {
    let policies = [header("x-user")];
    let jason = hash(&policies, "GET http://a/\nx-user: jason");
    // Values of the reference implementation.
    let foo = hash(&policies, "GET http://a/\nx-user: foo");
    assert_eq!(foo, Some(3_728_699_739_546_630_719));
    let bar = hash(&policies, "GET http://a/\nx-user: bar");
    assert_eq!(bar, Some(5_234_164_152_756_840_025));
    assert_eq!(jason, hash(&policies, "GET http://b/c\nx-user:jason"));
    assert_ne!(jason, hash(&policies, "GET http://a/\nx-user: admin"));
    assert_eq!(hash(&policies, "GET http://a/"), None);
    let path = [header(":path")];
    assert_eq!(hash(&path, "GET http://a/b"), Some(xxh64(b"/b", 0)));
}

#[test]
fn the_order_of_several_fields_does_not_matter() {
    let policies = [header("x")];
    let both = hash(&policies, "GET http://a/\nx: 1\nx: 2");
    assert_eq!(both, hash(&policies, "GET http://a/\nx: 2\nx: 1"));
    assert_eq!(both, Some(xxh64(b"2", xxh64(b"1", 0))));
}

#[test]
fn a_rewrite_comes_before_the_hash() {
    let policies = [policy(HashFrom::Header {
        name: HeaderName::parse("x-user"),
        rewrite: Some((Pattern::part("^v[0-9]+-").unwrap(), "".into())),
    })];
    let one = hash(&policies, "GET http://a/\nx-user: v1-jason");
    assert_eq!(one, Some(xxh64(b"jason", 0)));
}

#[test]
fn policies_are_put_together_until_a_terminal_one() {
    let request = "GET http://a/\nx: 1\ny: 1";
    let (x, both) = ([header("x")], [header("x"), header("y")]);
    let one = hash(&x, request).unwrap();
    assert_eq!(hash(&both, request), Some(one.rotate_left(1) ^ one));
    let mut last = both;
    last[0].terminal = true;
    assert_eq!(hash(&last, request), Some(one));
    assert_eq!(hash(&last, "GET http://a/\ny: 1"), Some(one));
}

#[test]
fn queries_and_addresses_are_hashed() {
    let query = [policy(HashFrom::Query("id".into()))];
    assert_eq!(
        hash(&query, "GET http://a/?x=1&id=7&id=8"),
        Some(xxh64(b"7", 0))
    );
    assert_eq!(hash(&query, "GET http://a/id=7"), None);
    let source = [policy(HashFrom::SourceIp)];
    assert_eq!(hash(&source, "GET http://a/"), Some(xxh64(b"10.0.0.7", 0)));
}

#[test]
fn a_cookie_is_made_where_there_is_none() {
    let request = "GET http://a/\ncookie: a=b; other=\"1\"";
    let made = of_request(&[cookie(Some(60))], &call(request), &facts());
    let [line] = made.cookies.as_slice() else {
        panic!("{made:?}")
    };
    let value = line.split('"').nth(1).unwrap();
    assert_eq!(value.len(), 16);
    let wanted =
        format!("user=\"{value}\"; Max-Age=60; Path=/shop; SameSite=Lax; Secure; HttpOnly");
    assert_eq!(*line, wanted);
    // The client that brings it back goes to the same endpoint and gets no other.
    let again = format!("GET http://a/\ncookie: a=b\ncookie: user=\"{value}\"; c=d");
    let again = of_request(&[cookie(Some(60))], &call(&again), &facts());
    assert_eq!((again.hash, again.cookies.len()), (made.hash, 0));
}

#[test]
fn a_cookie_of_the_session_has_no_age_and_none_is_made_without_ttl() {
    let made = of_request(&[cookie(Some(0))], &call("GET http://a/"), &facts());
    assert!(!made.cookies[0].contains("Max-Age"));
    let none = of_request(&[cookie(None)], &call("GET http://a/"), &facts());
    assert_eq!(none, Hashed::default());
}
