//! HTTP/2: heads.

mod targets;

mod bodies;
use crate::case::{Case, End, Entry, Forwarded, HOST, ID, Outcome, Rule, code, get, plain};
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
static COOKIES: Rule = plain(
    "RFC 9113 8.2.3",
    "the pieces of a cookie become one on HTTP/1",
);
static UNDERSCORE: Rule = malformed(
    "Istio, edge profile",
    "gateways refuse names with an underscore, sidecars pass them on",
);

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

pub(super) fn with(mut fields: Fields, name: &str, value: &str) -> Fields {
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
        statuses: &[400],
        codes: &[],
    })
    .ends(End::Open)
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = pseudo();
    cases.extend(names());
    cases.extend(values());
    cases.extend(connections());
    cases.extend(targets::cases());
    cases.extend(bodies::cases());
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
            statuses: &[400],
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
