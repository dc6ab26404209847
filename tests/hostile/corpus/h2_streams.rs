//! HTTP/2: streams and flow control.

use super::h2_heads::{ask, request};
use crate::case::{Case, End, Outcome, Rule, Step, code, get, plain, post};
use crate::wire::h2::{
    END_HEADERS, END_STREAM, Frame, GOAWAY, HEADERS, PREFACE, PRIORITISED, PRIORITY, WHOLE, frames,
    opened,
};
use crate::wire::hpack::block;

static ORDER: Rule =
    plain("RFC 9113 5.1.1", "streams of a client are odd and grow").told("", "h2_protocol");
static OVER: Rule = plain(
    "RFC 9113 5.1",
    "nothing more comes on a stream that its sender has closed",
)
.told("", "h2_protocol");
static SELF: Rule =
    plain("RFC 9113 5.3.1", "a stream does not depend on itself").told("", "h2_protocol");
static MANY: Rule = plain(
    "RFC 9113 5.1.2",
    "streams beyond the limit are refused, the others go on",
);
static RESET: Rule = plain(
    "RFC 9113 6.4",
    "a stream that is given up reaches nobody as complete",
);
static LEAVING: Rule = plain(
    "RFC 9113 6.8",
    "behind the client's GOAWAY its streams come to their end",
);
static FLOW: Rule = plain(
    "RFC 9113 6.9",
    "more bytes than the window allows end the stream or the connection",
)
.told("", "h2_flow_control");
static WAIT: Rule = plain("RFC 9113 6.9", "an answer waits for the client's window");
static MIXED: Rule = plain("RFC 9113 5", "streams come to their ends in any order");

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = orders();
    cases.extend(over());
    cases.extend(flows());
    cases.extend(mixed());
    cases
}

fn orders() -> Vec<Case> {
    let head = |stream| Frame::head(WHOLE, stream, &ask("/x"));
    let bad: &[u32] = &[code::PROTOCOL, code::STREAM_CLOSED];
    let mut cases = vec![
        Case::two(&ORDER, "with gaps", opened(&[head(7)]))
            .then_on(7, Outcome::Accepted(get("/x")))
            .ends(End::Open),
        Case::two(&ORDER, "the same again, closed", opened(&[head(1)]))
            .step(Step::Answers(1))
            .step(Step::Send(head(1).bytes()))
            .then(Outcome::Accepted(get("/x")))
            .goaway(bad),
        Case::two(&ORDER, "a lower one", opened(&[head(5)]))
            .step(Step::Answers(1))
            .step(Step::Send(head(3).bytes()))
            .then_on(5, Outcome::Accepted(get("/x")))
            .goaway(bad),
        Case::two(&ORDER, "an even one", opened(&[head(4)])).goaway(&[code::PROTOCOL]),
    ];
    let on_itself = [vec![0, 0, 0, 1, 16], block(&ask("/x"))].concat();
    let on_itself = Frame::new(HEADERS, PRIORITISED | WHOLE, 1, on_itself);
    let case = Case::two(&SELF, "in HEADERS", opened(&[on_itself]));
    cases.push(
        case.then(Outcome::BrokenOff {
            statuses: &[],
            codes: &[code::PROTOCOL],
        })
        .ends(End::Any),
    );
    let priority = Frame::new(PRIORITY, 0, 1, [0, 0, 0, 1, 16]);
    let begun = Frame::head(END_HEADERS, 1, &request("POST", "/p"));
    let case = Case::two(&SELF, "in PRIORITY", opened(&[begun, priority]));
    cases.push(
        case.then(Outcome::BrokenOff {
            statuses: &[],
            codes: &[code::PROTOCOL],
        })
        .ends(End::Any),
    );
    cases
}

fn over() -> Vec<Case> {
    let head = Frame::head(WHOLE, 1, &ask("/x"));
    let begun = Frame::head(END_HEADERS, 1, &request("POST", "/p"));
    let mut cases = Vec::new();
    for (name, more) in [
        ("DATA", Frame::data(END_STREAM, 1, "x")),
        ("a head", Frame::head(WHOLE, 1, &ask("/smuggled"))),
    ] {
        let bytes = opened(&[head.clone(), more]);
        let case = Case::two(&OVER, format!("{name} behind its end"), bytes);
        cases.push(
            case.then(Outcome::BrokenOff {
                statuses: &[],
                codes: &[code::STREAM_CLOSED],
            })
            .ends(End::Any)
            .loosely(),
        );
    }
    for name in ["CANCEL", "NO_ERROR", "an unknown code"] {
        let code = match name {
            "CANCEL" => 8,
            "NO_ERROR" => 0,
            _ => 0xdead,
        };
        let bytes = opened(&[
            begun.clone(),
            Frame::data(0, 1, "hel"),
            Frame::rst(1, code),
            Frame::head(WHOLE, 3, &ask("/x")),
        ]);
        let case = Case::two(&RESET, format!("by {name}, the next one goes on"), bytes);
        cases.push(
            case.then_on(3, Outcome::Accepted(get("/x")))
                .ends(End::Open)
                .partly(),
        );
    }
    let bytes = opened(&[begun, Frame::data(0, 1, "hel")]);
    cases.push(
        Case::two(&RESET, "by the end of the connection", bytes)
            .step(Step::HalfClose)
            .ends(End::Closed)
            .partly(),
    );
    let leaving = Frame::new(GOAWAY, 0, 0, [0; 8]);
    let bytes = opened(&[head, leaving]);
    cases.push(
        Case::two(&LEAVING, "a stream before", bytes)
            .then(Outcome::Accepted(get("/x")))
            .ends(End::Any),
    );
    let many: Vec<Frame> = (0..101)
        .map(|number| Frame::head(WHOLE, 1 + 2 * number, &ask("/x")))
        .collect();
    let case = Case::two(&MANY, "101 answered at once", opened(&many));
    cases.push(
        (0..101)
            .fold(case, |case, _| case.then(Outcome::Accepted(get("/x"))))
            .ends(End::Open)
            .at(&[crate::case::Entry::Sidecar]),
    );
    cases
}

fn flows() -> Vec<Case> {
    let begun = Frame::head(END_HEADERS, 1, &request("POST", "/p"));
    // The proxy's windows are at most 1 MiB for the connection, and nobody takes the body.
    let flood: Vec<Frame> = (0..4096)
        .map(|_| Frame::data(0, 1, vec![b'z'; 16_384]))
        .collect();
    let bytes = opened(&[&[begun][..], &flood].concat());
    let mut cases = vec![
        Case::two(&FLOW, "64 MiB at once", bytes)
            .then(Outcome::BrokenOff {
                statuses: &[],
                codes: &[code::FLOW_CONTROL],
            })
            .ends(End::Any),
    ];
    let whole = vec![b'z'; 60_000];
    let pieces: Vec<Frame> = whole
        .chunks(10_000)
        .map(|piece| Frame::data(0, 1, piece))
        .collect();
    let last = Frame::data(END_STREAM, 1, []);
    let begun = Frame::head(END_HEADERS, 1, &request("POST", "/p"));
    let bytes = opened(&[&[begun][..], &pieces, &[last]].concat());
    cases.push(Case::two(&FLOW, "60000 bytes within the window", bytes).accepted(post(whole)));
    let begun = Frame::head(END_HEADERS, 1, &request("POST", "/p"));
    let ones = vec![Frame::data(0, 1, "z"); 20_000];
    let bytes = opened(&[&[begun][..], &ones, &[Frame::data(END_STREAM, 1, [])]].concat());
    let case = Case::two(&FLOW, "20000 frames of one byte", bytes);
    cases.push(case.accepted(post("z".repeat(20_000))));
    let narrow = [
        PREFACE.to_vec(),
        frames(&[
            Frame::settings(&[(0x4, 1)]),
            Frame::head(WHOLE, 1, &ask("/x")),
        ]),
    ]
    .concat();
    let wide = frames(&[Frame::window(1, 100)]);
    let case = Case::two(&WAIT, "of one byte, opened later", narrow).step(Step::Send(wide));
    cases.push(case.then(Outcome::Accepted(get("/x"))).ends(End::Any));
    let shut = [
        PREFACE.to_vec(),
        frames(&[
            Frame::settings(&[(0x4, 0)]),
            Frame::head(WHOLE, 1, &ask("/x")),
        ]),
    ]
    .concat();
    let open = frames(&[Frame::settings(&[(0x4, 65_535)])]);
    let case = Case::two(&WAIT, "of nothing, opened by a setting", shut).step(Step::Send(open));
    cases.push(case.then(Outcome::Accepted(get("/x"))).ends(End::Open));
    cases
}

fn mixed() -> Vec<Case> {
    let post_head = |stream| Frame::head(END_HEADERS, stream, &request("POST", "/p"));
    let crossed = [
        post_head(1),
        Frame::head(WHOLE, 3, &ask("/x")),
        post_head(5),
        Frame::data(0, 1, "he"),
        Frame::data(END_STREAM, 5, "world"),
        Frame::data(END_STREAM, 1, "llo"),
    ];
    let good = || Outcome::Accepted(post("hello"));
    let mut cases = vec![
        Case::two(&MIXED, "three crossed", opened(&crossed))
            .then(good())
            .then(Outcome::Accepted(get("/x")))
            .then(Outcome::Accepted(post("world")))
            .ends(End::Open),
    ];
    let one_bad = [
        post_head(1),
        Frame::head(WHOLE, 3, &[(":method", "GET")]),
        Frame::data(END_STREAM, 1, "hello"),
    ];
    let case = Case::two(&MIXED, "a bad one beside a good one", opened(&one_bad));
    let refused = Outcome::Refused {
        statuses: &[],
        codes: &[code::PROTOCOL],
    };
    cases.push(case.then(good()).then(refused).ends(End::Open));
    let two = [
        Frame::head(WHOLE, 1, &ask("/1")),
        Frame::head(WHOLE, 3, &ask("/2")),
    ];
    let case = Case::two(&MIXED, "two at once", opened(&two));
    cases.push(
        case.then(Outcome::Accepted(get("/1")))
            .then(Outcome::Accepted(get("/2")))
            .ends(End::Open),
    );
    let dripped = Case::two(&MIXED, "byte by byte", "").step(Step::Drip(opened(&crossed)));
    let dripped = dripped
        .then(good())
        .then(Outcome::Accepted(get("/x")))
        .then(Outcome::Accepted(post("world")));
    cases.push(dripped.ends(End::Open));
    cases
}
