//! HTTP/2: what follows a head.

use super::{UNDERSCORE, and, malformed, request};
use crate::case::{Case, End, Entry, Outcome, Rule, code, post};
use crate::wire::h2::{END_HEADERS, END_STREAM, Frame, WHOLE, opened};

static LENGTHS: Rule = malformed(
    "RFC 9113 8.1.1",
    "content-length is the length of the content",
);
static TRAILERS: Rule = malformed(
    "RFC 9113 8.1",
    "trailers end the stream and have no pseudo-header fields",
);

pub(super) fn cases() -> Vec<Case> {
    let mut cases = bodies();
    cases.extend(trailers());
    cases
}

fn bodies() -> Vec<Case> {
    let sent = |length: &str, pieces: &[&str]| {
        let fields = and(request("POST", "/p"), &[("content-length", length)]);
        let mut frames = vec![Frame::head(END_HEADERS, 1, &fields)];
        let last = pieces.len().saturating_sub(1);
        for (index, piece) in pieces.iter().enumerate() {
            frames.push(Frame::data(
                if index == last { END_STREAM } else { 0 },
                1,
                *piece,
            ));
        }
        opened(&frames)
    };
    let broken = |name: &str, bytes: Vec<u8>| {
        let case = Case::two(&LENGTHS, name, bytes);
        case.then(Outcome::BrokenOff {
            statuses: &[],
            codes: &[code::PROTOCOL],
        })
        .ends(End::Open)
    };
    let mut cases = vec![
        Case::two(&LENGTHS, "right", sent("5", &["hello"]))
            .accepted(post("hello").has("content-length", "5")),
        Case::two(&LENGTHS, "right, in pieces", sent("5", &["he", "", "llo"]))
            .accepted(post("hello")),
        broken("too short a body", sent("6", &["hello"])),
        broken("too long a body", sent("4", &["hello"])),
        broken("no body", sent("5", &[""])),
        broken("a body behind 0", sent("0", &["hello"])),
        broken("too long in pieces", sent("5", &["hello", "!"])),
        broken(
            "a request behind the length",
            sent("0", &["GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n"]),
        ),
    ];
    for value in [
        "+5",
        "-5",
        "0x5",
        "5,5",
        "5, 5",
        "",
        "five",
        "5.0",
        "99999999999999999999999",
    ] {
        let label = format!("{value:?} is no number");
        cases.push(broken(&label, sent(value, &["hello"])));
    }
    let twice = and(
        request("POST", "/p"),
        &[("content-length", "5"), ("content-length", "6")],
    );
    let twice = opened(&[
        Frame::head(END_HEADERS, 1, &twice),
        Frame::data(END_STREAM, 1, "hello"),
    ]);
    cases.push(broken("two different ones", twice));
    let ended = opened(&[Frame::head(
        WHOLE,
        1,
        &and(request("POST", "/p"), &[("content-length", "5")]),
    )]);
    cases.push(broken("a length and the end of the stream", ended));
    let none = opened(&[
        Frame::head(END_HEADERS, 1, &request("POST", "/p")),
        Frame::data(END_STREAM, 1, "hello"),
    ]);
    cases.push(Case::two(&LENGTHS, "none", none).accepted(post("hello")));
    cases
}

fn trailers() -> Vec<Case> {
    let with = |trailers: Frame| {
        opened(&[
            Frame::head(END_HEADERS, 1, &request("POST", "/p")),
            Frame::data(0, 1, "hello"),
            trailers,
        ])
    };
    let broken = |name: &str, trailers: Frame| {
        let case = Case::two(&TRAILERS, name, with(trailers));
        case.then(Outcome::BrokenOff {
            statuses: &[],
            codes: &[code::PROTOCOL],
        })
        .ends(End::Open)
    };
    let under = with(Frame::head(WHOLE, 1, &[("x_a", "b")]));
    let refused = Outcome::BrokenOff {
        statuses: &[400],
        codes: &[],
    };
    vec![
        Case::two(&UNDERSCORE, "in trailers, at a gateway", under.clone())
            .at(&[Entry::Gateway])
            .then(refused)
            .ends(End::Open),
        Case::two(&UNDERSCORE, "in trailers, at a sidecar", under)
            .at(&[Entry::Sidecar])
            .accepted(post("hello").trailer("x_a", "b")),
        Case::two(
            &TRAILERS,
            "one",
            with(Frame::head(WHOLE, 1, &[("x-a", "b")])),
        )
        .accepted(post("hello").trailer("x-a", "b")),
        Case::two(
            &TRAILERS,
            "none in their frame",
            with(Frame::new(1, WHOLE, 1, [])),
        )
        .accepted(post("hello")),
        broken(
            "that do not end the stream",
            Frame::head(END_HEADERS, 1, &[("x-a", "b")]),
        ),
        broken(
            "with a pseudo-header field",
            Frame::head(WHOLE, 1, &[(":path", "/y")]),
        ),
        broken("with :status", Frame::head(WHOLE, 1, &[(":status", "200")])),
        broken("with capitals", Frame::head(WHOLE, 1, &[("X-A", "b")])),
        broken(
            "with a connection's field",
            Frame::head(WHOLE, 1, &[("connection", "x")]),
        ),
        broken(
            "with transfer-encoding",
            Frame::head(WHOLE, 1, &[("transfer-encoding", "chunked")]),
        ),
        broken(
            "with CR and LF",
            Frame::head(WHOLE, 1, &[("x-a", "b\r\nx: y")]),
        ),
    ]
}
