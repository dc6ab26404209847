//! When a connection takes the next exchange, and when it is over.

use super::*;

fn server() -> Server {
    Server::new(&Limits::default())
}

/// The next event of a server, without its bytes.
fn next(server: &mut Server, input: &mut &[u8]) -> Option<String> {
    let mut head = RequestHead::default();
    let event = server.next(now(), input, &mut head).unwrap();
    event.map(|event| match event {
        Event::Head { stream, body } => format!("{stream} {} {body:?}", head.path),
        Event::Data { bytes, end, .. } => format!("data {} {end}", bytes.escape_ascii()),
        other => format!("{other:?}"),
    })
}

fn sent(output: &mut crate::Output) -> String {
    let text = output.pending().escape_ascii().to_string();
    output.consume(usize::MAX);
    text.replace("\\r\\n", "\n")
}

/// A server that has read one request and answers it so; what is written, and whether it is over.
fn answered(input: &str, head: &ResponseHead) -> (String, bool) {
    let mut server = server();
    let mut rest = input.as_bytes();
    next(&mut server, &mut rest).unwrap();
    server.respond(1, head, true).unwrap();
    (sent(server.output()), server.is_over())
}

fn get(version: &str, lines: &str) -> String {
    format!("GET / HTTP/{version}\r\nhost: a\r\n{lines}\r\n")
}

#[test]
fn a_connection_stays_when_both_sides_let_it() {
    let check = |version: &str, lines: &str, said: &str, over: bool| {
        let expect = format!("HTTP/1.1 200 OK\ncontent-length: 0\n{said}\n");
        let got = answered(&get(version, lines), &status(200));
        assert_eq!(got, (expect, over), "{version} {lines:?}");
    };
    check("1.1", "", "", false);
    check("1.1", "connection: keep-alive\r\n", "", false);
    check("1.1", "connection: close\r\n", "connection: close\n", true);
    check(
        "1.1",
        "connection: x, Close\r\n",
        "connection: close\n",
        true,
    );
    check(
        "1.1",
        "connection: keep-alive\r\nconnection: close\r\n",
        "connection: close\n",
        true,
    );
    check("1.0", "", "connection: close\n", true);
    check(
        "1.0",
        "connection: Keep-Alive\r\n",
        "connection: keep-alive\n",
        false,
    );
    check(
        "1.0",
        "connection: close, keep-alive\r\n",
        "connection: close\n",
        true,
    );
    let mut closing = status(200);
    closing.fields.append("connection", "close").unwrap();
    let (text, over) = answered(&get("1.1", ""), &closing);
    assert_eq!(
        text,
        "HTTP/1.1 200 OK\ncontent-length: 0\nconnection: close\n\n"
    );
    assert!(over);
}

#[test]
fn the_next_request_waits_for_the_present_answer() {
    let mut server = server();
    let all = get("1.1", "") + &get("1.1", "").replace("/ ", "/two ");
    let mut input = all.as_bytes();
    assert_eq!(next(&mut server, &mut input).as_deref(), Some("1 / None"));
    let left = input.len();
    assert_eq!(next(&mut server, &mut input), None);
    assert_eq!((input.len(), server.is_busy()), (left, true));
    server.respond(1, &status(200), false).unwrap();
    assert_eq!(next(&mut server, &mut input), None);
    assert_eq!(server.send_data(1, b"x", true), Ok(1));
    assert!(!server.is_busy());
    assert_eq!(
        next(&mut server, &mut input).as_deref(),
        Some("2 /two None")
    );
    assert_eq!(
        server.respond(1, &status(200), true),
        Err(CannotSend::NoStream)
    );
    assert_eq!(server.send_data(1, b"x", true), Err(CannotSend::NoStream));
    assert_eq!(server.send_data(2, b"x", true), Err(CannotSend::NoStream));
    server.respond(2, &status(200), true).unwrap();
    assert!(!server.is_busy() && !server.is_over());
}

#[test]
fn draining_lets_the_next_answer_be_the_last() {
    let mut server = server();
    server.drain();
    assert!(!server.is_over());
    let text = get("1.1", "");
    next(&mut server, &mut text.as_bytes()).unwrap();
    server.respond(1, &status(204), true).unwrap();
    assert_eq!(
        sent(server.output()),
        "HTTP/1.1 204 No Content\nconnection: close\n\n"
    );
    assert!(server.is_over() && !server.is_busy());
}

#[test]
fn a_body_that_nobody_reads_ends_the_connection() {
    let post = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 3\r\n\r\nabc";
    let (text, over) = answered(post, &status(403));
    assert_eq!(
        text,
        "HTTP/1.1 403 Forbidden\ncontent-length: 0\nconnection: close\n\n"
    );
    assert!(over);
    let mut server = server();
    let mut input = post.as_bytes();
    next(&mut server, &mut input).unwrap();
    server.respond(1, &status(200), false).unwrap();
    next(&mut server, &mut input).unwrap();
    server.send_data(1, b"x", true).unwrap();
    assert!(!server.is_over(), "it was read in the meantime");
}

#[test]
fn a_fault_is_answered_once_and_ends_the_connection() {
    let mut server = server();
    let mut head = RequestHead::default();
    let fault = server.next(now(), &mut &b"GET / HTTP/1.1\r\n\r\n"[..], &mut head);
    assert_eq!(fault.map_err(|f| f.kind.status()), Err(400));
    assert!(server.is_over());
    server.respond(0, &status(400), false).unwrap();
    assert!(!server.is_over());
    assert_eq!(server.send_data(0, b"no host", true), Ok(7));
    assert!(server.is_over());
    assert_eq!(
        sent(server.output()),
        "HTTP/1.1 400 Bad Request\ntransfer-encoding: chunked\nconnection: close\n\n7\nno host\n0\n\n"
    );
    assert_eq!(
        server.respond(0, &status(400), true),
        Err(CannotSend::NoStream)
    );
    let mut more = &b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"[..];
    assert_eq!(next(&mut server, &mut more), None);
}

#[test]
fn a_fault_in_a_body_is_answered_unless_the_answer_has_begun() {
    let broken = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\nx\r\n";
    let start = |begun: bool| {
        let mut server = server();
        let mut input = broken.as_bytes();
        next(&mut server, &mut input).unwrap();
        if begun {
            server.respond(1, &status(200), false).unwrap();
        }
        let mut head = RequestHead::default();
        server.next(now(), &mut input, &mut head).unwrap_err();
        server
    };
    assert_eq!(start(false).respond(1, &status(400), true), Ok(()));
    let mut begun = start(true);
    assert_eq!(
        begun.respond(1, &status(400), true),
        Err(CannotSend::NoStream)
    );
    assert_eq!(begun.send_data(1, b"x", true), Err(CannotSend::NoStream));
    assert!(begun.is_over());
    assert!(
        !sent(begun.output()).contains("0\n\n"),
        "it has no clean end"
    );
}

#[test]
fn what_follows_a_request_for_an_upgrade_waits_for_its_answer() {
    let ask = "GET /ws HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\r\n";
    let all = format!("{ask}{}", get("1.1", ""));
    let start = || {
        let mut server = server();
        let mut input = all.as_bytes();
        assert_eq!(next(&mut server, &mut input).as_deref(), Some("1 /ws None"));
        assert_eq!(next(&mut server, &mut input), None);
        (server, input)
    };
    let (mut refusing, mut input) = start();
    refusing.respond(1, &status(403), true).unwrap();
    assert_eq!(next(&mut refusing, &mut input).as_deref(), Some("2 / None"));

    let (mut switching, mut input) = start();
    let mut head = status(101);
    head.fields.append("Connection", "upgrade").unwrap();
    head.fields.append("Upgrade", "websocket").unwrap();
    switching.respond(1, &head, false).unwrap();
    assert_eq!(
        sent(switching.output()),
        "HTTP/1.1 101 Switching Protocols\nupgrade: websocket\nconnection: upgrade\n\n"
    );
    let expect = format!("data {} false", get("1.1", "").escape_default());
    assert_eq!(next(&mut switching, &mut input), Some(expect));
    assert_eq!(switching.send_data(1, b"\0raw", false), Ok(4));
    assert_eq!(sent(switching.output()), "\\x00raw");
    switching.send_data(1, b"", true).unwrap();
    assert!(switching.is_half_closed() && !switching.is_over());
    let end = switching.end_of_input().unwrap();
    assert_eq!(
        end,
        Some(Event::Data {
            stream: 1,
            bytes: &[],
            end: true
        })
    );
    assert!(switching.is_over());
}

#[test]
fn a_tunnel_ends_on_each_side_by_itself() {
    let mut server = server();
    let mut input = &b"CONNECT a:80 HTTP/1.1\r\nhost: a\r\n\r\nearly"[..];
    assert_eq!(next(&mut server, &mut input).as_deref(), Some("1 / Tunnel"));
    assert_eq!(
        next(&mut server, &mut input),
        None,
        "nothing before the answer"
    );
    assert_eq!(server.end_of_input(), Ok(None));
    let mut head = status(200);
    head.fields.append("content-length", "5").unwrap();
    server.respond(1, &head, false).unwrap();
    assert_eq!(sent(server.output()), "HTTP/1.1 200 OK\n\n");
    assert_eq!(
        next(&mut server, &mut input).as_deref(),
        Some("data early false")
    );
    assert_eq!(next(&mut server, &mut input).as_deref(), Some("data  true"));
    assert!(!server.is_over());
    assert_eq!(server.send_data(1, b"late", true), Ok(4));
    assert!(server.is_over());
}

#[test]
fn a_connect_that_fails_ends_the_connection() {
    let early = "CONNECT a:80 HTTP/1.1\r\nhost: a\r\n\r\nGET /admin HTTP/1.1\r\nhost: a\r\n\r\n";
    let mut server = server();
    let mut input = early.as_bytes();
    next(&mut server, &mut input).unwrap();
    server.respond(1, &status(403), true).unwrap();
    assert_eq!(
        sent(server.output()),
        "HTTP/1.1 403 Forbidden\ncontent-length: 0\nconnection: close\n\n"
    );
    assert!(server.is_over());
    assert_eq!(next(&mut server, &mut input), None);
}

#[test]
fn only_an_upgrade_is_answered_with_101() {
    let refused = |input: &str| {
        let mut server = server();
        let mut rest = input.as_bytes();
        next(&mut server, &mut rest).unwrap();
        let got = server.respond(1, &status(101), false);
        assert!(matches!(got, Err(CannotSend::Unfit(_))), "{input}: {got:?}");
        assert!(server.output().is_empty());
    };
    let pair = "connection: upgrade\r\nupgrade: x\r\n";
    refused(&get("1.1", ""));
    refused(&get("1.1", "upgrade: x\r\n"));
    refused(&get("1.1", "connection: upgrade\r\n"));
    refused(&get("1.0", pair));
    refused(&get("1.1", &format!("{pair}content-length: 3\r\n")));
}

#[test]
fn a_client_that_closed_its_side_gets_its_answers() {
    let mut server = server();
    let all = get("1.1", "") + &get("1.1", "");
    let mut input = all.as_bytes();
    next(&mut server, &mut input).unwrap();
    assert_eq!(next(&mut server, &mut input), None);
    assert_eq!(server.end_of_input(), Ok(None));
    server.respond(1, &status(204), true).unwrap();
    assert!(!server.is_over());
    assert_eq!(next(&mut server, &mut input).as_deref(), Some("2 / None"));
    server.respond(2, &status(204), true).unwrap();
    assert!(server.is_over());
    assert_eq!(
        sent(server.output()),
        "HTTP/1.1 204 No Content\n\nHTTP/1.1 204 No Content\nconnection: close\n\n"
    );
}

#[test]
fn a_reset_ends_the_connection_without_the_end_of_the_body() {
    let mut server = server();
    let text = get("1.1", "");
    next(&mut server, &mut text.as_bytes()).unwrap();
    server.respond(1, &status(200), false).unwrap();
    server.send_data(1, b"abc", false).unwrap();
    server.reset(1, ErrorCode::CANCEL);
    assert!(server.is_over());
    assert_eq!(server.send_data(1, b"d", true), Err(CannotSend::NoStream));
    assert_eq!(
        sent(server.output()),
        "HTTP/1.1 200 OK\ntransfer-encoding: chunked\n\n3\nabc\n"
    );
}

#[test]
fn a_head_that_was_begun_is_told() {
    let mut server = server();
    assert!(!server.is_in_head());
    assert_eq!(next(&mut server, &mut &b"\r\n"[..]), None);
    assert!(!server.is_in_head());
    assert_eq!(next(&mut server, &mut &b"GE"[..]), None);
    assert!(server.is_in_head());
    let whole = get("1.1", "");
    assert!(next(&mut server, &mut whole.as_bytes()).is_some());
    assert!(!server.is_in_head());
}

#[test]
fn a_client_connection_is_used_again_when_everything_was_complete() {
    let check = |answer: &str, again: bool| {
        let mut client = Client::new(&Limits::default());
        let stream = client.request(&request("GET"), true).unwrap();
        assert_eq!((stream, client.room(), client.is_busy()), (1, 0, true));
        assert_eq!(
            client.request(&request("GET"), true),
            Err(CannotSend::NoRoom)
        );
        let (mut input, mut head) = (answer.as_bytes(), ResponseHead::default());
        while client.next(now(), &mut input, &mut head).unwrap().is_some() {}
        assert_eq!(client.room() == 1 && !client.is_busy(), again, "{answer}");
        assert_eq!(client.is_over(), !again, "{answer}");
        assert_eq!(client.request(&request("GET"), true).is_ok(), again);
    };
    check("HTTP/1.1 204 x\r\n\r\n", true);
    check("HTTP/1.1 200 x\r\ncontent-length: 1\r\n\r\na", true);
    check(
        "HTTP/1.1 200 x\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        true,
    );
    check("HTTP/1.1 204 x\r\nconnection: close\r\n\r\n", false);
    check("HTTP/1.0 204 x\r\n\r\n", false);
    check("HTTP/1.0 204 x\r\nconnection: keep-alive\r\n\r\n", true);
    check("HTTP/1.1 204 x\r\n\r\n\r\n", false);
    check("HTTP/1.1 200 x\r\ncontent-length: 1\r\n\r\nab", false);
    check(
        "HTTP/1.1 200 x\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\nHTTP/1.1",
        false,
    );
}

#[test]
fn bytes_without_a_request_end_a_client_connection() {
    let mut client = Client::new(&Limits::default());
    let (mut input, mut head) = (&b"HTTP/1.1 408 x\r\n\r\n"[..], ResponseHead::default());
    assert_eq!(client.next(now(), &mut input, &mut head), Ok(None));
    assert!(client.is_over());
    assert_eq!(
        client.request(&request("GET"), true),
        Err(CannotSend::NoRoom)
    );
}

#[test]
fn an_answer_before_the_request_is_complete_ends_the_connection() {
    let answer = |sent: &[u8], end: bool| {
        let mut client = Client::new(&Limits::default());
        let mut head = request("POST");
        head.fields.append("content-length", "3").unwrap();
        client.request(&head, false).unwrap();
        client.send_data(1, sent, end).unwrap();
        let (mut input, mut head) = (&b"HTTP/1.1 204 x\r\n\r\n"[..], ResponseHead::default());
        client.next(now(), &mut input, &mut head).unwrap().unwrap();
        client.is_over()
    };
    assert!(answer(b"ab", false));
    assert!(!answer(b"abc", true));
    assert!(
        !answer(b"abc", false),
        "all bytes are there, though nobody said so"
    );
}

#[test]
fn a_drained_client_finishes_what_it_has() {
    let mut client = Client::new(&Limits::default());
    client.request(&request("GET"), true).unwrap();
    client.drain();
    assert!(!client.is_over());
    let (mut input, mut head) = (&b"HTTP/1.1 204 x\r\n\r\n"[..], ResponseHead::default());
    client.next(now(), &mut input, &mut head).unwrap().unwrap();
    assert!(client.is_over());
    let mut idle = Client::new(&Limits::default());
    idle.drain();
    assert!(idle.is_over() && idle.room() == 0);
}

#[test]
fn nothing_is_sent_into_a_tunnel_before_it_is_open() {
    let mut client = Client::new(&Limits::default());
    client.request(&connect(), false).unwrap();
    assert_eq!(
        sent(client.output()),
        "CONNECT b:443 HTTP/1.1\nhost: b:443\n\n"
    );
    assert_eq!(client.send_data(1, b"x", false), Ok(0));
    let (mut input, mut head) = (&b"HTTP/1.1 200 x\r\n\r\n"[..], ResponseHead::default());
    client.next(now(), &mut input, &mut head).unwrap().unwrap();
    assert_eq!(client.send_data(1, b"x", true), Ok(1));
    assert!(client.is_half_closed());
    client.end_of_input().unwrap().unwrap();
    assert!(client.is_over());
}

/// One head is lent to many connections in turn.
#[test]
fn a_request_that_breaks_a_rule_is_not_told_in_the_words_of_another() {
    let mut other = RequestHead::default();
    let mut whole: &[u8] = b"GET /private HTTP/1.1\r\nhost: a\r\nauthorization: secret\r\n\r\n";
    server().next(now(), &mut whole, &mut other).unwrap();
    assert!(other.fields.contains("authorization"));
    let pieces: [&[&[u8]]; 2] = [&[b"\n"], &[b"GET / HT", b"GET / HTTP/1.1\r\nho st: a\r\n"]];
    for pieces in pieces {
        let mut server = server();
        let read = pieces.iter().map(|bytes| {
            let mut head = other.clone();
            let told = server.next(now(), &mut &**bytes, &mut head).map(drop);
            (told.is_err(), head.fields.is_empty())
        });
        assert_eq!(read.last(), Some((true, true)), "{pieces:?}");
    }
}
