//! Settings, header blocks and windows.

use super::{BAD, conn};
use crate::case::{Case, End, Rule, code, get, plain};
use crate::corpus::h2_heads::{ask, request};
use crate::wire::h2::{
    CONTINUATION, END_HEADERS, END_STREAM, Frame, HEADERS, PING, PRIORITY, WHOLE, frames, opened,
};
use crate::wire::hpack::block;
use crate::wire::hpack::block as block_of;

static SETTING: Rule =
    plain("RFC 9113 6.5", "settings have values that they can have").told("", "h2_protocol");
static BLOCK: Rule = plain(
    "RFC 9113 6.10",
    "nothing comes between the frames of one head",
)
.told("", "h2_protocol");
static WINDOW: Rule = plain(
    "RFC 9113 6.9",
    "window updates are not zero, and windows stay below 2^31",
)
.told("", "h2_flow_control");

pub(super) fn cases() -> Vec<Case> {
    let mut cases = settings();
    cases.extend(blocks());
    cases.extend(windows());
    cases
}

fn settings() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, setting, value, codes) in [
        ("ENABLE_PUSH of 2", 0x2, 2, BAD),
        ("ENABLE_PUSH of 2^32 - 1", 0x2, u32::MAX, BAD),
        (
            "INITIAL_WINDOW_SIZE of 2^31",
            0x4,
            1 << 31,
            &[code::FLOW_CONTROL],
        ),
        (
            "INITIAL_WINDOW_SIZE of 2^32 - 1",
            0x4,
            u32::MAX,
            &[code::FLOW_CONTROL],
        ),
        ("MAX_FRAME_SIZE of 16383", 0x5, 16_383, BAD),
        ("MAX_FRAME_SIZE of 0", 0x5, 0, BAD),
        ("MAX_FRAME_SIZE of 2^24", 0x5, 1 << 24, BAD),
    ] {
        cases.push(conn(
            &SETTING,
            name,
            &[Frame::settings(&[(setting, value)])],
            codes,
        ));
    }
    for (name, setting, value) in [
        ("ENABLE_PUSH of 1", 0x2, 1),
        ("MAX_FRAME_SIZE of 16384", 0x5, 16_384),
        ("MAX_FRAME_SIZE of 2^24 - 1", 0x5, (1 << 24) - 1),
        ("INITIAL_WINDOW_SIZE of 2^31 - 1", 0x4, (1 << 31) - 1),
        ("HEADER_TABLE_SIZE of 0", 0x1, 0),
        ("HEADER_TABLE_SIZE of 4096", 0x1, 4096),
        ("MAX_CONCURRENT_STREAMS of 0", 0x3, 0),
        ("MAX_HEADER_LIST_SIZE of 4096", 0x6, 4096),
    ] {
        let bytes = opened(&[
            Frame::settings(&[(setting, value)]),
            Frame::head(WHOLE, 1, &ask("/x")),
        ]);
        cases.push(Case::two(&SETTING, name, bytes).accepted(get("/x")));
    }
    cases
}

fn blocks() -> Vec<Case> {
    let block = block(&ask("/x"));
    let (first, second) = block.split_at(10);
    let begun = Frame::new(HEADERS, END_STREAM, 1, first);
    let rest = Frame::new(CONTINUATION, END_HEADERS, 1, second);
    let mut cases = vec![
        Case::two(
            &BLOCK,
            "in two frames",
            opened(&[begun.clone(), rest.clone()]),
        )
        .accepted(get("/x")),
        Case::two(
            &BLOCK,
            "an empty frame between",
            opened(&[
                begun.clone(),
                Frame::new(CONTINUATION, 0, 1, []),
                rest.clone(),
            ]),
        )
        .accepted(get("/x")),
    ];
    // The path, which has the case's name in it, stays in one piece.
    let turned: Vec<_> = ask("/x").into_iter().rev().collect();
    let turned = block_of(&turned);
    let (path, rest_of_it) = turned.split_at(19);
    let mut pieces = vec![Frame::new(HEADERS, END_STREAM, 1, path)];
    let small = rest_of_it.chunks(3);
    pieces.extend(small.map(|piece| Frame::new(CONTINUATION, 0, 1, piece)));
    pieces.push(Frame::new(CONTINUATION, END_HEADERS, 1, []));
    cases.push(Case::two(&BLOCK, "in many small frames", opened(&pieces)).accepted(get("/x")));
    for (name, between) in [
        ("DATA", Frame::data(0, 1, "x")),
        ("PING", Frame::new(PING, 0, 0, [0; 8])),
        ("SETTINGS", Frame::settings(&[])),
        ("PRIORITY", Frame::new(PRIORITY, 0, 3, [0; 5])),
        ("an unknown kind", Frame::new(0xfa, 0, 1, "x")),
        ("another head", Frame::head(WHOLE, 3, &ask("/x"))),
        (
            "a frame of another stream",
            Frame::new(CONTINUATION, END_HEADERS, 3, second),
        ),
        ("RST_STREAM", Frame::rst(1, 8)),
        ("WINDOW_UPDATE", Frame::window(0, 1)),
    ] {
        cases.push(conn(
            &BLOCK,
            &format!("{name} between"),
            &[begun.clone(), between, rest.clone()],
            BAD,
        ));
    }
    let after = [
        Frame::head(WHOLE, 1, &ask("/x")),
        Frame::new(CONTINUATION, END_HEADERS, 1, []),
    ];
    let case = conn(&BLOCK, "one behind a whole head", &after, BAD);
    cases.push(case);
    cases
}

fn windows() -> Vec<Case> {
    let flow: &[u32] = &[code::FLOW_CONTROL];
    let most = (1 << 31) - 1;
    let body = Frame::head(END_HEADERS, 1, &request("POST", "/p"));
    let mut cases = vec![
        conn(
            &WINDOW,
            "of 0 on the connection",
            &[Frame::window(0, 0)],
            &[code::PROTOCOL],
        ),
        conn(
            &WINDOW,
            "of the connection beyond 2^31",
            &[Frame::window(0, most)],
            flow,
        ),
        conn(
            &WINDOW,
            "of the connection beyond 2^31 in two",
            &[Frame::window(0, most - 65_535), Frame::window(0, 1)],
            flow,
        ),
    ];
    let reset = |name: &str, rest: &[Frame], codes: &'static [u32]| {
        let bytes = opened(&[&[body.clone()][..], rest].concat());
        let case = Case::two(&WINDOW, name, bytes);
        case.then(crate::case::Outcome::BrokenOff {
            statuses: &[],
            codes,
        })
        .ends(End::Any)
    };
    cases.push(reset(
        "of 0 on a stream",
        &[Frame::window(1, 0)],
        &[code::PROTOCOL],
    ));
    cases.push(reset(
        "of a stream beyond 2^31",
        &[Frame::window(1, most)],
        flow,
    ));
    let raised = [
        Frame::window(1, most - (16 << 20)),
        Frame::settings(&[(0x4, (16 << 20) + 1)]),
    ];
    cases.push(conn(
        &WINDOW,
        "beyond 2^31 by a setting",
        &[&[body.clone()][..], &raised].concat(),
        flow,
    ));
    let good = [
        Frame::window(0, most - 65_535),
        Frame::head(WHOLE, 1, &ask("/x")),
    ];
    cases.push(Case::two(&WINDOW, "up to 2^31 - 1", opened(&good)).accepted(get("/x")));
    let bytes = frames(&[Frame::window(0, 1)]);
    let bytes = [
        opened(&[]),
        bytes,
        Frame::head(WHOLE, 1, &ask("/x")).bytes(),
    ]
    .concat();
    cases.push(Case::two(&WINDOW, "by one", bytes).accepted(get("/x")));
    cases
}
