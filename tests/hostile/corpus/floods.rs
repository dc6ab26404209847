//! HTTP/2: what is allowed frame by frame, and an attack in its sum.

use super::h2_heads::{ask, request};
use crate::case::{Case, End, Rule, code, plain};
use crate::wire::h2::{
    CONTINUATION, END_HEADERS, END_STREAM, Frame, HEADERS, PING, PRIORITY, SETTINGS, opened,
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

const CALM: &[u32] = &[code::CALM];
const TOO_MUCH: &[u32] = &[code::CALM, code::PROTOCOL, code::COMPRESSION];

fn many(rule: &'static Rule, name: &str, count: u32, frame: impl Fn(u32) -> Vec<Frame>) -> Case {
    let frames: Vec<Frame> = (0..count).flat_map(frame).collect();
    Case::two(rule, name, opened(&frames))
        .ends(End::GoAway(CALM))
        .partly()
        .loosely()
}

pub(crate) fn cases() -> Vec<Case> {
    let stream = |number: u32| 2 * number + 1;
    let mut cases = vec![
        many(&RESETS, "10000 heads and resets", 10_000, |number| {
            vec![
                Frame::head(END_HEADERS, stream(number), &request("POST", "/p")),
                Frame::rst(stream(number), 8),
            ]
        }),
        many(
            &RESETS,
            "10000 whole requests and resets",
            10_000,
            |number| {
                vec![
                    Frame::head(END_HEADERS | END_STREAM, stream(number), &ask("/x")),
                    Frame::rst(stream(number), 8),
                ]
            },
        ),
        many(&MADE, "by windows of nothing", 10_000, |number| {
            vec![
                Frame::head(END_HEADERS, stream(number), &request("POST", "/p")),
                Frame::window(stream(number), 0),
            ]
        }),
        many(&MADE, "by malformed heads", 10_000, |number| {
            vec![Frame::head(
                END_HEADERS,
                stream(number),
                &[(":method", "GET")],
            )]
        }),
        many(&CONTROL, "100000 PING", 100_000, |_| {
            vec![Frame::new(PING, 0, 0, [0; 8])]
        }),
        many(&CONTROL, "100000 SETTINGS", 100_000, |_| {
            vec![Frame::new(SETTINGS, 0, 0, [])]
        }),
        many(&CONTROL, "100000 PRIORITY", 100_000, |_| {
            vec![Frame::new(PRIORITY, 0, 3, [0, 0, 0, 1, 5])]
        }),
        many(&CONTROL, "100000 of an unknown kind", 100_000, |_| {
            vec![Frame::new(0xfa, 0, 0, [])]
        }),
        many(&WINDOWS, "100000 of one byte", 100_000, |_| {
            vec![Frame::window(0, 1)]
        }),
    ];
    let begun = Frame::head(END_HEADERS, 1, &request("POST", "/p"));
    let empty = many(&EMPTY, "100000 DATA", 100_000, |number| {
        let data = Frame::data(0, 1, []);
        if number == 0 {
            vec![begun.clone(), data]
        } else {
            vec![data]
        }
    });
    cases.push(empty);
    let padded = many(
        &EMPTY,
        "100000 DATA of nothing but padding",
        100_000,
        |number| {
            let data = Frame::new(0, 0x8, 1, [0]);
            if number == 0 {
                vec![begun.clone(), data]
            } else {
                vec![data]
            }
        },
    );
    cases.push(padded);
    let head = Frame::new(HEADERS, END_STREAM, 1, block(&ask("/x")));
    for (name, payload) in [
        ("empty", Vec::new()),
        ("of a byte", vec![0x82]),
        ("of 1 KiB", block(&[("x-a", "b".repeat(1000))])),
    ] {
        let case = many(&CONTINUATIONS, name, 20_000, |number| {
            let more = Frame::new(CONTINUATION, 0, 1, payload.clone());
            if number == 0 {
                vec![head.clone(), more]
            } else {
                vec![more]
            }
        });
        cases.push(case.ends(End::GoAway(TOO_MUCH)));
    }
    cases
}
