//! Where a request's body ends, and what leaves that in doubt (RFC 9112 6).

use super::requests::{check, refused};
use super::*;

use FaultKind::{Coding, Framing, Malformed};

#[test]
fn one_length_is_a_length() {
    let body = |lines: &str| format!("POST / HTTP/1.1\r\nhost: a\r\n{lines}\r\n\r\nabcd");
    let expect = |line: &str| format!("1 POST http://a/ HTTP/1.1{line} Exactly(4)\ndata abcd\nend");
    check(body("content-length: 4"), &expect(" [content-length: 4]"));
    check(body("content-length:4 \t"), &expect(" [content-length: 4]"));
    check(
        body("content-length: 4\r\nContent-Length: 4"),
        &expect(" [content-length: 4]"),
    );
    check(
        body("content-length: 4\r\nx: y\r\ncontent-length: 4"),
        &expect(" [x: y] [content-length: 4]"),
    );
    check(body("content-length: 004"), &expect(" [content-length: 4]"));
    check(
        "GET / HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n",
        "1 GET http://a/ HTTP/1.1 [content-length: 0] None",
    );
    for wrong in [
        "",
        "+4",
        "-4",
        "4, 4",
        "4,4",
        "2, 4",
        "4,",
        ",4",
        "4 4",
        "0x4",
        "4.0",
        "4;",
        "\"4\"",
        "a",
        "1e1",
        "\u{664}",
        "18446744073709551616",
        "99999999999999999999999999",
        "4\r\ncontent-length: 5",
        "4\r\ncontent-length:",
        "5\r\nx: y\r\nCONTENT-LENGTH: 4",
    ] {
        refused(Framing, body(&format!("content-length: {wrong}")));
    }
    refused(Malformed, body("content-length: 4\u{b}"));
    refused(Malformed, body("content-length : 4"));
}

#[test]
fn chunked_is_the_only_coding() {
    let chunks = "\r\n\r\n4\r\nabcd\r\n0\r\n\r\n";
    let body = |lines: &str| format!("POST / HTTP/1.1\r\nhost: a\r\n{lines}{chunks}");
    let expect = "1 POST http://a/ HTTP/1.1 Unknown\ndata abcd\nend";
    for right in ["chunked", "Chunked", "CHUNKED", " \t chunked \t "] {
        check(body(&format!("Transfer-Encoding:{right}")), expect);
    }
    for wrong in [
        "xchunked",
        "chunkedx",
        "chunked, identity",
        "chunked, gzip",
        "chunked, chunked",
        "gzip, chunked, chunked",
        "identity",
        "gzip",
        "",
        ",",
        ", chunked",
        "chunked,",
        "chunked;",
        "chunked;a=b",
        "chunked; q=1",
        "chunked chunked",
        "\"chunked\"",
        "cow",
        "chunked\r\ntransfer-encoding: chunked",
        "chunked\r\ntransfer-encoding:",
        "chunked\r\ntransfer-encoding: identity",
    ] {
        refused(Framing, body(&format!("transfer-encoding: {wrong}")));
    }
    for other in [
        "gzip, chunked",
        "identity, chunked",
        "identity\r\ntransfer-encoding: chunked",
        "a;b=c, chunked",
    ] {
        refused(Coding, body(&format!("transfer-encoding: {other}")));
    }
    for byte in ["\u{b}", "\u{c}", "\0", "\u{1}", "\r", "\u{7f}"] {
        refused(
            Malformed,
            body(&format!("transfer-encoding: {byte}chunked")),
        );
        refused(
            Malformed,
            body(&format!("transfer-encoding: chunked{byte}")),
        );
    }
    refused(Malformed, body("transfer-encoding : chunked"));
    refused(Malformed, body("transfer-encoding:\r\n chunked"));
}

#[test]
fn a_length_and_a_coding_contradict_each_other() {
    let both = |lines: &str| format!("POST / HTTP/1.1\r\nhost: a\r\n{lines}\r\n\r\n0\r\n\r\n");
    refused(
        Framing,
        both("content-length: 5\r\ntransfer-encoding: chunked"),
    );
    refused(
        Framing,
        both("transfer-encoding: chunked\r\ncontent-length: 5"),
    );
    refused(
        Framing,
        both("transfer-encoding: chunked\r\ncontent-length: 0"),
    );
    refused(
        Framing,
        both("transfer-encoding: gzip, chunked\r\ncontent-length: 5"),
    );
    refused(
        Framing,
        both("transfer-encoding: identity\r\ncontent-length: 5"),
    );
    refused(
        Framing,
        "POST / HTTP/1.0\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
    );
    refused(
        Framing,
        "POST / HTTP/1.0\r\nhost: a\r\ntransfer-encoding: identity\r\n\r\n",
    );
    refused(
        Framing,
        "CONNECT a:80 HTTP/1.1\r\nhost: a\r\ncontent-length: 5\r\n\r\n",
    );
    refused(
        Framing,
        "CONNECT a:80 HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n\r\n",
    );
    refused(
        Framing,
        "CONNECT a:80 HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n",
    );
}
