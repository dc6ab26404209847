//! HTTP/2: header compression.

use super::h2_heads::{ask, with};
use crate::backend;
use crate::case::{Case, End, Entry, H2_HOST, Outcome, Rule, code, get, plain};
use crate::wire::h2::{CONTINUATION, END_HEADERS, END_STREAM, Frame, HEADERS, WHOLE, opened};
use crate::wire::hpack::{block, huffman, indexed_literal, integer, literal, secret_literal};

static FORMS: Rule = plain(
    "RFC 7541 6",
    "every representation of a field means the same",
);
static SECRETS: Rule = plain(
    "RFC 7541 7.1.3",
    "what is never to be indexed is passed on as such, through all proxies of the mesh",
);
static INDEX: Rule = plain(
    "RFC 7541 2.3.3",
    "indices beyond the tables end the connection",
)
.told("", "h2_compression");
static NUMBER: Rule = plain("RFC 7541 5.1", "integers are bounded").told("", "h2_compression");
static STRING: Rule = plain(
    "RFC 7541 5.2",
    "strings end within the block, and their codes are whole",
)
.told("", "h2_compression");
static TABLE: Rule = plain(
    "RFC 7541 6.3",
    "size updates stand first and stay below the announced size",
)
.told("", "h2_compression");
static LARGE: Rule =
    plain("RFC 9113 10.5.1", "a head has at most 100 fields").told("DPE", "head_too_large");
static BOMB: Rule = plain(
    "RFC 9113 10.5.1",
    "a head is as large as what it stands for",
)
.told("", "h2_flood");

fn raw(rule: &'static Rule, name: &str, block: Vec<u8>) -> Case {
    Case::two(rule, name, opened(&[Frame::new(HEADERS, WHOLE, 1, block)]))
}

fn bad(rule: &'static Rule, name: &str, tail: &[u8]) -> Case {
    let block = [block(&ask("/x")), tail.to_vec()].concat();
    raw(rule, name, block).goaway(&[code::COMPRESSION])
}

fn good(rule: &'static Rule, name: &str, tail: &[u8]) -> Case {
    let block = [block(&ask("/x")), tail.to_vec()].concat();
    raw(rule, name, block).accepted(get("/x").has("x-a", "b"))
}

pub(crate) fn cases() -> Vec<Case> {
    let mut cases = forms();
    cases.extend(secrets());
    cases.extend(broken());
    cases.extend(bombs());
    cases
}

fn coded(name: &str, value: &str) -> Vec<u8> {
    let string = |text: &str| {
        let code = huffman(text.as_bytes());
        [integer(0x80, 7, code.len()), code].concat()
    };
    [vec![0x00], string(name), string(value)].concat()
}

fn forms() -> Vec<Case> {
    let never = [vec![0x10], literal("x-a", "b").split_off(1)].concat();
    let indexed = indexed_literal("x-a", "b");
    let again = [indexed.clone(), vec![0x80 | 62]].concat();
    let by_name = [indexed.clone(), vec![0x0f, 62 - 15, 1, b'c']].concat();
    let twice = |name: &str, tail: Vec<u8>, values: &[&str]| {
        let block = [block(&ask("/x")), tail].concat();
        raw(&FORMS, name, block).accepted(get("/x").has_all("x-a", values))
    };
    let get_by_index = [
        vec![0x82, 0x86],
        literal(":authority", crate::case::HOST),
        literal(":path", format!("/{}/x", crate::case::ID)),
        literal("x-a", "b"),
    ]
    .concat();
    vec![
        good(
            &FORMS,
            "a literal that is not indexed",
            &literal("x-a", "b"),
        ),
        good(&FORMS, "a literal that is never indexed", &never),
        good(&FORMS, "a literal that is indexed", &indexed),
        good(&FORMS, "Huffman codes", &coded("x-a", "b")),
        twice("an index into the dynamic table", again, &["b", "b"]),
        twice("a name of the dynamic table", by_name, &["b", "c"]),
        raw(&FORMS, "indices into the static table", get_by_index)
            .accepted(get("/x").has("x-a", "b")),
        raw(
            &FORMS,
            "a size update first",
            [vec![0x20], block(&ask("/x")), literal("x-a", "b")].concat(),
        )
        .accepted(get("/x").has("x-a", "b")),
        raw(
            &FORMS,
            "two size updates first",
            [
                vec![0x20],
                integer(0x20, 5, 4096),
                block(&ask("/x")),
                literal("x-a", "b"),
            ]
            .concat(),
        )
        .accepted(get("/x").has("x-a", "b")),
        good(
            &FORMS,
            "an empty entry",
            &[indexed_literal("x-b", ""), literal("x-a", "b")].concat(),
        ),
        good(
            &FORMS,
            "an entry larger than the table",
            &[
                indexed_literal("x-b", "c".repeat(5000)),
                literal("x-a", "b"),
            ]
            .concat(),
        ),
    ]
}

fn secrets() -> Vec<Case> {
    let seen = |secrets: &str| get("/x").host(H2_HOST).has(backend::SECRETS, secrets);
    let case = |name: &str, tail: &[u8], secrets: &str| {
        let block = [
            block(&with(ask("/x"), ":authority", H2_HOST)),
            tail.to_vec(),
        ]
        .concat();
        raw(&SECRETS, name, block)
            .accepted(seen(secrets))
            .at(&[Entry::Gateway])
    };
    let two = [
        secret_literal("x-token", "secret"),
        literal("x-plain", "open"),
        secret_literal("x-key", "secret"),
    ]
    .concat();
    let crumbs = [
        literal("cookie", "first=0123456789abcdef"),
        secret_literal("cookie", "second=0123456789abcdef"),
    ]
    .concat();
    let long = literal("cookie", "first=0123456789abcdef");
    let by_name = literal("authorization", "Bearer x");
    vec![
        case("none", &literal("x-plain", "open"), ""),
        case("two of three fields", &two, "x-token x-key"),
        case("a piece of a cookie", &crumbs, "cookie"),
        case("no piece of a cookie", &long, ""),
        case("what is a secret by its name", &by_name, "authorization"),
    ]
}

fn broken() -> Vec<Case> {
    let mut cases = vec![
        bad(&INDEX, "0", &[0x80]),
        bad(&INDEX, "62, with an empty table", &[0x80 | 62]),
        bad(&INDEX, "70", &[0x80 | 70]),
        bad(&INDEX, "a large one", &[0xff, 0xff, 0xff, 0x03]),
        bad(&INDEX, "of a name", &[0x0f, 62 - 15, 1, b'c']),
        bad(&INDEX, "of a name that is indexed", &[0x40 | 62, 1, b'c']),
        bad(
            &INDEX,
            "evicted",
            &[indexed_literal("x-a", "b"), integer(0x20, 5, 0)].concat(),
        ),
        bad(
            &NUMBER,
            "without end",
            &[
                0xff, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01,
            ],
        ),
        bad(
            &NUMBER,
            "beyond 2^32",
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
        ),
        bad(
            &NUMBER,
            "beyond 2^64",
            &[
                0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
            ],
        ),
        bad(&NUMBER, "cut off", &[0xff]),
        bad(&NUMBER, "cut off in its middle", &[0xff, 0x80]),
        bad(
            &NUMBER,
            "of a string, beyond 2^32",
            &[0x00, 0x7f, 0xff, 0xff, 0xff, 0xff, 0x7f],
        ),
        bad(&STRING, "a name longer than the block", &[0x00, 10, b'a']),
        bad(
            &STRING,
            "a value longer than the block",
            &[0x00, 1, b'a', 10, b'b'],
        ),
        bad(&STRING, "no value", &[0x00, 1, b'a']),
        bad(&STRING, "no name", &[0x00]),
        bad(
            &STRING,
            "EOS in a code",
            &[0x00, 1, b'a', 0x84, 0xff, 0xff, 0xff, 0xff],
        ),
        bad(&STRING, "padding of zeros", &[0x00, 1, b'a', 0x81, 0x00]),
        bad(
            &STRING,
            "padding of eight bits",
            &[0x00, 1, b'a', 0x82, 0x1f, 0xff],
        ),
        bad(
            &STRING,
            "a whole byte of padding",
            &[0x00, 1, b'a', 0x81, 0xff],
        ),
        bad(&TABLE, "behind a field", &[0x20]),
        bad(&TABLE, "4097", &[0x3f, 0xe2, 0x1f]),
    ];
    let first = |name: &str, update: Vec<u8>| {
        raw(&TABLE, name, [update, block(&ask("/x"))].concat()).goaway(&[code::COMPRESSION])
    };
    cases.push(first("first, of 4097", integer(0x20, 5, 4097)));
    cases.push(first("first, of 2^30", integer(0x20, 5, 1 << 30)));
    let half = Frame::new(HEADERS, WHOLE, 1, [0x00, 10, b'a']);
    cases.push(
        Case::two(&STRING, "a block that is cut off", opened(&[half])).goaway(&[code::COMPRESSION]),
    );
    cases
}

fn bombs() -> Vec<Case> {
    let refused = |name: &str, bytes: Vec<u8>| {
        let case = Case::two(&BOMB, name, bytes);
        case.goaway(&[code::CALM])
    };
    let long = indexed_literal("x-a", "b".repeat(3900));
    let references = [block(&ask("/x")), long, vec![0x80 | 62; 3000]].concat();
    let empty = [
        block(&ask("/x")),
        indexed_literal("x", ""),
        vec![0x80 | 62; 15_000],
    ]
    .concat();
    let cookies = [
        block(&ask("/x")),
        indexed_literal("cookie", "a=b"),
        vec![0x80 | 62; 15_000],
    ]
    .concat();
    let host = [block(&ask("/x")), vec![0x80 | 15; 15_000]].concat();
    let sent = |block: Vec<u8>| opened(&[Frame::new(HEADERS, WHOLE, 1, block)]);
    let mut cases = vec![
        refused("3000 references to 3900 bytes", sent(references)),
        refused("15000 references to an empty field", sent(empty)),
        refused("15000 references to a piece of a cookie", sent(cookies)),
        refused("15000 references to the static table", sent(host)),
    ];
    let big = [block(&ask("/x")), literal("x-a", "b".repeat(16_000))].concat();
    let mut frames = vec![Frame::new(HEADERS, END_STREAM, 1, &big[..16_000])];
    for _ in 0..10 {
        frames.push(Frame::new(
            CONTINUATION,
            0,
            1,
            literal("x-b", "c".repeat(16_000)),
        ));
    }
    frames.push(Frame::new(CONTINUATION, END_HEADERS, 1, []));
    cases.push(refused("160 KiB of fields", opened(&frames)));
    let many: Vec<(String, &str)> = (0..200)
        .map(|number| (format!("x-{number}"), "a"))
        .collect();
    let many = [block(&ask("/x")), block(&many)].concat();
    let case = Case::two(&LARGE, "200 fields", sent(many));
    let refusal = Outcome::Refused {
        statuses: &[431],
        codes: &[],
    };
    cases.push(case.then(refusal).ends(End::Open));
    cases
}
