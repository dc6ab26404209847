//! Request targets and paths.

use crate::case::{Case, End, Entry, Forwarded, HOST, ID, Rule, get, rule};

static ORIGIN: Rule = rule(
    "RFC 9112 3.2.1",
    "the target is a path that begins with a slash",
);
static BYTES: Rule = rule(
    "RFC 9112 3.2",
    "a target is made of visible ASCII characters",
);
static ABSOLUTE: Rule = rule(
    "RFC 9112 3.2.2",
    "the authority of an absolute target is the host; only http and https are schemes",
);
static TRANSPORT: Rule = rule(
    "RFC 9112 3.3",
    "the transport says whether a request is secure, not the scheme of an absolute target",
);
static ASTERISK: Rule = rule(
    "RFC 9112 3.2.4",
    "`*` is a target of OPTIONS alone; no route has it",
)
.told("NR", "no_route");
static AUTHORITY: Rule = rule(
    "RFC 9112 3.2.3",
    "host and port are a target of CONNECT alone",
);
static FRAGMENT: Rule = rule(
    "RFC 9110 4.2.5",
    "a fragment is no part of the target: it is cut off",
);
static ZERO: Rule = rule(
    "Istio, path normalization",
    "an escaped zero byte is refused",
);
static NORMAL: Rule = rule(
    "RFC 3986 6.2.2",
    "the path is brought into one form (Istio's BASE) before anybody looks at it",
);

fn line(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: {HOST}\r\nX-Case: {ID}\r\n\r\n")
}

fn good(rule: &'static Rule, name: &str, target: &str, path: &str) -> Case {
    Case::one(rule, name, line(target)).accepted(get("").path(path))
}

fn bad(rule: &'static Rule, name: &str, target: &str) -> Case {
    Case::one(rule, name, line(target)).refused(&[400])
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = forms();
    cases.extend(bytes());
    cases.extend(paths());
    cases
}

fn forms() -> Vec<Case> {
    let path = format!("/{ID}/x");
    let host = |request: Forwarded, host: &str| request.host(host);
    let mut cases = vec![
        good(&ORIGIN, "a path", &path, &path),
        good(
            &ORIGIN,
            "a path with a query",
            &format!("{path}?a=b&c=/../d"),
            &format!("{path}?a=b&c=/../d"),
        ),
        good(
            &ORIGIN,
            "an empty query",
            &format!("{path}?"),
            &format!("{path}?"),
        ),
        good(
            &ORIGIN,
            "two question marks",
            &format!("{path}?a?b"),
            &format!("{path}?a?b"),
        ),
        good(&ORIGIN, "only a slash", "/", "/"),
        good(&ORIGIN, "only a slash and a query", "/?a", "/?a"),
        good(
            &ORIGIN,
            "a path that looks like an authority",
            &format!("//evil.test/{ID}"),
            &format!("//evil.test/{ID}"),
        ),
        good(
            &ORIGIN,
            "a path that looks like a URI",
            &format!("/http://evil.test/{ID}"),
            &format!("/http://evil.test/{ID}"),
        ),
        good(
            &ORIGIN,
            "path parameters",
            &format!("{path};a=b/..;/c"),
            &format!("{path};a=b/..;/c"),
        ),
        bad(&ORIGIN, "no slash", &format!("{ID}/x")),
        bad(&ORIGIN, "a query alone", "?a"),
        bad(&ORIGIN, "a fragment alone", "#a"),
        bad(&ORIGIN, "a backslash first", &format!("\\{ID}")),
        bad(&ORIGIN, "an escaped slash first", &format!("%2f{ID}")),
        bad(&ORIGIN, "two dots", "../x"),
        bad(&AUTHORITY, "with GET", "evil.test:80"),
        bad(&AUTHORITY, "a name with GET", "admin"),
        Case::one(
            &ASTERISK,
            "with OPTIONS",
            line("*").replace("GET", "OPTIONS"),
        )
        .refused(&[404])
        .ends(End::Open),
        bad(&ASTERISK, "with GET", "*"),
        bad(&ASTERISK, "followed by more", "*/x"),
        Case::one(
            &ASTERISK,
            "followed by more, with OPTIONS",
            line("*x").replace("GET", "OPTIONS"),
        )
        .refused(&[400]),
        Case::one(&ASTERISK, "after a slash", line(&format!("/{ID}/*"))).accepted(get("/*")),
    ];
    for (name, scheme) in [
        ("https in cleartext", "https"),
        ("HTTPS in cleartext", "HTTPS"),
    ] {
        let target = format!("{scheme}://{HOST}{path}");
        let seen = get("").path(&path).has("x-forwarded-proto", "http");
        let case = Case::one(&TRANSPORT, name, line(&target)).accepted(seen);
        cases.push(case.at(&[Entry::Gateway]));
    }
    let absolute = |name: &str, target: String, authority: &str, path: String| {
        let request = host(get("").path(&path), authority);
        Case::one(&ABSOLUTE, name, line(&target)).accepted(request)
    };
    cases.extend([
        absolute(
            "with the same host",
            format!("http://{HOST}{path}"),
            HOST,
            path.clone(),
        ),
        absolute(
            "with another host",
            format!("http://other.test{path}"),
            "other.test",
            path.clone(),
        ),
        absolute(
            "with a port",
            format!("http://other.test:81{path}"),
            "other.test:81",
            path.clone(),
        ),
        absolute(
            "in capitals",
            format!("HTTP://{HOST}{path}"),
            HOST,
            path.clone(),
        ),
        absolute(
            "without a path",
            "http://other.test".to_owned(),
            "other.test",
            "/".to_owned(),
        ),
        absolute(
            "with a query and no path",
            "http://other.test?a=b".to_owned(),
            "other.test",
            "/?a=b".to_owned(),
        ),
        absolute(
            "with dot segments",
            format!("http://{HOST}/{ID}/../{ID}/x"),
            HOST,
            path.clone(),
        ),
    ]);
    for (name, target) in [
        ("with user information", format!("http://a@{HOST}{path}")),
        ("with user and password", format!("http://a:b@{HOST}{path}")),
        ("without authority", format!("http://{path}")),
        ("with one slash", format!("http:/{HOST}{path}")),
        ("without slashes", format!("http:{HOST}{path}")),
        ("of another scheme", format!("ftp://{HOST}{path}")),
        ("javascript", "javascript://x/".to_owned()),
        ("file", format!("file://{path}")),
        ("with a backslash", format!("http:\\\\{HOST}{path}")),
        ("with a bad port", format!("http://{HOST}:8x{path}")),
        (
            "with a port of six digits",
            format!("http://{HOST}:123456{path}"),
        ),
        ("with a bad address", format!("http://[::g]{path}")),
        ("with a bracket in the host", format!("http://a[b{path}")),
        ("with an empty scheme", format!("://{HOST}{path}")),
    ] {
        cases.push(bad(&ABSOLUTE, name, &target));
    }
    let two = format!("GET http://{HOST}{path} HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n");
    cases.push(Case::one(&ABSOLUTE, "with two hosts beside", two).refused(&[400]));
    let none = format!("GET http://{HOST}{path} HTTP/1.1\r\n\r\n");
    cases.push(Case::one(&ABSOLUTE, "without a host beside", none).refused(&[400]));
    cases
}

fn bytes() -> Vec<Case> {
    let mut cases = Vec::new();
    for byte in (0x01..0x20_u8)
        .filter(|byte| !b"\t\n\r".contains(byte))
        .chain([0x00, 0x7f])
    {
        let target = format!("/{ID}/a{}b", char::from(byte));
        cases.push(bad(&BYTES, &format!("byte {byte:#04x}"), &target));
    }
    for byte in [0x80_u8, 0xa0, 0xc0, 0xe9, 0xfe, 0xff] {
        let mut bytes = format!("GET /{ID}/").into_bytes();
        bytes.push(byte);
        bytes.extend(format!(" HTTP/1.1\r\nHost: {HOST}\r\n\r\n").bytes());
        cases.push(Case::one(&BYTES, format!("byte {byte:#04x}"), bytes).refused(&[400]));
    }
    cases.push(bad(&BYTES, "UTF-8 as it is", &format!("/{ID}/\u{e9}")));
    cases.push(bad(&BYTES, "UTF-8 in the query", &format!("/{ID}/?\u{e9}")));
    for text in [
        "\"", "<", ">", "^", "`", "{", "|", "}", "[", "]", "!", "$", "&", "'", "(", ")", "*", "+",
        ",", ";", "=", ":", "@",
    ] {
        let path = format!("/{ID}/a{text}b");
        cases.push(good(&BYTES, &format!("the sign {text}"), &path, &path));
    }
    cases
}

/// `from` and `to` stand below the case's own path.
fn paths() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, from, to) in [
        ("at the end", "/x#foo", "/x"),
        ("with a slash", "/x#/../y", "/x"),
        ("after a query", "/x?a=b#c", "/x?a=b"),
        ("with a question mark", "/x#?a", "/x"),
        ("empty", "/x#", "/x"),
        ("twice", "/x#a#b", "/x"),
        ("that is escaped is none", "/x%23y", "/x%23y"),
    ] {
        cases.push(good(
            &FRAGMENT,
            name,
            &format!("/{ID}{from}"),
            &format!("/{ID}{to}"),
        ));
    }
    for (name, path) in [
        ("in the path", "/x%00"),
        ("before more", "/%00/x"),
        ("as a segment", "/%00"),
    ] {
        cases.push(bad(&ZERO, name, &format!("/{ID}{path}")).ends(End::Open));
    }
    for (from, to) in [
        ("/app/../admin", "/admin"),
        ("/app/./admin", "/app/admin"),
        ("/app//", "/app//"),
        ("/app/%2f", "/app/%2f"),
        ("/xyz%30..//abc", "/xyz0..//abc"),
        ("/app/%2E./admin", "/admin"),
        ("/app/%2e%2e/admin", "/admin"),
        ("/app/.%2E/admin", "/admin"),
        ("/app\\admin", "/app/admin"),
        ("/app/..\\admin", "/admin"),
        ("/app\\..\\admin", "/admin"),
        ("/app//../admin", "/app/admin"),
        ("/.../admin", "/.../admin"),
        ("/..;/admin", "/..;/admin"),
        ("/;/admin", "/;/admin"),
        ("/a;b=c", "/a;b=c"),
        ("/%252e%252e/admin", "/%252e%252e/admin"),
        ("/%c0%ae%c0%ae/admin", "/%c0%ae%c0%ae/admin"),
        ("/%c1%9cadmin", "/%c1%9cadmin"),
        ("/0x2e0x2e/admin", "/0x2e0x2e/admin"),
        ("/AdMin", "/AdMin"),
        ("/a%5cb", "/a%5cb"),
        ("/a%5Cb", "/a%5Cb"),
        ("/a%2Fb", "/a%2Fb"),
        ("/a/b/..", "/a/"),
        ("/a/b/.", "/a/b/"),
        ("/a?b=../c", "/a?b=../c"),
        ("/a?b=%2e%2E", "/a?b=%2e%2E"),
        ("/a?b\\c", "/a?b\\c"),
        ("/%61dmin", "/admin"),
        ("/%41%7A%30", "/Az0"),
        ("/%2D%2e%5f%7E", "/-._~"),
        ("/%7Fa", "/%7Fa"),
        ("/%20a", "/%20a"),
        ("/%0d%0aX:%20y", "/%0d%0aX:%20y"),
    ] {
        cases.push(good(
            &NORMAL,
            from,
            &format!("/{ID}{from}"),
            &format!("/{ID}{to}"),
        ));
    }
    let above = format!("/../../{ID}/x");
    cases.push(good(&NORMAL, "above the root", &above, &format!("/{ID}/x")));
    cases
}
