//! RFC 9113 8 for clients: what a response is; and what servers may do on a connection.

use super::support::*;
use crate::h2::frame::Kind;
use crate::{BodyLength, ErrorCode, FaultKind};

fn status(stream: u32, end: bool, code: &str, more: &[(&str, &str)]) -> Vec<u8> {
    headers(stream, end, &with(&[(":status", code)], more))
}

/// What a client sees of a response to a request of that method.
#[track_caller]
fn answered(method: &str, frames: &[Vec<u8>]) -> Vec<Seen> {
    let mut fed = client();
    assert_eq!(fed.codec.request(&request(method), true), Ok(1));
    fed.feed(frames.concat())
}

#[track_caller]
fn broken(frames: &[Vec<u8>], kind: FaultKind) {
    let seen = answered("GET", frames);
    assert_eq!(seen.last(), Some(&Seen::Broken(1, kind)));
}

#[test]
fn a_response_fills_the_head() {
    let mut fed = client();
    fed.codec.request(&request("GET"), true).unwrap();
    let seen = fed.feed(
        [
            status(1, false, "200", &[("x", " y ")]),
            data(1, true, b"hi"),
        ]
        .concat(),
    );
    assert_eq!(
        seen,
        [
            Seen::Head(1, BodyLength::Unknown),
            Seen::Data(1, b"hi".to_vec(), true)
        ]
    );
    assert_eq!(
        (fed.head.status, fed.head.fields.get_str("x")),
        (200, Some("y"))
    );
    assert_eq!((fed.codec.streams(), fed.codec.is_idle()), (0, true));
}

#[test]
fn a_status_is_three_digits_once_and_first() {
    for code in ["", "20", "2000", "099", "600", "abc", "+20", " 200"] {
        broken(&[status(1, true, code, &[])], FaultKind::Malformed);
    }
    broken(&[headers(1, true, &[("x", "y")])], FaultKind::Malformed);
    broken(
        &[status(1, true, "200", &[(":status", "200")])],
        FaultKind::Malformed,
    );
    broken(
        &[headers(1, true, &[("x", "y"), (":status", "200")])],
        FaultKind::Malformed,
    );
    broken(
        &[headers(1, true, &[(":status", "200"), (":path", "/")])],
        FaultKind::Malformed,
    );
    broken(
        &[status(1, true, "200", &[("connection", "close")])],
        FaultKind::Malformed,
    );
    broken(
        &[status(1, true, "200", &[("X", "y")])],
        FaultKind::Malformed,
    );
}

#[test]
fn informational_responses_come_first_and_end_nothing() {
    let seen = answered(
        "GET",
        &[status(1, false, "103", &[]), status(1, true, "200", &[])],
    );
    assert_eq!(seen, [Seen::Interim(1), Seen::Head(1, BodyLength::None)]);
    broken(&[status(1, true, "100", &[])], FaultKind::Malformed);
    broken(&[status(1, false, "101", &[])], FaultKind::Malformed);
    broken(
        &[status(1, false, "100", &[]), data(1, true, b"x")],
        FaultKind::Malformed,
    );
}

#[test]
fn a_body_is_as_long_as_announced_and_absent_where_none_may_be() {
    let sized = &[("content-length", "2")];
    broken(
        &[status(1, false, "200", sized), data(1, true, b"x")],
        FaultKind::Framing,
    );
    broken(
        &[status(1, false, "200", sized), data(1, false, b"xyz")],
        FaultKind::Framing,
    );
    broken(&[status(1, true, "200", sized)], FaultKind::Framing);
    broken(
        &[status(1, false, "204", &[]), data(1, true, b"x")],
        FaultKind::Framing,
    );
    broken(
        &[status(1, false, "304", sized), data(1, true, b"xy")],
        FaultKind::Framing,
    );
    let none = [Seen::Head(1, BodyLength::None)];
    assert_eq!(answered("HEAD", &[status(1, true, "200", sized)]), none);
    assert_eq!(answered("GET", &[status(1, true, "304", sized)]), none);
    let seen = answered(
        "HEAD",
        &[status(1, false, "200", sized), data(1, true, b"")],
    );
    let end = Seen::Data(1, Vec::new(), true);
    assert_eq!(seen, [Seen::Head(1, BodyLength::Unknown), end]);
}

#[test]
fn trailers_are_told() {
    let mut fed = client();
    fed.codec.request(&request("GET"), true).unwrap();
    let trailers = headers(1, true, &[("grpc-status", "0")]);
    let seen = fed.feed([status(1, false, "200", &[]), trailers].concat());
    assert_eq!(seen[1], Seen::Trailers(1));
    assert_eq!(fed.head.fields.get_str("grpc-status"), Some("0"));
}

#[test]
fn connect_becomes_a_tunnel_with_a_success_only() {
    let mut fed = client();
    assert_eq!(fed.codec.request(&request("CONNECT"), false), Ok(1));
    assert_eq!(
        fed.feed(status(1, false, "200", &[])),
        [Seen::Head(1, BodyLength::Tunnel)]
    );
    assert_eq!(fed.codec.send_data(1, b"up", false), Ok(2));
    assert_eq!(
        fed.feed(data(1, true, b"down")),
        [Seen::Data(1, b"down".to_vec(), true)]
    );
    let refused = answered(
        "CONNECT",
        &[status(1, false, "503", &[]), data(1, true, b"no")],
    );
    assert_eq!(refused[0], Seen::Head(1, BodyLength::Unknown));
}

#[test]
fn a_refused_tunnel_gets_no_trailers() {
    let mut fed = client();
    fed.codec.request(&request("CONNECT"), false).unwrap();
    fed.feed(status(1, false, "503", &[]));
    let mut fields = crate::Fields::new();
    fields.append("x", "y").unwrap();
    let sent = fed.codec.send_trailers(1, &fields);
    assert!(matches!(sent, Err(crate::CannotSend::Unfit(_))));

    let mut fed = server();
    fed.feed(headers(
        1,
        false,
        &[(":method", "CONNECT"), (":authority", "a:1")],
    ));
    fed.codec.respond(1, &response(503), false).unwrap();
    assert_eq!(fed.codec.send_trailers(1, &fields), Ok(()));
}

#[test]
fn a_server_opens_no_streams() {
    for frames in [
        frame(Kind::PushPromise, 4, 1, &[0, 0, 0, 2]),
        status(2, true, "200", &[]),
        status(3, true, "200", &[]),
        data(3, true, b"x"),
        settings(&[(2, 1)]),
    ] {
        assert_eq!(
            answered("GET", &[frames]),
            [Seen::Over(FaultKind::Protocol)]
        );
    }
}

#[test]
fn a_reset_says_whether_the_request_was_looked_at() {
    let refused = ErrorCode::REFUSED_STREAM;
    assert_eq!(
        answered("GET", &[rst(1, refused)]),
        [Seen::Reset(1, refused, false)]
    );
    let cancel = ErrorCode::CANCEL;
    assert_eq!(
        answered("GET", &[rst(1, cancel)]),
        [Seen::Reset(1, cancel, true)]
    );
}

#[test]
fn answers_to_requests_given_up_are_ignored() {
    let mut fed = client();
    for id in [1, 3] {
        assert_eq!(fed.codec.request(&request("GET"), true), Ok(id));
    }
    fed.codec.reset(1, ErrorCode::CANCEL);
    let late = [status(1, false, "200", &[]), data(1, true, b"x")].concat();
    assert_eq!(fed.feed(late), []);
    assert_eq!(
        fed.feed(status(3, true, "200", &[])),
        [Seen::Head(3, BodyLength::None)]
    );
}

#[test]
fn room_is_what_the_server_takes() {
    let mut fed = client_with(&[(3, 2)]);
    assert_eq!(fed.codec.room(), 2);
    for id in [1, 3] {
        assert_eq!(fed.codec.request(&request("GET"), true), Ok(id));
    }
    assert_eq!(fed.codec.room(), 0);
    let more = fed.codec.request(&request("GET"), true);
    assert_eq!(more, Err(crate::CannotSend::NoRoom));
    fed.feed(status(1, true, "200", &[]));
    assert_eq!(fed.codec.room(), 1);
    // It may take back what it offered; then the streams there are go on.
    fed.feed(settings(&[(3, 0)]));
    assert_eq!(fed.codec.room(), 0);
    fed.feed(status(3, true, "200", &[]));
    assert_eq!(fed.codec.streams(), 0);
}
