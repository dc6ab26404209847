//! HTTP/2: heads.

use crate::case::{Case, End, Entry, Forwarded, HOST, ID, Outcome, Rule, code, get, plain, post};
use crate::wire::h2::{END_HEADERS, END_STREAM, Frame, WHOLE, opened};

const fn malformed(rfc: &'static str, says: &'static str) -> Rule {
    plain(rfc, says).told("DPE", "bad_request")
}

static PSEUDO: Rule = malformed(
    "RFC 9113 8.3",
    "a request has each of its pseudo-header fields once, before all others",
);
static NAMES: Rule = malformed("RFC 9113 8.2.1", "names are tokens without capitals");
static VALUES: Rule = malformed(
    "RFC 9113 8.2.1",
    "values have no control characters but the tab",
);
static TRIM: Rule = plain(
    "RFC 9113 8.2.1",
    "white space round a value is cut off before anybody compares it",
);
static CONNECTION: Rule = malformed(
    "RFC 9113 8.2.2",
    "fields of a connection have no place in HTTP/2",
);
static PATHS: Rule = malformed(
    "RFC 9113 8.3.1",
    "`:path` is a path, or `*` with OPTIONS, and is brought into one form",
);
static METHODS: Rule = malformed("RFC 9113 8.3.1", "`:method` is a token in capitals");
static SCHEMES: Rule = malformed("RFC 9113 8.3.1", "`:scheme` is http or https");
static AUTHORITY: Rule = malformed(
    "RFC 9113 8.3.1",
    "there is one authority; `host` beside it says the same and is dropped",
);
static LENGTHS: Rule = malformed(
    "RFC 9113 8.1.1",
    "content-length is the length of the content",
);
static TRAILERS: Rule = malformed(
    "RFC 9113 8.1",
    "trailers end the stream and have no pseudo-header fields",
);
static COOKIES: Rule = plain(
    "RFC 9113 8.2.3",
    "the pieces of a cookie become one on HTTP/1",
);
static UNDERSCORE: Rule = malformed(
    "Istio, edge profile",
    "gateways refuse names with an underscore, sidecars pass them on",
);
static CONNECT: Rule = malformed("RFC 9113 8.5", "CONNECT is not carried");

type Fields = Vec<(String, String)>;

/// The pseudo-header fields of a request for a path below the case's own.
pub(super) fn request(method: &str, path: &str) -> Fields {
    let path = format!("/{ID}{path}");
    let fields = [
        (":method", method),
        (":scheme", "http"),
        (":authority", HOST),
        (":path", &path),
    ];
    fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

/// GET.
pub(super) fn ask(path: &str) -> Fields {
    request("GET", path)
}

fn and(mut fields: Fields, more: &[(&str, &str)]) -> Fields {
    fields.extend(
        more.iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned())),
    );
    fields
}

fn with(mut fields: Fields, name: &str, value: &str) -> Fields {
    for field in &mut fields {
        if field.0 == name {
            value.clone_into(&mut field.1);
        }
    }
    fields
}

fn without(mut fields: Fields, name: &str) -> Fields {
    fields.retain(|(other, _)| other != name);
    fields
}

fn head(rule: &'static Rule, name: &str, fields: &Fields) -> Case {
    Case::two(rule, name, opened(&[Frame::head(WHOLE, 1, fields)]))
}

fn good(rule: &'static Rule, name: &str, fields: &Fields, request: Forwarded) -> Case {
    head(rule, name, fields).accepted(request)
}

const STATUSES: &[u16] = &[400, 404, 405, 431, 501];

/// Refused as a stream: a reset, or an answer that says so; the connection goes on.
fn bad(rule: &'static Rule, name: &str, fields: &Fields) -> Case {
    let case = head(rule, name, fields);
    case.then(Outcome::Refused {
        statuses: &[],
        codes: &[code::PROTOCOL],
    })
    .ends(End::Open)
}

/// Refused with a status: it is well-formed, but not for us.
fn told(rule: &'static Rule, name: &str, fields: &Fields) -> Case {
    let case = head(rule, name, fields);
    case.then(Outcome::Refused {
        statuses: STATUSES,
        codes: &[],
    })
    .ends(End::Open)
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = pseudo();
    cases.extend(names());
    cases.extend(values());
    cases.extend(connections());
    cases.extend(targets());
    cases.extend(authorities());
    cases.extend(bodies());
    cases
}

fn pseudo() -> Vec<Case> {
    let mut cases = vec![good(&PSEUDO, "all four", &ask("/x"), get("/x"))];
    let mut turned = ask("/x");
    turned.reverse();
    cases.push(good(&PSEUDO, "in another order", &turned, get("/x")));
    for name in [":method", ":scheme", ":path"] {
        cases.push(bad(
            &PSEUDO,
            &format!("no {name}"),
            &without(ask("/x"), name),
        ));
    }
    for (name, value) in [
        (":method", "GET"),
        (":scheme", "http"),
        (":path", "/y"),
        (":authority", "other.test"),
    ] {
        cases.push(bad(
            &PSEUDO,
            &format!("{name} twice"),
            &and(ask("/x"), &[(name, value)]),
        ));
        let late = and(without(ask("/x"), name), &[("x-a", "b"), (name, value)]);
        cases.push(bad(&PSEUDO, &format!("{name} behind a field"), &late));
    }
    for name in [
        ":status",
        ":protocol",
        ":foo",
        ":",
        ":Method",
        ":path2",
        ":host",
    ] {
        let unknown = and(ask("/x"), &[(name, "200")]);
        cases.push(bad(&PSEUDO, &format!("{name} beside them"), &unknown));
    }
    cases.push(bad(&PSEUDO, "none", &Vec::new()));
    cases.push(bad(
        &PSEUDO,
        "only a field",
        &and(Vec::new(), &[("x-a", "b")]),
    ));
    cases.push(bad(
        &PSEUDO,
        "an empty :method",
        &with(ask("/x"), ":method", ""),
    ));
    cases.push(bad(
        &PSEUDO,
        "an empty :scheme",
        &with(ask("/x"), ":scheme", ""),
    ));
    cases.push(bad(
        &PSEUDO,
        "an empty :path",
        &with(ask("/x"), ":path", ""),
    ));
    cases
}

fn names() -> Vec<Case> {
    let mut cases = Vec::new();
    for name in ["X-A", "x-A", "Content-Length", "HOST"] {
        cases.push(bad(
            &NAMES,
            &format!("{name}, with capitals"),
            &and(ask("/x"), &[(name, "1")]),
        ));
    }
    for byte in "\0\t\n\r \"(),/;<=>?@[\\]{}\u{7f}\u{80}\u{1}".chars() {
        let name = format!("x{byte}a");
        let label = format!("with {}", byte.escape_default());
        cases.push(bad(&NAMES, &label, &and(ask("/x"), &[(&name, "b")])));
    }
    for name in [
        "",
        "x:",
        "x:y",
        " x",
        "x ",
        "transfer-encoding:",
        "content-length\0",
    ] {
        let label = format!("{:?}", name.escape_default().to_string());
        cases.push(bad(&NAMES, &label, &and(ask("/x"), &[(name, "b")])));
    }
    for sign in "!#$%&'*+-.^`|~".chars() {
        let name = format!("x{sign}y");
        let fields = and(ask("/x"), &[(&name, "z")]);
        cases.push(good(
            &NAMES,
            &format!("with {sign}, a token's"),
            &fields,
            get("/x").has(&name, "z"),
        ));
    }
    let under = and(ask("/x"), &[("x_a", "b")]);
    let case = head(&UNDERSCORE, "at a gateway", &under).at(&[Entry::Gateway]);
    cases.push(
        case.then(Outcome::Refused {
            statuses: STATUSES,
            codes: &[],
        })
        .ends(End::Open),
    );
    cases.push(
        good(
            &UNDERSCORE,
            "at a sidecar",
            &under,
            get("/x").has("x_a", "b"),
        )
        .at(&[Entry::Sidecar]),
    );
    cases
}

fn values() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, value) in [
        ("NUL", "a\0b"),
        ("CR", "a\rb"),
        ("LF", "a\nb"),
        ("CRLF and a field", "a\r\nx-evil: 1"),
        (
            "CRLF and a request",
            "a\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
        ),
        ("LF at the end", "a\n"),
        ("CR at the start", "\ra"),
        ("NUL alone", "\0"),
        ("a control character", "a\u{1}b"),
        ("DEL", "a\u{7f}b"),
        ("ESC", "a\u{1b}[2Jb"),
        ("VT", "a\u{b}b"),
    ] {
        cases.push(bad(&VALUES, name, &and(ask("/x"), &[("x-a", value)])));
    }
    for (name, value) in [
        ("a space before", " a"),
        ("a space behind", "a "),
        ("a tab before", "\ta"),
        ("a tab behind", "a\t"),
    ] {
        // RFC 9113 8.2.1 calls it malformed; clients send it, and without it nobody is misled.
        let fields = and(ask("/x"), &[("x-a", value)]);
        cases.push(good(&TRIM, name, &fields, get("/x").has("x-a", "a")));
    }
    for (name, value) in [
        ("empty", ""),
        ("a space inside", "a b"),
        ("a tab inside", "a\tb"),
        ("high bytes", "\u{e9}"),
        ("quotes", "\"a\""),
    ] {
        let fields = and(ask("/x"), &[("x-a", value)]);
        cases.push(good(&VALUES, name, &fields, get("/x").has("x-a", value)));
    }
    let crumbs = and(
        ask("/x"),
        &[
            ("cookie", "a=b"),
            ("x-a", "b"),
            ("cookie", "c=d"),
            ("cookie", "e=f"),
        ],
    );
    cases.push(good(
        &COOKIES,
        "three",
        &crumbs,
        get("/x").has("cookie", "a=b; c=d; e=f"),
    ));
    let one = and(ask("/x"), &[("cookie", "a=b; c=d")]);
    cases.push(good(
        &COOKIES,
        "one",
        &one,
        get("/x").has("cookie", "a=b; c=d"),
    ));
    cases
}

fn connections() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, value) in [
        ("connection", "keep-alive"),
        ("connection", "x-a"),
        ("keep-alive", "timeout=5"),
        ("proxy-connection", "keep-alive"),
        ("transfer-encoding", "chunked"),
        ("transfer-encoding", "identity"),
        ("transfer-encoding", ""),
        ("upgrade", "h2c"),
        ("upgrade", "websocket"),
        ("te", "gzip"),
        ("te", "trailers, gzip"),
        ("te", "chunked"),
        ("te", ""),
    ] {
        let fields = and(ask("/x"), &[(name, value)]);
        cases.push(bad(&CONNECTION, &format!("{name}: {value:?}"), &fields));
    }
    let te = and(ask("/x"), &[("te", "trailers")]);
    cases.push(good(
        &CONNECTION,
        "te: trailers stays",
        &te,
        get("/x").has("te", "trailers"),
    ));
    let body = and(request("POST", "/p"), &[("transfer-encoding", "chunked")]);
    let smuggled = format!("0\r\n\r\nGET /{ID}/smuggled HTTP/1.1\r\nHost: a\r\n\r\n");
    let bytes = opened(&[
        Frame::head(END_HEADERS, 1, &body),
        Frame::data(END_STREAM, 1, smuggled),
    ]);
    let case = Case::two(
        &CONNECTION,
        "transfer-encoding over a body with a request",
        bytes,
    );
    cases.push(
        case.then(Outcome::Refused {
            statuses: &[],
            codes: &[code::PROTOCOL],
        })
        .ends(End::Open),
    );
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
    cases.push(told(&PATHS, "* with OPTIONS has no route", &star));
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
    for scheme in ["http", "HTTP", "hTtP"] {
        cases.push(good(
            &SCHEMES,
            scheme,
            &with(ask("/x"), ":scheme", scheme),
            get("/x"),
        ));
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
    cases.push(told(&CONNECT, "plain", &connect));
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

fn bodies() -> Vec<Case> {
    let sent = |length: &str, pieces: &[&str]| {
        let fields = and(request("POST", "/p"), &[("content-length", length)]);
        let mut frames = vec![Frame::head(END_HEADERS, 1, &fields)];
        let last = pieces.len().saturating_sub(1);
        for (index, piece) in pieces.iter().enumerate() {
            frames.push(Frame::data(
                if index == last { END_STREAM } else { 0 },
                1,
                *piece,
            ));
        }
        opened(&frames)
    };
    let broken = |name: &str, bytes: Vec<u8>| {
        let case = Case::two(&LENGTHS, name, bytes);
        case.then(Outcome::BrokenOff {
            statuses: &[],
            codes: &[code::PROTOCOL],
        })
        .ends(End::Open)
    };
    let mut cases = vec![
        Case::two(&LENGTHS, "right", sent("5", &["hello"]))
            .accepted(post("hello").has("content-length", "5")),
        Case::two(&LENGTHS, "right, in pieces", sent("5", &["he", "", "llo"]))
            .accepted(post("hello")),
        broken("too short a body", sent("6", &["hello"])),
        broken("too long a body", sent("4", &["hello"])),
        broken("no body", sent("5", &[""])),
        broken("a body behind 0", sent("0", &["hello"])),
        broken("too long in pieces", sent("5", &["hello", "!"])),
        broken(
            "a request behind the length",
            sent("0", &["GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"]),
        ),
    ];
    for value in [
        "+5",
        "-5",
        "0x5",
        "5,5",
        "5, 5",
        "",
        "five",
        "5.0",
        "99999999999999999999999",
    ] {
        let label = format!("{value:?} is no number");
        cases.push(broken(&label, sent(value, &["hello"])));
    }
    let twice = and(
        request("POST", "/p"),
        &[("content-length", "5"), ("content-length", "6")],
    );
    let twice = opened(&[
        Frame::head(END_HEADERS, 1, &twice),
        Frame::data(END_STREAM, 1, "hello"),
    ]);
    cases.push(broken("two different ones", twice));
    let ended = opened(&[Frame::head(
        WHOLE,
        1,
        &and(request("POST", "/p"), &[("content-length", "5")]),
    )]);
    cases.push(broken("a length and the end of the stream", ended));
    let none = opened(&[
        Frame::head(END_HEADERS, 1, &request("POST", "/p")),
        Frame::data(END_STREAM, 1, "hello"),
    ]);
    cases.push(Case::two(&LENGTHS, "none", none).accepted(post("hello")));
    cases.extend(trailers());
    cases
}

fn trailers() -> Vec<Case> {
    let with = |trailers: Frame| {
        opened(&[
            Frame::head(END_HEADERS, 1, &request("POST", "/p")),
            Frame::data(0, 1, "hello"),
            trailers,
        ])
    };
    let broken = |name: &str, trailers: Frame| {
        let case = Case::two(&TRAILERS, name, with(trailers));
        case.then(Outcome::BrokenOff {
            statuses: &[],
            codes: &[code::PROTOCOL],
        })
        .ends(End::Open)
    };
    vec![
        Case::two(
            &TRAILERS,
            "one",
            with(Frame::head(WHOLE, 1, &[("x-a", "b")])),
        )
        .accepted(post("hello").trailer("x-a", "b")),
        Case::two(
            &TRAILERS,
            "none in their frame",
            with(Frame::new(1, WHOLE, 1, [])),
        )
        .accepted(post("hello")),
        broken(
            "that do not end the stream",
            Frame::head(END_HEADERS, 1, &[("x-a", "b")]),
        ),
        broken(
            "with a pseudo-header field",
            Frame::head(WHOLE, 1, &[(":path", "/y")]),
        ),
        broken("with :status", Frame::head(WHOLE, 1, &[(":status", "200")])),
        broken("with capitals", Frame::head(WHOLE, 1, &[("X-A", "b")])),
        broken(
            "with a connection's field",
            Frame::head(WHOLE, 1, &[("connection", "x")]),
        ),
        broken(
            "with transfer-encoding",
            Frame::head(WHOLE, 1, &[("transfer-encoding", "chunked")]),
        ),
        broken(
            "with CR and LF",
            Frame::head(WHOLE, 1, &[("x-a", "b\r\nx: y")]),
        ),
    ]
}
