//! What one side writes the other reads, however it is cut; and nothing makes either panic.

use proptest::collection::vec;
use proptest::prelude::*;

use super::requests::Answering;
use super::responses::Asking;
use super::*;

fn fields_strategy() -> impl Strategy<Value = Vec<(String, Vec<u8>)>> {
    let value = vec(
        prop_oneof![4 => 0x21..0x7f_u8, 1 => Just(b' '), 1 => 0x80..=0xff_u8],
        0..20,
    );
    vec(("[Xx]-[A-Za-z0-9!#$%&'*+.^_`|~-]{1,12}", value), 0..8)
}

fn fill(fields: &mut Fields, pairs: &[(String, Vec<u8>)]) {
    for (name, value) in pairs {
        fields.append(name, value).unwrap();
    }
}

/// Cuts bytes at the given places, each counted from the one before.
fn cut<'b>(mut bytes: &'b [u8], lens: &[usize]) -> Vec<&'b [u8]> {
    let mut pieces = Vec::new();
    for len in lens {
        let (piece, rest) = bytes.split_at((*len).min(bytes.len()));
        pieces.push(piece);
        bytes = rest;
    }
    pieces.push(bytes);
    pieces
}

/// As [`Answering`], and what a strict reader of the forwarded request says.
fn read(bytes: &[u8], lens: &[usize]) -> String {
    run(&mut Answering::new(), &cut(bytes, lens))
}

#[derive(Debug, Clone)]
enum Body {
    None,
    Sized(Vec<Vec<u8>>),
    Chunked(Vec<Vec<u8>>),
    Trailed(Vec<Vec<u8>>, Vec<(String, Vec<u8>)>),
}

fn body_strategy() -> impl Strategy<Value = Body> {
    let pieces = || vec(vec(any::<u8>(), 0..40), 1..6);
    prop_oneof![
        Just(Body::None),
        pieces().prop_map(Body::Sized),
        pieces().prop_map(Body::Chunked),
        (pieces(), fields_strategy()).prop_map(|(pieces, fields)| Body::Trailed(pieces, fields)),
    ]
}

/// Sends a request and tells what its reader should say of it.
fn ask(client: &mut Client, head: &mut RequestHead, body: &Body) -> String {
    let pieces: &[Vec<u8>] = match body {
        Body::None => &[],
        Body::Sized(pieces) | Body::Chunked(pieces) | Body::Trailed(pieces, _) => pieces,
    };
    let total: usize = pieces.iter().map(Vec::len).sum();
    if let Body::Sized(_) = body {
        head.fields
            .append("content-length", total.to_string())
            .unwrap();
    }
    let stream = client.request(head, matches!(body, Body::None)).unwrap();
    for (index, piece) in pieces.iter().enumerate() {
        let last = index + 1 == pieces.len() && !matches!(body, Body::Trailed(..));
        client.send_data(stream, piece, last).unwrap();
    }
    let mut trailers = Fields::new();
    if let Body::Trailed(_, pairs) = body {
        fill(&mut trailers, pairs);
        client.send_trailers(stream, &trailers).unwrap();
    }
    let length = match body {
        Body::None => BodyLength::None,
        Body::Sized(_) if total == 0 => BodyLength::None,
        Body::Sized(_) => BodyLength::Exactly(total as u64),
        Body::Chunked(_) | Body::Trailed(..) => BodyLength::Unknown,
    };
    let mut story = Story::default();
    story.add(
        &Event::Head {
            stream: 1,
            body: length,
        },
        head,
    );
    for piece in pieces {
        story.data.extend_from_slice(piece);
    }
    story.flush();
    match length {
        BodyLength::None => {}
        _ if trailers.is_empty() => story.lines.push("end".to_owned()),
        _ => story.lines.push(format!("1 trailers{}", fields(&trailers))),
    }
    story.told()
}

proptest! {
    #[test]
    fn a_server_reads_what_a_client_writes(
        method in "(GET|POST|DELETE|X-[A-Z]{1,5})",
        path in "/[!-\"$-~]{0,30}",
        authority in "[a-z0-9.-]{1,10}(:[0-9]{1,4})?",
        pairs in fields_strategy(),
        body in body_strategy(),
        cuts in vec(0..30_usize, 0..20),
    ) {
        let mut client = Client::new(&Limits::default());
        let mut head = RequestHead { method, path, authority, ..RequestHead::default() };
        fill(&mut head.fields, &pairs);
        let mut expect = ask(&mut client, &mut head, &body);
        if matches!(body, Body::None) && head.method == "POST" {
            expect = expect.replace(" None", " [content-length: 0] None");
        }
        prop_assert_eq!(read(client.output().pending(), &cuts), expect);
    }

    #[test]
    fn a_client_reads_what_a_server_writes(
        code in 200..600_u16,
        pairs in fields_strategy(),
        pieces in vec(vec(any::<u8>(), 0..40), 1..6),
        sized in any::<bool>(),
        cuts in vec(0..30_usize, 0..20),
    ) {
        let mut server = Server::new(&Limits::default());
        let mut ask = &b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"[..];
        server.next(now(), &mut ask, &mut RequestHead::default()).unwrap();
        let mut head = status(code);
        fill(&mut head.fields, &pairs);
        let total: usize = pieces.iter().map(Vec::len).sum();
        if sized {
            head.fields.append("content-length", total.to_string()).unwrap();
        }
        server.respond(1, &head, false).unwrap();
        for (index, piece) in pieces.iter().enumerate() {
            server.send_data(1, piece, index + 1 == pieces.len()).unwrap();
        }
        let mut client = Client::new(&Limits::default());
        client.request(&request("GET"), true).unwrap();
        let (mut data, mut buffer, mut got) = (Vec::new(), Vec::new(), ResponseHead::default());
        for piece in cut(server.output().pending(), &cuts) {
            buffer.extend_from_slice(piece);
            let mut input = buffer.as_slice();
            while let Some(event) = client.next(now(), &mut input, &mut got).unwrap() {
                if let Event::Data { bytes, .. } = event {
                    data.extend_from_slice(bytes);
                }
            }
            let left = input.len();
            buffer.drain(..buffer.len() - left);
        }
        let bodiless = matches!(code, 204 | 304);
        prop_assert_eq!(data, if bodiless { Vec::new() } else { pieces.concat() });
        prop_assert_eq!(client.room(), 1);
        if code == 204 {
            head.fields.remove("content-length");
        }
        prop_assert_eq!(got, head);
    }

    #[test]
    fn nothing_makes_a_server_panic_or_say_another_thing_when_cut(
        bytes in hostile("GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"),
        cuts in vec(0..30_usize, 0..20),
    ) {
        prop_assert_eq!(read(&bytes, &cuts), read(&bytes, &[]));
    }

    #[test]
    fn nothing_makes_a_client_panic_or_say_another_thing_when_cut(
        bytes in hostile("HTTP/1.1 200 OK\r\ncontent-length: 3\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nx: y\r\n\r\n"),
        cuts in vec(0..30_usize, 0..20),
    ) {
        let read = |cuts: &[usize]| run(&mut Asking::of(&request("GET")), &cut(&bytes, cuts));
        prop_assert_eq!(read(&cuts), read(&[]));
    }

    #[test]
    fn what_a_server_takes_is_forwarded_as_the_same_single_request(
        bytes in hostile("POST http://b/c HTTP/1.1\r\nhost: a:80\r\nX-A: 1\r\ncontent-length: 3\r\n\r\nabc"),
    ) {
        let mut server = Server::new(&Limits::default());
        let mut client = Client::new(&Limits::default());
        let (mut input, mut head) = (bytes.as_slice(), RequestHead::default());
        let mut forwarded = None;
        while let Ok(Some(event)) = server.next(now(), &mut input, &mut head) {
            match event {
                Event::Head { body, .. } => {
                    let end = body == BodyLength::None;
                    forwarded = client.request(&head, end).ok().map(|_| end);
                    prop_assert!(forwarded.is_some(), "what was read can be written: {:?}", head);
                }
                Event::Data { bytes, end, .. } => {
                    prop_assert_eq!(client.send_data(1, bytes, end), Ok(bytes.len()));
                    forwarded = Some(end);
                }
                _ => forwarded = Some(true),
            }
        }
        if forwarded == Some(true) {
            let told = read(client.output().pending(), &[]);
            let heads = told.lines().filter(|line| line.contains(" HTTP/1.")).count();
            prop_assert_eq!(heads, 1, "{}", told);
            prop_assert!(!told.contains("RFC"), "{}", told);
        }
    }
}

/// Messages with something wrong: bytes put in, taken out or changed, and some that are no message.
fn hostile(message: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let odd = prop_oneof![
        3 => prop::sample::select(&b"\r\n\t :;,=0123456789abcdefxX\0\x0b\x7f\x80\xff/#?*"[..]).prop_map(|b| vec![b]),
        1 => prop::sample::select(vec!["\r\n", "\r\n\r\n", "\n\n", "content-length: 4\r\n", "0\r\n", "HTTP/1.0", "chunked", "connection: close\r\n"]).prop_map(|s| s.as_bytes().to_vec()),
    ];
    let change = (any::<prop::sample::Index>(), 0..3_usize, odd);
    let changed = vec(change, 0..4).prop_map(move |changes| {
        let mut bytes = message.as_bytes().to_vec();
        for (at, drop, with) in changes {
            let at = at.index(bytes.len() + 1);
            let end = (at + drop).min(bytes.len());
            bytes.splice(at..end, with);
        }
        bytes
    });
    prop_oneof![8 => changed, 1 => vec(any::<u8>(), 0..100)]
}
