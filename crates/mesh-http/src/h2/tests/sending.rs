//! What is written, and what is refused to be written.

use super::support::*;
use crate::h2::frame::Kind;
use crate::h2::hpack::Decoder;
use crate::{CannotSend, ErrorCode, Fields, ResponseHead};

fn decoded(decoder: &mut Decoder, payload: &[u8]) -> Vec<(String, String)> {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
    let mut found = Vec::new();
    decoder
        .decode(payload, &mut |field| {
            found.push((text(field.name), text(field.value)))
        })
        .unwrap();
    found
}

fn fields(list: &[(&str, &str)]) -> Fields {
    let mut fields = Fields::new();
    for (name, value) in list {
        fields.append(name, value).unwrap();
    }
    fields
}

fn with_fields(status: u16, list: &[(&str, &str)]) -> ResponseHead {
    ResponseHead {
        fields: fields(list),
        ..response(status)
    }
}

#[test]
fn a_request_is_written_without_fields_of_one_connection() {
    let mut fed = client();
    let mut head = request("POST");
    head.fields = fields(&[
        ("Connection", "x"),
        ("keep-alive", "1"),
        ("upgrade", "h2c"),
        ("proxy-connection", "x"),
        ("transfer-encoding", "chunked"),
        ("te", "gzip"),
        ("TE", "tRailers"),
        ("host", "evil"),
        ("X-Mixed", "Case"),
    ]);
    assert_eq!(fed.codec.request(&head, true), Ok(1));
    let wrote = fed.wrote();
    assert_eq!(
        (wrote[0].kind, wrote[0].flags, wrote[0].stream),
        (Kind::Headers, 5, 1)
    );
    let text = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    let expected = [
        (":method", "POST"),
        (":scheme", "http"),
        (":authority", "a:80"),
        (":path", "/"),
        ("te", "trailers"),
        ("x-mixed", "Case"),
    ];
    assert_eq!(
        decoded(&mut Decoder::new(4096), &wrote[0].payload),
        expected.map(text)
    );
}

#[test]
fn a_fragment_is_no_part_of_the_path_that_is_written() {
    let mut fed = client();
    let mut head = request("GET");
    head.path = "/a?b#c".to_owned();
    assert_eq!(fed.codec.request(&head, true), Ok(1));
    let list = decoded(&mut Decoder::new(4096), &fed.wrote()[0].payload);
    assert!(list.contains(&(":path".to_owned(), "/a?b".to_owned())));
}

#[test]
fn requests_that_would_be_misread_are_not_written() {
    let unfit = |change: &dyn Fn(&mut crate::RequestHead), end| {
        let mut fed = client();
        let mut head = request("GET");
        change(&mut head);
        let sent = fed.codec.request(&head, end);
        assert!(
            matches!(sent, Err(CannotSend::Unfit(_))),
            "{head:?} {sent:?}"
        );
        assert_eq!((fed.wrote().len(), fed.codec.streams()), (0, 0));
    };
    unfit(&|head| head.method.clear(), true);
    unfit(&|head| head.path.clear(), true);
    unfit(&|head| head.path = "x".to_owned(), true);
    unfit(
        &|head| head.fields = fields(&[("content-length", "2")]),
        true,
    );
    unfit(
        &|head| head.fields = fields(&[("content-length", "x")]),
        false,
    );
    unfit(
        &|head| {
            head.method = "CONNECT".to_owned();
            head.authority.clear();
        },
        false,
    );
}

#[test]
fn a_long_head_is_cut_in_frames() {
    let mut fed = server();
    fed.feed(get(1));
    let value = "é%".repeat(10_000);
    let head = with_fields(200, &[("x-a", &value), ("x-b", &value)]);
    fed.codec.respond(1, &head, true).unwrap();
    let wrote = fed.wrote();
    let kinds: Vec<_> = wrote.iter().map(|f| f.kind).collect();
    assert_eq!(kinds[..2], [Kind::Headers, Kind::Continuation]);
    let all: Vec<u8> = wrote.iter().flat_map(|f| f.payload.clone()).collect();
    assert_eq!(decoded(&mut Decoder::new(4096), &all).len(), 3);
    let (last, others) = wrote.split_last().unwrap();
    assert!(
        others
            .iter()
            .all(|f| f.payload.len() == 16_384 && f.flags & 4 == 0)
    );
    assert_eq!((others[0].flags, last.flags), (1, 4));
}

#[test]
fn a_body_keeps_to_its_content_length() {
    let sized = with_fields(200, &[("content-length", "4")]);
    let mut fed = server();
    fed.feed([get(1), get(3)].concat());
    fed.codec.respond(1, &sized, false).unwrap();
    let longer = fed.codec.send_data(1, b"hello", true);
    assert!(matches!(longer, Err(CannotSend::Unfit(_))));
    assert_eq!(fed.codec.send_data(1, b"hell", true), Ok(4));
    fed.codec.respond(3, &sized, false).unwrap();
    assert_eq!(fed.codec.send_data(3, b"hel", true), Ok(3));
    assert_eq!(
        answer(&fed.wrote()),
        Answer::Reset(3, ErrorCode::INTERNAL_ERROR)
    );
    let empty = fed.feed(get(5));
    assert_eq!(empty.len(), 1);
    assert!(fed.codec.respond(5, &sized, true).is_err());
}

#[test]
fn a_response_is_written_without_te() {
    let mut fed = server();
    fed.feed(get(1));
    let early = with_fields(103, &[("te", "trailers"), ("link", "</a>")]);
    fed.codec.interim(1, &early).unwrap();
    let head = with_fields(200, &[("TE", "trailers")]);
    fed.codec.respond(1, &head, true).unwrap();
    let mut decoder = Decoder::new(4096);
    let text = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    let wrote: Vec<_> = fed
        .wrote()
        .iter()
        .map(|frame| decoded(&mut decoder, &frame.payload))
        .collect();
    assert_eq!(
        wrote,
        [
            vec![text((":status", "103")), text(("link", "</a>"))],
            vec![text((":status", "200"))]
        ]
    );
}

#[test]
fn answers_without_a_body_get_none() {
    for (method, status) in [("HEAD", 200), ("GET", 204), ("GET", 304)] {
        let mut fed = server();
        fed.feed(headers(
            1,
            true,
            &[(":method", method), GET[1], GET[2], GET[3]],
        ));
        let head = with_fields(status, &[("content-length", "4")]);
        fed.codec.respond(1, &head, false).unwrap();
        assert_eq!(fed.codec.send_data(1, b"body", false), Ok(4));
        assert_eq!(fed.codec.send_data(1, b"body", true), Ok(4));
        let wrote = fed.wrote();
        assert_eq!(
            (wrote.len(), wrote[1].flags, wrote[1].payload.len()),
            (2, 1, 0)
        );
        let has_length = decoded(&mut Decoder::new(4096), &wrote[0].payload).len() == 2;
        assert_eq!(has_length, status != 204);
        assert_eq!(fed.codec.streams(), 0);
    }
}

#[test]
fn heads_come_in_their_order() {
    let mut fed = server();
    fed.feed(get(1));
    assert!(matches!(
        fed.codec.send_data(1, b"x", true),
        Err(CannotSend::Unfit(_))
    ));
    assert!(matches!(
        fed.codec.send_trailers(1, &Fields::new()),
        Err(CannotSend::Unfit(_))
    ));
    assert!(fed.codec.interim(1, &response(101)).is_err());
    assert!(fed.codec.respond(1, &response(100), false).is_err());
    assert!(fed.codec.respond(1, &response(101), false).is_err());
    fed.codec.interim(1, &response(103)).unwrap();
    fed.codec.respond(1, &response(200), false).unwrap();
    assert!(matches!(
        fed.codec.respond(1, &response(200), false),
        Err(CannotSend::Unfit(_))
    ));
    assert!(fed.codec.interim(1, &response(103)).is_err());
    fed.codec
        .send_trailers(1, &fields(&[("grpc-status", "0")]))
        .unwrap();
    let flags: Vec<_> = fed.wrote().iter().map(|f| (f.kind, f.flags)).collect();
    assert_eq!(
        flags,
        [(Kind::Headers, 4), (Kind::Headers, 4), (Kind::Headers, 5)]
    );
    assert_eq!(
        fed.codec.respond(1, &response(200), true),
        Err(CannotSend::NoStream)
    );
    assert_eq!(
        fed.codec.send_data(1, b"x", true),
        Err(CannotSend::NoStream)
    );
}

#[test]
fn no_trailers_are_an_empty_end() {
    let mut fed = server();
    fed.feed(get(1));
    fed.codec.respond(1, &response(200), false).unwrap();
    fed.codec.send_trailers(1, &Fields::new()).unwrap();
    let wrote = fed.wrote();
    assert_eq!((wrote[1].kind, wrote[1].flags), (Kind::Data, 1));
}

#[test]
fn secrets_and_values_that_change_stay_out_of_the_table() {
    let mut fed = client();
    let mut head = request("GET");
    head.path = "/a?token=1".to_owned();
    head.fields = fields(&[
        ("authorization", "Bearer x"),
        ("cookie", "a=1"),
        ("cookie", "session=0123456789abcdef0123456789"),
        ("x-request-id", "1"),
        ("x-constant", "2"),
    ]);
    fed.codec.request(&head, true).unwrap();
    let first = fed.wrote()[0].payload.len();
    fed.codec.request(&head, true).unwrap();
    let wrote = fed.wrote();
    let mut fresh = Decoder::new(4096);
    assert!(wrote[0].payload.len() < first);
    // What is repeated in full can be read without the table's history, field by field.
    let literal = wrote[0]
        .payload
        .iter()
        .filter(|byte| **byte == 0x1f)
        .count();
    assert!(literal >= 1, "authorization is never indexed");
    assert!(fresh.decode(&wrote[0].payload, &mut |_| {}).is_err());
}
