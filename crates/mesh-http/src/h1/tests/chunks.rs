//! Chunked bodies and trailer sections (RFC 9112 7.1), the same on both sides.

use super::requests::Answering;
use super::*;

fn request(body: &str) -> String {
    format!("POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n{body}")
}

/// What is told after the head.
fn story(body: &str) -> String {
    let told = tell(Answering::new, request(body).as_bytes());
    let (head, rest) = told.split_once('\n').unwrap_or((&told, ""));
    assert_eq!(head, "1 POST http://a/ HTTP/1.1 Unknown");
    rest.to_owned()
}

#[track_caller]
fn check(body: &str, expect: &str) {
    assert_eq!(story(body), expect, "{body:?}");
}

/// The body breaks a rule, and never looks complete.
#[track_caller]
fn refused(kind: FaultKind, body: &str) {
    let story = story(body);
    let last = story.lines().last().unwrap_or_default();
    assert!(
        last.starts_with(&format!("{kind:?}: RFC 9")),
        "{body:?}: {story}"
    );
    assert!(
        !story.contains("end\n") && !story.contains("trailers"),
        "{body:?}: {story}"
    );
}

use FaultKind::{CutOff, Flood, Framing, HeadTooLarge, Malformed};

#[test]
fn chunks_are_joined_and_end_with_the_last() {
    check("0\r\n\r\n", "end");
    check("1\r\na\r\n0\r\n\r\n", "data a\nend");
    check("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", "data abcde\nend");
    check("A\r\n0123456789\r\n0\r\n\r\n", "data 0123456789\nend");
    check("a\r\n0123456789\r\n0\r\n\r\n", "data 0123456789\nend");
    check("0000000000000003\r\nabc\r\n000\r\n\r\n", "data abc\nend");
    check("2\r\n\r\n\r\n0\r\n\r\n", "data \\r\\n\nend");
    check("5\r\n0\r\n\r\n\r\n0\r\n\r\n", "data 0\\r\\n\\r\\n\nend");
}

#[test]
fn the_next_request_begins_where_the_chunks_end() {
    check(
        "1\r\na\r\n0\r\n\r\nGET /b HTTP/1.1\r\nhost: a\r\n\r\n",
        "data a\nend\n2 GET http://a/b HTTP/1.1 None",
    );
}

#[test]
fn extensions_are_dropped() {
    check("1;a\r\nb\r\n0;c\r\n\r\n", "data b\nend");
    check("1;a=b;c=\"d e\"\r\nb\r\n0\r\n\r\n", "data b\nend");
    check("1 ; a = b\r\nb\r\n0\t;c\r\n\r\n", "data b\nend");
    check("1;\r\nb\r\n0\r\n\r\n", "data b\nend");
    check(
        &format!("1;{}\r\nb\r\n0\r\n\r\n", "x".repeat(4095)),
        "data b\nend",
    );
}

#[test]
fn a_size_that_others_read_in_another_way_is_refused() {
    for size in [
        "",
        " 1",
        "\t1",
        "+1",
        "-1",
        "0x1",
        "1x",
        "g",
        "1.",
        "1,",
        "1 ",
        "1\t",
        "1 2",
        "1\u{b}",
        "1\0",
        "#",
        ";a",
        "\"1\"",
        "\u{661}",
        "10000000000000000",
        "FFFFFFFFFFFFFFFFF",
        "000000000000000000001",
        "1 x",
        "x1",
        "_1",
        "1_0",
    ] {
        refused(Framing, &format!("{size}\r\na\r\n0\r\n\r\n"));
    }
}

#[test]
fn the_lines_of_chunks_end_with_both_bytes() {
    refused(Malformed, "1\na\r\n0\r\n\r\n");
    refused(Malformed, "1\ra\r\n0\r\n\r\n");
    refused(Malformed, "1\r\ra\r\n0\r\n\r\n");
    refused(Malformed, "1;a\nb\r\n0\r\n\r\n");
    refused(Malformed, "1;a\rb\r\nc\r\n0\r\n\r\n");
    refused(Malformed, "1;a=\"\r\"\r\nc\r\n0\r\n\r\n");
    refused(Malformed, "1\r\na\r\n0\n\r\n");
    refused(Malformed, "1\r\na\r\n0\r\n\n");
    refused(Malformed, "1\r\na\r\n0\r\n\rX");
    refused(Framing, "1;a\0\r\nb\r\n0\r\n\r\n");
    refused(Framing, "1;a\u{7f}\r\nb\r\n0\r\n\r\n");
}

#[test]
fn a_chunk_is_as_long_as_its_size() {
    for body in [
        "1\r\nab\r\n0\r\n\r\n",
        "2\r\na\r\n0\r\n\r\n",
        "1\r\na0\r\n\r\n",
        "1\r\na\n0\r\n\r\n",
        "1\r\na\r0\r\n\r\n",
        "1\r\na\r\r\n0\r\n\r\n",
        "1\r\na\n\r\n0\r\n\r\n",
        "3\r\na\r\n0\r\n\r\n",
    ] {
        refused(Framing, body);
    }
}

#[test]
fn extensions_cannot_be_most_of_what_is_read() {
    refused(
        Framing,
        &format!("1;{}\r\nb\r\n0\r\n\r\n", "x".repeat(4097)),
    );
    refused(Framing, &format!("1{}\r\nb\r\n0\r\n\r\n", " ".repeat(4097)));
    let chunk = format!("1;{}\r\na\r\n", "x".repeat(2000));
    let pieces: Vec<&[u8]> = vec![chunk.as_bytes(); 9];
    let start = request("");
    let mut all = vec![start.as_bytes()];
    all.extend(pieces);
    let told = run(&mut Answering::new(), &all);
    assert!(
        told.ends_with("RFC 9112 7.1.1: chunk extensions are most of the body"),
        "{told}"
    );
    assert!(told.contains(&format!("{Flood:?}: ")), "{told}");
}

#[test]
fn trailers_are_told_with_what_may_stand_in_them() {
    check("0\r\nX-Sum: 1\r\n\r\n", "1 trailers [X-Sum: 1]");
    check(
        "1\r\na\r\n0\r\nx: 1\r\ny: 2\r\n\r\n",
        "data a\n1 trailers [x: 1] [y: 2]",
    );
    check(
        "0\r\nAuthorization: x\r\nx: 1\r\ncookie: y\r\n\r\n",
        "1 trailers [x: 1]",
    );
    check(
        "0\r\nConnection: close\r\nset-cookie: x\r\nte: y\r\n\r\n",
        "end",
    );
    check(
        "0\r\nx: 1\r\n\r\nGET /b HTTP/1.1\r\nhost: a\r\n\r\n",
        "1 trailers [x: 1]\n2 GET http://a/b HTTP/1.1 None",
    );
    refused(Framing, "0\r\ncontent-length: 5\r\n\r\n");
    refused(Framing, "0\r\nTransfer-Encoding: chunked\r\n\r\n");
    refused(Framing, "0\r\nhost: b\r\n\r\n");
    refused(Malformed, "0\r\nx : 1\r\n\r\n");
    refused(Malformed, "0\r\n x: 1\r\n\r\n");
    refused(Malformed, "0\r\nx: 1\r\n 2\r\n\r\n");
    refused(Malformed, "0\r\nx: 1\n\r\n");
    refused(Malformed, "0\r\nx: \0\r\n\r\n");
    refused(Malformed, "0\r\n: 1\r\n\r\n");
    refused(Malformed, "0\r\nGET / HTTP/1.1\r\nhost: a\r\n\r\n");
}

#[test]
fn a_trailer_section_has_the_limits_of_a_head() {
    let few = Limits {
        request_fields: 3,
        head_bytes: 100,
        ..Limits::default()
    };
    let check = |section: &str, expect: &str| {
        let input = request(&format!("0\r\n{section}\r\n"));
        let told = tell(|| Answering(Server::new(&few)), input.as_bytes());
        let told = told.split_once('\n').map(|(_, rest)| rest.to_owned());
        assert_eq!(told.as_deref(), Some(expect));
    };
    check("a:\r\nb:\r\nc:\r\n", "1 trailers [a: ] [b: ] [c: ]");
    check(
        "a:\r\nb:\r\nc:\r\nd:\r\n",
        &format!("{HeadTooLarge:?}: RFC 9110 5.4: too many header fields"),
    );
    let long = format!("a: {}\r\n", "x".repeat(100));
    check(
        &long,
        &format!("{HeadTooLarge:?}: RFC 9110 5.4: the head is too large"),
    );
}

#[test]
fn a_body_without_its_last_chunk_is_cut_off() {
    for body in [
        "",
        "1",
        "1\r\n",
        "1\r\na",
        "1\r\na\r\n",
        "1\r\na\r\n0",
        "1\r\na\r\n0\r\n",
        "0\r\nx: 1\r\n",
    ] {
        refused(CutOff, body);
    }
}
