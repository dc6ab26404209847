//! Answers that break off, go on too long, or come in between.

use super::{ask, bad, good, told, upstream};
use crate::case::{Case, End, Outcome, Rule, Then, Told, get, plain};

static CHUNKS: Rule = upstream(
    "RFC 9112 7.1",
    "chunks of answers are judged as those of requests",
);
static SHORT: Rule = plain(
    "RFC 9112 8",
    "an answer that breaks off breaks off for the client too",
)
.told("UC", "upstream_closed");
static EXTRA: Rule = plain("RFC 9112 9.2", "bytes behind an answer are nobody's answer");
static INTERIM: Rule = upstream(
    "RFC 9110 15.2",
    "informational answers are passed on, and end nothing",
);

pub(super) fn cases() -> Vec<Case> {
    let mut cases = chunks();
    cases.extend(breaks());
    cases.extend(interims());
    cases
}

fn chunks() -> Vec<Case> {
    let script =
        |body: &str| format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{body}");
    let mut cases = Vec::new();
    for (name, body) in [
        ("no size", "\r\nhello\r\n0\r\n\r\n"),
        ("a sign", "+5\r\nhello\r\n0\r\n\r\n"),
        ("0x", "0x5\r\nhello\r\n0\r\n\r\n"),
        ("not hexadecimal", "g\r\nhello\r\n0\r\n\r\n"),
        ("a space before", " 5\r\nhello\r\n0\r\n\r\n"),
        ("a space behind", "5 \r\nhello\r\n0\r\n\r\n"),
        ("too large", "fffffffffffffffff\r\nhello\r\n0\r\n\r\n"),
        ("LF after the size", "5\nhello\r\n0\r\n\r\n"),
        ("LF after the data", "5\r\nhello\n0\r\n\r\n"),
        ("nothing after the data", "5\r\nhello0\r\n\r\n"),
        ("longer data", "5\r\nhello!\r\n0\r\n\r\n"),
        ("shorter data", "6\r\nhello\r\n0\r\n\r\n"),
        ("LF in an extension", "5;x\ny\r\nhello\r\n0\r\n\r\n"),
        ("a bad trailer", "5\r\nhello\r\n0\r\nX-A : b\r\n\r\n"),
        (
            "a length in the trailers",
            "5\r\nhello\r\n0\r\nContent-Length: 5\r\n\r\n",
        ),
        ("LF for the last line", "5\r\nhello\r\n0\r\n\n"),
    ] {
        cases.push(bad(&CHUNKS, name, &script(body), Then::Close));
    }
    cases
}

fn breaks() -> Vec<Case> {
    use Then::{Close, Keep, Reset};
    let ok = "HTTP/1.1 200 OK\r\n";
    let chunked = format!("{ok}Transfer-Encoding: chunked\r\n\r\n");
    let mut cases = Vec::new();
    for (name, script, then) in [
        ("nothing at all", String::new(), Close),
        ("nothing at all, by a reset", String::new(), Reset),
        ("half a status line", "HTTP/1.1 2".to_owned(), Close),
        ("half a head", format!("{ok}X-A"), Close),
        (
            "a head without its empty line",
            format!("{ok}Content-Length: 2\r\n"),
            Close,
        ),
        (
            "a length and no body",
            format!("{ok}Content-Length: 5\r\n\r\n"),
            Close,
        ),
        (
            "a body shorter than its length",
            format!("{ok}Content-Length: 5\r\n\r\nhell"),
            Close,
        ),
        (
            "the same by a reset",
            format!("{ok}Content-Length: 5\r\n\r\nhell"),
            Reset,
        ),
        (
            "the largest length",
            format!("{ok}Content-Length: 18446744073709551615\r\n\r\nhello"),
            Close,
        ),
        (
            "chunks without the last",
            format!("{chunked}5\r\nhello\r\n"),
            Close,
        ),
        (
            "the same by a reset, chunked",
            format!("{chunked}5\r\nhello\r\n"),
            Reset,
        ),
        ("half a chunk", format!("{chunked}5\r\nhel"), Close),
        (
            "the last chunk without its empty line",
            format!("{chunked}5\r\nhello\r\n0\r\n"),
            Close,
        ),
        (
            "half a trailer",
            format!("{chunked}5\r\nhello\r\n0\r\nX-A"),
            Close,
        ),
        ("no chunk", chunked.clone(), Close),
        (
            "up to a close that is a reset",
            format!("{ok}\r\nhello"),
            Reset,
        ),
    ] {
        cases.push(bad(&SHORT, name, &script, then));
    }
    let evil = "HTTP/1.1 200 OK\r\nX-Evil: 1\r\nContent-Length: 4\r\n\r\nevil";
    for (name, script) in [
        (
            "an answer too many",
            format!("{ok}Content-Length: 5\r\n\r\nhello{evil}"),
        ),
        (
            "an answer too many behind chunks",
            format!("{chunked}5\r\nhello\r\n0\r\n\r\n{evil}"),
        ),
        (
            "bytes behind the length",
            format!("{ok}Content-Length: 5\r\n\r\nhello world"),
        ),
        (
            "an empty line behind",
            format!("{ok}Content-Length: 5\r\n\r\nhello\r\n"),
        ),
        (
            "bytes behind the last chunk",
            format!("{chunked}5\r\nhello\r\n0\r\n\r\nworld"),
        ),
    ] {
        // The probe on the same connection gets its own answer, not what was left over.
        cases.push(good(&EXTRA, name, &script, Keep, told("hello")));
    }
    for (name, script, status) in [
        (
            "a body behind 204",
            format!("HTTP/1.1 204 No\r\n\r\n{evil}"),
            204,
        ),
        (
            "a body behind 304",
            format!("HTTP/1.1 304 Same\r\nContent-Length: 5\r\n\r\nhello{evil}"),
            304,
        ),
    ] {
        let answer = Told {
            status,
            ..Told::default()
        };
        cases.push(good(&EXTRA, name, &script, Keep, answer));
    }
    let case = ask(
        &EXTRA,
        "a body behind HEAD",
        "HEAD",
        format!("{ok}Content-Length: 5\r\n\r\nhello").as_bytes(),
        Keep,
    );
    let outcome = Outcome::Answered {
        request: get("/x").method("HEAD"),
        answer: Told {
            status: 200,
            ..Told::default()
        },
    };
    cases.push(case.then(outcome).ends(End::Open));
    cases
}

fn interims() -> Vec<Case> {
    use Then::{Close, Keep};
    let ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let mut cases = Vec::new();
    for (name, interim) in [
        ("100", "HTTP/1.1 100 Continue\r\n\r\n"),
        (
            "103 with fields",
            "HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n",
        ),
        (
            "two of them",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\n\r\n",
        ),
        ("102", "HTTP/1.1 102 Processing\r\n\r\n"),
        (
            "with a length",
            "HTTP/1.1 103 Early Hints\r\nContent-Length: 5\r\n\r\n",
        ),
        ("199", "HTTP/1.1 199 What\r\n\r\n"),
    ] {
        cases.push(good(
            &INTERIM,
            name,
            &format!("{interim}{ok}"),
            Keep,
            told("ok"),
        ));
    }
    for (name, script) in [
        (
            "and nothing more",
            "HTTP/1.1 100 Continue\r\n\r\n".to_owned(),
        ),
        (
            "with a coding",
            format!("HTTP/1.1 103 Early Hints\r\nTransfer-Encoding: chunked\r\n\r\n{ok}"),
        ),
        (
            "with a bad field",
            format!("HTTP/1.1 103 Early Hints\r\nA : b\r\n\r\n{ok}"),
        ),
        (
            "with half a head behind",
            "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200".to_owned(),
        ),
        ("without end", "HTTP/1.1 100 Continue\r\n\r\n".repeat(5000)),
    ] {
        cases.push(bad(&INTERIM, name, &script, Close));
    }
    cases
}
