//! HTTP/2: paths, methods, schemes and authorities.

use super::{and, ask, bad, good, malformed, request, told, with, without};
use crate::backend::SCHEME;
use crate::case::{Case, Entry, H2_HOST, HOST, ID, Rule, get, plain};

static PATHS: Rule = malformed(
    "RFC 9113 8.3.1",
    "`:path` is a path, or `*` with OPTIONS, and is brought into one form",
);
static STAR: Rule = plain("RFC 9113 8.3.1", "no route has `*`").told("NR", "no_route");
static METHODS: Rule = malformed("RFC 9113 8.3.1", "`:method` is a token in capitals");
static SCHEMES: Rule = malformed("RFC 9113 8.3.1", "`:scheme` is http or https");
static TRANSPORT: Rule = plain(
    "RFC 9113 8.3.1",
    "the transport says whether a request is secure: `:scheme` is written anew by it",
);
static AUTHORITY: Rule = malformed(
    "RFC 9113 8.3.1",
    "there is one authority; `host` beside it says the same and is dropped",
);
static CONNECT: Rule =
    malformed("RFC 9113 8.5", "CONNECT is not carried").told("-", "upgrade_unsupported");

pub(super) fn cases() -> Vec<Case> {
    let mut cases = targets();
    cases.extend(authorities());
    cases
}

fn targets() -> Vec<Case> {
    let path = |text: &str| with(ask("/x"), ":path", text);
    let mut cases = Vec::new();
    for text in ["x", "http://evil.test/x", "?a", "#a", "\\x", "evil.test:80"] {
        let label = format!("{text} has no slash");
        cases.push(bad(&PATHS, &label, &path(text)));
    }
    for (name, byte) in [
        ("a space", ' '),
        ("a tab", '\t'),
        ("CR", '\r'),
        ("LF", '\n'),
        ("NUL", '\0'),
        ("DEL", '\u{7f}'),
        ("a control character", '\u{1}'),
    ] {
        cases.push(bad(&PATHS, name, &path(&format!("/{ID}/a{byte}b"))));
    }
    cases.push(bad(
        &PATHS,
        "a request line",
        &path(&format!(
            "/{ID}/x HTTP/1.1\r\nX-Evil: 1\r\n\r\nGET /{ID}/smuggled"
        )),
    ));
    cases.push(bad(&PATHS, "a high byte", &path(&format!("/{ID}/\u{e9}"))));
    cases.push(bad(
        &PATHS,
        "* with GET",
        &and(path("*"), &[("x-case", ID)]),
    ));
    let star = and(with(path("*"), ":method", "OPTIONS"), &[("x-case", ID)]);
    cases.push(told(&STAR, "with OPTIONS", &star).with_status(&[404]));
    cases.push(told(
        &PATHS,
        "an escaped zero",
        &path(&format!("/{ID}/%00")),
    ));
    for (from, to) in [
        ("/x#foo", "/x"),
        ("/app/../admin", "/admin"),
        ("/app/%2e%2e/admin", "/admin"),
        ("/app\\admin", "/app/admin"),
        ("//x", "//x"),
        ("/a%2fb", "/a%2fb"),
        ("/x?a=b", "/x?a=b"),
        ("/x?", "/x?"),
        ("/x%23y", "/x%23y"),
        ("/./x", "/x"),
        ("/a/b/..", "/a/"),
        ("/%61", "/a"),
        ("/x;a=b", "/x;a=b"),
    ] {
        cases.push(good(&PATHS, from, &path(&format!("/{ID}{from}")), get(to)));
    }
    for method in ["get", "Get"] {
        cases.push(told(&METHODS, method, &with(ask("/x"), ":method", method)));
    }
    for method in [
        "G\0T",
        "G T",
        "GET\r\nX: y",
        "GET /smuggled HTTP/1.1",
        "G(T",
        "G\u{e9}T",
        "GET ",
        " GET",
    ] {
        let label = format!("{:?}", method.escape_default().to_string());
        cases.push(bad(&METHODS, &label, &with(ask("/x"), ":method", method)));
    }
    for method in ["DELETE", "BREW", "M-SEARCH"] {
        cases.push(good(
            &METHODS,
            method,
            &request(method, "/x"),
            get("/x").method(method),
        ));
    }
    cases.push(good(
        &METHODS,
        "HEAD",
        &request("HEAD", "/x"),
        get("/x").method("HEAD"),
    ));
    for scheme in [
        "javascript",
        "ftp",
        "file",
        "h2c",
        "http ",
        " http",
        "http:",
        "http://a/",
        "ht\0tp",
        "https\r\n",
        "ws",
        "x",
    ] {
        let label = format!("{:?}", scheme.escape_default().to_string());
        cases.push(bad(&SCHEMES, &label, &with(ask("/x"), ":scheme", scheme)));
    }
    for scheme in ["http", "HTTP", "hTtP", "https", "HTTPS"] {
        cases.push(good(
            &SCHEMES,
            scheme,
            &with(ask("/x"), ":scheme", scheme),
            get("/x"),
        ));
    }
    for (name, scheme, host) in [
        ("https in cleartext", "https", HOST),
        ("HTTPS in cleartext", "HTTPS", HOST),
        ("https in cleartext, towards HTTP/2", "https", H2_HOST),
    ] {
        let claim = with(with(ask("/x"), ":scheme", scheme), ":authority", host);
        let seen = get("/x").host(host).has("x-forwarded-proto", "http");
        let seen = if host == H2_HOST {
            seen.has(SCHEME, "http")
        } else {
            seen
        };
        for (word, fields) in [
            ("alone", claim.clone()),
            ("twice", and(claim, &[("x-forwarded-proto", "https")])),
        ] {
            let case = good(
                &TRANSPORT,
                &format!("{name}, said {word}"),
                &fields,
                seen.clone(),
            );
            cases.push(case.at(&[Entry::Gateway]));
        }
    }
    cases
}

fn authorities() -> Vec<Case> {
    let named = |text: &str| with(ask("/x"), ":authority", text);
    let none = || without(ask("/x"), ":authority");
    let mut cases = vec![
        good(
            &AUTHORITY,
            "the same host beside it",
            &and(ask("/x"), &[("host", HOST)]),
            get("/x"),
        ),
        good(
            &AUTHORITY,
            "a host alone",
            &and(none(), &[("host", HOST)]),
            get("/x"),
        ),
        bad(
            &AUTHORITY,
            "another host beside it",
            &and(ask("/x"), &[("host", "evil.test")]),
        ),
        bad(
            &AUTHORITY,
            "two hosts beside it",
            &and(ask("/x"), &[("host", HOST), ("host", "evil.test")]),
        ),
        bad(
            &AUTHORITY,
            "two hosts alone",
            &and(none(), &[("host", HOST), ("host", "evil.test")]),
        ),
        bad(
            &AUTHORITY,
            "an empty host beside it",
            &and(ask("/x"), &[("host", "")]),
        ),
        bad(
            &AUTHORITY,
            "a bad host alone",
            &and(none(), &[("host", "a/b")]),
        ),
        bad(&AUTHORITY, "none at all", &none()),
        bad(&AUTHORITY, "an empty one", &named("")),
    ];
    for text in [
        "a@b",
        "user:pw@a",
        "a/b",
        "a b",
        "a?b",
        "a#b",
        "a\\b",
        "a:b",
        "a:65536",
        "a\0b",
        "a\r\nx: y",
        "[::1",
        "a\u{e9}",
        "http://a",
        "a:80:80",
        "{a}",
        "%zz",
    ] {
        let label = text.escape_default().to_string();
        cases.push(bad(&AUTHORITY, &label, &named(text)));
    }
    for text in [
        "other.test",
        "other.test:81",
        "[::1]:80",
        "127.0.0.1",
        "a_b",
        "UPPER.test",
    ] {
        cases.push(good(&AUTHORITY, text, &named(text), get("/x").host(text)));
    }
    let connect = vec![
        (":method".to_owned(), "CONNECT".to_owned()),
        (":authority".to_owned(), "a.test:443".to_owned()),
    ];
    cases.push(told(&CONNECT, "plain", &connect).with_status(&[501]));
    cases.push(bad(
        &CONNECT,
        "with a path",
        &with(ask("/x"), ":method", "CONNECT"),
    ));
    let extended = and(
        with(ask("/x"), ":method", "CONNECT"),
        &[(":protocol", "websocket")],
    );
    cases.push(bad(&CONNECT, "extended, which we do not offer", &extended));
    cases
}
