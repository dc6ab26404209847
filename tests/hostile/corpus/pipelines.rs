//! Several requests on one connection.

use crate::case::{Case, End, Entry, HOST, ID, Rule, Step, get, plain, post, rule};

static ORDER: Rule = plain(
    "RFC 9112 9.3.2",
    "pipelined requests are answered one after the other",
);
static AFTER_BAD: Rule =
    plain("RFC 9112 9.6", "behind what is no request nothing is read").told("DPE", "bad_request");
static OTHER_VERSION: Rule =
    rule("RFC 9110 2.5", "HTTP/1 is spoken in version 1.1").told("DPE", "version");
static KEPT: Rule = rule(
    "RFC 9112 9.3",
    "a request that is refused for what it says, not for how it is framed, leaves the connection",
);
static CLOSE: Rule = plain("RFC 9112 9.6", "behind `connection: close` nothing is read");
static EDGES: Rule = plain(
    "RFC 9112 6.3",
    "the next request begins where the body ends, not before or behind",
);

fn request(path: &str, lines: &str) -> String {
    format!("GET /{ID}{path} HTTP/1.1\r\nHost: {HOST}\r\n{lines}\r\n")
}

fn body(length: usize, body: &str) -> String {
    format!("POST /{ID}/p HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {length}\r\n\r\n{body}")
}

fn chunked(body: &str) -> String {
    format!("POST /{ID}/p HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n{body}")
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for count in [2, 3, 10, 100] {
        let numbers = 0..count;
        let bytes: String = numbers
            .clone()
            .map(|number| request(&format!("/{number}"), ""))
            .collect();
        let case = Case::one(&ORDER, format!("{count} of them"), bytes);
        let case = numbers.fold(case, |case, number| {
            case.accepted(get(&format!("/{number}")))
        });
        cases.push(case);
    }
    let one_by_one = Case::one(
        &ORDER,
        "each after the answer to the one before",
        request("/1", ""),
    );
    let one_by_one = one_by_one
        .step(Step::Answers(1))
        .step(Step::Send(request("/2", "").into_bytes()));
    cases.push(one_by_one.accepted(get("/1")).accepted(get("/2")));
    let half = Case::one(
        &ORDER,
        "half of the second with the first",
        format!("{}GET /{ID}", request("/1", "")),
    );
    let rest = format!("/2 HTTP/1.1\r\nHost: {HOST}\r\n\r\n").into_bytes();
    cases.push(
        half.step(Step::Answers(1))
            .step(Step::Send(rest))
            .accepted(get("/1"))
            .accepted(get("/2")),
    );
    let dripped = format!("{}{}", request("/1", ""), request("/2", ""));
    let dripped = Case::one(&ORDER, "byte by byte", "").step(Step::Drip(dripped.into_bytes()));
    cases.push(dripped.accepted(get("/1")).accepted(get("/2")));
    let heads = format!(
        "{}{}",
        request("/1", "").replace("GET", "HEAD"),
        request("/2", "")
    );
    let case = Case::one(&ORDER, "GET behind HEAD", heads);
    cases.push(case.accepted(get("/1").method("HEAD")).accepted(get("/2")));
    let mixed = format!(
        "{}{}{}",
        body(5, "hello"),
        chunked("5\r\nworld\r\n0\r\n\r\n"),
        request("/3", "")
    );
    let case = Case::one(&ORDER, "with bodies of both kinds", mixed);
    cases.push(
        case.accepted(post("hello"))
            .accepted(post("world"))
            .accepted(get("/3")),
    );
    cases.extend(edges());
    cases.extend(bad());
    cases.extend(closed());
    cases
}

fn edges() -> Vec<Case> {
    let next = request("/next", "");
    let pair = |name: &str, first: String, body: &str| {
        let case = Case::one(&EDGES, name, format!("{first}{next}"));
        case.accepted(post(body)).accepted(get("/next"))
    };
    vec![
        pair("behind a body of no bytes", body(0, ""), ""),
        pair("behind a body", body(5, "hello"), "hello"),
        pair(
            "behind a body and an empty line",
            body(5, "hello\r\n"),
            "hello",
        ),
        pair("behind a chunked body", chunked("0\r\n\r\n"), ""),
        pair(
            "behind a chunked body and an empty line",
            chunked("0\r\n\r\n\r\n"),
            "",
        ),
        pair(
            "behind chunks with a request in them",
            chunked("4\r\nGET \r\n0\r\n\r\n"),
            "GET ",
        ),
        pair(
            "behind trailers",
            chunked("5\r\nhello\r\n0\r\n\r\n"),
            "hello",
        ),
        Case::one(
            &EDGES,
            "behind no body at all",
            format!("{}{next}", request("/p", "").replace("GET", "POST")),
        )
        .accepted(post(""))
        .accepted(get("/next")),
        Case::one(
            &EDGES,
            "a body one byte too long",
            body(4, &format!("hello{next}")),
        )
        .accepted(post("hell"))
        .refused(&[400])
        .ends(End::Open),
        Case::one(
            &EDGES,
            "a body one byte too short",
            body(6, &format!("hello{next}")),
        )
        .accepted(post("helloG"))
        .accepted(get("/next").method("ET")),
    ]
}

fn bad() -> Vec<Case> {
    let next = request("/smuggled", "");
    let mut cases = Vec::new();
    for (name, first) in [
        (
            "CL and TE",
            format!(
                "POST /{ID}/p HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
            ),
        ),
        (
            "two lengths",
            format!(
                "POST /{ID}/p HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 5\r\nContent-Length: 0\r\n\r\n"
            ),
        ),
        (
            "two hosts",
            format!("GET /{ID}/x HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n"),
        ),
        ("no host", format!("GET /{ID}/x HTTP/1.1\r\n\r\n")),
        (
            "a bad field",
            format!("GET /{ID}/x HTTP/1.1\r\nHost: {HOST}\r\nA : b\r\n\r\n"),
        ),
        (
            "a fold",
            format!("GET /{ID}/x HTTP/1.1\r\nHost: {HOST}\r\nA: b\r\n c\r\n\r\n"),
        ),
    ] {
        let case = Case::one(&AFTER_BAD, name, format!("{first}{next}"));
        cases.push(case.refused(&[400]));
        let good = request("/1", "");
        let case = Case::one(
            &AFTER_BAD,
            format!("{name}, behind a good one"),
            format!("{good}{first}{next}"),
        );
        cases.push(case.accepted(get("/1")).refused(&[400]));
    }
    for (name, first) in [
        (
            "a method in small letters",
            format!("get /{ID}/x HTTP/1.1\r\nHost: {HOST}\r\n\r\n"),
        ),
        (
            "an escaped zero",
            format!("GET /{ID}/%00 HTTP/1.1\r\nHost: {HOST}\r\n\r\n"),
        ),
        (
            "an empty host",
            format!("GET /{ID}/x HTTP/1.1\r\nHost:\r\n\r\n"),
        ),
    ] {
        let case = Case::one(&KEPT, name, format!("{first}{}", request("/next", "")));
        cases.push(case.refused(&[400]).accepted(get("/next")));
    }
    // CVE-2020-8661: answers to what is refused wait in bounded room.
    let zero = format!("GET /{ID}/%00 HTTP/1.1\r\nHost: {HOST}\r\n\r\n").repeat(2000);
    let zeros = (0..2000).fold(
        Case::one(&KEPT, "2000 escaped zeros, unread", zero),
        |case, _| case.refused(&[400]),
    );
    cases.push(zeros.at(&[Entry::Gateway]).ends(End::Open));
    let first = format!("GET /{ID}/x HTTP/1.2\r\nHost: {HOST}\r\n\r\n");
    let other = format!("{first}{next}");
    cases.push(Case::one(&OTHER_VERSION, "nothing behind it is read", other).refused(&[505]));
    let many = format!("GET /{ID}/x HTTP/1.1\r\nHost : x\r\n\r\n").repeat(10_000);
    cases.push(Case::one(&AFTER_BAD, "10000 bad ones unread", many).refused(&[400]));
    cases
}

fn closed() -> Vec<Case> {
    let next = request("/smuggled", "");
    let mut cases = Vec::new();
    for (name, line) in [
        ("plain", "Connection: close\r\n"),
        ("in capitals", "CONNECTION: CLOSE\r\n"),
        ("in a list", "Connection: foo, close\r\n"),
        ("beside keep-alive", "Connection: keep-alive, close\r\n"),
        (
            "in two fields",
            "Connection: keep-alive\r\nConnection: close\r\n",
        ),
    ] {
        let bytes = format!("{}{next}", request("/x", line));
        cases.push(
            Case::one(&CLOSE, name, bytes)
                .accepted(get("/x"))
                .ends(End::Closed),
        );
    }
    let bytes = format!(
        "POST /{ID}/p HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello{next}"
    );
    cases.push(
        Case::one(&CLOSE, "behind a body", bytes)
            .accepted(post("hello"))
            .ends(End::Closed),
    );
    for (name, line) in [
        ("a list", "Connection: x, y\r\n"),
        ("not-close", "Connection: not-close\r\n"),
        ("closed", "Connection: closed\r\n"),
    ] {
        let bytes = format!("{}{}", request("/x", line), request("/next", ""));
        let case = Case::one(&CLOSE, format!("{name} closes nothing"), bytes);
        cases.push(case.accepted(get("/x")).accepted(get("/next")));
    }
    cases
}
