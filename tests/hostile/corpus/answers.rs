//! Answers of back ends that lie, on HTTP/1: none of them may look whole to a client.

mod broken;

use crate::case::{Case, End, HOST, ID, Outcome, Rule, Script, Then, Told, get, plain};

const fn upstream(rfc: &'static str, says: &'static str) -> Rule {
    plain(rfc, says).told("UPE", "upstream_protocol")
}

static GOOD: Rule = plain(
    "RFC 9112 6.3",
    "answers are passed on with the body that their framing gives them",
);
static NONE: Rule = plain(
    "RFC 9110 15.3.5",
    "answers to HEAD, and 204 and 304, have no body",
);
static STATUS: Rule = upstream(
    "RFC 9112 4",
    "a status line is version, three digits and a phrase",
);
static FIELDS: Rule = upstream(
    "RFC 9112 5",
    "fields of answers have the same form as those of requests",
);
static LENGTH: Rule = upstream(
    "RFC 9112 6.3",
    "an answer has one length at most, and no coding beside it",
);
static CODING: Rule = upstream(
    "RFC 9112 6.1",
    "the only transfer coding of an answer is `chunked`",
);
static LARGE: Rule = upstream("RFC 9110 5.4", "heads of answers are bounded too");
static HOP: Rule = plain(
    "RFC 9110 7.6.1",
    "fields of the back end's connection end at the proxy",
);

fn ask(rule: &'static Rule, name: &str, method: &str, script: &[u8], then: Then) -> Case {
    let bytes = format!("{method} /{ID}/x HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    Case::one(rule, name, bytes).answers(Script::Raw(script.to_vec(), then))
}

fn good(rule: &'static Rule, name: &str, script: &str, then: Then, answer: Told) -> Case {
    let case = ask(rule, name, "GET", script.as_bytes(), then);
    case.then(Outcome::Answered {
        request: get("/x"),
        answer,
    })
    .ends(End::Open)
}

fn bad(rule: &'static Rule, name: &str, script: &str, then: Then) -> Case {
    let case = ask(rule, name, "GET", script.as_bytes(), then);
    case.then(Outcome::Spoilt {
        request: get("/x"),
        statuses: &[502, 503],
    })
    .ends(End::Any)
}

fn told(body: &str) -> Told {
    Told {
        status: 200,
        body: body.as_bytes().to_vec(),
        ..Told::default()
    }
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = goods();
    cases.extend(heads());
    cases.extend(framings());
    cases.extend(broken::cases());
    cases
}

fn goods() -> Vec<Case> {
    use Then::{Close, Keep};
    let ok = "HTTP/1.1 200 OK\r\n";
    let mut cases = vec![
        good(
            &GOOD,
            "a length",
            &format!("{ok}Content-Length: 5\r\n\r\nhello"),
            Keep,
            told("hello"),
        ),
        good(
            &GOOD,
            "a length of zero",
            &format!("{ok}Content-Length: 0\r\n\r\n"),
            Keep,
            told(""),
        ),
        good(
            &GOOD,
            "chunks",
            &format!("{ok}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
            Keep,
            told("hello"),
        ),
        good(
            &GOOD,
            "up to the close",
            &format!("{ok}\r\nhello"),
            Close,
            told("hello"),
        ),
        good(
            &GOOD,
            "up to the close, in HTTP/1.0",
            "HTTP/1.0 200 OK\r\n\r\nhello",
            Close,
            told("hello"),
        ),
        good(
            &GOOD,
            "nothing up to the close",
            &format!("{ok}\r\n"),
            Close,
            told(""),
        ),
        good(
            &GOOD,
            "an extension",
            &format!("{ok}Transfer-Encoding: chunked\r\n\r\n5;x=y\r\nhello\r\n0\r\n\r\n"),
            Keep,
            told("hello"),
        ),
        good(
            &GOOD,
            "two equal lengths",
            &format!("{ok}Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"),
            Keep,
            told("hello"),
        ),
        good(
            &GOOD,
            "no phrase",
            "HTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nok",
            Keep,
            told("ok"),
        ),
        good(
            &GOOD,
            "neither phrase nor space",
            "HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok",
            Keep,
            told("ok"),
        ),
        good(
            &GOOD,
            "close announced",
            &format!("{ok}Connection: close\r\nContent-Length: 2\r\n\r\nok"),
            Close,
            told("ok"),
        ),
        good(
            &GOOD,
            "a high byte in a value",
            &format!("{ok}X-A: \u{e9}\r\nContent-Length: 2\r\n\r\nok"),
            Keep,
            told("ok"),
        ),
    ];
    let trailers =
        format!("{ok}Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\nX-A: b\r\n\r\n");
    let answer = Told {
        trailers: vec![("x-a".to_owned(), b"b".to_vec())],
        ..told("hello")
    };
    cases.push(good(&GOOD, "trailers", &trailers, Keep, answer));
    for status in [204, 304] {
        let script = format!("HTTP/1.1 {status} No\r\nX-A: b\r\n\r\n");
        let answer = Told {
            status,
            ..Told::default()
        };
        cases.push(good(&NONE, &status.to_string(), &script, Keep, answer));
    }
    let case = ask(
        &NONE,
        "HEAD keeps the length",
        "HEAD",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        Keep,
    );
    let fields = vec![("content-length".to_owned(), vec![b"5".to_vec()])];
    let outcome = Outcome::Answered {
        request: get("/x").method("HEAD"),
        answer: Told {
            status: 200,
            fields,
            ..Told::default()
        },
    };
    cases.push(case.then(outcome).ends(End::Open));
    for name in [
        "keep-alive: timeout=5",
        "proxy-connection: x",
        "connection: x-hop\r\nx-hop: 1",
        "upgrade: h2c",
    ] {
        let script = format!("{ok}{name}\r\nContent-Length: 2\r\n\r\nok");
        let field = name
            .rsplit("\r\n")
            .next()
            .and_then(|line| line.split(':').next())
            .unwrap_or(name);
        let answer = Told {
            fields: vec![(field.to_owned(), Vec::new())],
            ..told("ok")
        };
        cases.push(good(&HOP, field, &script, Keep, answer));
    }
    cases
}

fn heads() -> Vec<Case> {
    let mut cases = Vec::new();
    for line in [
        "HTTP/1.1 20 OK",
        "HTTP/1.1 2000 OK",
        "HTTP/1.1 099 OK",
        "HTTP/1.1 000 OK",
        "HTTP/1.1 600 OK",
        "HTTP/1.1 999 OK",
        "HTTP/1.1 2x0 OK",
        "HTTP/1.1 +20 OK",
        "HTTP/1.1 -20 OK",
        "HTTP/1.1  200 OK",
        "HTTP/1.1\t200 OK",
        "HTTP/1.1 200\tOK",
        "HTTP/2.0 200 OK",
        "HTTP/1.2 200 OK",
        "HTTP/0.9 200 OK",
        "http/1.1 200 OK",
        "HTTP/1.1",
        "HTTP/1.1 ",
        "200 OK",
        "ICY 200 OK",
        "GET / HTTP/1.1",
        "HTTP/1.1200 OK",
        "HTTP/1.1 200 O\0K",
        "HTTP/1.1 200 O\rK",
        "HTTP/11 200 OK",
        "",
        "HTTP/1.1 200OK",
        " HTTP/1.1 200 OK",
    ] {
        let script = format!("{line}\r\nContent-Length: 2\r\n\r\nok");
        let name = format!("{:?}", line.escape_default().to_string());
        cases.push(bad(&STATUS, &name, &script, Then::Close));
    }
    for (name, script) in [
        (
            "LF after the status line",
            "HTTP/1.1 200 OK\nContent-Length: 2\r\n\r\nok",
        ),
        ("LF everywhere", "HTTP/1.1 200 OK\nContent-Length: 2\n\nok"),
        ("not HTTP at all", "hello, this is no answer\r\n\r\n"),
        ("HTTP/0.9", "<html>hello</html>"),
    ] {
        cases.push(bad(&STATUS, name, script, Then::Close));
    }
    for (name, line) in [
        ("a space before the colon", "X-A : b"),
        ("no colon", "X-A"),
        ("no name", ": b"),
        ("a fold", "X-A: b\r\n c"),
        ("white space first", " X-A: b"),
        ("NUL in a value", "X-A: \0"),
        ("CR in a value", "X-A: b\rSet-Cookie: a"),
        ("LF in a value", "X-A: b\nSet-Cookie: a"),
        ("a control character", "X-A: \u{1}"),
        ("DEL", "X-A: \u{7f}"),
        ("a byte that no name has", "X(A: b"),
        ("a high byte in a name", "X\u{e9}: b"),
        ("a space in a name", "X A: b"),
    ] {
        let script = format!("HTTP/1.1 200 OK\r\n{line}\r\nContent-Length: 2\r\n\r\nok");
        cases.push(bad(&FIELDS, name, &script, Then::Close));
    }
    let many: String = (0..1000)
        .map(|number| format!("x-{number}: a\r\n"))
        .collect();
    cases.push(bad(
        &LARGE,
        "1000 fields",
        &format!("HTTP/1.1 200 OK\r\n{many}Content-Length: 2\r\n\r\nok"),
        Then::Close,
    ));
    let long = "b".repeat(200_000);
    cases.push(bad(
        &LARGE,
        "a value of 200000 bytes",
        &format!("HTTP/1.1 200 OK\r\nX-A: {long}\r\nContent-Length: 2\r\n\r\nok"),
        Then::Close,
    ));
    cases.push(bad(
        &LARGE,
        "a phrase of 200000 bytes",
        &format!("HTTP/1.1 200 {long}\r\nContent-Length: 2\r\n\r\nok"),
        Then::Close,
    ));
    cases
}

fn framings() -> Vec<Case> {
    let mut cases = Vec::new();
    let script = |lines: &str, body: &str| format!("HTTP/1.1 200 OK\r\n{lines}\r\n{body}");
    for (name, lines) in [
        (
            "two different ones",
            "Content-Length: 5\r\nContent-Length: 4\r\n",
        ),
        ("a list", "Content-Length: 5, 5\r\n"),
        ("a sign", "Content-Length: +5\r\n"),
        ("negative", "Content-Length: -5\r\n"),
        ("hexadecimal", "Content-Length: 0x5\r\n"),
        ("text", "Content-Length: five\r\n"),
        ("empty", "Content-Length:\r\n"),
        (
            "too large a number",
            "Content-Length: 99999999999999999999\r\n",
        ),
        ("a space before the colon", "Content-Length : 5\r\n"),
        ("a fraction", "Content-Length: 5.0\r\n"),
    ] {
        cases.push(bad(&LENGTH, name, &script(lines, "hello"), Then::Close));
    }
    let chunks = "5\r\nhello\r\n0\r\n\r\n";
    for (name, lines) in [
        (
            "a length first",
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        ),
        (
            "a length last",
            "Transfer-Encoding: chunked\r\nContent-Length: 15\r\n",
        ),
        (
            "a length of zero",
            "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
        ),
    ] {
        cases.push(bad(
            &LENGTH,
            &format!("chunked and {name}"),
            &script(lines, chunks),
            Then::Close,
        ));
    }
    for value in [
        "gzip",
        "identity",
        "gzip, chunked",
        "chunked, gzip",
        "chunked, chunked",
        "xchunked",
        "chunked;x",
        "",
        "chunked,",
        "\u{b}chunked",
    ] {
        let lines = format!("Transfer-Encoding: {value}\r\n");
        let name = format!("{:?}", value.escape_default().to_string());
        cases.push(bad(&CODING, &name, &script(&lines, chunks), Then::Close));
    }
    let twice = "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n";
    cases.push(bad(&CODING, "twice", &script(twice, chunks), Then::Close));
    let none = "HTTP/1.1 204 No\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    cases.push(bad(&CODING, "with 204", none, Then::Close));
    let old = "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n";
    cases.push(bad(&CODING, "in HTTP/1.0", old, Then::Close));
    cases
}
