//! Sizes, and clients that are slow.

use super::h2_heads::ask;
use crate::case::{Case, End, HOST, ID, Rule, get, plain, rule};
use crate::wire::h2::{CONTINUATION, END_HEADERS, END_STREAM, Frame, HEADERS, opened};
use crate::wire::hpack::block;

static FIELDS: Rule =
    rule("RFC 9110 5.4", "a request has at most 100 fields").told("DPE", "head_too_large");
static HEAD: Rule = rule("RFC 9110 5.4", "a head has at most 60 KiB").told("DPE", "head_too_large");
static TARGET: Rule =
    rule("RFC 9110 15.5.15", "a target has at most 16 KiB").told("DPE", "target_too_long");
static IDLE: Rule = plain(
    "RFC 9112 9.5",
    "a connection on which nothing was asked is not answered",
);

fn with(lines: &str) -> String {
    format!("GET /{ID}/x HTTP/1.1\r\nHost: {HOST}\r\n{lines}\r\n")
}

pub(crate) fn cases() -> Vec<Case> {
    let lines = |count: usize| {
        (0..count)
            .map(|number| format!("x-{number}: a\r\n"))
            .collect::<String>()
    };
    let value = |length: usize| format!("X-A: {}\r\n", "b".repeat(length));
    let path = |length: usize| {
        format!(
            "GET /{ID}/{} HTTP/1.1\r\nHost: {HOST}\r\n\r\n",
            "p".repeat(length)
        )
    };
    let mut cases = Vec::new();
    for count in [10, 50, 90] {
        let case = Case::one(&FIELDS, format!("{count} of them"), with(&lines(count)));
        cases.push(
            case.accepted(
                get("/x")
                    .has("x-0", "a")
                    .has(&format!("x-{}", count - 1), "a"),
            ),
        );
    }
    for count in [100, 101, 200, 1000, 10_000] {
        let case = Case::one(
            &FIELDS,
            format!("{count} beside the host"),
            with(&lines(count)),
        );
        cases.push(case.refused(&[431]));
    }
    for length in [1000, 8 * 1024, 16 * 1024, 32 * 1024] {
        let case = Case::one(
            &HEAD,
            format!("a value of {length} bytes"),
            with(&value(length)),
        );
        cases.push(case.accepted(get("/x").has("x-a", "b".repeat(length))));
    }
    for length in [60 * 1024, 64 * 1024, 100 * 1024, 1024 * 1024] {
        let case = Case::one(
            &HEAD,
            format!("a value of {length} bytes is too large"),
            with(&value(length)),
        );
        cases.push(case.refused(&[431]));
    }
    let name = format!("{}: b\r\n", "n".repeat(100 * 1024));
    cases.push(Case::one(&HEAD, "a name of 100 KiB", with(&name)).refused(&[431]));
    let many: String = (0..50)
        .map(|number| format!("x-{number}: {}\r\n", "b".repeat(2000)))
        .collect();
    cases.push(Case::one(&HEAD, "50 values of 2000 bytes", with(&many)).refused(&[431]));
    for length in [1000, 8 * 1024, 15 * 1024] {
        let case = Case::one(&TARGET, format!("{length} bytes"), path(length));
        cases.push(case.accepted(get(&format!("/{}", "p".repeat(length)))));
    }
    for length in [17 * 1024, 64 * 1024, 70_000, 1024 * 1024] {
        let case = Case::one(
            &TARGET,
            format!("{length} bytes are too many"),
            path(length),
        );
        cases.push(case.refused(&[414]));
    }
    let query = format!(
        "GET /{ID}/x?{} HTTP/1.1\r\nHost: {HOST}\r\n\r\n",
        "q".repeat(70_000)
    );
    cases.push(Case::one(&TARGET, "a query of 70000 bytes", query).refused(&[414]));
    let mut fields = ask("/x");
    fields.extend((0..60).map(|number| (format!("x-{number}"), "b".repeat(500))));
    let bytes = opened(&[
        Frame::new(HEADERS, END_STREAM, 1, []),
        Frame::new(CONTINUATION, 0, 1, block(&fields[..33])),
        Frame::new(CONTINUATION, END_HEADERS, 1, block(&fields[33..])),
    ]);
    let large = Case::two(&HEAD, "30 KiB of HTTP/2 become HTTP/1", bytes);
    cases.push(large.accepted(get("/x").has("x-59", "b".repeat(500))));
    let idle = Case::one(&IDLE, "nothing but a connection", "").step(crate::case::Step::HalfClose);
    cases.push(idle.ends(End::Closed));
    cases
}
