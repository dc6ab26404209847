//! What a server makes of requests, rule by rule: the form that is accepted, and its near misses.

use super::*;

/// A server that answers every request with 200 and no body, once it is complete.
pub(super) struct Answering(pub(super) Server);

impl Answering {
    pub(super) fn new() -> Self {
        Self(Server::new(&Limits::default()))
    }
}

impl Side for Answering {
    type Head = RequestHead;

    fn next<'b>(
        &mut self,
        input: &mut &'b [u8],
        head: &mut RequestHead,
    ) -> Result<Option<Event<'b>>, Fault> {
        self.0.next(now(), input, head)
    }

    fn end(&mut self) -> Result<Option<Event<'static>>, Fault> {
        self.0.end_of_input()
    }

    fn act(&mut self, event: &Event<'_>) {
        let done = match *event {
            Event::Head { stream, body } => (body == BodyLength::None).then_some(stream),
            Event::Data { stream, end, .. } => end.then_some(stream),
            Event::Trailers { stream } => Some(stream),
            _ => None,
        };
        if let Some(stream) = done {
            self.0.respond(stream, &status(200), true).unwrap();
        }
    }
}

#[track_caller]
pub(super) fn check(input: impl AsRef<[u8]>, expect: &str) {
    let input = input.as_ref();
    let told = tell(Answering::new, input);
    assert_eq!(told, expect, "{}", input.escape_ascii());
}

/// The first thing that is told is a fault of that kind.
#[track_caller]
pub(super) fn refused(kind: FaultKind, input: impl AsRef<[u8]>) {
    let input = input.as_ref();
    let told = tell(Answering::new, input);
    let is_kind = told.starts_with(&format!("{kind:?}: RFC "));
    assert!(is_kind, "{}: {told}", input.escape_ascii());
}

/// A request with one more field line.
fn with(line: impl AsRef<[u8]>) -> Vec<u8> {
    [b"GET / HTTP/1.1\r\nHost: a\r\n", line.as_ref(), b"\r\n\r\n"].concat()
}

/// `with` leads to one request that has such fields.
#[track_caller]
fn fields_are(line: impl AsRef<[u8]>, expect: &str) {
    check(
        with(line),
        &format!("1 GET http://a/ HTTP/1.1{expect} None"),
    );
}

use FaultKind::{CutOff, HeadTooLarge, Malformed, TargetTooLong};

#[test]
fn a_request_is_read_with_its_body_and_the_next_one_after_it() {
    check(
        "POST /a?b HTTP/1.1\r\nHost: x:80\r\nContent-Length: 3\r\n\r\nabc\
         GET / HTTP/1.1\r\nhost:y\r\n\r\n",
        "1 POST http://x:80/a?b HTTP/1.1 [Content-Length: 3] Exactly(3)\ndata abc\nend\n\
         2 GET http://y/ HTTP/1.1 None",
    );
    check("", "");
}

#[test]
fn a_request_line_has_three_parts_and_one_space_between_them() {
    let line = |line: &str| format!("{line}\r\nhost: a\r\n\r\n");
    check(line("GET / HTTP/1.1"), "1 GET http://a/ HTTP/1.1 None");
    check(line("get / HTTP/1.1"), "1 get http://a/ HTTP/1.1 None");
    check(
        line("M-SEARCH!#$%&'*+.^_`|~ / HTTP/1.1"),
        "1 M-SEARCH!#$%&'*+.^_`|~ http://a/ HTTP/1.1 None",
    );
    check(line("GET / HTTP/1.0"), "1 GET http://a/ HTTP/1.0 None");
    for wrong in [
        " GET / HTTP/1.1",
        "\tGET / HTTP/1.1",
        "GET  / HTTP/1.1",
        "GET\t/ HTTP/1.1",
        "GET /  HTTP/1.1",
        "GET /\tHTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET / HTTP/1.1\t",
        "GET / a HTTP/1.1",
        "GET /",
        "GET / ",
        "GET",
        "GET /a b",
        "GET HTTP/1.1",
        "/ HTTP/1.1",
        "G(T / HTTP/1.1",
        "G\"T / HTTP/1.1",
        "G:T / HTTP/1.1",
        "GET / http/1.1",
        "GET / HTTP/1",
        "GET / HTTP/1.",
        "GET / HTTP/1.1.1",
        "GET / HTTP/11.1",
        "GET / HTTP/1.11",
        "GET / HTTP/+1.1",
        "GET / HTTP /1.1",
        "GET / HTTPS/1.1",
        "GET / HTTP/1,1",
        "GET / XTTP/1.1",
        "METHODS-ARE-NEVER-AS-LONG-AS-THIS-ONE / HTTP/1.1",
        "GET /\u{e9} HTTP/1.1",
        "GET /\u{7f} HTTP/1.1",
        "GET /\u{1} HTTP/1.1",
        "GET /\0 HTTP/1.1",
        "G\0T / HTTP/1.1",
        "G\u{e9}T / HTTP/1.1",
        "GET /a\rb HTTP/1.1",
        "GET / HTTP/1.1\r",
        "\u{16}\u{3}\u{1}\u{2}",
        "{\"json\": 1}",
    ] {
        refused(Malformed, line(wrong));
    }
}

#[test]
fn another_version_is_told_from_nonsense() {
    for version in [
        "HTTP/2.0", "HTTP/0.9", "HTTP/1.2", "HTTP/9.9", "HTTP/3.0", "HTTP/0.0",
    ] {
        refused(
            FaultKind::Version,
            format!("GET / {version}\r\nhost: a\r\n\r\n"),
        );
    }
    refused(FaultKind::Version, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
}

#[test]
fn what_cannot_become_a_request_is_refused_with_its_first_wrong_byte() {
    let is_refused = |mut input: &[u8]| {
        let mut head = RequestHead::default();
        let mut server = Server::new(&Limits::default());
        server.next(now(), &mut input, &mut head).is_err()
    };
    for wrong in [
        &b"\x16"[..],
        b"G\x03",
        b"GET \x80",
        b"GET / F",
        b"\n",
        b"{",
        b"GET /a\r",
    ] {
        assert!(is_refused(wrong), "{}", wrong.escape_ascii());
    }
    for maybe in [
        &b"G"[..],
        b"GET",
        b"GET ",
        b"GET x",
        b"GET / HTT",
        b"GET / HTTP/1.1\r",
        b"\r",
    ] {
        assert!(!is_refused(maybe), "{}", maybe.escape_ascii());
    }
}

#[test]
fn a_target_without_a_form_is_refused_and_its_authority_wins() {
    let line = |line: &str| format!("{line} HTTP/1.1\r\nhost: a\r\n\r\n");
    check(
        line("GET http://b:80/c"),
        "1 GET http://b:80/c HTTP/1.1 None",
    );
    check(line("GET HTTPS://b?c"), "1 GET https://b/?c HTTP/1.1 None");
    check(line("OPTIONS *"), "1 OPTIONS http://a* HTTP/1.1 None");
    check(line("GET /a#b"), "1 GET http://a/a#b HTTP/1.1 None");
    check(
        line("CONNECT b:443"),
        "1 CONNECT http://b:443/ HTTP/1.1 Tunnel",
    );
    for wrong in [
        "GET *",
        "GET admin",
        "GET http://u@b/",
        "GET b:80",
        "CONNECT /",
        "CONNECT b",
    ] {
        refused(Malformed, line(wrong));
    }
    // It replaces host, but host must be right all the same.
    refused(Malformed, "GET http://b/ HTTP/1.1\r\n\r\n");
    refused(
        Malformed,
        "GET http://b/ HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n",
    );
    refused(Malformed, "GET http://b/ HTTP/1.1\r\nhost: a/b\r\n\r\n");
}

#[test]
fn a_request_has_one_host_that_looks_like_one() {
    let host = |lines: &str| format!("GET / HTTP/1.1\r\n{lines}\r\n");
    for right in ["a", "a:80", "A.B.c:", "10.0.0.1", "[::1]:80", "a_b"] {
        let expect = format!("1 GET http://{right}/ HTTP/1.1 None");
        check(host(&format!("Host: {right}\r\n")), &expect);
    }
    check(host("HOST:\r\n"), "1 GET http:/// HTTP/1.1 None");
    check("GET / HTTP/1.0\r\n\r\n", "1 GET http:/// HTTP/1.0 None");
    refused(Malformed, host(""));
    refused(Malformed, host("host: a\r\nhost: a\r\n"));
    refused(Malformed, host("host: a\r\nx: y\r\nHOST: b\r\n"));
    refused(Malformed, "GET / HTTP/1.0\r\nhost: a\r\nhost: b\r\n\r\n");
    for wrong in [
        "a/../b", "a b", "u@a", "a:b", "a\\b", "a?b", "a#b", "::1", "a,b:c", "http://a", "a\u{e9}",
        "<a>",
    ] {
        refused(Malformed, host(&format!("host: {wrong}\r\n")));
    }
}

#[test]
fn field_lines_keep_their_spelling_and_lose_their_white_space() {
    fields_are("X-One: 1", " [X-One: 1]");
    fields_are("x:1", " [x: 1]");
    fields_are("x: \t 1 2 \t ", " [x: 1 2]");
    fields_are("x:", " [x: ]");
    fields_are("x: \t ", " [x: ]");
    fields_are("x: a\tb", " [x: a\\tb]");
    fields_are("x: 1\r\nX: 2", " [x: 1] [X: 2]");
    fields_are(b"x: caf\xc3\xa9 \x80\xff", " [x: caf\\xc3\\xa9 \\x80\\xff]");
    fields_are("!#$%&'*+-.^_`|~09azAZ: 1", " [!#$%&'*+-.^_`|~09azAZ: 1]");
    fields_are("x: :\"(),/:;<=>?@[\\]{}", " [x: :\\\"(),/:;<=>?@[\\\\]{}]");
}

#[test]
fn field_lines_that_others_read_in_another_way_are_refused() {
    for line in [
        "x : 1",
        "x\t: 1",
        " x: 1",
        "\tx: 1",
        "x: 1\r\n 2",
        "x: 1\r\n\t2",
        "x: 1\r\n \r\ny: 2",
        ": 1",
        ":",
        "x",
        "x 1",
        "x(: 1",
        "x\"y: 1",
        "x/y: 1",
        "x\0: 1",
        "x\u{7f}: 1",
        "x\u{e9}: 1",
        "x: a\0b",
        "x: a\u{1}b",
        "x: a\u{b}b",
        "x: a\u{c}b",
        "x: a\u{1b}b",
        "x: a\u{7f}b",
        "x: a\rb",
        "x: a\nb",
        "x: a\ny: b",
        "x: a\r\r\ny: b",
        "x: a\r",
        "x: a\n\r",
    ] {
        refused(Malformed, with(line));
    }
    for head in [
        "GET / HTTP/1.1\nhost: a\n\n",
        "GET / HTTP/1.1\r\nhost: a\n\r\n",
        "GET / HTTP/1.1\r\nhost: a\r\n\n",
        "GET / HTTP/1.1\nhost: a\r\n\r\n",
        "GET / HTTP/1.1\rhost: a\r\r",
        "GET / HTTP/1.1\r\nhost: a\r\n\rX",
        "GET / HTTP/1.1\r\n host: a\r\n\r\n",
        "GET / HTTP/1.1\r\n\thost: a\r\n\r\n",
    ] {
        refused(Malformed, head);
    }
}

#[test]
fn a_few_empty_lines_before_a_request_are_skipped() {
    let request = "GET / HTTP/1.1\r\nhost: a\r\n\r\n";
    let expect = "1 GET http://a/ HTTP/1.1 None";
    check(format!("\r\n{request}"), expect);
    check(format!("\r\n\r\n{request}"), expect);
    refused(Malformed, format!("\r\n\r\n\r\n{request}"));
    refused(Malformed, format!("\n{request}"));
    refused(Malformed, format!("\r{request}"));
    refused(Malformed, format!(" \r\n{request}"));
    check("\r\n", "");
    check("\r", "");
    check(
        format!("{request}\r\n{request}"),
        &format!("{expect}\n2 GET http://a/ HTTP/1.1 None"),
    );
}

#[test]
fn a_request_that_is_cut_off_is_never_complete() {
    let whole = "POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\nabcd";
    for len in 1..whole.len() {
        let told = tell(Answering::new, &whole.as_bytes()[..len]);
        assert!(!told.contains("end\n") && !told.ends_with("end"), "{told}");
        assert!(told.contains(&format!("{CutOff:?}: RFC 9112 8")), "{told}");
    }
    let whole = "POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n4;a=b\r\nabcd\r\n0\r\nx: y\r\n\r\n";
    for len in 1..whole.len() {
        let told = tell(Answering::new, &whole.as_bytes()[..len]);
        assert!(
            !told.contains("trailers") && !told.contains("end\n"),
            "{told}"
        );
        assert!(told.contains(&format!("{CutOff:?}: RFC 9112 8")), "{told}");
    }
}

/// Limits that a test can reach.
fn narrow() -> Limits {
    Limits {
        head_bytes: 100,
        target_bytes: 20,
        request_fields: 3,
        response_fields: 4,
        extension_bytes: 8,
    }
}

#[test]
fn what_is_larger_than_the_limits_is_refused() {
    let check = |input: String, expect: Option<FaultKind>| {
        let told = tell(|| Answering(Server::new(&narrow())), input.as_bytes());
        match expect {
            Some(kind) => assert!(
                told.starts_with(&format!("{kind:?}: ")),
                "{input:?}: {told}"
            ),
            None => assert!(told.starts_with("1 GET "), "{input:?}: {told}"),
        }
    };
    let target = |len: usize| format!("GET /{} HTTP/1.1\r\nhost: a\r\n\r\n", "x".repeat(len - 1));
    check(target(20), None);
    check(target(21), Some(TargetTooLong));
    let of_bytes = |len: usize| {
        let rest = "GET / HTTP/1.1\r\nhost: a\r\nx: \r\n\r\n".len();
        format!(
            "GET / HTTP/1.1\r\nhost: a\r\nx: {}\r\n\r\n",
            "y".repeat(len - rest)
        )
    };
    check(of_bytes(100), None);
    check(of_bytes(101), Some(HeadTooLarge));
    check(of_bytes(200), Some(HeadTooLarge));
    let of_fields =
        |more: usize| format!("GET / HTTP/1.1\r\nhost: a\r\n{}\r\n", "x:\r\n".repeat(more));
    check(of_fields(2), None);
    check(of_fields(3), Some(HeadTooLarge));
}
