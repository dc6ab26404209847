//! Content-Length.

use crate::case::{Case, End, HOST, ID, Outcome, Rule, Step, plain, post, rule};

static NUMBER: Rule = rule("RFC 9110 8.6", "content-length is one number of digits");
static SEVERAL: Rule = rule(
    "RFC 9112 6.3",
    "equal lengths count as one; different ones, and lists, are refused",
);
static BODY: Rule = plain("RFC 9112 6.2", "the body is as long as it was announced");
static CUT_OFF: Rule = rule("RFC 9112 8", "a body that breaks off never looks complete");

fn with(lines: &str, body: &str) -> String {
    format!("POST /{ID}/p HTTP/1.1\r\nHost: {HOST}\r\n{lines}\r\n{body}")
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, lines) in [
        ("plain", "Content-Length: 5\r\n"),
        ("in small letters", "content-length: 5\r\n"),
        ("with white space round it", "Content-Length: \t5 \t\r\n"),
        ("with zeros before", "Content-Length: 0005\r\n"),
        (
            "with many zeros before",
            "Content-Length: 00000000000000000000000000005\r\n",
        ),
    ] {
        let request = post("hello").has("content-length", "5");
        cases.push(Case::one(&NUMBER, name, with(lines, "hello")).accepted(request));
    }
    for value in [
        "+5",
        "-5",
        "5.0",
        "5e0",
        "0x5",
        "5 ,",
        "5;",
        "5 5",
        "5\t5",
        "'5'",
        "\"5\"",
        "five",
        "5a",
        "a5",
        "",
        " ",
        "5_0",
        "5\u{b}",
        "\u{b}5",
        "\u{665}",
        "5\0",
        "--5",
        "5-",
        "1/5",
        "5,",
        ",5",
        "0b101",
        "5h",
        "NaN",
        "18446744073709551616",
        "18446744073709551621",
        "99999999999999999999999999",
        "36893488147419103237",
        "-0",
        "+0",
    ] {
        let name = format!("{:?}", value.escape_default().to_string());
        let bytes = with(&format!("Content-Length: {value}\r\n"), "hello");
        cases.push(Case::one(&NUMBER, name, bytes).refused(&[400]));
    }
    for (name, lines) in [
        (
            "two equal ones",
            "Content-Length: 5\r\nContent-Length: 5\r\n",
        ),
        (
            "three equal ones",
            "Content-Length: 5\r\nA: b\r\ncontent-length: 5\r\nCONTENT-LENGTH: 5\r\n",
        ),
        (
            "equal with zeros before one",
            "Content-Length: 5\r\nContent-Length: 05\r\n",
        ),
    ] {
        let request = post("hello").has("content-length", "5");
        cases.push(Case::one(&SEVERAL, name, with(lines, "hello")).accepted(request));
    }
    for (name, lines) in [
        (
            "two different ones",
            "Content-Length: 5\r\nContent-Length: 6\r\n",
        ),
        (
            "zero and another",
            "Content-Length: 0\r\nContent-Length: 5\r\n",
        ),
        (
            "another and zero",
            "Content-Length: 5\r\nContent-Length: 0\r\n",
        ),
        (
            "different with a field between",
            "Content-Length: 5\r\nA: b\r\nContent-Length: 0\r\n",
        ),
        (
            "in other letters",
            "content-length: 5\r\nCONTENT-LENGTH: 4\r\n",
        ),
        ("a list of equal ones", "Content-Length: 5, 5\r\n"),
        ("a list without space", "Content-Length: 5,5\r\n"),
        ("a list of different ones", "Content-Length: 5, 6\r\n"),
        ("good and bad", "Content-Length: 5\r\nContent-Length: x\r\n"),
        ("bad and good", "Content-Length: x\r\nContent-Length: 5\r\n"),
        ("good and empty", "Content-Length: 5\r\nContent-Length:\r\n"),
        (
            "a third one different",
            "Content-Length: 5\r\nContent-Length: 5\r\nContent-Length: 4\r\n",
        ),
    ] {
        cases.push(Case::one(&SEVERAL, name, with(lines, "hello")).refused(&[400]));
    }
    cases.extend(bodies());
    cases
}

fn bodies() -> Vec<Case> {
    let good =
        |name: &str, bytes: String, body: &str| Case::one(&BODY, name, bytes).accepted(post(body));
    let get = format!("GET /{ID}/p HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 5\r\n\r\nhello");
    let delete = get.replace("GET", "DELETE");
    let long = "z".repeat(70_000);
    let mut cases = vec![
        good("none announced", with("", ""), ""),
        good("of no bytes", with("Content-Length: 0\r\n", ""), ""),
        good("of one byte", with("Content-Length: 1\r\n", "a"), "a"),
        good(
            "of 70000 bytes",
            with("Content-Length: 70000\r\n", &long),
            &long,
        ),
        good(
            "that ends with CRLF",
            with("Content-Length: 7\r\n", "hello\r\n"),
            "hello\r\n",
        ),
        good(
            "of zero bytes alone",
            with("Content-Length: 3\r\n", "\0\0\0"),
            "\0\0\0",
        ),
        Case::one(&BODY, "with GET", get).accepted(post("hello").method("GET")),
        Case::one(&BODY, "with DELETE", delete).accepted(post("hello").method("DELETE")),
    ];
    let dripped = Case::one(&BODY, "byte by byte", with("Content-Length: 5\r\n", ""));
    cases.push(
        dripped
            .step(Step::Drip(b"hello".to_vec()))
            .accepted(post("hello")),
    );
    let inner = format!("GET /{ID}/smuggled HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    let bytes = with(&format!("Content-Length: {}\r\n", inner.len()), &inner);
    cases.push(good("that looks like a request", bytes, &inner));
    for (name, body) in [
        ("after the head", ""),
        ("after one byte", "h"),
        ("before the last byte", "hell"),
    ] {
        let case =
            Case::one(&CUT_OFF, name, with("Content-Length: 5\r\n", body)).step(Step::HalfClose);
        cases.push(case.then(broken()).ends(End::Closed));
    }
    let hidden = format!("0\r\n\r\nGET /{ID}/smuggled HTTP/1.1\r\nHost: {HOST}\r\n\r\n");
    let case = Case::one(
        &CUT_OFF,
        "a request within it",
        with("Content-Length: 500\r\n", &hidden),
    );
    cases.push(case.step(Step::HalfClose).then(broken()).ends(End::Closed));
    let case = Case::one(
        &CUT_OFF,
        "announced as the largest number",
        with("Content-Length: 18446744073709551615\r\n", "hello"),
    );
    cases.push(case.step(Step::HalfClose).then(broken()).ends(End::Closed));
    cases
}

fn broken() -> Outcome {
    Outcome::BrokenOff {
        statuses: &[400],
        codes: &[],
    }
}
