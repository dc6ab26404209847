//! RFC 9113 6.9: windows, both ways.

use super::support::*;
use crate::h2::Limits;
use crate::h2::frame::Kind;
use crate::{ErrorCode, FaultKind};
use Answer::{GoAway, Reset};

fn sent(wrote: &[Wrote], stream: u32) -> usize {
    let data = wrote
        .iter()
        .filter(|f| f.kind == Kind::Data && f.stream == stream);
    data.map(|f| f.payload.len()).sum()
}

/// What was given back on stream or connection.
fn credited(wrote: &[Wrote], stream: u32) -> u32 {
    let updates = wrote
        .iter()
        .filter(|f| f.kind == Kind::WindowUpdate && f.stream == stream);
    updates
        .map(|f| u32::from_be_bytes(f.payload.as_slice().try_into().unwrap()))
        .sum()
}

#[test]
fn a_body_is_sent_as_far_as_the_windows_reach() {
    let mut fed = server();
    fed.feed([settings(&[(4, 3)]), get(1)].concat());
    fed.codec.respond(1, &response(200), false).unwrap();
    assert_eq!(fed.codec.send_data(1, b"hello", true), Ok(3));
    assert_eq!(fed.codec.send_data(1, b"lo", true), Ok(0));
    // Smaller by one: the window is negative now.
    assert_eq!(fed.feed(settings(&[(4, 2)])), []);
    assert_eq!(fed.feed(window_update(1, 1)), []);
    assert_eq!(fed.feed(window_update(1, 1)), [Seen::Window(Some(1))]);
    assert_eq!(fed.codec.send_data(1, b"lo", true), Ok(1));
    assert_eq!(fed.feed(settings(&[(4, 9)])), [Seen::Window(None)]);
    assert_eq!(fed.codec.send_data(1, b"o", true), Ok(1));
    assert_eq!((sent(&fed.wrote(), 1), fed.codec.streams()), (5, 0));
}

#[test]
fn the_connection_has_a_window_as_well() {
    let mut fed = server();
    fed.feed([get(1), get(3), window_update(1, 100_000)].concat());
    for id in [1, 3] {
        fed.codec.respond(id, &response(200), false).unwrap();
    }
    assert_eq!(fed.codec.send_data(1, &[0; 70_000], false), Ok(65_535));
    assert_eq!(fed.codec.send_data(1, b"x", false), Ok(0));
    assert_eq!(fed.codec.send_data(3, b"x", false), Ok(0));
    // A stream's window is of no use while the connection's is closed.
    assert_eq!(fed.feed(window_update(1, 1)), []);
    assert_eq!(fed.feed(window_update(0, 10)), [Seen::Window(None)]);
    assert_eq!(fed.codec.send_data(3, b"x", false), Ok(1));
}

#[test]
fn windows_beyond_their_maximum_are_refused() {
    let most = 0x7fff_ffff;
    check(&[window_update(0, most)], GoAway(FLOW));
    check(&[post(1), window_update(1, most)], Reset(1, FLOW));
    check(
        &[post(1), window_update(1, 1), settings(&[(4, most)])],
        GoAway(FLOW),
    );
    check(&[window_update(0, 0)], GoAway(PROTOCOL));
    check(&[post(1), window_update(1, 0)], Reset(1, PROTOCOL));
}

#[test]
fn frames_fit_what_the_peer_takes() {
    for (asked, expected) in [(16_384, 16_384), (20_000, 20_000), (1 << 20, 65_536)] {
        let mut fed = server();
        let window = 1 << 20;
        fed.feed(
            [
                settings(&[(4, window), (5, asked)]),
                window_update(0, window),
                get(1),
            ]
            .concat(),
        );
        fed.codec.respond(1, &response(200), false).unwrap();
        assert_eq!(fed.codec.send_data(1, &[0; 300_000], true), Ok(300_000));
        let wrote = fed.wrote();
        let longest = wrote.iter().map(|f| f.payload.len()).max();
        assert_eq!((longest, sent(&wrote, 1)), (Some(expected), 300_000));
        let ends = wrote
            .iter()
            .filter(|f| f.kind == Kind::Data && f.flags == 1)
            .count();
        assert_eq!((ends, wrote.last().unwrap().flags), (1, 1));
    }
}

fn small() -> Limits {
    Limits {
        stream_window: 70_000,
        connection_window: 100_000,
        connection_buffer: 200_000,
        ..Limits::default()
    }
}

#[test]
fn a_stream_gets_back_what_is_released() {
    let mut fed = server_with(&small());
    fed.feed(
        [
            post(1),
            data(1, false, &[0; 16_000]),
            data(1, false, &[0; 16_000]),
        ]
        .concat(),
    );
    fed.codec.release(1, 16_000);
    fed.codec.release(1, 16_000);
    assert_eq!(credited(&fed.wrote(), 1), 0);
    fed.feed(data(1, false, &[0; 3_000]));
    fed.codec.release(1, 3_000);
    assert_eq!(credited(&fed.wrote(), 1), 35_000);
}

#[test]
fn more_than_a_streams_window_is_refused() {
    let mut fed = server_with(&small());
    let frame = data(1, false, &[0; 14_000]);
    fed.feed([post(1), frame.repeat(5)].concat());
    assert_eq!(
        fed.feed(data(1, false, b"x")),
        [Seen::Broken(1, FaultKind::FlowControl)]
    );
    assert_eq!(answer(&fed.wrote()), Reset(1, FLOW));
}

#[test]
fn more_than_the_connections_window_is_refused() {
    let limits = Limits {
        stream_window: 1 << 20,
        ..small()
    };
    let mut fed = server_with(&limits);
    fed.feed(post(1));
    let frame = data(1, false, &[0; 10_000]);
    // 200,000 are held, and nothing is given back beyond that.
    for _ in 0..20 {
        assert_eq!(fed.feed(&frame).len(), 1);
    }
    assert_eq!(fed.feed(&frame), [Seen::Over(FaultKind::FlowControl)]);
    assert_eq!(answer(&fed.wrote()), GoAway(FLOW));
}

#[test]
fn a_stream_that_nobody_reads_does_not_stop_the_others() {
    let mut fed = server_with(&small());
    fed.feed([post(1), post(3)].concat());
    fed.feed(data(1, false, &[0; 14_000]).repeat(5));
    // Far more than the connection's window, as long as it is passed on.
    for _ in 0..100 {
        assert_eq!(fed.feed(data(3, false, &[0; 10_000])).len(), 1);
        fed.codec.release(3, 10_000);
    }
}

#[test]
fn the_window_of_the_connection_opens_again_when_bytes_are_released() {
    let limits = Limits {
        stream_window: 1 << 20,
        ..small()
    };
    let mut fed = server_with(&limits);
    fed.feed([post(1), data(1, false, &[0; 10_000]).repeat(20)].concat());
    fed.wrote();
    fed.codec.reset(1, ErrorCode::CANCEL);
    fed.codec.release(1, 200_000);
    assert_eq!(credited(&fed.wrote(), 0), 100_000);
}

#[test]
fn padding_and_bytes_for_nobody_are_given_back_by_the_codec() {
    let mut fed = server_with(&small());
    fed.feed(post(1));
    let mut credit = 0;
    for _ in 0..1_000 {
        let padded = [&[255], [0; 256].as_slice()].concat();
        fed.feed(frame(Kind::Data, 0x8, 1, &padded));
        fed.codec.release(1, 1);
        credit += credited(&fed.wrote(), 1);
    }
    assert!(credit > 200_000, "{credit}");
    fed.codec.reset(1, ErrorCode::CANCEL);
    for _ in 0..100 {
        assert_eq!(fed.feed(data(1, false, &[0; 10_000])), []);
    }
}

#[test]
fn a_body_comes_in_the_pieces_it_is_read_in() {
    let mut fed = server();
    let bytes = [post(1), frame(Kind::Data, 0x9, 1, b"\x02hello\0\0"), get(3)].concat();
    let mut seen = Vec::new();
    let mut held: Vec<u8> = Vec::new();
    for byte in bytes {
        held.push(byte);
        let mut rest = held.as_slice();
        while let Some(event) = fed.codec.next(fed.now, &mut rest, &mut fed.head).unwrap() {
            seen.push(Seen::from(event));
        }
        held = rest.to_vec();
    }
    let piece = |text: &[u8], end| Seen::Data(1, text.to_vec(), end);
    assert_eq!(
        seen[1..6],
        [
            piece(b"h", false),
            piece(b"e", false),
            piece(b"l", false),
            piece(b"l", false),
            piece(b"o", true)
        ]
    );
    assert_eq!(seen.len(), 7);
}

#[test]
fn the_rest_of_a_frame_is_dropped_when_its_stream_is_reset() {
    let mut fed = server();
    let all = [post(1), data(1, true, b"hello"), get(3)].concat();
    let (first, rest) = all.split_at(all.len() - get(3).len() - 3);
    assert_eq!(fed.feed(first)[1], Seen::Data(1, b"he".to_vec(), false));
    assert!(!fed.codec.is_idle());
    fed.codec.reset(1, ErrorCode::CANCEL);
    assert_eq!(fed.feed(rest).len(), 1);
}

/// RFC 9113 6.9.2: until the settings are acknowledged the peer counts with the default.
#[test]
fn a_small_window_of_ours_holds_once_it_is_acknowledged() {
    let limits = Limits {
        stream_window: 1_000,
        ..Limits::default()
    };
    let mut fed = Fed {
        codec: crate::h2::Server::new(&limits),
        head: crate::RequestHead::default(),
        now: start(),
        why: "",
    };
    let preface = [crate::h2::frame::PREFACE.as_slice(), &settings(&[])].concat();
    fed.feed([preface, post(1), data(1, false, &[0; 16_000])].concat());
    fed.feed([settings_ack(), post(3), data(3, false, &[0; 1_000])].concat());
    assert_eq!(
        fed.feed(data(3, false, b"x")),
        [Seen::Broken(3, FaultKind::FlowControl)]
    );
}
