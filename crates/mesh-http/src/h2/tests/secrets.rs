//! What never may be indexed is passed on as such (RFC 7541 7.1.3), as a decoder sees it that is not
//! ours.

use super::support::*;
use crate::h2::frame::Kind;
use crate::{RequestHead, ResponseHead};

/// The flag by which the other implementation tells what is never indexed.
const NEVER: u8 = 0x8;
/// Strings as they are, names of the tables by their index.
const PLAIN: u8 = 0x10;

/// A block in which the fields marked are never indexed.
fn block(fields: &[(&str, &str, bool)]) -> Vec<u8> {
    let mut encoder = httlib_hpack::Encoder::default();
    let mut out = Vec::new();
    for (name, value, never) in fields {
        let flags = if *never { PLAIN | NEVER } else { PLAIN };
        let field = (name.as_bytes().to_vec(), value.as_bytes().to_vec(), flags);
        encoder.encode(field, &mut out).unwrap();
    }
    out
}

/// Names of the fields in the last block that are never indexed.
fn secrets(wrote: &[Wrote]) -> Vec<String> {
    let mut decoder = httlib_hpack::Decoder::default();
    let mut found = Vec::new();
    for frame in wrote.iter().filter(|frame| frame.kind == Kind::Headers) {
        let mut decoded = Vec::new();
        decoder
            .decode(&mut frame.payload.clone(), &mut decoded)
            .unwrap();
        let never = decoded.into_iter().filter(|(.., flags)| flags & NEVER != 0);
        found = never
            .map(|(name, ..)| String::from_utf8(name).unwrap())
            .collect();
    }
    found
}

fn received(fields: &[(&str, &str, bool)]) -> RequestHead {
    let mut fed = server();
    let seen = fed.feed(frame(Kind::Headers, 0x5, 1, &block(fields)));
    assert!(matches!(seen[..], [Seen::Head(1, _)]), "{seen:?}");
    fed.head
}

fn sent(head: &RequestHead) -> Vec<String> {
    let mut fed = client();
    fed.codec.request(head, true).unwrap();
    secrets(&fed.wrote())
}

const TARGET: [(&str, &str, bool); 4] = [
    (":method", "GET", false),
    (":scheme", "http", false),
    (":authority", "a", false),
    (":path", "/x", false),
];

#[test]
fn a_field_that_came_as_a_secret_leaves_as_one() {
    let fields = [
        ("x-plain", "1", false),
        ("x-token", "secret", true),
        ("x-token", "open", false),
        ("user-agent", "u", true),
    ];
    let mut head = received(&[&TARGET[..], &fields].concat());
    assert_eq!(sent(&head), ["x-token", "user-agent"]);
    assert_eq!(sent(&head.clone()), ["x-token", "user-agent"]);
    head.fields.remove("x-plain");
    head.fields.set("user-agent", "another").unwrap();
    assert_eq!(sent(&head), ["x-token", "user-agent"]);
    head.clear();
    head.clone_from(&received(&TARGET));
    assert_eq!(sent(&head), [""; 0]);
}

#[test]
fn a_cookie_is_as_secret_as_any_of_its_pieces() {
    let long = "session=0123456789abcdef";
    let cookies = |never| [("cookie", long, false), ("cookie", "b=2", never)];
    let head = received(&[&TARGET[..], &cookies(true)].concat());
    assert_eq!(sent(&head), ["cookie"]);
    let head = received(&[&TARGET[..], &cookies(false)].concat());
    assert_eq!(sent(&head), [""; 0]);
}

#[test]
fn a_secret_target_leaves_as_one() {
    for secret in [":path", ":authority"] {
        let target = TARGET.map(|(name, value, _)| (name, value, name == secret));
        let found = sent(&received(&target));
        assert_eq!(found, [":method", ":scheme", ":authority", ":path"]);
    }
}

#[test]
fn responses_and_trailers_keep_their_secrets() {
    let mut fed = client();
    fed.codec.request(&request("GET"), true).unwrap();
    let head = [
        (":status", "200", false),
        ("x-a", "1", false),
        ("x-b", "2", true),
    ];
    fed.feed(frame(Kind::Headers, 0x4, 1, &block(&head)));
    let mut server = server();
    server.feed(get(1));
    server.codec.respond(1, &fed.head, false).unwrap();
    assert_eq!(secrets(&server.wrote()), ["x-b"]);
    let trailers = [("x-c", "3", true), ("x-d", "4", false)];
    fed.feed(frame(Kind::Headers, 0x5, 1, &block(&trailers)));
    let ResponseHead { fields, .. } = &fed.head;
    server.codec.send_trailers(1, fields).unwrap();
    let mut plain = super::support::server();
    plain.feed(get(1));
    plain.codec.respond(1, &response(200), false).unwrap();
    plain.wrote();
    plain.codec.send_trailers(1, fields).unwrap();
    assert_eq!(secrets(&plain.wrote()), ["x-c"]);
}
