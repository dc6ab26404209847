//! Chunked bodies and trailers.

use crate::case::{Case, End, Entry, Forwarded, HOST, ID, Rule, Step, plain, post, rule};

static SIZE: Rule = rule(
    "RFC 9112 7.1",
    "a chunk size is hexadecimal digits, and fits in 64 bits",
);
static DATA: Rule = rule(
    "RFC 9112 7.1",
    "the data of a chunk are as long as its size, then comes CRLF",
);
static EXTENSION: Rule = rule(
    "RFC 9112 7.1.1",
    "chunk extensions are dropped; 4 KiB are enough for one",
);
static LAST: Rule = rule(
    "RFC 9112 7.1",
    "a body without its last chunk is not complete",
);
static TRAILERS: Rule = rule(
    "RFC 9110 6.5.1",
    "trailers are passed on but for those that frame, route or change a message",
);
static TRAILER_FORM: Rule = rule("RFC 9112 7.1.2", "trailers have the form of fields");
static UNDERSCORE: Rule = rule(
    "Istio, edge profile",
    "gateways refuse names with an underscore, sidecars pass them on",
);
static PIECES: Rule = plain(
    "RFC 9112 7.1",
    "chunks mean the same in whatever pieces they come",
);

fn with(body: &str) -> String {
    format!("POST /{ID}/p HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n{body}")
}

fn good(rule: &'static Rule, name: &str, body: &str, request: Forwarded) -> Case {
    // That there is no body may be known in time to say so in the head.
    let request = if request.body.is_empty() {
        request
    } else {
        request.lacks("content-length")
    };
    Case::one(rule, name, with(body)).accepted(request)
}

fn bad(rule: &'static Rule, name: &str, body: &str) -> Case {
    // A request behind it that must never be found.
    let behind = format!("{body}GET /{ID}/smuggled HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    Case::one(rule, name, with(&behind)).broken_off(&[400])
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = sizes();
    cases.extend(data());
    cases.extend(extensions());
    cases.extend(trailers());
    cases.extend(pieces());
    cases
}

fn sizes() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, body, whole) in [
        ("one digit", "5\r\nhello\r\n0\r\n\r\n", "hello"),
        ("no data", "0\r\n\r\n", ""),
        ("two chunks", "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n", "hello"),
        (
            "small letters",
            "b\r\nhello world\r\n0\r\n\r\n",
            "hello world",
        ),
        ("capitals", "B\r\nhello world\r\n0\r\n\r\n", "hello world"),
        ("zeros before", "00005\r\nhello\r\n0\r\n\r\n", "hello"),
        (
            "sixteen zeros before the last",
            "5\r\nhello\r\n0000000000000000\r\n\r\n",
            "hello",
        ),
        (
            "data that look like chunks",
            "a\r\n0\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n",
            "0\r\n\r\n0\r\n\r\n",
        ),
    ] {
        cases.push(good(&SIZE, name, body, post(whole)));
    }
    for size in [
        "",
        " 5",
        "\t5",
        "+5",
        "-5",
        "0x5",
        "0X5",
        "x5",
        "5x",
        "5g",
        "h",
        "5.0",
        "5,",
        "5 5",
        "5_0",
        "\"5\"",
        "5\u{b}",
        "5\0",
        "\x005",
        "\u{665}",
        "10000000000000005",
        "ffffffffffffffff5",
        "8000000000000000000000005",
        "100000000000000000005",
        "-0",
        "+0",
        "00x5",
        "5\u{a0}",
        "5h",
        "five",
        "\\x35",
        "%35",
        "5 ",
        "5\t",
        "000000000000000000000000000000000000005",
    ] {
        let name = format!("{:?}", size.escape_default().to_string());
        cases.push(bad(&SIZE, &name, &format!("{size}\r\nhello\r\n0\r\n\r\n")));
    }
    for (name, body) in [
        ("LF after the size", "5\nhello\r\n0\r\n\r\n"),
        ("CR after the size", "5\rhello\r\n0\r\n\r\n"),
        ("CR CR LF after the size", "5\r\r\nhello\r\n0\r\n\r\n"),
        ("LF CR after the size", "5\n\rhello\r\n0\r\n\r\n"),
        (
            "an empty line before the size",
            "\r\n5\r\nhello\r\n0\r\n\r\n",
        ),
        ("LF after the last size", "5\r\nhello\r\n0\n\r\n"),
        ("LF for the last line", "5\r\nhello\r\n0\r\n\n"),
        ("bare LF everywhere", "5\nhello\n0\n\n"),
        ("CR for the last line", "5\r\nhello\r\n0\r\n\rX"),
    ] {
        cases.push(bad(&SIZE, name, body));
    }
    cases
}

fn data() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, body) in [
        ("longer by one", "5\r\nhellox\r\n0\r\n\r\n"),
        ("longer by many", "5\r\nhello world\r\n0\r\n\r\n"),
        ("no CRLF behind", "5\r\nhello0\r\n\r\n"),
        ("LF behind", "5\r\nhello\n0\r\n\r\n"),
        ("CR behind", "5\r\nhello\r0\r\n\r\n"),
        ("two bytes that are not CRLF", "5\r\nhelloXX0\r\n\r\n"),
        ("shorter by one", "6\r\nhello\r\n0\r\n\r\n"),
        ("an empty line behind", "5\r\nhello\r\n\r\n0\r\n\r\n"),
        ("a space behind", "5\r\nhello \r\n0\r\n\r\n"),
        ("CRLF and a space", "5\r\nhello\r\n 0\r\n\r\n"),
    ] {
        cases.push(bad(&DATA, name, body));
    }
    for (name, body) in [
        ("no last chunk", "5\r\nhello\r\n"),
        ("only its size", "5\r\nhello\r\n0"),
        ("no empty line", "5\r\nhello\r\n0\r\n"),
        ("half an empty line", "5\r\nhello\r\n0\r\n\r"),
        ("in the data", "5\r\nhel"),
        ("in the size", "5"),
        ("before the size", ""),
        ("in a trailer", "5\r\nhello\r\n0\r\nX-A: b"),
        ("after a trailer", "5\r\nhello\r\n0\r\nX-A: b\r\n"),
        ("after a huge size", "fffffffffffffff\r\nhello"),
    ] {
        let case = Case::one(&LAST, name, with(body)).step(Step::HalfClose);
        cases.push(case.broken_off(&[400]));
    }
    cases
}

fn extensions() -> Vec<Case> {
    let mut cases = Vec::new();
    let long = format!(";{}", "x".repeat(4000));
    for (name, extension) in [
        ("a name", ";x"),
        ("name and value", ";x=y"),
        ("a quoted value", ";x=\"y\""),
        ("a quoted value with a semicolon", ";x=\"y;z\""),
        ("several", ";x=y;z"),
        ("white space before", " ;x"),
        ("white space inside", "; x = y"),
        ("empty", ";"),
        ("4000 bytes", &long),
        ("high bytes", ";\u{e9}"),
    ] {
        let body = format!("5{extension}\r\nhello\r\n0\r\n\r\n");
        cases.push(good(&EXTENSION, name, &body, post("hello")));
    }
    cases.push(good(
        &EXTENSION,
        "at the last chunk",
        "5\r\nhello\r\n0;x=y\r\n\r\n",
        post("hello"),
    ));
    let longer = format!(";{}", "x".repeat(10_000));
    for (name, extension) in [
        ("10000 bytes", longer.as_str()),
        ("LF in it", ";x\ny"),
        ("CR in it", ";x\ry"),
        ("LF in quotes", ";x=\"\ny\""),
        ("NUL in it", ";x\0y"),
        ("LF at its end", ";x\n5\r\nhello\r\n"),
        ("no semicolon", " x"),
        ("an equals sign alone", "=x"),
    ] {
        cases.push(bad(
            &EXTENSION,
            name,
            &format!("5{extension}\r\nhello\r\n0\r\n\r\n"),
        ));
    }
    let flood = "1;xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\na\r\n";
    let flood = Case::one(
        &EXTENSION,
        "at every one of 2000 bytes",
        with(&format!("{}0\r\n\r\n", flood.repeat(2000))),
    );
    cases.push(flood.broken_off(&[400]));
    cases
}

fn trailers() -> Vec<Case> {
    let body = |trailers: &str| format!("5\r\nhello\r\n0\r\n{trailers}\r\n");
    let mut cases = vec![
        good(
            &TRAILERS,
            "one",
            &body("X-A: b\r\n"),
            post("hello").trailer("x-a", "b"),
        ),
        good(
            &TRAILERS,
            "two",
            &body("X-A: b\r\nX-B: c\r\n"),
            post("hello").trailer("x-a", "b").trailer("x-b", "c"),
        ),
        good(
            &TRAILERS,
            "two of one name",
            &body("X-A: b\r\nX-A: c\r\n"),
            post("hello").trailer("x-a", "b").trailer("x-a", "c"),
        ),
        good(
            &TRAILERS,
            "after no data",
            "0\r\nX-A: b\r\n\r\n",
            post("").trailer("x-a", "b"),
        ),
        good(
            &TRAILERS,
            "announced",
            &body("X-A: b\r\n"),
            post("hello").trailer("x-a", "b"),
        ),
    ];
    for name in [
        "authorization",
        "cookie",
        "content-type",
        "content-encoding",
        "expect",
        "x-forwarded-for",
        "x-forwarded-client-cert",
        "range",
        "via",
    ] {
        let dropped = good(
            &TRAILERS,
            &format!("{name} is dropped"),
            &body(&format!("{name}: x\r\nX-A: b\r\n")),
            post("hello").trailer("x-a", "b"),
        );
        cases.push(dropped);
    }
    for name in ["connection", "te", "upgrade", "keep-alive"] {
        let dropped = good(
            &TRAILERS,
            &format!("{name} is dropped"),
            &body(&format!("{name}: x\r\n")),
            post("hello"),
        );
        cases.push(dropped);
    }
    for line in [
        "Content-Length: 5",
        "Transfer-Encoding: chunked",
        "Host: evil.test",
    ] {
        cases.push(bad(
            &TRAILERS,
            &format!("{line} is refused"),
            &body(&format!("{line}\r\n")),
        ));
    }
    for (name, lines) in [
        ("a space before the colon", "X-A : b\r\n"),
        ("no colon", "X-A\r\n"),
        ("no name", ": b\r\n"),
        ("a fold", "X-A: b\r\n c\r\n"),
        ("white space first", " X-A: b\r\n"),
        ("LF", "X-A: b\n"),
        ("CR", "X-A: b\rc\r\n"),
        ("NUL", "X-A: \0\r\n"),
        ("a byte that no name has", "X(A: b\r\n"),
        ("a request line", "GET / HTTP/1.1\r\n"),
    ] {
        cases.push(bad(&TRAILER_FORM, name, &body(lines)));
    }
    let many: String = (0..101)
        .map(|number| format!("X-{number}: a\r\n"))
        .collect();
    cases.push(bad(&TRAILER_FORM, "101 of them", &body(&many)));
    cases.push(bad(
        &TRAILER_FORM,
        "64 KiB",
        &body(&format!("X-A: {}\r\n", "b".repeat(64 * 1024))),
    ));
    let under = good(
        &TRAILERS,
        "an underscore at a sidecar",
        &body("x_a: b\r\n"),
        post("hello").trailer("x_a", "b"),
    );
    cases.push(under.at(&[Entry::Sidecar]));
    // It is well framed, so the connection goes on.
    let under = with(&body("x_a: b\r\n"));
    let under = Case::one(&UNDERSCORE, "in trailers, at a gateway", under);
    let under = under.broken_off(&[400]).ends(End::Open);
    cases.push(under.at(&[Entry::Gateway]));
    cases
}

fn pieces() -> Vec<Case> {
    let whole = "5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nX-A: b\r\n\r\n";
    let request = post("hello world").trailer("x-a", "b");
    let mut cases = Vec::new();
    for at in [1, 2, 3, 5, 8, 9, 10, 11, 14, 17, 24, 26, 27, 28, 35, 37] {
        let (first, second) = whole.split_at(at);
        let case = Case::one(&PIECES, format!("two, after {at} bytes"), with(first));
        let case = case.step(Step::Drip(second.as_bytes().to_vec()));
        cases.push(case.accepted(request.clone()));
    }
    let dripped =
        Case::one(&PIECES, "byte by byte", with("")).step(Step::Drip(whole.as_bytes().to_vec()));
    cases.push(dripped.accepted(request));
    let ones = format!("{}0\r\n\r\n", "1\r\na\r\n".repeat(20_000));
    cases.push(
        Case::one(&PIECES, "20000 chunks of one byte", with(&ones))
            .accepted(post("a".repeat(20_000))),
    );
    cases
}
