//! Header fields.

use crate::case::{Case, End, Entry, HOST, ID, Rule, get, plain, rule};

static NAME: Rule = rule(
    "RFC 9110 5.1",
    "a field name is a token, with the colon right behind it",
);
static VALUE: Rule = rule(
    "RFC 9110 5.5",
    "a value has no control character but the tab",
);
static TRIM: Rule = plain("RFC 9110 5.5", "white space round a value is no part of it");
static HIGH: Rule = plain(
    "RFC 9110 5.5",
    "bytes above ASCII in values are passed on as they are",
);
static FOLD: Rule = rule("RFC 9112 5.2", "folded fields are refused");
static FIRST: Rule = rule("RFC 9112 2.2", "no white space before the first field");
static UNDERSCORE: Rule = rule(
    "Istio, edge profile",
    "gateways refuse names with an underscore, sidecars pass them on",
);
static HOP: Rule = plain(
    "RFC 9110 7.6.1",
    "fields of one connection, and those that `connection` names, end at the proxy",
);
static TWICE: Rule = plain(
    "RFC 9110 5.3",
    "fields of one name keep their values and their order",
);
static TIMEOUT: Rule = plain(
    "CVE-2021-28682",
    "a grpc-timeout that is none, or overflows, is passed on and bounds nothing",
);
static INNER: Rule = plain(
    "Istio",
    "headers that proxies of the mesh write are not taken from clients",
);

fn with(lines: &str) -> String {
    format!("GET /{ID}/x HTTP/1.1\r\nHost: {HOST}\r\n{lines}\r\n")
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = names();
    cases.extend(values());
    cases.extend(folds());
    cases.extend(hops());
    cases
}

fn names() -> Vec<Case> {
    let bad = |name: &str, lines: &str| Case::one(&NAME, name, with(lines)).refused(&[400]);
    let mut cases = vec![
        bad("a space before the colon", "A : b\r\n"),
        bad("a tab before the colon", "A\t: b\r\n"),
        bad("a space in it", "A b: c\r\n"),
        bad("empty", ": b\r\n"),
        bad("no colon", "Ab\r\n"),
        bad("no colon and no name", "  \r\n"),
        bad(
            "a space before the colon of content-length",
            "Content-Length : 5\r\n",
        ),
        bad(
            "a space before the colon of transfer-encoding",
            "Transfer-Encoding : chunked\r\n",
        ),
        bad("a NUL in it", "A\0b: c\r\n"),
        bad("a NUL first", "\0A: b\r\n"),
        bad("VT before the colon", "A\u{b}: b\r\n"),
        bad("content-length behind a NUL", "\0Content-Length: 5\r\n"),
    ];
    for byte in "\"(),/;<=>?@[\\]{}".chars() {
        cases.push(bad(&format!("with {byte}"), &format!("A{byte}b: c\r\n")));
    }
    for byte in [
        0x01_u8, 0x08, 0x0b, 0x0c, 0x1b, 0x1f, 0x7f, 0x80, 0xa0, 0xff,
    ] {
        let mut bytes = format!("GET /{ID}/x HTTP/1.1\r\nHost: {HOST}\r\nA").into_bytes();
        bytes.push(byte);
        bytes.extend(b": b\r\n\r\n");
        cases.push(Case::one(&NAME, format!("with byte {byte:#04x}"), bytes).refused(&[400]));
    }
    for sign in "!#$%&'*+-.^`|~".chars() {
        let case = Case::one(
            &NAME,
            format!("with {sign}, a token's"),
            with(&format!("x{sign}y: z\r\n")),
        );
        cases.push(case.accepted(get("/x").has(&format!("x{sign}y"), "z")));
    }
    let no_space = Case::one(&NAME, "no space after the colon", with("X-A:b\r\n"));
    cases.push(no_space.accepted(get("/x").has("x-a", "b")));
    let colons = Case::one(&NAME, "more colons in the value", with("X-A: b: c:\r\n"));
    cases.push(colons.accepted(get("/x").has("x-a", "b: c:")));
    for name in [
        "x_a",
        "_x",
        "x_",
        "Content_Length",
        "Transfer_Encoding",
        "X_Forwarded_For",
    ] {
        let line = with(&format!("{name}: 1\r\n"));
        let case = Case::one(&UNDERSCORE, format!("{name} at a gateway"), line.clone());
        cases.push(case.at(&[Entry::Gateway]).refused(&[400]).ends(End::Open));
        let case =
            Case::one(&UNDERSCORE, format!("{name} at a sidecar"), line).at(&[Entry::Sidecar]);
        cases.push(case.accepted(get("/x").has(&name.to_ascii_lowercase(), "1")));
    }
    cases
}

fn values() -> Vec<Case> {
    let mut cases = Vec::new();
    let bytes = |value: &[u8]| {
        let mut bytes = format!("GET /{ID}/x HTTP/1.1\r\nHost: {HOST}\r\nX-A: ").into_bytes();
        bytes.extend(value);
        bytes.extend(b"\r\n\r\n");
        bytes
    };
    for byte in (0..0x20_u8)
        .filter(|byte| !b"\t\r\n".contains(byte))
        .chain([0x7f])
    {
        let case = Case::one(
            &VALUE,
            format!("byte {byte:#04x}"),
            bytes(&[b'a', byte, b'b']),
        );
        cases.push(case.refused(&[400]));
    }
    let nul = Case::one(&VALUE, "a NUL alone", bytes(b"\0"));
    cases.push(nul.refused(&[400]));
    for (name, value) in [
        ("a tab inside", "a\tb"),
        ("spaces inside", "a  b"),
        ("empty", ""),
        ("quotes", "\"a\\\"b\""),
        ("commas", "a,b, c"),
    ] {
        let case = Case::one(&VALUE, name, bytes(value.as_bytes()));
        cases.push(case.accepted(get("/x").has("x-a", value)));
    }
    for (name, value) in [
        ("spaces before", "   a"),
        ("spaces after", "a   "),
        ("tabs before", "\t\ta"),
        ("tabs after", "a\t\t"),
        ("both", " \t a \t "),
    ] {
        cases.push(
            Case::one(&TRIM, name, bytes(value.as_bytes())).accepted(get("/x").has("x-a", "a")),
        );
    }
    let blank = Case::one(&TRIM, "nothing else", bytes(b"  \t "));
    cases.push(blank.accepted(get("/x").has("x-a", "")));
    for value in [
        &b"\x80"[..],
        b"\xff",
        b"a\xe9b",
        b"\xc3\xa9",
        b"\xc0\xae",
        b"\xed\xa0\x80",
        b"\xe2\x80\xa8",
    ] {
        let name = value.escape_ascii().to_string();
        cases.push(Case::one(&HIGH, name, bytes(value)).accepted(get("/x").has("x-a", value)));
    }
    for value in ["99999999999H", "-1S", "1", "H", "999999999999999999999999S"] {
        let case = Case::one(&TIMEOUT, value, with(&format!("grpc-timeout: {value}\r\n")));
        cases.push(case.accepted(get("/x").has("grpc-timeout", value)));
    }
    let twice = Case::one(&TWICE, "two", with("X-A: b\r\nX-B: c\r\nx-a: d\r\n"));
    cases.push(twice.accepted(get("/x").has_all("x-a", &["b", "d"]).has("x-b", "c")));
    let same = Case::one(&TWICE, "the same twice", with("X-A: b\r\nX-A: b\r\n"));
    cases.push(same.accepted(get("/x").has_all("x-a", &["b", "b"])));
    let cookies = Case::one(&TWICE, "cookies", with("Cookie: a=b\r\nCookie: c=d\r\n"));
    cases.push(
        cookies
            .at(&[Entry::Sidecar])
            .accepted(get("/x").has_all("cookie", &["a=b", "c=d"])),
    );
    cases
}

fn folds() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, lines) in [
        ("by a space", "X-A: b\r\n c\r\n"),
        ("by a tab", "X-A: b\r\n\tc\r\n"),
        ("by many spaces", "X-A: b\r\n      c\r\n"),
        ("an empty one", "X-A: b\r\n \r\n"),
        ("an empty value", "X-A:\r\n b\r\n"),
        ("a length", "Content-Length:\r\n 5\r\n"),
        ("a coding", "Transfer-Encoding:\r\n chunked\r\n"),
        (
            "a coding at its list",
            "Transfer-Encoding: identity,\r\n chunked\r\n",
        ),
        (
            "a field behind it",
            "X-A: b\r\n Transfer-Encoding: chunked\r\n",
        ),
        ("twice", "X-A: b\r\n c\r\n d\r\n"),
    ] {
        cases.push(Case::one(&FOLD, name, with(lines)).refused(&[400]));
    }
    let host = format!("GET /{ID}/x HTTP/1.1\r\nHost: {HOST}\r\n .evil\r\n\r\n");
    cases.push(Case::one(&FOLD, "the host", host).refused(&[400]));
    for (name, lines) in [
        ("a space", " X-A: b"),
        ("a tab", "\tX-A: b"),
        ("a length behind a space", " Content-Length: 5"),
        ("only a space", " "),
    ] {
        let bytes = format!("GET /{ID}/x HTTP/1.1\r\n{lines}\r\nHost: {HOST}\r\n\r\n");
        cases.push(Case::one(&FIRST, name, bytes).refused(&[400]));
    }
    cases
}

fn hops() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, value) in [
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("te", "gzip"),
        ("http2-settings", "AAMAAABkAAQAoAAAAAIAAAAA"),
        ("upgrade", "h2c"),
    ] {
        let case = Case::one(&HOP, name, with(&format!("{name}: {value}\r\n")));
        cases.push(case.accepted(get("/x").lacks(name)));
    }
    let trailers = Case::one(&HOP, "te: trailers stays", with("TE: trailers\r\n"));
    cases.push(trailers.accepted(get("/x").has("te", "trailers")));
    for (name, connection) in [
        ("by name", "x-a"),
        ("in capitals", "X-A"),
        ("in a list", "keep-alive, x-a"),
        ("in an untidy list", ",, x-a ,"),
    ] {
        let case = Case::one(
            &HOP,
            format!("named {name}"),
            with(&format!("Connection: {connection}\r\nX-A: b\r\nX-B: c\r\n")),
        );
        cases.push(case.accepted(get("/x").lacks("x-a").has("x-b", "c")));
    }
    let twice = with("Connection: x-a\r\nConnection: x-b\r\nX-A: 1\r\nX-B: 2\r\nX-C: 3\r\n");
    let request = get("/x").lacks("x-a").lacks("x-b").has("x-c", "3");
    cases.push(Case::one(&HOP, "named in two fields", twice).accepted(request));
    let body = format!(
        "POST /{ID}/p HTTP/1.1\r\nHost: {HOST}\r\nConnection: content-length\r\nContent-Length: 5\r\n\r\nhello"
    );
    let request = get("/p").method("POST").body("hello");
    cases.push(Case::one(&HOP, "content-length cannot be named away", body).accepted(request));
    let body = format!(
        "POST /{ID}/p HTTP/1.1\r\nHost: {HOST}\r\nConnection: transfer-encoding\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    );
    let request = get("/p").method("POST").body("hello");
    cases.push(Case::one(&HOP, "transfer-encoding cannot be named away", body).accepted(request));
    let host = Case::one(
        &HOP,
        "host cannot be named away",
        with("Connection: host\r\n"),
    );
    cases.push(host.accepted(get("/x")));
    for name in [
        "x-envoy-peer-metadata",
        "x-envoy-peer-metadata-id",
        "x-envoy-decorator-operation",
    ] {
        let case = Case::one(&INNER, name, with(&format!("{name}: forged\r\n")));
        cases.push(case.accepted(get("/x").lacks(name)));
    }
    for name in [
        "x-envoy-original-path",
        "x-envoy-internal",
        "x-envoy-expected-rq-timeout-ms",
        "x-forwarded-client-cert",
    ] {
        let case = Case::one(
            &INNER,
            format!("{name} at a gateway"),
            with(&format!("{name}: forged\r\n")),
        );
        let request = if name == "x-forwarded-client-cert" {
            get("/x")
        } else {
            get("/x").lacks(name)
        };
        cases.push(case.at(&[Entry::Gateway]).accepted(request));
    }
    cases
}
