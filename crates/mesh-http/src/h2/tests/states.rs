//! RFC 9113 3 to 6: what may come when, and the error that everything else is.

use super::support::*;
use crate::h2::frame::{Kind, PREFACE};
use crate::{BodyLength, ErrorCode, FaultKind};
use Answer::{GoAway, Nothing, Reset};

fn cancel(stream: u32) -> Vec<u8> {
    rst(stream, ErrorCode::CANCEL)
}

fn continuation(stream: u32, bytes: &[u8]) -> Vec<u8> {
    frame(Kind::Continuation, 0x4, stream, bytes)
}

fn ping() -> Vec<u8> {
    frame(Kind::Ping, 0, 0, b"12345678")
}

#[test]
fn the_preface_is_checked_byte_by_byte() {
    let mut fed = new_server();
    let mut input = Vec::new();
    for byte in PREFACE {
        input.push(*byte);
        let mut rest = input.as_slice();
        assert_eq!(fed.codec.next(fed.now, &mut rest, &mut fed.head), Ok(None));
        assert_eq!(rest.is_empty(), input.len() == PREFACE.len());
        assert_eq!(fed.codec.is_in_head(), input.len() < PREFACE.len());
    }
    assert_eq!(
        new_server().feed("PRI * HTTP/2.0\r\n\r\nSN"),
        [Seen::Over(FaultKind::Protocol)]
    );
    assert_eq!(
        new_server().feed("GET / HTTP/1.1\r\n"),
        [Seen::Over(FaultKind::Protocol)]
    );
}

#[test]
fn a_connection_begins_with_settings_of_both_sides() {
    let mut fed = new_server();
    let wrote = fed.wrote();
    assert_eq!((wrote[0].kind, wrote[0].flags), (Kind::Settings, 0));
    assert_eq!(
        fed.feed([PREFACE.as_slice(), &settings(&[(9, 9)])].concat()),
        []
    );
    let wrote = fed.wrote();
    assert_eq!(
        (wrote.len(), wrote[0].kind, wrote[0].flags),
        (1, Kind::Settings, 1)
    );

    for first in [ping(), settings_ack(), get(1), window_update(0, 1)] {
        let mut fed = new_server();
        let seen = fed.feed([PREFACE.as_slice(), &first].concat());
        assert_eq!(seen, [Seen::Over(FaultKind::Protocol)]);
        assert_eq!(answer(&fed.wrote()), GoAway(PROTOCOL));
    }
}

/// RFC 9113 5.1
#[test]
fn each_state_of_a_stream_takes_its_frames_only() {
    let end = true;
    let idle = GoAway(PROTOCOL);
    check(&[data(1, end, b"test")], idle);
    check(&[cancel(1)], idle);
    check(&[window_update(1, 100)], idle);
    check(&[continuation(1, &block(GET))], idle);

    check(&[get(1), data(1, end, b"test")], Reset(1, CLOSED));
    check(&[get(1), get(1)], Reset(1, CLOSED));
    check(&[get(1), continuation(1, &block(GET))], GoAway(PROTOCOL));
    check(&[get(1), window_update(1, 1), cancel(1)], Nothing);

    check(
        &[post(1), cancel(1), data(1, end, b"test")],
        Reset(1, CLOSED),
    );
    check(&[post(1), cancel(1), headers(1, end, POST)], GoAway(CLOSED));
    check(
        &[post(1), cancel(1), window_update(1, 1), cancel(1)],
        Nothing,
    );
    check(
        &[post(1), cancel(1), continuation(1, &block(GET))],
        GoAway(PROTOCOL),
    );
}

#[test]
fn a_finished_stream_takes_no_frames() {
    for (more, expected) in [
        (data(1, true, b"test"), Reset(1, CLOSED)),
        (get(1), GoAway(CLOSED)),
        (continuation(1, &block(GET)), GoAway(PROTOCOL)),
        (window_update(1, 1), Nothing),
        (cancel(1), Nothing),
    ] {
        let mut fed = server();
        fed.feed(get(1));
        fed.codec.respond(1, &response(200), true).unwrap();
        assert_eq!(fed.codec.streams(), 0);
        fed.wrote();
        fed.feed(more);
        assert_eq!(answer(&fed.wrote()), expected);
    }
}

/// RFC 9113 5.1: they may have been under way.
#[test]
fn frames_of_a_stream_that_we_reset_are_ignored() {
    let mut fed = server();
    fed.feed(post(1));
    fed.codec.reset(1, ErrorCode::CANCEL);
    fed.wrote();
    let late = [
        data(1, false, b"late"),
        window_update(1, 9),
        headers(1, true, &[("x-trailer", "1")]),
        cancel(1),
    ];
    assert_eq!(fed.feed(late.concat()), []);
    assert_eq!(answer(&fed.wrote()), Nothing);
    assert_eq!(fed.feed(get(3)), [Seen::Head(3, BodyLength::None)]);
}

/// However many: what is forgotten is forgiven.
#[test]
fn frames_of_many_streams_that_we_reset_are_ignored() {
    let mut fed = server();
    for id in (1..400).step_by(2) {
        fed.feed(post(id));
        fed.codec.reset(id, ErrorCode::CANCEL);
    }
    fed.wrote();
    for id in (1..400).step_by(2) {
        assert_eq!(fed.feed(data(id, true, b"late")), []);
    }
    assert_eq!(answer(&fed.wrote()), Nothing);
}

/// RFC 9113 5.1.1
#[test]
fn stream_identifiers_are_odd_and_go_up() {
    check(&[get(2)], GoAway(PROTOCOL));
    check(&[get(5), get(3)], GoAway(PROTOCOL));
    check(&[get(0)], GoAway(PROTOCOL));
    check(&[get(1), get(7), get(9)], Nothing);
}

/// RFC 9113 5.1.2
#[test]
fn more_streams_than_announced_are_refused() {
    let limits = crate::h2::Limits {
        max_streams: 2,
        ..Default::default()
    };
    let mut fed = server_with(&limits);
    let seen = fed.feed([get(1), get(3), get(5)].concat());
    assert_eq!(seen[2], Seen::Broken(5, FaultKind::Protocol));
    assert_eq!(answer(&fed.wrote()), Reset(5, ErrorCode::REFUSED_STREAM));
    fed.codec.respond(1, &response(200), true).unwrap();
    assert_eq!(fed.feed(get(7)), [Seen::Head(7, BodyLength::None)]);
}

/// h2spec 5.3.1, RFC 9113 6.3
#[test]
fn priorities_are_ignored_but_for_their_syntax() {
    let priority = |stream: u32, payload: &[u8]| frame(Kind::Priority, 0, stream, payload);
    let with_priority = |parent: u8| {
        let payload = [&[0, 0, 0, parent, 255], block(GET).as_slice()].concat();
        frame(Kind::Headers, 0x25, 1, &payload)
    };
    check(
        &[priority(3, &[0, 0, 0, 1, 255]), with_priority(5)],
        Nothing,
    );
    check(&[with_priority(1)], Reset(1, PROTOCOL));
    check(&[priority(1, &[0, 0, 0, 1, 255])], GoAway(PROTOCOL));
    check(
        &[post(1), priority(1, &[0x80, 0, 0, 1, 255])],
        Reset(1, PROTOCOL),
    );
    check(&[priority(0, &[0, 0, 0, 1, 255])], GoAway(PROTOCOL));
    check(&[post(1), priority(1, &[0, 0, 0, 1])], Reset(1, SIZE));
    check(
        &[frame(Kind::Headers, 0x25, 1, &[0, 0, 0, 1])],
        GoAway(SIZE),
    );
}

/// RFC 9113 4.2
#[test]
fn frames_beyond_our_size_end_the_connection() {
    let large = vec![0; 16_385];
    check(&[post(1), data(1, true, &large)], GoAway(SIZE));
    check(&[frame(Kind::Headers, 4, 1, &large)], GoAway(SIZE));
    check(&[frame(Kind::Unknown, 4, 1, &large)], GoAway(SIZE));
    check(&[post(1), data(1, true, &large[..16_384])], Nothing);
}

/// RFC 9113 4.3, 6.10
#[test]
fn a_header_block_is_not_interrupted() {
    let begun = frame(Kind::Headers, 0x1, 1, &block(&GET[..2]));
    let rest = block(&GET[2..]);
    check(&[begun.clone(), continuation(1, &rest)], Nothing);
    for between in [
        ping(),
        get(3),
        continuation(3, &rest),
        frame(Kind::Unknown, 0, 1, b"x"),
        frame(Kind::Priority, 0, 1, &[0, 0, 0, 3, 1]),
        data(1, true, b"x"),
    ] {
        check(&[begun.clone(), between], GoAway(PROTOCOL));
    }
    check(&[get(1), continuation(1, &rest)], GoAway(PROTOCOL));
    check(&[frame(Kind::Continuation, 4, 0, &rest)], GoAway(PROTOCOL));
}

#[test]
fn a_header_block_in_pieces_is_one_request() {
    let mut fed = server();
    let encoded = block(GET);
    let (first, rest) = encoded.split_at(5);
    let (second, third) = rest.split_at(9);
    let seen = fed.feed(frame(Kind::Headers, 0x1, 1, first));
    assert_eq!((seen, fed.codec.is_in_head()), (vec![], true));
    assert_eq!(fed.feed(frame(Kind::Continuation, 0, 1, second)), []);
    assert_eq!(
        fed.feed(continuation(1, third)),
        [Seen::Head(1, BodyLength::None)]
    );
    assert_eq!(
        (fed.head.method.as_str(), fed.codec.is_in_head()),
        ("GET", false)
    );
}

#[test]
fn a_header_block_that_cannot_be_decoded_ends_the_connection() {
    check(
        &[frame(Kind::Headers, 0x5, 1, &[0xff, 0xff, 0xff])],
        GoAway(ErrorCode::COMPRESSION_ERROR),
    );
    check(
        &[frame(Kind::Headers, 0x5, 1, &[0x80])],
        GoAway(ErrorCode::COMPRESSION_ERROR),
    );
}

/// RFC 9113 6.1, 6.2
#[test]
fn padding_is_taken_off_and_checked() {
    let mut fed = server();
    let padded = [&[3], block(POST).as_slice(), &[0; 3]].concat();
    let seen = fed.feed(frame(Kind::Headers, 0xc, 1, &padded));
    assert_eq!(seen, [Seen::Head(1, BodyLength::Unknown)]);
    let seen = fed.feed(frame(Kind::Data, 0x9, 1, &[2, b'h', b'i', 0, 0]));
    assert_eq!(seen, [Seen::Data(1, b"hi".to_vec(), true)]);

    check(
        &[frame(Kind::Headers, 0xd, 1, &[9, 0, 0])],
        GoAway(PROTOCOL),
    );
    check(&[frame(Kind::Headers, 0xd, 1, &[])], GoAway(PROTOCOL));
    check(
        &[post(1), frame(Kind::Data, 0x9, 1, &[5, 1, 2, 3, 4])],
        GoAway(PROTOCOL),
    );
    check(
        &[post(1), frame(Kind::Data, 0x9, 1, &[4, 1, 2, 3, 4])],
        Nothing,
    );
    check(&[post(1), frame(Kind::Data, 0x9, 1, &[])], GoAway(SIZE));
}

/// RFC 9113 5.5
#[test]
fn unknown_frames_flags_and_settings_are_ignored() {
    let mut odd_get = get(1);
    odd_get[4] |= 0xd2 & !0x28;
    check(
        &[
            frame(Kind::Unknown, 0xff, 0, b"?"),
            settings(&[(0xff, 1)]),
            odd_get,
        ],
        Nothing,
    );
    // The reserved bit of a stream identifier.
    let mut reserved = get(1);
    reserved[5] |= 0x80;
    check(&[reserved], Nothing);
}

/// RFC 9113 6.4, 6.7, 6.8, 6.9
#[test]
fn frames_have_their_length_and_their_stream() {
    check(&[post(1), frame(Kind::Reset, 0, 1, &[0; 3])], GoAway(SIZE));
    check(&[frame(Kind::Reset, 0, 0, &[0; 4])], GoAway(PROTOCOL));
    check(&[frame(Kind::Ping, 0, 0, &[0; 7])], GoAway(SIZE));
    check(&[frame(Kind::Ping, 0, 1, &[0; 8])], GoAway(PROTOCOL));
    check(&[frame(Kind::GoAway, 0, 1, &[0; 8])], GoAway(PROTOCOL));
    check(&[frame(Kind::GoAway, 0, 0, &[0; 7])], GoAway(SIZE));
    check(&[frame(Kind::WindowUpdate, 0, 0, &[0; 3])], GoAway(SIZE));
    check(&[frame(Kind::Settings, 0, 0, &[0; 3])], GoAway(SIZE));
    check(&[frame(Kind::Settings, 0, 1, &[])], GoAway(PROTOCOL));
    check(&[frame(Kind::Settings, 1, 0, &[0; 6])], GoAway(SIZE));
    check(
        &[frame(Kind::PushPromise, 4, 1, &[0, 0, 0, 2])],
        GoAway(PROTOCOL),
    );
    check(&[data(0, true, b"x")], GoAway(PROTOCOL));
}

/// RFC 9113 6.5.2
#[test]
fn settings_have_their_ranges() {
    check(&[settings(&[(2, 2)])], GoAway(PROTOCOL));
    check(&[settings(&[(2, 1)])], Nothing);
    check(&[settings(&[(4, 0x8000_0000)])], GoAway(FLOW));
    check(&[settings(&[(4, 0x7fff_ffff)])], Nothing);
    check(&[settings(&[(5, 16_383)])], GoAway(PROTOCOL));
    check(&[settings(&[(5, 16_777_216)])], GoAway(PROTOCOL));
    check(
        &[settings(&[(5, 16_777_215), (1, 0), (3, 0), (6, 0)])],
        Nothing,
    );
}

#[test]
fn pings_are_answered_and_answers_are_not() {
    let mut fed = server();
    assert_eq!(
        fed.feed([ping(), frame(Kind::Ping, 1, 0, b"87654321")].concat()),
        []
    );
    let wrote = fed.wrote();
    assert_eq!((wrote.len(), wrote[0].flags), (1, 1));
    assert_eq!(wrote[0].payload, b"12345678");
}

#[test]
fn a_cut_connection_is_told_from_one_that_ended() {
    let mut fed = server();
    assert_eq!(fed.codec.end_of_input(), Ok(None));
    assert!(fed.codec.is_over());
    let mut fed = server();
    fed.feed(post(1));
    assert_eq!(
        fed.codec.end_of_input().unwrap_err().kind,
        FaultKind::CutOff
    );
}
