//! Transfer-Encoding, alone and beside Content-Length.

use crate::case::{Case, Entry, HOST, ID, Rule, get, post, rule};

static EXACT: Rule = rule(
    "RFC 9112 6.1",
    "the only transfer coding is `chunked`, once, without parameters",
);
static OTHERS: Rule = rule(
    "RFC 9112 6.1",
    "a body that is coded otherwise before it is chunked is not carried",
)
.told("DPE", "transfer_coding");
static BOTH: Rule = rule(
    "RFC 9112 6.1",
    "content-length beside transfer-encoding is refused",
);
static HIDDEN: Rule = rule(
    "RFC 9112 6.3",
    "what only looks like transfer-encoding is none, or is refused",
);

const BODY: &str = "5\r\nhello\r\n0\r\n\r\n";

fn with(lines: &str) -> String {
    format!("POST /{ID}/p HTTP/1.1\r\nHost: {HOST}\r\n{lines}\r\n{BODY}")
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, lines) in [
        ("plain", "Transfer-Encoding: chunked\r\n"),
        ("in small letters", "transfer-encoding: chunked\r\n"),
        ("in capitals", "TRANSFER-ENCODING: CHUNKED\r\n"),
        ("mixed", "Transfer-Encoding: cHuNkEd\r\n"),
        (
            "with white space round it",
            "Transfer-Encoding: \t chunked \t\r\n",
        ),
        ("without a space", "Transfer-Encoding:chunked\r\n"),
    ] {
        let request = post("hello").lacks("content-length");
        cases.push(Case::one(&EXACT, name, with(lines)).accepted(request));
    }
    for value in [
        "",
        " ",
        "identity",
        "gzip",
        "xchunked",
        "chunkedx",
        "chunked-",
        "x-chunked",
        "chunke",
        "chunked,",
        ",chunked",
        "chunked,,",
        "chunked, chunked",
        "chunked,chunked",
        "chunked, identity",
        "chunked, gzip",
        "chunked;q=1",
        "chunked; x",
        "chunked;",
        "chunked ;",
        "\"chunked\"",
        "'chunked'",
        "chunked\u{b}",
        "\u{b}chunked",
        "\u{c}chunked",
        "chunked\u{c}",
        "chun ked",
        "chunked identity",
        "chunked chunked",
        "\u{a0}chunked",
        "chunked\u{85}",
        "chunked\u{131}",
        "\u{212a}chunked",
        "chunked\0",
        "\0chunked",
        "c\u{ad}hunked",
        "cow",
        "trailers",
        "5",
        "chunked=1",
        "chunked/1.1",
        "chunked:",
        "[chunked]",
        "chunked\u{7f}",
        "CHUN\u{212a}ED",
    ] {
        let name = format!("{:?}", value.escape_default().to_string());
        let case = Case::one(
            &EXACT,
            name,
            with(&format!("Transfer-Encoding: {value}\r\n")),
        );
        cases.push(case.refused(&[400]));
    }
    for (name, lines) in [
        (
            "twice",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        ),
        (
            "identity in a second field",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        ),
        (
            "an unknown second field",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n",
        ),
        (
            "an empty second field",
            "Transfer-Encoding: chunked\r\nTransfer-Encoding:\r\n",
        ),
        (
            "an empty first field",
            "Transfer-Encoding:\r\nTransfer-Encoding: chunked\r\n",
        ),
        (
            "twice, in other letters",
            "transfer-encoding: chunked\r\nTRANSFER-ENCODING: CHUNKED\r\n",
        ),
    ] {
        cases.push(Case::one(&EXACT, name, with(lines)).refused(&[400]));
    }
    for (name, lines) in [
        (
            "identity before it",
            "Transfer-Encoding: identity, chunked\r\n",
        ),
        ("gzip before it", "Transfer-Encoding: gzip, chunked\r\n"),
        (
            "gzip before it, without space",
            "Transfer-Encoding: gzip,chunked\r\n",
        ),
        (
            "two before it",
            "Transfer-Encoding: deflate, gzip, chunked\r\n",
        ),
        (
            "compress before it",
            "Transfer-Encoding: compress, chunked\r\n",
        ),
        (
            "identity in a first field",
            "Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n",
        ),
        (
            "an unknown first field",
            "Transfer-Encoding: x\r\nTransfer-Encoding: chunked\r\n",
        ),
    ] {
        cases.push(Case::one(&OTHERS, name, with(lines)).refused(&[501]));
    }
    cases.extend(both());
    cases.extend(hidden());
    cases
}

fn both() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, lines) in [
        (
            "length first",
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        ),
        (
            "coding first",
            "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        ),
        (
            "the length of the chunked body",
            "Content-Length: 15\r\nTransfer-Encoding: chunked\r\n",
        ),
        (
            "a length of zero",
            "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
        ),
        (
            "a bad length",
            "Content-Length: x\r\nTransfer-Encoding: chunked\r\n",
        ),
        (
            "two lengths",
            "Content-Length: 5\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n",
        ),
        (
            "length on both sides",
            "Content-Length: 5\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        ),
        (
            "an unknown coding",
            "Content-Length: 5\r\nTransfer-Encoding: x\r\n",
        ),
        (
            "identity",
            "Content-Length: 5\r\nTransfer-Encoding: identity\r\n",
        ),
        (
            "an empty coding",
            "Content-Length: 5\r\nTransfer-Encoding:\r\n",
        ),
        (
            "VT before the coding",
            "Content-Length: 5\r\nTransfer-Encoding: \u{b}chunked\r\n",
        ),
        (
            "a coding with a parameter",
            "Content-Length: 5\r\nTransfer-Encoding: chunked;x\r\n",
        ),
        (
            "the length named in connection",
            "Connection: content-length\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        ),
        (
            "the coding named in connection",
            "Connection: transfer-encoding\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        ),
        (
            "a length that hides a request",
            "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n",
        ),
    ] {
        cases.push(Case::one(&BOTH, name, with(lines)).refused(&[400]));
    }
    let smuggle = |lines: &str, rest: &str| {
        format!(
            "POST /{ID}/p HTTP/1.1\r\nHost: {HOST}\r\n{lines}\r\n{rest}GET /{ID}/smuggled HTTP/1.1\r\nHost: {HOST}\r\n\r\n"
        )
    };
    let lines = "Content-Length: 6\r\nTransfer-Encoding: chunked\r\n";
    cases.push(
        Case::one(
            &BOTH,
            "CL.TE with a request behind",
            smuggle(lines, "0\r\n\r\nG"),
        )
        .refused(&[400]),
    );
    let lines = "Transfer-Encoding: chunked\r\nContent-Length: 4\r\n";
    cases.push(
        Case::one(
            &BOTH,
            "TE.CL with a request behind",
            smuggle(lines, "5c\r\n"),
        )
        .refused(&[400]),
    );
    let old = with("Transfer-Encoding: chunked\r\n").replace("HTTP/1.1", "HTTP/1.0");
    cases.push(Case::one(&BOTH, "a coding in HTTP/1.0", old).refused(&[400]));
    let get = with("Transfer-Encoding: chunked\r\n").replace("POST", "GET");
    cases.push(Case::one(&EXACT, "with GET", get).accepted(post("hello").method("GET")));
    cases
}

fn hidden() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, line) in [
        (
            "a space before the colon",
            "Transfer-Encoding : chunked\r\n",
        ),
        ("a tab before the colon", "Transfer-Encoding\t: chunked\r\n"),
        ("VT before the colon", "Transfer-Encoding\u{b}: chunked\r\n"),
        ("a space before the name", " Transfer-Encoding: chunked\r\n"),
        (
            "a fold after the name",
            "Transfer-Encoding:\r\n chunked\r\n",
        ),
        ("a fold in the name", "Transfer\r\n -Encoding: chunked\r\n"),
        ("a NUL in the name", "Transfer-\0Encoding: chunked\r\n"),
        (
            "a high byte in the name",
            "Transfer-Encoding\u{a0}: chunked\r\n",
        ),
        ("behind a bare CR", "A: b\rTransfer-Encoding: chunked\r\n"),
        ("behind a bare LF", "A: b\nTransfer-Encoding: chunked\r\n"),
        ("before a bare LF", "Transfer-Encoding: chunked\nA: b\r\n"),
        ("no colon", "Transfer-Encoding chunked\r\n"),
        ("a colon too many", "Transfer-Encoding:: chunked\r\n"),
    ] {
        cases.push(Case::one(&HIDDEN, name, with(line)).refused(&[400]));
    }
    // A field of another name frames nothing: what follows is the next request.
    for name in [
        "Transfer_Encoding",
        "X-Transfer-Encoding",
        "Transfer-Encodin",
        "Transfer-Encoding2",
        "TransferEncoding",
        "Transfer.Encoding",
        "Transfer+Encoding",
    ] {
        let bytes = format!(
            "POST /{ID}/p HTTP/1.1\r\nHost: {HOST}\r\n{name}: chunked\r\n\r\nGET /{ID}/next HTTP/1.1\r\nHost: {HOST}\r\n\r\n"
        );
        let first = post("").has(&name.to_ascii_lowercase(), "chunked");
        let case = Case::one(&HIDDEN, format!("{name} is another field"), bytes);
        let entries: &[Entry] = if name.contains('_') {
            &[Entry::Sidecar]
        } else {
            crate::case::BOTH
        };
        cases.push(case.at(entries).accepted(first).accepted(get("/next")));
    }
    cases
}
