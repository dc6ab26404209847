//! What a client makes of responses, rule by rule (RFC 9112 4 and 6.3).

use super::*;

/// A client that has sent one request without a body.
pub(super) struct Asking(Client);

impl Asking {
    pub(super) fn of(request: &RequestHead) -> Self {
        let mut client = Client::new(&Limits::default());
        client.request(request, true).unwrap();
        Self(client)
    }
}

impl Side for Asking {
    type Head = ResponseHead;

    fn next<'b>(
        &mut self,
        input: &mut &'b [u8],
        head: &mut ResponseHead,
    ) -> Result<Option<Event<'b>>, Fault> {
        self.0.next(now(), input, head)
    }

    fn end(&mut self) -> Result<Option<Event<'static>>, Fault> {
        self.0.end_of_input()
    }

    fn act(&mut self, _event: &Event<'_>) {}
}

fn upgrade() -> RequestHead {
    let mut head = request("GET");
    head.fields.append("connection", "upgrade").unwrap();
    head.fields.append("upgrade", "websocket").unwrap();
    head
}

#[track_caller]
fn answer(request: &RequestHead, input: impl AsRef<[u8]>, expect: &str) {
    let input = input.as_ref();
    let told = tell(|| Asking::of(request), input);
    assert_eq!(told, expect, "{}", input.escape_ascii());
}

#[track_caller]
fn check(input: impl AsRef<[u8]>, expect: &str) {
    answer(&request("GET"), input, expect);
}

/// The first thing that is told is a fault of that kind.
#[track_caller]
fn refused(kind: FaultKind, input: impl AsRef<[u8]>) {
    let input = input.as_ref();
    let told = tell(|| Asking::of(&request("GET")), input);
    let is_kind = told.starts_with(&format!("{kind:?}: RFC "));
    assert!(is_kind, "{}: {told}", input.escape_ascii());
}

use FaultKind::{Coding, CutOff, Framing, Malformed};

#[test]
fn a_status_line_has_a_version_and_three_digits() {
    let line = |line: &str| format!("{line}\r\ncontent-length: 0\r\n\r\n");
    let ok = "1 HTTP/1.1 200 [content-length: 0] None";
    check(line("HTTP/1.1 200 OK"), ok);
    check(line("HTTP/1.1 200 "), ok);
    check(line("HTTP/1.1 200"), ok);
    check(line("HTTP/1.1 200 all\tis \u{e9} (well)"), ok);
    check(
        line("HTTP/1.0 599 x"),
        "1 HTTP/1.0 599 [content-length: 0] None",
    );
    for wrong in [
        "HTTP/1.1 099 x",
        "HTTP/1.1 600 x",
        "HTTP/1.1 999 x",
        "HTTP/1.1 000 x",
        "HTTP/1.1 20 x",
        "HTTP/1.1 2000 x",
        "HTTP/1.1 20x OK",
        "HTTP/1.1 +20 OK",
        "HTTP/1.1  200 OK",
        "HTTP/1.1\t200 OK",
        "HTTP/1.1 200\tOK",
        "HTTP/1.1",
        "HTTP/1.1 ",
        "HTTP/1.1200 OK",
        "http/1.1 200 OK",
        " HTTP/1.1 200 OK",
        "\r\nHTTP/1.1 200 OK",
        "ICY 200 OK",
        "200 OK",
        "HTTP/1.1 200 a\0b",
        "HTTP/1.1 200 a\rb",
        "HTTP/1.1 200 a\nb",
        "HTTP/1.1 200 OK\r",
        "HTTP/1.1 200 \u{7f}",
        "HTTP/11 200 OK",
        "HTTP/1.11 200 OK",
        "<html>",
    ] {
        refused(Malformed, line(wrong));
    }
    refused(FaultKind::Version, line("HTTP/2.0 200 OK"));
    refused(FaultKind::Version, line("HTTP/1.2 200 OK"));
    refused(FaultKind::Version, line("HTTP/0.9 200 OK"));
}

#[test]
fn the_fields_of_a_response_are_judged_as_strictly_as_a_requests() {
    let with = |lines: &str| format!("HTTP/1.1 200 OK\r\n{lines}\r\n\r\n");
    check(
        with("X-A: 1\r\nhost: h\r\ncontent-length: 0"),
        "1 HTTP/1.1 200 [X-A: 1] [host: h] [content-length: 0] None",
    );
    for wrong in [
        "x : 1",
        " x: 1",
        "x: 1\r\n 2",
        ": 1",
        "x",
        "x: a\0",
        "x: a\rb",
        "x: a\nb",
        "x\u{e9}: 1",
        "x: \u{1}",
        "x: 1\r\n\ty: 2",
    ] {
        refused(Malformed, with(wrong));
    }
    refused(Malformed, "HTTP/1.1 200 OK\ncontent-length: 0\n\n");
    for wrong in [
        "content-length: 1\r\ntransfer-encoding: chunked",
        "transfer-encoding: chunked\r\ncontent-length: 1",
        "content-length: 1\r\ncontent-length: 2",
        "content-length: 1, 1",
        "content-length: +1",
        "content-length:",
        "content-length: 99999999999999999999999",
        "transfer-encoding: chunked, chunked",
        "transfer-encoding: gzip",
        "transfer-encoding: xchunked",
        "transfer-encoding: identity",
        "transfer-encoding: chunked, identity",
    ] {
        refused(Framing, with(wrong));
    }
    refused(Coding, with("transfer-encoding: gzip, chunked"));
    refused(
        Framing,
        "HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    );
    let many = "x: y\r\n".repeat(201);
    refused(FaultKind::HeadTooLarge, with(&many));
    refused(
        FaultKind::HeadTooLarge,
        with(&format!("x: {}", "y".repeat(62_000))),
    );
}

#[test]
fn a_body_ends_where_the_first_rule_says_that_applies() {
    let head = |status: u16, lines: &str| format!("HTTP/1.1 {status} x\r\n{lines}\r\n");
    let length = "content-length: 3\r\n";
    let told = "[content-length: 3]";
    check(
        head(200, length) + "abc",
        &format!("1 HTTP/1.1 200 {told} Exactly(3)\ndata abc\nend"),
    );
    check(
        head(200, "") + "abc",
        "1 HTTP/1.1 200 Unknown\ndata abc\nend",
    );
    check(head(200, ""), "1 HTTP/1.1 200 Unknown\nend");
    check(
        head(500, "content-length: 0\r\n"),
        "1 HTTP/1.1 500 [content-length: 0] None",
    );
    check(
        head(200, "Transfer-Encoding: chunked\r\n") + "3\r\nabc\r\n0\r\nx: 1\r\n\r\n",
        "1 HTTP/1.1 200 Unknown\ndata abc\n1 trailers [x: 1]",
    );
    answer(
        &request("HEAD"),
        head(200, length),
        &format!("1 HTTP/1.1 200 {told} None"),
    );
    answer(
        &request("HEAD"),
        head(200, "transfer-encoding: chunked\r\n"),
        "1 HTTP/1.1 200 None",
    );
    answer(&request("HEAD"), head(200, ""), "1 HTTP/1.1 200 None");
    check(head(304, length), &format!("1 HTTP/1.1 304 {told} None"));
    check(
        head(304, "transfer-encoding: chunked\r\n"),
        "1 HTTP/1.1 304 None",
    );
    check(head(204, ""), "1 HTTP/1.1 204 None");
    check(head(204, length), "1 HTTP/1.1 204 None");
    refused(Framing, head(204, "transfer-encoding: chunked\r\n"));
    refused(Framing, head(103, "transfer-encoding: chunked\r\n"));
    // A request for a tunnel that fails is answered like any other.
    answer(
        &connect(),
        head(403, length) + "abc",
        &format!("1 HTTP/1.1 403 {told} Exactly(3)\ndata abc\nend"),
    );
}

#[test]
fn a_body_that_is_cut_off_is_never_complete() {
    for (head, body) in [
        ("HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n", "abcd"),
        (
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n",
            "4\r\nabcd\r\n0\r\n\r\n",
        ),
    ] {
        let whole = format!("{head}{body}");
        for len in 0..whole.len() {
            let told = tell(|| Asking::of(&request("GET")), &whole.as_bytes()[..len]);
            assert!(!told.contains("\nend"), "{told}");
            assert!(told.contains(&format!("{CutOff:?}: RFC 9112 8")), "{told}");
        }
    }
}

#[test]
fn informational_responses_come_before_the_final_one() {
    check(
        "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 x\r\nlink: y\r\n\r\nHTTP/1.1 204 x\r\n\r\n",
        "1 interim HTTP/1.1 100\n1 interim HTTP/1.1 103 [link: y]\n1 HTTP/1.1 204 None",
    );
    refused(
        Framing,
        "HTTP/1.1 101 x\r\nupgrade: y\r\nconnection: upgrade\r\n\r\n",
    );
}

#[test]
fn informational_responses_do_not_go_on_for_ever() {
    let one = "HTTP/1.1 102 Processing\r\n\r\n";
    let pieces = vec![one.as_bytes(); 3000];
    let told = run(&mut Asking::of(&request("GET")), &pieces);
    let interim = told.lines().filter(|line| line.contains("interim")).count();
    assert_eq!(interim, Limits::default().head_bytes / one.len());
    let last = "Flood: RFC 9110 15.2: too many informational responses";
    assert_eq!(told.lines().last(), Some(last));
}

#[test]
fn a_tunnel_carries_what_follows_its_answer() {
    answer(
        &upgrade(),
        "HTTP/1.1 101 x\r\nupgrade: websocket\r\nconnection: upgrade\r\n\r\n\0\x01HTTP/1.1 200 OK\r\n\r\n",
        "1 HTTP/1.1 101 [upgrade: websocket] [connection: upgrade] Tunnel\n\
         data \\x00\\x01HTTP/1.1 200 OK\\r\\n\\r\\n\nend",
    );
    answer(
        &connect(),
        "HTTP/1.1 200 x\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\nabc",
        "1 HTTP/1.1 200 Tunnel\ndata abc\nend",
    );
    answer(
        &upgrade(),
        "HTTP/1.1 200 x\r\ncontent-length: 1\r\n\r\na",
        "1 HTTP/1.1 200 [content-length: 1] Exactly(1)\ndata a\nend",
    );
}

#[test]
fn a_tunnel_opens_only_after_the_whole_request() {
    let switched = |length: &str, sent: &[u8]| {
        let mut head = upgrade();
        head.fields.append("content-length", length).unwrap();
        let mut client = Client::new(&Limits::default());
        client.request(&head, false).unwrap();
        client.send_data(1, sent, false).unwrap();
        let mut input = &b"HTTP/1.1 101 x\r\n\r\n"[..];
        let event = client.next(now(), &mut input, &mut ResponseHead::default());
        event
            .map_err(|fault| fault.kind)
            .map(|event| event.is_some())
    };
    assert_eq!(switched("0", b""), Ok(true));
    assert_eq!(switched("2", b"ab"), Ok(true));
    assert_eq!(switched("2", b"a"), Err(Framing));
}

#[test]
fn what_follows_a_response_is_nobodys() {
    let mut client = Asking::of(&request("GET"));
    let more = "HTTP/1.1 204 x\r\n\r\nHTTP/1.1 200 x\r\ncontent-length: 1\r\n\r\na";
    assert_eq!(run(&mut client, &[more.as_bytes()]), "1 HTTP/1.1 204 None");
    assert!(client.0.is_over());
    assert_eq!(client.0.room(), 0);
}
