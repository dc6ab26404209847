//! RFC 9113 8: what a request is, and what is none.

use super::support::*;
use crate::{BodyLength, ErrorCode, FaultKind, RequestHead, Scheme, Version};
use Answer::Reset;

/// What a server makes of one request.
fn ask(fields: &[(&str, &str)]) -> Result<RequestHead, FaultKind> {
    let mut fed = server();
    match fed.feed(headers(1, true, fields)).as_slice() {
        [Seen::Head(1, BodyLength::None)] => Ok(fed.head),
        [Seen::Broken(1, kind)] => {
            assert_eq!(fed.codec.streams(), 0);
            Err(*kind)
        }
        other => panic!("{other:?} of {fields:?}"),
    }
}

#[track_caller]
fn malformed(fields: &[(&str, &str)]) {
    assert_eq!(
        ask(fields).map(|head| head.fields),
        Err(FaultKind::Malformed),
        "{fields:?}"
    );
    check(&[headers(1, true, fields)], Reset(1, PROTOCOL));
}

/// GET with the pseudo-header field of that name said otherwise, or not at all.
fn get_but<'a>(name: &'a str, value: Option<&'a str>) -> Vec<(&'a str, &'a str)> {
    let others = GET.iter().copied().filter(|(other, _)| *other != name);
    let mut fields: Vec<_> = others.collect();
    fields.extend(value.map(|value| (name, value)));
    fields
}

#[test]
fn a_request_fills_the_head() {
    let head = ask(&[
        (":method", "GET"),
        (":scheme", "hTTps"),
        (":authority", "Shop.example:8443"),
        (":path", "/a?b=c"),
        ("accept", "x"),
        ("te", "trailers"),
        ("x-empty", ""),
    ])
    .unwrap();
    assert_eq!(head.version, Version::Http2);
    assert_eq!((head.method.as_str(), head.scheme), ("GET", Scheme::Https));
    assert_eq!(
        (head.authority.as_str(), head.path.as_str()),
        ("Shop.example:8443", "/a?b=c")
    );
    let fields: Vec<_> = head.fields.iter().collect();
    assert_eq!(
        fields,
        [
            ("accept", b"x".as_slice()),
            ("te", b"trailers"),
            ("x-empty", b"")
        ]
    );
}

#[test]
fn a_head_forgets_the_request_before() {
    let mut fed = server();
    fed.feed(headers(
        1,
        true,
        &with(GET, &[("x-a", "1"), ("cookie", "secret=1")]),
    ));
    fed.feed(headers(3, true, &with(GET, &[("x-b", "2")])));
    assert_eq!(
        fed.head.fields.iter().collect::<Vec<_>>(),
        [("x-b", b"2".as_slice())]
    );
    assert_eq!(fed.head.path, "/");
}

/// 8.3, 8.3.1
#[test]
fn pseudo_header_fields_are_those_of_a_request_once_and_first() {
    malformed(&with(GET, &[(":test", "x")]));
    malformed(&with(GET, &[(":status", "200")]));
    malformed(&with(GET, &[(":protocol", "websocket")]));
    malformed(&with(GET, &[(":", "x")]));
    malformed(&[("x-first", "1"), GET[0], GET[1], GET[2], GET[3]]);
    for (name, value) in GET {
        malformed(&with(GET, &[(name, value)]));
        malformed(&get_but(name, None));
        malformed(&get_but(name, Some("")));
    }
}

#[test]
fn methods_are_tokens() {
    for method in ["GE T", "G(T", "GET\r", "GÉT"] {
        malformed(&get_but(":method", Some(method)));
    }
    assert_eq!(
        ask(&get_but(":method", Some("PURGE"))).unwrap().method,
        "PURGE"
    );
}

#[test]
fn schemes_are_those_of_the_web() {
    for scheme in ["ftp", "javascript", "http ", "https:"] {
        malformed(&get_but(":scheme", Some(scheme)));
    }
}

#[test]
fn authorities_are_hosts_perhaps_with_a_port() {
    for authority in [
        "user@a",
        "user:pw@a",
        "a/b",
        "a b",
        "a:b",
        "a:80:80",
        "[::1",
        ":80",
        "a?b",
    ] {
        malformed(&get_but(":authority", Some(authority)));
    }
    for authority in ["a", "a.b:80", "[::1]:80", "127.0.0.1", "a_b"] {
        let head = ask(&get_but(":authority", Some(authority)));
        assert_eq!(head.unwrap().authority, authority);
    }
}

#[test]
fn host_and_authority_say_the_same() {
    let with_host = |host| with(GET, &[("host", host)]);
    let head = ask(&with_host("A")).unwrap();
    assert_eq!((head.authority.as_str(), head.fields.len()), ("a", 0));
    malformed(&with_host("b"));
    malformed(&with_host("a:80"));
    malformed(&with(GET, &[("host", "a"), ("host", "a")]));

    let without = get_but(":authority", None);
    let head = ask(&with(&without, &[("host", "b:81")])).unwrap();
    assert_eq!((head.authority.as_str(), head.fields.len()), ("b:81", 0));
    malformed(&with(&without, &[("host", "")]));
    malformed(&with(&without, &[("host", "u@b")]));
    malformed(&with(&without, &[("host", "b"), ("host", "c")]));
}

#[test]
fn paths_are_paths() {
    for path in [
        "a",
        "*",
        "//a b",
        "/a\tb",
        "/\u{e9}",
        "/a\0",
        "http://a/",
        "?q",
    ] {
        malformed(&get_but(":path", Some(path)));
    }
    for path in ["/", "/a?b", "/%00", "//", "/a|b"] {
        assert_eq!(ask(&get_but(":path", Some(path))).unwrap().path, path);
    }
    let mut options = get_but(":path", Some("*"));
    options[0] = (":method", "OPTIONS");
    assert_eq!(ask(&options).unwrap().path, "*");
}

/// 8.2.1
#[test]
fn names_and_values_have_their_characters() {
    for name in ["X-Upper", "x y", "x:y", "", "x\0", "x\u{e9}", "x\r\n"] {
        malformed(&with(GET, &[(name, "1")]));
    }
    for value in ["a\rb", "a\nb", "a\0b", "\n", "a\u{1}", "a\u{7f}"] {
        malformed(&with(GET, &[("x", value)]));
    }
    let head = ask(&with(GET, &[("x", " \ta\tb \u{e9} ")])).unwrap();
    assert_eq!(head.fields.get("x"), Some("a\tb \u{e9}".as_bytes()));
}

/// 8.2.2
#[test]
fn fields_of_one_connection_are_refused() {
    for name in [
        "connection",
        "keep-alive",
        "proxy-connection",
        "transfer-encoding",
        "upgrade",
    ] {
        malformed(&with(GET, &[(name, "x")]));
    }
    malformed(&with(GET, &[("te", "trailers, deflate")]));
    malformed(&with(GET, &[("te", "gzip")]));
}

/// 8.2.3
#[test]
fn cookies_in_pieces_become_one() {
    let head = ask(&with(
        GET,
        &[
            ("cookie", "a=1"),
            ("x", "y"),
            ("cookie", ""),
            ("cookie", "b=2"),
        ],
    ));
    let head = head.unwrap();
    assert_eq!(
        head.fields.get_all("cookie").collect::<Vec<_>>(),
        [b"a=1; b=2"]
    );
}

/// 8.5
#[test]
fn connect_is_method_and_authority() {
    let connect = [(":method", "CONNECT"), (":authority", "a:443")];
    let mut fed = server();
    assert_eq!(
        fed.feed(headers(1, false, &connect)),
        [Seen::Head(1, BodyLength::Tunnel)]
    );
    assert_eq!(
        (fed.head.authority.as_str(), fed.head.path.as_str()),
        ("a:443", "/")
    );
    fed.codec.respond(1, &response(200), false).unwrap();
    assert_eq!(
        fed.feed(data(1, false, b"x")),
        [Seen::Data(1, b"x".to_vec(), false)]
    );
    fed.wrote();
    assert_eq!(
        fed.feed(headers(1, true, &[("x", "y")])),
        [Seen::Broken(1, FaultKind::Malformed)]
    );

    malformed(&with(&connect, &[(":path", "/")]));
    malformed(&with(&connect, &[(":scheme", "http")]));
    malformed(&with(&connect, &[(":protocol", "websocket")]));
    malformed(&with(&connect, &[("content-length", "3")]));
    malformed(&connect[..1]);
    malformed(&[connect[0], (":authority", "a")]);
}

/// 8.1.1
#[test]
fn a_body_is_as_long_as_its_content_length() {
    let sized = |length| headers(1, false, &with(POST, &[("content-length", length)]));
    for body in [
        vec![data(1, true, b"test")],
        vec![data(1, false, b"test"), data(1, true, b"test")],
        vec![data(1, true, b"")],
        vec![data(1, false, b"1"), headers(1, true, &[("x", "y")])],
    ] {
        check(&[sized("2"), body.concat()], Reset(1, PROTOCOL));
    }
    let mut fed = server();
    let seen = fed.feed([sized("2"), data(1, false, b"1"), data(1, true, b"2")].concat());
    assert_eq!(
        seen,
        [
            Seen::Head(1, BodyLength::Exactly(2)),
            Seen::Data(1, b"1".to_vec(), false),
            Seen::Data(1, b"2".to_vec(), true),
        ]
    );
    check(
        &[headers(1, true, &with(POST, &[("content-length", "2")]))],
        Reset(1, PROTOCOL),
    );
    check(
        &[headers(1, true, &with(POST, &[("content-length", "0")]))],
        Answer::Nothing,
    );
}

#[test]
fn content_length_is_one_number() {
    for length in [
        "",
        "-1",
        "+1",
        "1,1",
        "1 1",
        "0x1",
        "18446744073709551616",
        "18446744073709551615",
    ] {
        let fields = with(POST, &[("content-length", length)]);
        assert_eq!(ask(&fields), Err(FaultKind::Framing), "{length}");
    }
    let twice = |a, b| {
        headers(
            1,
            false,
            &with(POST, &[("content-length", a), ("content-length", b)]),
        )
    };
    let mut fed = server();
    assert_eq!(
        fed.feed(twice("2", "2")),
        [Seen::Head(1, BodyLength::Exactly(2))]
    );
    assert_eq!(fed.head.fields.get_all("content-length").count(), 1);
    assert_eq!(
        server().feed(twice("2", "3")),
        [Seen::Broken(1, FaultKind::Framing)]
    );
    let mut fed = server();
    fed.feed(twice("002", "2"));
    assert_eq!(fed.head.fields.get("content-length"), Some(b"2".as_slice()));
}

/// 8.1
#[test]
fn trailers_end_the_message() {
    let mut fed = server();
    let trailers = headers(
        1,
        true,
        &[("x-sum", "1"), ("content-length", "5"), ("host", "b")],
    );
    let seen = fed.feed([post(1), data(1, false, b"a"), trailers].concat());
    assert_eq!(seen[2], Seen::Trailers(1));
    assert_eq!(
        fed.head.fields.iter().collect::<Vec<_>>(),
        [("x-sum", b"1".as_slice())]
    );

    check(
        &[post(1), headers(1, false, &[("x", "y")])],
        Reset(1, PROTOCOL),
    );
    check(&[post(1), headers(1, true, POST)], Reset(1, PROTOCOL));
    check(
        &[post(1), headers(1, true, &[("X", "y")])],
        Reset(1, PROTOCOL),
    );
    check(
        &[post(1), headers(1, true, &[("connection", "y")])],
        Reset(1, PROTOCOL),
    );
}

#[test]
fn a_head_beyond_the_limits_is_answered_and_the_connection_lives() {
    let value = "v".repeat(4_000);
    let many: Vec<_> = (0..17).map(|_| ("x", value.as_str())).collect();
    let list = with(GET, &many);
    // One block in several frames.
    let encoded = block(&list);
    let mut pieces = encoded.chunks(16_384).peekable();
    let mut sent = frame(
        crate::h2::frame::Kind::Headers,
        1,
        1,
        pieces.next().unwrap(),
    );
    while let Some(piece) = pieces.next() {
        let flags = if pieces.peek().is_none() { 4 } else { 0 };
        sent.extend(frame(crate::h2::frame::Kind::Continuation, flags, 1, piece));
    }
    let mut fed = server();
    assert_eq!(fed.feed(sent), [Seen::Broken(1, FaultKind::HeadTooLarge)]);
    let wrote = fed.wrote();
    assert_eq!(
        (wrote[0].kind, wrote[0].flags),
        (crate::h2::frame::Kind::Headers, 5)
    );
    assert_eq!(answer(&wrote), Reset(1, ErrorCode::NO_ERROR));
    assert_eq!(fed.feed(get(3)), [Seen::Head(3, BodyLength::None)]);
}

#[test]
fn too_many_fields_and_too_long_a_path_are_refused() {
    let many: Vec<_> = (0..100).map(|_| ("x", "y")).collect();
    assert_eq!(ask(&with(GET, &many)), Err(FaultKind::HeadTooLarge));
    assert_eq!(ask(&with(GET, &many[..96])).unwrap().fields.len(), 96);
    let long = format!("/{}", "p".repeat(16_384));
    let mut fed = server();
    let encoded = block(&get_but(":path", Some(&long)));
    let (first, rest) = encoded.split_at(16_000);
    let seen = fed.feed(
        [
            frame(crate::h2::frame::Kind::Headers, 1, 1, first),
            frame(crate::h2::frame::Kind::Continuation, 4, 1, rest),
        ]
        .concat(),
    );
    assert_eq!(seen, [Seen::Broken(1, FaultKind::TargetTooLong)]);
}
