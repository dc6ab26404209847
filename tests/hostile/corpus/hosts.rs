//! Hosts.

use crate::case::{Case, End, HOST, ID, Rule, get, rule};

static ONE: Rule = rule("RFC 9112 3.2", "HTTP/1.1 has exactly one host");
static FORM: Rule = rule(
    "RFC 9110 7.2",
    "a host is a name or an address, perhaps with a port",
);
static EDGE: Rule = rule(
    "RFC 3986 6.2.2.1",
    "the host reaches the back end as the client wrote it",
);

fn with(host: &str) -> String {
    format!("GET /{ID}/x HTTP/1.1\r\n{host}\r\n")
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, lines) in [
        ("none", String::new()),
        ("two", format!("Host: {HOST}\r\nHost: other.test\r\n")),
        (
            "the same twice",
            format!("Host: {HOST}\r\nHost: {HOST}\r\n"),
        ),
        (
            "two, the second empty",
            format!("Host: {HOST}\r\nHost:\r\n"),
        ),
        ("two, the first empty", format!("Host:\r\nHost: {HOST}\r\n")),
        (
            "two in other letters",
            format!("host: {HOST}\r\nHOST: other.test\r\n"),
        ),
        (
            "two with a field between",
            format!("Host: {HOST}\r\nA: b\r\nHost: c\r\n"),
        ),
        ("three", "Host: a\r\nHost: b\r\nHost: c\r\n".to_owned()),
    ] {
        cases.push(Case::one(&ONE, name, with(&lines)).refused(&[400]));
    }
    for (name, line) in [
        ("an empty one", "Host:\r\n"),
        ("one of spaces", "Host:   \r\n"),
    ] {
        let case = Case::one(&ONE, name, with(line)).refused(&[400]);
        cases.push(case.ends(End::Open));
    }
    for name in ["host", "HOST", "hOsT"] {
        let case = Case::one(
            &ONE,
            format!("written {name}"),
            with(&format!("{name}: {HOST}\r\n")),
        );
        cases.push(case.accepted(get("/x")));
    }
    let spaced = with(&format!("Host: \t {HOST} \t \r\n"));
    cases.push(Case::one(&ONE, "with white space round it", spaced).accepted(get("/x")));
    for host in [
        "a",
        "a.b",
        "a.b.",
        "a-b",
        "a_b.test",
        "EXAMPLE.com",
        "a.test:80",
        "a.test:65535",
        "a.test:0",
        "127.0.0.1",
        "127.0.0.1:80",
        "[::1]",
        "[::1]:80",
        "[2001:db8::1]",
        "xn--e1aybc.test",
        "1",
        "a~b",
        "%41.test",
        "a,b",
    ] {
        let case = Case::one(&FORM, host, with(&format!("Host: {host}\r\n")));
        cases.push(case.accepted(get("/x").host(host)));
    }
    for host in [
        "a/b",
        "a/../b",
        "a b",
        "a\tb",
        "a?b",
        "a#b",
        "a\\b",
        "a@b",
        "user:pw@a",
        "a:b",
        "a:8x",
        "a:80:80",
        "a:-1",
        "a:65536",
        "a:123456",
        "[::1",
        "::1",
        "[::g]",
        "[]",
        "[::1]x",
        "[::1]80",
        "a[b]",
        "<a>",
        "a\"b",
        "{a}",
        "a|b",
        "a^b",
        "a`b",
        "%",
        "%4",
        "%zz",
        "a%00b%",
        "http://a",
        "//a",
        ":80",
        ":",
        "a\u{e9}b",
        "a\u{7f}b",
        "a\u{1}b",
        "[v1.a]",
        "[fe80::1%25eth0]",
    ] {
        let name = host.escape_default().to_string();
        cases.push(Case::one(&FORM, name, with(&format!("Host: {host}\r\n"))).refused(&[400]));
    }
    for host in ["Strict.Test", "STRICT.TEST:80", "strict.test."] {
        let case = Case::one(&EDGE, host, with(&format!("Host: {host}\r\n")));
        cases.push(case.accepted(get("/x").host(host)));
    }
    cases
}
