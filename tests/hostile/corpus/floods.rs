//! HTTP/2: what is allowed frame by frame, and an attack in its sum.

use super::h2_heads::{ask, request};
use crate::case::{Case, End, Flood, Rule, Step, code, plain};
use crate::wire::h2::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, Frame, HEADERS, PADDED, PING, PRIORITY, SETTINGS,
    frames, opened,
};
use crate::wire::hpack::block;

const fn flood(id: &'static str, says: &'static str) -> Rule {
    plain(id, says).told("", "h2_flood")
}

static RESETS: Rule = flood(
    "CVE-2023-44487",
    "streams opened and reset in a hurry end the connection",
);
static CONTINUATIONS: Rule = flood(
    "CVE-2024-27919",
    "a head that goes on and on ends the connection",
);
static CONTROL: Rule = flood(
    "CVE-2019-9512, -9515",
    "PING, SETTINGS and PRIORITY by the thousand end the connection",
);
static EMPTY: Rule = flood(
    "CVE-2019-9518",
    "frames that carry nothing end the connection",
);
static WINDOWS: Rule = flood(
    "CVE-2019-9517",
    "window updates by the thousand end the connection",
);
static MADE: Rule = flood(
    "CVE-2025-8671",
    "a client that makes us reset its streams is one that resets them",
);
static LISTS: Rule = flood(
    "RFC 9113 10.5.1",
    "a client that is refused its heads again and again is one that resets its streams",
);

const CALM: &[u32] = &[code::CALM];
const TOO_MUCH: &[u32] = &[code::CALM, code::PROTOCOL, code::COMPRESSION];

/// So many of them: as many as the reference asks for, far more than is ever taken.
const COUNT: u32 = 100_000;

/// Frames again and again behind what begins the connection.
fn flood_of(rule: &'static Rule, name: &str, first: &[Frame], turn: &[Frame], opens: bool) -> Case {
    let name = format!("{COUNT} {name}");
    let flood = Flood {
        turn: frames(turn),
        count: COUNT,
        opens,
    };
    Case::two(rule, name, opened(first))
        .step(Step::Flood(flood))
        .ends(End::GoAway(CALM))
        .partly()
        .loosely()
}

pub(crate) fn cases() -> Vec<Case> {
    let head = |flags, fields: &[(String, String)]| Frame::head(flags, 1, fields);
    let post = head(END_HEADERS, &request("POST", "/p"));
    let same =
        |rule, name, first: &[Frame], turn: Frame| flood_of(rule, name, first, &[turn], false);
    let fresh = |rule, name, turn: &[Frame]| flood_of(rule, name, &[], turn, true);
    let mut cases = vec![
        fresh(
            &RESETS,
            "heads and resets",
            &[post.clone(), Frame::rst(1, 8)],
        ),
        fresh(
            &RESETS,
            "whole requests and resets",
            &[head(END_HEADERS | END_STREAM, &ask("/x")), Frame::rst(1, 8)],
        ),
        fresh(
            &MADE,
            "windows of nothing",
            &[post.clone(), Frame::window(1, 0)],
        ),
        fresh(
            &MADE,
            "malformed heads",
            &[Frame::head(END_HEADERS, 1, &[(":method", "GET")])],
        ),
        same(&CONTROL, "PING", &[], Frame::new(PING, 0, 0, [0; 8])),
        same(&CONTROL, "SETTINGS", &[], Frame::new(SETTINGS, 0, 0, [])),
        same(
            &CONTROL,
            "PRIORITY",
            &[],
            Frame::new(PRIORITY, 0, 3, [0, 0, 0, 1, 5]),
        ),
        same(
            &CONTROL,
            "of an unknown kind",
            &[],
            Frame::new(0xfa, 0, 0, []),
        ),
        same(&WINDOWS, "of one byte", &[], Frame::window(0, 1)),
        same(
            &EMPTY,
            "DATA",
            std::slice::from_ref(&post),
            Frame::data(0, 1, []),
        ),
        same(
            &EMPTY,
            "DATA of nothing but padding",
            std::slice::from_ref(&post),
            Frame::new(DATA, PADDED, 1, [0]),
        ),
    ];
    let begun = Frame::new(HEADERS, END_STREAM, 1, block(&ask("/x")));
    for (name, payload) in [
        ("CONTINUATION, empty", Vec::new()),
        ("CONTINUATION of a byte", vec![0x82]),
        ("CONTINUATION of 1 KiB", block(&[("x-a", "b".repeat(1000))])),
    ] {
        let more = Frame::new(CONTINUATION, 0, 1, payload);
        let case = same(&CONTINUATIONS, name, std::slice::from_ref(&begun), more);
        cases.push(case.ends(End::GoAway(TOO_MUCH)));
    }
    let large = [ask("/x"), many_fields()].concat();
    let large = Frame::head(END_HEADERS | END_STREAM, 1, &large);
    cases.push(fresh(&LISTS, "header lists beyond the bound", &[large]));
    cases
}

/// More fields than a head may have.
fn many_fields() -> Vec<(String, String)> {
    (0..150)
        .map(|at| (format!("x-{at}"), "b".to_owned()))
        .collect()
}
