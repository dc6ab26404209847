//! Answers of back ends that lie, on HTTP/2: none of them may look whole to a client.

use crate::case::{
    Case, End, H2_HOST, HOST, ID, Outcome, Rule, Script, Then, Told, Wire, get, plain,
};
use crate::wire::h2::{
    CONTINUATION, DATA, END_HEADERS, END_STREAM, Frame, GOAWAY, HEADERS, PING, PUSH_PROMISE,
    SETTINGS, WHOLE, opened,
};

const fn upstream(rfc: &'static str, says: &'static str) -> Rule {
    plain(rfc, says).told("UPE", "upstream_protocol")
}

static GOOD: Rule = plain(
    "RFC 9113 8.1",
    "answers are passed on with their bodies and trailers",
);
static HEADS: Rule = upstream(
    "RFC 9113 8.3.2",
    "an answer has one `:status` and well-formed fields",
);
static LENGTHS: Rule = upstream(
    "RFC 9113 8.1.1",
    "content-length is the length of the content of an answer",
);
static EMPTY: Rule = upstream(
    "RFC 9113 8.1.1",
    "an answer of length 0 is whole with its head: what comes behind it reaches nobody, and ends the \
     connection of a client of HTTP/1",
);
static ENDS: Rule = plain(
    "RFC 9113 8.1",
    "an answer whose stream is reset or cut off breaks off for the client too",
)
.told("UR", "upstream_reset");
static FRAMES: Rule = upstream(
    "RFC 9113 5.4.1",
    "a connection error of a back end breaks its answers off",
);
static INTERIM: Rule = upstream("RFC 9113 8.1", "informational answers end nothing");

fn ask(rule: &'static Rule, name: &str, wire: Wire, frames: Vec<Frame>, then: Then) -> Case {
    let case = match wire {
        Wire::One => {
            let bytes = format!("GET /{ID}/x HTTP/1.1\r\nHost: {H2_HOST}\r\n\r\n");
            Case::one(rule, format!("{name} (client of HTTP/1)"), bytes)
        }
        Wire::Two => {
            let path = format!("/{ID}/x");
            let fields = [
                (":method", "GET"),
                (":scheme", "http"),
                (":authority", H2_HOST),
                (":path", &path),
            ];
            let bytes = opened(&[Frame::head(WHOLE, 1, &fields)]);
            Case::two(rule, format!("{name} (client of HTTP/2)"), bytes)
        }
    };
    case.answers(Script::Frames(frames, then))
}

fn good(cases: &mut Vec<Case>, rule: &'static Rule, name: &str, frames: &[Frame], answer: &Told) {
    for wire in [Wire::One, Wire::Two] {
        let case = ask(rule, name, wire, frames.to_vec(), Then::Keep);
        let outcome = Outcome::Answered {
            request: get("/x").host(H2_HOST),
            answer: answer.clone(),
        };
        cases.push(case.then(outcome).ends(End::Open));
    }
}

fn bad(cases: &mut Vec<Case>, rule: &'static Rule, name: &str, frames: &[Frame], then: Then) {
    for wire in [Wire::One, Wire::Two] {
        let case = ask(rule, name, wire, frames.to_vec(), then);
        let outcome = Outcome::Spoilt {
            request: get("/x").host(H2_HOST),
            statuses: &[502, 503],
        };
        cases.push(case.then(outcome).ends(End::Any));
    }
}

const THIS: u32 = Frame::THIS;

fn head(flags: u8, fields: &[(&str, &str)]) -> Frame {
    Frame::head(flags, THIS, fields)
}

fn ok(more: &[(&str, &str)]) -> Frame {
    head(END_HEADERS, &[&[(":status", "200")][..], more].concat())
}

fn body(text: &str) -> Frame {
    Frame::data(END_STREAM, THIS, text)
}

fn told(body: &str) -> Told {
    Told {
        status: 200,
        body: body.as_bytes().to_vec(),
        ..Told::default()
    }
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let _host_of_the_probe = HOST;
    goods(&mut cases);
    heads(&mut cases);
    bodies(&mut cases);
    connections(&mut cases);
    cases
}

fn goods(cases: &mut Vec<Case>) {
    good(
        cases,
        &GOOD,
        "a body",
        &[ok(&[]), body("hello")],
        &told("hello"),
    );
    good(
        cases,
        &GOOD,
        "a body in pieces",
        &[
            ok(&[]),
            Frame::data(0, THIS, "he"),
            Frame::data(0, THIS, ""),
            body("llo"),
        ],
        &told("hello"),
    );
    good(
        cases,
        &GOOD,
        "a length",
        &[ok(&[("content-length", "5")]), body("hello")],
        &told("hello"),
    );
    good(
        cases,
        &GOOD,
        "no body",
        &[head(WHOLE, &[(":status", "200")])],
        &told(""),
    );
    good(
        cases,
        &GOOD,
        "an empty body",
        &[ok(&[]), body("")],
        &told(""),
    );
    let trailers = Told {
        trailers: vec![("x-a".to_owned(), b"b".to_vec())],
        ..told("hello")
    };
    good(
        cases,
        &GOOD,
        "trailers",
        &[
            ok(&[]),
            Frame::data(0, THIS, "hello"),
            head(WHOLE, &[("x-a", "b")]),
        ],
        &trailers,
    );
    let early = [
        head(END_HEADERS, &[(":status", "103"), ("link", "</a>")]),
        ok(&[]),
        body("ok"),
    ];
    good(cases, &INTERIM, "one", &early, &told("ok"));
    let two = [
        head(END_HEADERS, &[(":status", "100")]),
        head(END_HEADERS, &[(":status", "103")]),
        ok(&[]),
        body("ok"),
    ];
    good(cases, &INTERIM, "two", &two, &told("ok"));
    bad(
        cases,
        &INTERIM,
        "that ends the stream",
        &[head(WHOLE, &[(":status", "103")])],
        Then::Keep,
    );
    bad(
        cases,
        &INTERIM,
        "101",
        &[
            head(END_HEADERS, &[(":status", "101")]),
            ok(&[]),
            body("ok"),
        ],
        Then::Keep,
    );
    bad(
        cases,
        &INTERIM,
        "content behind it",
        &[
            head(END_HEADERS, &[(":status", "103")]),
            Frame::data(0, THIS, "x"),
            ok(&[]),
            body("ok"),
        ],
        Then::Keep,
    );
}

fn heads(cases: &mut Vec<Case>) {
    for (name, fields) in [
        ("no :status", &[("x-a", "b")][..]),
        ("two :status", &[(":status", "200"), (":status", "404")]),
        (
            ":status behind a field",
            &[("x-a", "b"), (":status", "200")],
        ),
        ("an empty :status", &[(":status", "")]),
        (":status of two digits", &[(":status", "20")]),
        (":status of four digits", &[(":status", "2000")]),
        (":status of letters", &[(":status", "two")]),
        (":status with a sign", &[(":status", "+20")]),
        (":status 000", &[(":status", "000")]),
        (":path beside it", &[(":status", "200"), (":path", "/")]),
        (
            "an unknown pseudo-header field",
            &[(":status", "200"), (":x", "y")],
        ),
        ("capitals", &[(":status", "200"), ("X-A", "b")]),
        ("an empty name", &[(":status", "200"), ("", "b")]),
        ("a space in a name", &[(":status", "200"), ("x a", "b")]),
        ("CRLF in a name", &[(":status", "200"), ("x\r\na", "b")]),
        (
            "CRLF in a value",
            &[(":status", "200"), ("x-a", "b\r\nset-cookie: a=b")],
        ),
        (
            "a second answer in a value",
            &[
                (":status", "200"),
                ("x-a", "b\r\n\r\nHTTP/1.1 200 OK\r\n\r\nevil"),
            ],
        ),
        ("LF in a value", &[(":status", "200"), ("x-a", "b\nc")]),
        ("NUL in a value", &[(":status", "200"), ("x-a", "\0")]),
        ("connection", &[(":status", "200"), ("connection", "close")]),
        (
            "transfer-encoding",
            &[(":status", "200"), ("transfer-encoding", "chunked")],
        ),
        ("upgrade", &[(":status", "200"), ("upgrade", "h2c")]),
        ("keep-alive", &[(":status", "200"), ("keep-alive", "5")]),
    ] {
        bad(
            cases,
            &HEADS,
            name,
            &[head(END_HEADERS, fields), body("hello")],
            Then::Keep,
        );
    }
    let many: Vec<(String, String)> = (0..1000)
        .map(|number| (format!("x-{number}"), "a".to_owned()))
        .collect();
    let many = [vec![(":status".to_owned(), "200".to_owned())], many].concat();
    bad(
        cases,
        &HEADS,
        "1000 fields",
        &[Frame::head(END_HEADERS, THIS, &many), body("hello")],
        Then::Keep,
    );
    bad(
        cases,
        &HEADS,
        "a second head",
        &[ok(&[]), ok(&[]), body("hello")],
        Then::Keep,
    );
    bad(
        cases,
        &HEADS,
        "trailers with :status",
        &[
            ok(&[]),
            Frame::data(0, THIS, "hello"),
            head(WHOLE, &[(":status", "200")]),
        ],
        Then::Keep,
    );
    bad(
        cases,
        &HEADS,
        "trailers that do not end it",
        &[
            ok(&[]),
            Frame::data(0, THIS, "hello"),
            head(END_HEADERS, &[("x-a", "b")]),
        ],
        Then::Keep,
    );
    bad(
        cases,
        &HEADS,
        "content before the head",
        &[Frame::data(0, THIS, "hello"), ok(&[]), body("")],
        Then::Keep,
    );
}

fn bodies(cases: &mut Vec<Case>) {
    for (name, length, content) in [
        ("a body too short", "6", "hello"),
        ("a body too long", "4", "hello"),
        ("no body", "5", ""),
        ("no number", "five", "hello"),
        ("a sign", "+5", "hello"),
        ("a list", "5, 5", "hello"),
    ] {
        bad(
            cases,
            &LENGTHS,
            name,
            &[ok(&[("content-length", length)]), body(content)],
            Then::Keep,
        );
    }
    // On HTTP/1 the head alone is the whole answer, and all that the client gets.
    let frames = vec![ok(&[("content-length", "0")]), body("hello")];
    let case = ask(
        &LENGTHS,
        "a body behind 0",
        Wire::Two,
        frames.clone(),
        Then::Keep,
    );
    let request = || get("/x").host(H2_HOST);
    let spoilt = Outcome::Spoilt {
        request: request(),
        statuses: &[502, 503],
    };
    cases.push(case.then(spoilt).ends(End::Any));
    let case = ask(
        &EMPTY,
        "a body behind 0 never comes",
        Wire::One,
        frames,
        Then::Keep,
    );
    let empty = Outcome::Answered {
        request: request(),
        answer: told(""),
    };
    cases.push(case.then(empty).ends(End::Closed));
    let two = ok(&[("content-length", "5"), ("content-length", "4")]);
    bad(
        cases,
        &LENGTHS,
        "two different ones",
        &[two, body("hello")],
        Then::Keep,
    );
    let ended = head(WHOLE, &[(":status", "200"), ("content-length", "5")]);
    bad(
        cases,
        &LENGTHS,
        "a length on a head that ends it",
        &[ended],
        Then::Keep,
    );
    let hel = Frame::data(0, THIS, "hel");
    for (name, code) in [
        ("NO_ERROR", 0),
        ("PROTOCOL_ERROR", 1),
        ("INTERNAL_ERROR", 2),
        ("CANCEL", 8),
        ("ENHANCE_YOUR_CALM", 11),
    ] {
        bad(
            cases,
            &ENDS,
            &format!("{name} before the head"),
            &[Frame::rst(THIS, code)],
            Then::Keep,
        );
        bad(
            cases,
            &ENDS,
            &format!("{name} behind the head"),
            &[ok(&[]), Frame::rst(THIS, code)],
            Then::Keep,
        );
        bad(
            cases,
            &ENDS,
            &format!("{name} in the body"),
            &[ok(&[]), hel.clone(), Frame::rst(THIS, code)],
            Then::Keep,
        );
    }
    bad(cases, &ENDS, "closed before the head", &[], Then::Close);
    bad(
        cases,
        &ENDS,
        "closed behind the head",
        &[ok(&[])],
        Then::Close,
    );
    bad(
        cases,
        &ENDS,
        "closed in the body",
        &[ok(&[]), hel.clone()],
        Then::Close,
    );
    bad(
        cases,
        &ENDS,
        "the connection reset in the body",
        &[ok(&[]), hel],
        Then::Reset,
    );
}

fn connections(cases: &mut Vec<Case>) {
    let hel = Frame::data(0, THIS, "hel");
    for (name, frame) in [
        ("DATA on 0", Frame::data(0, 0, "x")),
        ("SETTINGS of 5 bytes", Frame::new(SETTINGS, 0, 0, [0; 5])),
        ("SETTINGS on a stream", Frame::new(SETTINGS, 0, THIS, [])),
        (
            "GOAWAY and no stream allowed",
            Frame::new(GOAWAY, 0, 0, [0; 8]),
        ),
        ("PING of 7 bytes", Frame::new(PING, 0, 0, [0; 7])),
        (
            "CONTINUATION out of place",
            Frame::new(CONTINUATION, END_HEADERS, THIS, []),
        ),
        (
            "a frame of 16385 bytes",
            Frame::new(DATA, 0, THIS, vec![0; 16_385]),
        ),
        (
            "padding longer than DATA",
            Frame::new(DATA, 0x8, THIS, [9, 0]),
        ),
        (
            "an index beyond the tables",
            Frame::new(HEADERS, WHOLE, THIS, [0xbe]),
        ),
        ("a head cut off", Frame::new(HEADERS, WHOLE, THIS, [0, 9])),
        (
            "a pushed stream",
            Frame::new(PUSH_PROMISE, END_HEADERS, THIS, [0, 0, 0, 2, 0x82]),
        ),
        ("a window of 0", Frame::window(0, 0)),
        ("a window beyond 2^31", Frame::window(0, (1 << 31) - 1)),
        ("DATA on an idle stream", Frame::data(0, 0x7fff_ffff, "x")),
        ("ENABLE_PUSH of 1", Frame::settings(&[(0x2, 1)])),
        (
            "a setting that it cannot have",
            Frame::settings(&[(0x4, 1 << 31)]),
        ),
    ] {
        bad(
            cases,
            &FRAMES,
            name,
            &[ok(&[]), hel.clone(), frame],
            Then::Keep,
        );
    }
}
