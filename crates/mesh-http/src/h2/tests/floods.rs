//! What is cut off, and what never is.

use std::time::Duration;

use super::support::*;
use crate::h2::Limits;
use crate::h2::frame::Kind;
use crate::{BodyLength, ErrorCode, FaultKind};

const CALM: Answer = Answer::GoAway(ErrorCode::ENHANCE_YOUR_CALM);

/// How many times a server takes these frames before it cuts the connection off.
#[track_caller]
fn taken(most: usize, frames: impl Fn(usize) -> Vec<u8>) -> usize {
    let mut fed = server();
    fed.feed(post(1));
    for turn in 0..most {
        let seen = fed.feed(frames(turn));
        if seen.contains(&Seen::Over(FaultKind::Flood)) {
            assert_eq!(answer(&fed.wrote()), CALM);
            return turn;
        }
        fed.wrote();
    }
    most
}

/// Odd identifiers from 3.
fn id(turn: usize) -> u32 {
    turn as u32 * 2 + 3
}

#[test]
fn floods_of_frames_that_only_cost_are_cut_off() {
    let cancel = |turn| [post(id(turn)), rst(id(turn), ErrorCode::CANCEL)].concat();
    assert!((400..=600).contains(&taken(100_000, cancel)));
    let bad = |turn| headers(id(turn), true, &with(GET, &[("X", "y")]));
    assert!((400..=600).contains(&taken(100_000, bad)));
    let own_window = |turn| [get(id(turn)), window_update(id(turn), 0)].concat();
    assert!((400..=600).contains(&taken(100_000, own_window)));
    assert!(taken(100_000, |_| frame(Kind::Ping, 0, 0, &[0; 8])) < 5_000);
    assert!(taken(100_000, |_| settings(&[(4, 100)])) < 5_000);
    assert!(taken(100_000, |_| settings_ack()) < 5_000);
    assert!(taken(100_000, |_| frame(Kind::Priority, 0, 9, &[0, 0, 0, 1, 1])) < 5_000);
    assert!(taken(100_000, |_| frame(Kind::Unknown, 0, 1, b"x")) < 5_000);
    assert!(taken(100_000, |_| data(1, false, b"")) < 5_000);
    assert!(taken(100_000, |_| frame(Kind::Data, 8, 1, &[1, 0])) < 5_000);
    assert!(taken(100_000, |_| window_update(0, 1)) < 10_000);
    assert!(taken(100_000, |_| go_away(0, ErrorCode::NO_ERROR)) < 5_000);
}

#[test]
fn header_blocks_without_end_are_cut_off() {
    let begin = frame(Kind::Headers, 0, 1, &[]);
    let more = |payload: &[u8], turns: usize| {
        let mut fed = server();
        fed.feed(&begin);
        let seen = (0..turns).map(|_| fed.feed(frame(Kind::Continuation, 0, 1, payload)));
        seen.take_while(Vec::is_empty).count()
    };
    assert!(more(&[], 1_000) < 5);
    assert!(more(&[0x82], 1_000) < 40);
    assert!(more(&[0x82; 16_384], 1_000) < 10);
}

#[test]
fn a_list_that_is_large_only_when_decoded_is_cut_off() {
    let mut fed = server();
    // A field of almost the whole table, and thousands of references to it.
    let mut bomb = vec![0x40, 1, b'a', 127];
    let length = 3_900 - 127;
    bomb.extend_from_slice(&[(length % 128) as u8 | 128, (length / 128) as u8]);
    bomb.extend_from_slice(&[b'x'; 3_900]);
    bomb.extend_from_slice(&[0xbe; 3_000]);
    assert_eq!(
        fed.feed(frame(Kind::Headers, 5, 1, &bomb)),
        [Seen::Over(FaultKind::Flood)]
    );
    assert_eq!(answer(&fed.wrote()), CALM);
}

#[test]
fn answers_that_nobody_reads_are_bounded() {
    let mut fed = server();
    let mut turns = 0;
    // The client goes slowly enough for every other bound.
    loop {
        fed.now += Duration::from_millis(100);
        if !fed.feed(frame(Kind::Ping, 0, 0, &[0; 8])).is_empty() {
            break;
        }
        turns += 1;
        assert!(turns < 10_000);
    }
    assert!(fed.why.contains("does not read"), "{}", fed.why);
}

#[test]
fn answers_that_are_read_are_not_counted_for_ever() {
    let mut fed = server();
    fed.feed(get(1));
    fed.codec.respond(1, &response(200), false).unwrap();
    fed.codec.send_data(1, &[0; 20_000], false).unwrap();
    for _ in 0..50_000 {
        fed.now += Duration::from_millis(100);
        assert_eq!(fed.feed(frame(Kind::Ping, 0, 0, &[0; 8])), []);
        // Never all of it.
        fed.codec.output().consume(17);
    }
}

#[test]
fn a_busy_connection_is_never_cut_off() {
    let mut fed = server();
    // No time passes at all: nothing but work pays.
    for turn in 0..50_000 {
        let id = id(turn);
        let call = [
            post(id),
            data(id, true, b"\0\0\0\0\x05hello"),
            window_update(id, 100),
            window_update(0, 10),
            frame(Kind::Ping, 0, 0, &[0; 8]),
        ];
        let seen = fed.feed(call.concat());
        assert_eq!(seen[0], Seen::Head(id, BodyLength::Unknown));
        fed.codec.release(id, 10);
        fed.codec.respond(id, &response(200), false).unwrap();
        fed.codec
            .send_data(id, b"\0\0\0\0\x05hello", false)
            .unwrap();
        fed.codec.send_trailers(id, &crate::Fields::new()).unwrap();
        fed.wrote();
    }
}

#[test]
fn clients_may_give_up_many_requests_among_others() {
    let mut fed = server();
    let mut id = 1;
    for turn in 0..20_000 {
        fed.feed(get(id));
        if turn % 2 == 0 {
            assert_eq!(fed.feed(rst(id, ErrorCode::CANCEL)).len(), 1);
        } else {
            fed.codec.respond(id, &response(200), true).unwrap();
        }
        id += 2;
        fed.wrote();
    }
}

/// Deadlines of many requests that end at once, in an outage.
#[test]
fn clients_may_give_up_requests_that_waited_long() {
    let mut fed = server();
    let mut id = 1;
    for _ in 0..20 {
        let first = id;
        for _ in 0..1_000 {
            fed.feed(get(id));
            id += 2;
        }
        fed.now += Duration::from_secs(1);
        for gone in (first..id).step_by(2) {
            assert_eq!(fed.feed(rst(gone, ErrorCode::CANCEL)).len(), 1);
        }
    }
}

/// How many requests, from the number `first` on, are taken and given up until it is a flood.
fn resets_from(fed: &mut Fed<crate::h2::Server>, first: usize) -> usize {
    let gone = (first..first + 100_000).map(|turn| {
        let seen = fed.feed([get(id(turn)), rst(id(turn), ErrorCode::CANCEL)].concat());
        fed.wrote();
        seen
    });
    gone.take_while(|seen| !seen.contains(&Seen::Over(FaultKind::Flood)))
        .count()
}

/// Resets that are let through at a moment, and a second after all of them.
fn resets(limits: &Limits) -> (usize, usize) {
    let at_once = resets_from(&mut server_with(limits), 0);
    let mut fed = server_with(limits);
    for turn in 0..at_once {
        fed.feed([get(id(turn)), rst(id(turn), ErrorCode::CANCEL)].concat());
    }
    fed.now += Duration::from_secs(1);
    (at_once, resets_from(&mut fed, at_once))
}

#[test]
fn resets_are_bounded_at_once_and_by_the_second_whoever_sends_them() {
    assert_eq!(resets(&Limits::GATEWAY), (200, 20));
    assert_eq!(resets(&Limits::SIDECAR), (500, 500));
    assert_eq!(resets(&Limits::PEER), (5_000, 5_000));
}

#[test]
fn work_saves_up_no_more_resets_than_the_bound() {
    let mut fed = server_with(&Limits::PEER);
    for turn in 0..50_000 {
        fed.feed(get(id(turn)));
        fed.codec.respond(id(turn), &response(200), true).unwrap();
        fed.wrote();
    }
    assert!((5_000..=15_000).contains(&resets_from(&mut fed, 50_000)));
}

/// Our own resets, on a connection that others share, never look like an attack to a server of the
/// mesh, nor to one that allows as little as a sidecar does.
#[test]
fn a_client_gives_up_no_more_than_its_server_takes() {
    let (mut ours, mut theirs) = (client(), server());
    let (mut now, mut given_up) = (ours.now, 0);
    for turn in 0..20_000_u32 {
        now += Duration::from_micros(100);
        theirs.now = now;
        let stream = ours.codec.request(&request("GET"), true).unwrap();
        let may = ours.codec.may_reset(now, stream);
        if may {
            ours.codec.reset(stream, ErrorCode::CANCEL);
            given_up += 1;
        }
        let bytes = ours.codec.output().pending().to_vec();
        ours.codec.output().consume(usize::MAX);
        let seen = theirs.feed(&bytes);
        assert!(!seen.contains(&Seen::Over(FaultKind::Flood)), "turn {turn}");
        theirs.wrote();
        if !may {
            // It ends by itself.
            theirs.codec.respond(stream, &response(200), true).unwrap();
            ours.feed(theirs.codec.output().pending());
            theirs.wrote();
            assert!(
                ours.codec.may_reset(now, stream),
                "what is over costs nothing"
            );
        }
    }
    assert!(given_up > 500, "{given_up}");
}

/// Its first requests are sent before it can know.
#[test]
fn a_client_that_does_not_know_the_limit_yet_may_open_more() {
    let limits = Limits {
        max_streams: 10,
        ..Limits::default()
    };
    let mut fed = new_server();
    fed.codec = crate::h2::Server::new(&limits);
    fed.feed([crate::h2::frame::PREFACE.as_slice(), &settings(&[])].concat());
    for turn in 0..900 {
        assert_eq!(fed.feed(get(id(turn))).len(), 1);
    }
    fed.feed(settings_ack());
    let seen = (900..2_000).map(|turn| fed.feed(get(id(turn))));
    let taken = seen.take_while(|seen| !seen.contains(&Seen::Over(FaultKind::Flood)));
    assert!(taken.count() < 700);
}

#[test]
fn responses_of_a_server_are_counted_as_well() {
    let mut fed = client();
    fed.codec.request(&request("GET"), true).unwrap();
    let mut taken = 0;
    while fed.feed(headers(1, false, &[(":status", "103")])) == [Seen::Interim(1)] {
        taken += 1;
        assert!(taken < 5_000);
    }
    assert_eq!(answer(&fed.wrote()), CALM);
}
