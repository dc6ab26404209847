//! What is written: heads, bodies, and what is refused before a byte of it is.

use super::*;

/// A request as it is written, with pieces of a body, the last of which ends it.
#[track_caller]
fn asks(head: &RequestHead, pieces: &[&str], expect: &str) {
    let mut client = Client::new(&Limits::default());
    let stream = client.request(head, pieces.is_empty()).unwrap();
    for (index, piece) in pieces.iter().enumerate() {
        let end = index + 1 == pieces.len();
        assert_eq!(
            client.send_data(stream, piece.as_bytes(), end),
            Ok(piece.len())
        );
    }
    let text = String::from_utf8_lossy(client.output().pending()).replace("\r\n", "\n");
    assert_eq!(text, expect);
}

/// A server that has read a request with such a first line.
fn asked(line: &str) -> Server {
    let mut server = Server::new(&Limits::default());
    let text = format!("{line}\r\nhost: a\r\n\r\n");
    let mut head = RequestHead::default();
    server
        .next(now(), &mut text.as_bytes(), &mut head)
        .unwrap()
        .unwrap();
    server
}

#[track_caller]
fn answers(line: &str, head: &ResponseHead, pieces: &[&str], expect: &str) {
    let mut server = asked(line);
    server.respond(1, head, pieces.is_empty()).unwrap();
    for (index, piece) in pieces.iter().enumerate() {
        let end = index + 1 == pieces.len();
        assert_eq!(server.send_data(1, piece.as_bytes(), end), Ok(piece.len()));
    }
    let text = String::from_utf8_lossy(server.output().pending()).replace("\r\n", "\n");
    assert_eq!(text, expect, "{line}");
}

fn request_with(method: &str, pairs: &[(&str, &str)]) -> RequestHead {
    let mut head = request(method);
    for (name, value) in pairs {
        head.fields.append(name, value).unwrap();
    }
    head
}

fn status_with(code: u16, pairs: &[(&str, &str)]) -> ResponseHead {
    let mut head = status(code);
    for (name, value) in pairs {
        head.fields.append(name, value).unwrap();
    }
    head
}

#[test]
fn a_request_is_written_with_its_host_and_its_framing() {
    let line = |method: &str| format!("{method} /p HTTP/1.1\nhost: h:80\n");
    asks(&request("GET"), &[], &format!("{}\n", line("GET")));
    asks(
        &request_with("GET", &[("X-One", "1")]),
        &[],
        &format!("{}X-One: 1\n\n", line("GET")),
    );
    for method in ["POST", "PUT", "PATCH"] {
        asks(
            &request(method),
            &[],
            &format!("{}content-length: 0\n\n", line(method)),
        );
    }
    asks(
        &request("POST"),
        &["abc", "", "0123456789abcdefg", ""],
        &format!(
            "{}transfer-encoding: chunked\n\n3\nabc\n11\n0123456789abcdefg\n0\n\n",
            line("POST")
        ),
    );
    asks(
        &request_with("POST", &[("Content-Length", "5"), ("x", "y")]),
        &["ab", "cde"],
        &format!("{}Content-Length: 5\nx: y\n\nabcde", line("POST")),
    );
    asks(
        &request_with("POST", &[("content-length", "0")]),
        &[""],
        &format!("{}content-length: 0\n\n", line("POST")),
    );
}

#[test]
fn fields_of_a_connection_are_the_codecs_own() {
    let told = request_with(
        "GET",
        &[
            ("connection", "keep-alive, x"),
            ("Keep-Alive", "timeout=5"),
            ("Proxy-Connection", "keep-alive"),
            ("Transfer-Encoding", "gzip"),
            ("host", "other"),
            ("te", "gzip"),
            ("upgrade", "h2c"),
            ("kept", "1"),
        ],
    );
    asks(&told, &[], "GET /p HTTP/1.1\nhost: h:80\nkept: 1\n\n");
    let upgrade = [("Upgrade", "websocket"), ("connection", "x, Upgrade")];
    asks(
        &request_with("GET", &upgrade),
        &[],
        "GET /p HTTP/1.1\nhost: h:80\nupgrade: websocket\nconnection: upgrade\n\n",
    );
    asks(
        &request_with("GET", &[("te", "trailers"), ("connection", "close")]),
        &[],
        "GET /p HTTP/1.1\nhost: h:80\nte: trailers\nconnection: close, te\n\n",
    );
}

#[test]
fn a_target_is_written_in_the_form_that_servers_read() {
    let with = |method: &str, path: &str| RequestHead {
        path: path.into(),
        ..request(method)
    };
    asks(
        &with("GET", "/a?b"),
        &[],
        "GET /a?b HTTP/1.1\nhost: h:80\n\n",
    );
    asks(
        &with("GET", "/a?b#c"),
        &[],
        "GET /a?b HTTP/1.1\nhost: h:80\n\n",
    );
    asks(
        &with("OPTIONS", "*"),
        &[],
        "OPTIONS * HTTP/1.1\nhost: h:80\n\n",
    );
    asks(&connect(), &[], "CONNECT b:443 HTTP/1.1\nhost: b:443\n\n");
    let nowhere = RequestHead {
        authority: String::new(),
        ..request("GET")
    };
    asks(&nowhere, &[], "GET /p HTTP/1.1\nhost: \n\n");
}

#[test]
fn what_would_be_read_as_something_else_is_not_written() {
    let refused = |head: &RequestHead, end: bool| {
        let mut client = Client::new(&Limits::default());
        let got = client.request(head, end);
        assert!(
            matches!(got, Err(CannotSend::Unfit(_))),
            "{head:?}: {got:?}"
        );
        assert!(client.output().is_empty());
        assert_eq!(client.room(), 1, "the connection is as it was");
    };
    for method in ["", "G T", "GET\r\nx:", "G\0", "GET:", "G\u{e9}T"] {
        refused(&request(method), true);
    }
    for path in [
        "",
        "a",
        "*",
        "#a",
        "/a b",
        "/a\r\nx: y",
        "/a\nb",
        "/\0",
        "/\u{e9}",
        "/\t",
        "/\u{7f}",
    ] {
        refused(
            &RequestHead {
                path: path.into(),
                ..request("GET")
            },
            true,
        );
    }
    for authority in [
        "a/b",
        "u@a",
        "a:b",
        ":80",
        "a b",
        "a\r\nx: y",
        "a\0",
        "\u{e9}",
        "a\t",
    ] {
        refused(
            &RequestHead {
                authority: authority.into(),
                ..request("GET")
            },
            true,
        );
        refused(
            &RequestHead {
                authority: authority.into(),
                ..connect()
            },
            true,
        );
    }
    refused(
        &RequestHead {
            authority: String::new(),
            ..connect()
        },
        true,
    );
    let portless = RequestHead {
        authority: "b".into(),
        ..connect()
    };
    refused(&portless, true);
    refused(&request_with("POST", &[("content-length", "1")]), true);
    refused(&request_with("POST", &[("content-length", "+1")]), false);
    refused(&request_with("POST", &[("content-length", "1, 1")]), false);
    refused(
        &request_with("POST", &[("content-length", "1"), ("content-length", "2")]),
        false,
    );
}

#[test]
fn a_response_is_framed_as_its_client_can_read_it() {
    let get = "GET / HTTP/1.1";
    answers(
        get,
        &status(200),
        &[],
        "HTTP/1.1 200 OK\ncontent-length: 0\n\n",
    );
    answers(
        get,
        &status_with(200, &[("X-A", "b")]),
        &["ab", "c"],
        "HTTP/1.1 200 OK\nX-A: b\ntransfer-encoding: chunked\n\n2\nab\n1\nc\n0\n\n",
    );
    answers(
        get,
        &status_with(200, &[("content-length", "3")]),
        &["ab", "c"],
        "HTTP/1.1 200 OK\ncontent-length: 3\n\nabc",
    );
    answers(
        get,
        &status(299),
        &[""],
        "HTTP/1.1 299 \ntransfer-encoding: chunked\n\n0\n\n",
    );
    answers(
        "GET / HTTP/1.0",
        &status(200),
        &["ab", "c"],
        "HTTP/1.1 200 OK\nconnection: close\n\nabc",
    );
    answers(
        "GET / HTTP/1.0",
        &status_with(200, &[("content-length", "1")]),
        &["a"],
        "HTTP/1.1 200 OK\ncontent-length: 1\nconnection: close\n\na",
    );
    answers(
        get,
        &status_with(
            200,
            &[
                ("transfer-encoding", "gzip"),
                ("Connection", "x"),
                ("keep-alive", "y"),
            ],
        ),
        &[],
        "HTTP/1.1 200 OK\ncontent-length: 0\n\n",
    );
    answers(
        get,
        &status_with(426, &[("upgrade", "h2c"), ("connection", "upgrade")]),
        &[],
        "HTTP/1.1 426 Upgrade Required\ncontent-length: 0\nupgrade: h2c\nconnection: upgrade\n\n",
    );
}

#[test]
fn a_response_without_a_body_has_none_whatever_is_sent() {
    let length = [("content-length", "3")];
    answers(
        "HEAD / HTTP/1.1",
        &status_with(200, &length),
        &[],
        "HTTP/1.1 200 OK\ncontent-length: 3\n\n",
    );
    answers(
        "HEAD / HTTP/1.1",
        &status_with(200, &length),
        &["abc"],
        "HTTP/1.1 200 OK\ncontent-length: 3\n\n",
    );
    answers(
        "HEAD / HTTP/1.1",
        &status(200),
        &["abc", ""],
        "HTTP/1.1 200 OK\n\n",
    );
    answers(
        "GET / HTTP/1.1",
        &status_with(304, &length),
        &[],
        "HTTP/1.1 304 Not Modified\ncontent-length: 3\n\n",
    );
    answers(
        "GET / HTTP/1.1",
        &status_with(204, &length),
        &["abc"],
        "HTTP/1.1 204 No Content\n\n",
    );
}

#[test]
fn a_body_is_as_long_as_was_announced() {
    let start = || {
        let mut server = asked("GET / HTTP/1.1");
        server
            .respond(1, &status_with(200, &[("content-length", "3")]), false)
            .unwrap();
        server
    };
    let mut longer = start();
    assert_eq!(longer.send_data(1, b"ab", false), Ok(2));
    assert!(matches!(
        longer.send_data(1, b"cd", true),
        Err(CannotSend::Unfit(_))
    ));
    assert!(longer.output().pending().ends_with(b"\r\n\r\nab"));
    assert_eq!(longer.send_data(1, b"c", true), Ok(1));
    assert!(!longer.is_busy());

    let mut shorter = start();
    assert_eq!(shorter.send_data(1, b"ab", true), Ok(2));
    assert!(shorter.is_over());
    let mut trailing = start();
    trailing.send_trailers(1, &Fields::new()).unwrap();
    assert!(trailing.is_over());

    let mut server = asked("GET / HTTP/1.1");
    let got = server.respond(1, &status_with(200, &[("content-length", "3")]), true);
    assert!(matches!(got, Err(CannotSend::Unfit(_))));
    assert!(server.output().is_empty());
    for code in [0, 99, 100, 103, 600, 999] {
        assert!(matches!(
            server.respond(1, &status(code), true),
            Err(CannotSend::Unfit(_))
        ));
    }
    server.respond(1, &status(200), true).unwrap();
}

#[test]
fn trailers_end_a_chunked_body_and_are_dropped_elsewhere() {
    let trailers = {
        let mut fields = Fields::new();
        for (name, value) in [("X-Sum", "1"), ("content-length", "5"), ("cookie", "x")] {
            fields.append(name, value).unwrap();
        }
        fields
    };
    let check = |line: &str, head: &ResponseHead, expect: &str| {
        let mut server = asked(line);
        server.respond(1, head, false).unwrap();
        server.send_data(1, b"a", false).unwrap();
        server.send_trailers(1, &trailers).unwrap();
        let text = String::from_utf8_lossy(server.output().pending()).replace("\r\n", "\n");
        assert!(text.ends_with(expect), "{text}");
        assert!(!server.is_busy());
    };
    check("GET / HTTP/1.1", &status(200), "\n\n1\na\n0\nX-Sum: 1\n\n");
    check(
        "GET / HTTP/1.1",
        &status_with(200, &[("content-length", "1")]),
        "\n\na",
    );
    check("GET / HTTP/1.0", &status(200), "\n\na");
    check("HEAD / HTTP/1.1", &status(200), "OK\n\n");
}

#[test]
fn informational_responses_have_no_framing() {
    let mut server = asked("GET / HTTP/1.1");
    let hints = status_with(
        103,
        &[
            ("Link", "x"),
            ("content-length", "3"),
            ("connection", "close"),
        ],
    );
    server.interim(1, &status(100)).unwrap();
    server.interim(1, &hints).unwrap();
    let text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n";
    assert_eq!(server.output().pending(), text.as_bytes());
    for code in [99, 101, 200] {
        assert!(matches!(
            server.interim(1, &status(code)),
            Err(CannotSend::Unfit(_))
        ));
    }
    assert_eq!(server.interim(2, &status(100)), Err(CannotSend::NoStream));
    server.respond(1, &status(200), false).unwrap();
    assert_eq!(server.interim(1, &status(100)), Err(CannotSend::NoStream));
    let mut old = asked("GET / HTTP/1.0");
    old.interim(1, &status(100)).unwrap();
    assert!(old.output().is_empty());
}
