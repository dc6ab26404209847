//! HTTP/2: frames.

mod connection;

use super::h2_heads::{ask, request};
use crate::case::{Case, End, Rule, Step, code, get, plain, post};
use crate::wire::h2::{
    ACK, CONTINUATION, DATA, END_HEADERS, END_STREAM, Frame, GOAWAY, HEADERS, PADDED, PING,
    PREFACE, PRIORITISED, PRIORITY, PUSH_PROMISE, RST_STREAM, SETTINGS, WHOLE, WINDOW_UPDATE,
    opened,
};
use crate::wire::hpack::block;

static PREFACE_FIRST: Rule = plain(
    "RFC 9113 3.4",
    "a connection begins with the preface and SETTINGS",
)
.told("", "h2_protocol");
static NO_PREFACE: Rule = plain(
    "RFC 9113 3.4",
    "what is no preface is a request of HTTP/1 in a version that is none",
)
.told("DPE", "version");
static SIZE: Rule = plain(
    "RFC 9113 4.2",
    "frames have at most 16 KiB, and each kind its length",
)
.told("", "h2_protocol");
static UNKNOWN: Rule = plain(
    "RFC 9113 4.1",
    "frames of unknown kinds, flags without meaning and the reserved bit are ignored",
);
static PADDING: Rule =
    plain("RFC 9113 6.1", "padding is shorter than the payload").told("", "h2_protocol");
static STREAM: Rule = plain(
    "RFC 9113 5.1.1",
    "frames belong to the connection or to a stream, as their kind says",
)
.told("", "h2_protocol");
static PUSH: Rule = plain("RFC 9113 8.4", "clients push nothing").told("", "h2_protocol");

const BAD: &[u32] = &[code::PROTOCOL];
const LENGTH: &[u32] = &[code::FRAME_SIZE, code::PROTOCOL];

fn conn(rule: &'static Rule, name: &str, rest: &[Frame], codes: &'static [u32]) -> Case {
    Case::two(rule, name, opened(rest)).goaway(codes)
}

fn raw(rule: &'static Rule, name: &str, rest: Vec<u8>, codes: &'static [u32]) -> Case {
    let bytes = [opened(&[]), rest].concat();
    Case::two(rule, name, bytes).goaway(codes)
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = prefaces();
    cases.extend(sizes());
    cases.extend(unknown());
    cases.extend(paddings());
    cases.extend(streams());
    cases.extend(connection::cases());
    cases
}

fn prefaces() -> Vec<Case> {
    let head = Frame::head(WHOLE, 1, &ask("/x"));
    let good = [PREFACE.to_vec(), Frame::settings(&[]).bytes(), head.bytes()].concat();
    let mut cases = vec![
        Case::two(&PREFACE_FIRST, "whole", good.clone()).accepted(get("/x")),
        Case::two(&PREFACE_FIRST, "byte by byte", "")
            .step(Step::Drip(good))
            .accepted(get("/x")),
        Case::two(
            &PREFACE_FIRST,
            "without SETTINGS",
            [PREFACE.to_vec(), head.bytes()].concat(),
        )
        .goaway(BAD),
        Case::two(
            &PREFACE_FIRST,
            "PING before SETTINGS",
            [PREFACE.to_vec(), Frame::new(PING, 0, 0, [0; 8]).bytes()].concat(),
        )
        .goaway(BAD),
        Case::two(
            &PREFACE_FIRST,
            "an acknowledgement first",
            [PREFACE.to_vec(), Frame::new(SETTINGS, ACK, 0, []).bytes()].concat(),
        )
        .goaway(BAD),
    ];
    for (name, text) in [
        (
            "one byte wrong at its end",
            "PRI * HTTP/2.0\r\n\r\nSM\r\n\rX",
        ),
        ("SX for SM", "PRI * HTTP/2.0\r\n\r\nSX\r\n\r\n"),
        ("HTTP/2.1", "PRI * HTTP/2.1\r\n\r\nSM\r\n\r\n"),
        ("bare LF", "PRI * HTTP/2.0\n\nSM\n\n"),
        ("a path", "PRI / HTTP/2.0\r\n\r\nSM\r\n\r\n"),
        ("in small letters", "pri * http/2.0\r\n\r\nsm\r\n\r\n"),
    ] {
        let case = Case::one(&NO_PREFACE, name, text);
        let statuses: &[u16] = if text.starts_with("PRI") {
            &[505]
        } else {
            &[400]
        };
        let outcome = crate::case::Outcome::Refused {
            statuses,
            codes: &[],
        };
        cases.push(case.then(outcome).ends(End::Closed));
    }
    cases
}

fn sizes() -> Vec<Case> {
    let frame = |kind, stream, length: usize| Frame::new(kind, 0, stream, vec![0; length]);
    let head = Frame::head(END_HEADERS, 1, &request("POST", "/p"));
    let mut cases = vec![
        conn(
            &SIZE,
            "SETTINGS of 5 bytes",
            &[frame(SETTINGS, 0, 5)],
            LENGTH,
        ),
        conn(
            &SIZE,
            "SETTINGS of 7 bytes",
            &[frame(SETTINGS, 0, 7)],
            LENGTH,
        ),
        conn(
            &SIZE,
            "an acknowledgement with settings",
            &[Frame::new(SETTINGS, ACK, 0, [0; 6])],
            LENGTH,
        ),
        conn(&SIZE, "PING of 7 bytes", &[frame(PING, 0, 7)], LENGTH),
        conn(&SIZE, "PING of 9 bytes", &[frame(PING, 0, 9)], LENGTH),
        conn(&SIZE, "PING of no bytes", &[frame(PING, 0, 0)], LENGTH),
        conn(
            &SIZE,
            "RST_STREAM of 3 bytes",
            &[head.clone(), frame(RST_STREAM, 1, 3)],
            LENGTH,
        ),
        conn(
            &SIZE,
            "RST_STREAM of 5 bytes",
            &[head.clone(), frame(RST_STREAM, 1, 5)],
            LENGTH,
        ),
        conn(
            &SIZE,
            "WINDOW_UPDATE of 3 bytes",
            &[frame(WINDOW_UPDATE, 0, 3)],
            LENGTH,
        ),
        conn(
            &SIZE,
            "WINDOW_UPDATE of 5 bytes",
            &[frame(WINDOW_UPDATE, 0, 5)],
            LENGTH,
        ),
        conn(&SIZE, "GOAWAY of 7 bytes", &[frame(GOAWAY, 0, 7)], LENGTH),
        conn(
            &SIZE,
            "DATA of 16385 bytes",
            &[head.clone(), frame(DATA, 1, 16_385)],
            LENGTH,
        ),
        conn(
            &SIZE,
            "HEADERS of 16385 bytes",
            &[frame(HEADERS, 1, 16_385)],
            LENGTH,
        ),
        conn(
            &SIZE,
            "an unknown kind of 16385 bytes",
            &[frame(0xfa, 0, 16_385)],
            LENGTH,
        ),
        raw(
            &SIZE,
            "a length of 16 MiB",
            Frame::new(DATA, 0, 1, [0; 10]).with_length(0xff_ffff),
            LENGTH,
        ),
    ];
    let body = vec![b'z'; 16_384];
    let whole = opened(&[head, Frame::data(END_STREAM, 1, body.clone())]);
    cases.push(Case::two(&SIZE, "DATA of 16384 bytes", whole).accepted(post(body)));
    cases
}

fn unknown() -> Vec<Case> {
    let head = || Frame::head(WHOLE, 1, &ask("/x"));
    let good = |name: &str, frames: &[Frame]| {
        Case::two(&UNKNOWN, name, opened(frames)).accepted(get("/x"))
    };
    let mut flagged = head();
    flagged.flags |= 0x40 | 0x80 | 0x2;
    let mut reserved = head();
    reserved.stream |= 1 << 31;
    vec![
        good("a kind before", &[Frame::new(0xfa, 0xff, 0, "abc"), head()]),
        good(
            "a kind on a stream",
            &[head(), Frame::new(0xfa, 0, 1, "abc")],
        ),
        good(
            "a kind on a stream that is idle",
            &[Frame::new(0xfa, 0, 99, "abc"), head()],
        ),
        good("METADATA, empty", &[Frame::new(0x4d, 0x4, 0, []), head()]),
        good("an empty kind", &[Frame::new(0x77, 0, 0, []), head()]),
        good("flags of HEADERS", &[flagged]),
        good(
            "flags of PING",
            &[Frame::new(PING, 0xfe, 0, [1; 8]), head()],
        ),
        good(
            "flags of SETTINGS",
            &[Frame::new(SETTINGS, 0xfe, 0, []), head()],
        ),
        good("the reserved bit of a stream", &[reserved]),
        good(
            "the reserved bit of a window update",
            &[Frame::window(0, 1 << 31 | 5), head()],
        ),
        good(
            "an unknown setting",
            &[Frame::settings(&[(0xfafa, 7)]), head()],
        ),
        good("setting 0", &[Frame::settings(&[(0, 7)]), head()]),
        good(
            "PRIORITY",
            &[Frame::new(PRIORITY, 0, 3, [0, 0, 0, 1, 5]), head()],
        ),
        good(
            "PRIORITY_UPDATE",
            &[Frame::new(0x10, 0, 0, "\0\0\0\x01u=1"), head()],
        ),
        good("ORIGIN", &[Frame::new(0xc, 0, 0, []), head()]),
        good("ALTSVC", &[Frame::new(0xa, 0, 0, [0, 0]), head()]),
    ]
}

fn paddings() -> Vec<Case> {
    let head = Frame::head(END_HEADERS, 1, &request("POST", "/p"));
    let padded = |kind, flags, padding: u8, content: &[u8]| {
        let payload = [&[padding][..], content, &vec![0; usize::from(padding)]].concat();
        Frame::new(kind, flags | PADDED, 1, payload)
    };
    let block = block(&ask("/x"));
    let mut cases = vec![
        Case::two(
            &PADDING,
            "of DATA",
            opened(&[head.clone(), padded(DATA, END_STREAM, 9, b"hello")]),
        )
        .accepted(post("hello")),
        Case::two(
            &PADDING,
            "of DATA, none",
            opened(&[head.clone(), padded(DATA, END_STREAM, 0, b"hello")]),
        )
        .accepted(post("hello")),
        Case::two(
            &PADDING,
            "of DATA, nothing else",
            opened(&[head.clone(), padded(DATA, END_STREAM, 255, b"")]),
        )
        .accepted(post("")),
        Case::two(
            &PADDING,
            "of HEADERS",
            opened(&[padded(HEADERS, WHOLE, 9, &block)]),
        )
        .accepted(get("/x")),
    ];
    for (name, payload) in [
        ("as long as DATA", [5, b'h', b'e', b'l', b'l']),
        ("longer than DATA", [6, b'h', b'e', b'l', b'l']),
        ("much longer than DATA", [255, b'h', b'e', b'l', b'l']),
    ] {
        let data = Frame::new(DATA, PADDED | END_STREAM, 1, payload);
        let mut case = conn(&PADDING, name, &[head.clone(), data], BAD);
        case = case.then(crate::case::Outcome::BrokenOff {
            statuses: &[],
            codes: &[],
        });
        cases.push(case);
    }
    let mut long = vec![255];
    long.extend(&block);
    long.truncate(200);
    cases.push(conn(
        &PADDING,
        "longer than HEADERS",
        &[Frame::new(HEADERS, PADDED | WHOLE, 1, long)],
        BAD,
    ));
    cases.push(conn(
        &PADDING,
        "without its length",
        &[Frame::new(HEADERS, PADDED | WHOLE, 1, [])],
        LENGTH,
    ));
    let short = Frame::new(HEADERS, PRIORITISED | WHOLE, 1, [0, 0, 0]);
    cases.push(conn(&PADDING, "priority cut short", &[short], LENGTH));
    let prioritised = [vec![0, 0, 0, 0, 16], block].concat();
    let prioritised = Frame::new(HEADERS, PRIORITISED | WHOLE, 1, prioritised);
    cases
        .push(Case::two(&PADDING, "beside a priority", opened(&[prioritised])).accepted(get("/x")));
    cases
}

fn streams() -> Vec<Case> {
    let eight = [0; 8];
    let mut cases = Vec::new();
    for (name, frame) in [
        ("DATA on 0", Frame::data(0, 0, "x")),
        ("HEADERS on 0", Frame::head(WHOLE, 0, &ask("/x"))),
        ("RST_STREAM on 0", Frame::rst(0, 0)),
        (
            "CONTINUATION on 0",
            Frame::new(CONTINUATION, END_HEADERS, 0, []),
        ),
        ("PRIORITY on 0", Frame::new(PRIORITY, 0, 0, [0; 5])),
        ("SETTINGS on 1", Frame::new(SETTINGS, 0, 1, [])),
        ("PING on 1", Frame::new(PING, 0, 1, eight)),
        ("GOAWAY on 1", Frame::new(GOAWAY, 0, 1, eight)),
        ("HEADERS on 2", Frame::head(WHOLE, 2, &ask("/x"))),
        ("DATA on an idle stream", Frame::data(END_STREAM, 1, "x")),
        ("RST_STREAM on an idle stream", Frame::rst(1, 8)),
        ("WINDOW_UPDATE on an idle stream", Frame::window(1, 5)),
        (
            "CONTINUATION out of place",
            Frame::new(CONTINUATION, END_HEADERS, 1, []),
        ),
    ] {
        cases.push(conn(&STREAM, name, &[frame], BAD));
    }
    for (name, stream) in [("0", 0), ("1", 1), ("2", 2)] {
        let payload = [vec![0, 0, 0, 2], block(&ask("/x"))].concat();
        let frame = Frame::new(PUSH_PROMISE, END_HEADERS, stream, payload);
        cases.push(conn(
            &PUSH,
            &format!("PUSH_PROMISE on {name}"),
            &[frame],
            BAD,
        ));
    }
    cases
}
