//! RFC 9113 6.8: the end of a connection.

use super::support::*;
use crate::h2::frame::Kind;
use crate::{BodyLength, ErrorCode};

fn go_aways(wrote: &[Wrote]) -> Vec<(u32, u32)> {
    let number = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().unwrap());
    let found = wrote.iter().filter(|f| f.kind == Kind::GoAway);
    found
        .map(|f| (number(&f.payload[..4]), number(&f.payload[4..8])))
        .collect()
}

#[test]
fn a_server_drains_in_two_steps() {
    let mut fed = server();
    fed.feed(get(1));
    fed.codec.drain();
    let wrote = fed.wrote();
    assert_eq!(go_aways(&wrote), [(0x7fff_ffff, 0)]);
    let ping = wrote.into_iter().find(|f| f.kind == Kind::Ping).unwrap();
    // Under way when the client had not read it.
    assert_eq!(fed.feed(get(3)), [Seen::Head(3, BodyLength::None)]);
    assert_eq!(fed.feed(frame(Kind::Ping, 1, 0, &ping.payload)), []);
    assert_eq!(go_aways(&fed.wrote()), [(3, 0)]);
    // Beyond it: ignored, with all that belongs to it.
    assert_eq!(fed.feed([post(5), data(5, true, b"x")].concat()), []);
    assert!(!fed.codec.is_over());
    fed.codec.respond(1, &response(200), true).unwrap();
    fed.codec.respond(3, &response(200), true).unwrap();
    assert!(fed.codec.is_over());
    assert_eq!(answer(&fed.wrote()), Answer::Nothing);
}

#[test]
fn an_idle_server_is_over_after_the_answer_or_when_asked_again() {
    let mut fed = server();
    fed.codec.drain();
    assert!(!fed.codec.is_over());
    let ping = fed
        .wrote()
        .into_iter()
        .find(|f| f.kind == Kind::Ping)
        .unwrap();
    fed.feed(frame(Kind::Ping, 1, 0, &ping.payload));
    assert!(fed.codec.is_over());

    let mut fed = server();
    fed.codec.drain();
    fed.codec.drain();
    assert!(fed.codec.is_over());
    assert_eq!(go_aways(&fed.wrote()), [(0x7fff_ffff, 0), (0, 0)]);
}

#[test]
fn a_draining_client_begins_nothing_and_ends_with_its_streams() {
    let mut fed = client();
    fed.codec.request(&request("GET"), true).unwrap();
    fed.codec.drain();
    assert_eq!((fed.codec.room(), fed.codec.is_over()), (0, false));
    assert_eq!(go_aways(&fed.wrote()), [(0, 0)]);
    fed.feed(headers(1, true, &[(":status", "200")]));
    assert!(fed.codec.is_over());
}

#[test]
fn a_client_learns_which_requests_were_not_looked_at() {
    let mut fed = client();
    for _ in 0..4 {
        fed.codec.request(&request("GET"), true).unwrap();
    }
    let seen = fed.feed(go_away(3, ErrorCode::NO_ERROR));
    assert_eq!(seen.len(), 3);
    for id in [5, 7] {
        assert!(seen.contains(&Seen::Reset(id, ErrorCode::NO_ERROR, false)));
    }
    assert_eq!(seen[2], Seen::GoingAway);
    assert_eq!((fed.codec.room(), fed.codec.streams()), (0, 2));
    let seen = fed.feed(go_away(1, ErrorCode::NO_ERROR));
    assert_eq!(seen, [Seen::Reset(3, ErrorCode::NO_ERROR, false)]);
    assert!(!fed.codec.is_over());
    fed.feed(headers(1, true, &[(":status", "200")]));
    assert!(fed.codec.is_over());
}

#[test]
fn a_client_that_goes_away_is_served_to_the_end() {
    let mut fed = server();
    assert_eq!(
        fed.feed([get(1), go_away(0, ErrorCode::NO_ERROR)].concat())
            .len(),
        1
    );
    fed.codec.respond(1, &response(200), true).unwrap();
    assert!(!fed.codec.is_over());
}

#[test]
fn what_comes_after_a_fault_is_not_read() {
    let mut fed = server();
    fed.feed(data(1, true, b"x"));
    assert_eq!(go_aways(&fed.wrote()), [(0, 1)]);
    assert!(fed.codec.is_over());
    let mut rest: &[u8] = b"anything";
    assert_eq!(fed.codec.next(fed.now, &mut rest, &mut fed.head), Ok(None));
    assert!(fed.wrote().is_empty());
}
